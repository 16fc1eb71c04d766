"""The tasks text and words: predict the next character, or the next word, of real prose."""

from functools import lru_cache, partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from analysis.experiment import Experiment
from analysis.sources import TextFileError, read_text
from analysis.tasks.task import Batch, Task, between, one_hot
from analysis.tasks.vocabulary import encode_words

CLASSES = 128  # of characters: the most frequent ones, and one for all others
EMBEDDED = 16  # numbers that a word is embedded in


def windows(starts: Tensor, codes: Tensor, length: int, classes: int | None = None) -> Batch:
    """Cut sequences out of a text; the target at every step is the next character, or word.

    Inputs are one-hot vectors of `classes` numbers; without `classes`, they are the codes themselves.
    codes of "hello", length 3, start 1: ell -> llo
    """
    window = codes[starts + torch.arange(length + 1).unsqueeze(-1)]  # (T + 1, B)
    return Batch(one_hot(window[:-1], classes) if classes else window[:-1], window[1:])


def random_windows(
    count: int, generator: Generator, *, codes: Tensor, length: int, classes: int | None = None
) -> Batch:
    """Cut windows at random places of a text."""
    return windows(between(0, len(codes) - length - 1, count, generator), codes, length, classes)


def even_windows(count: int, generator: Generator, *, codes: Tensor, length: int, classes: int | None = None) -> Batch:
    """Cut windows at evenly spaced places of a text, from its start to its end; nothing is random."""
    starts = torch.arange(count) * (len(codes) - length - 1) // max(count - 1, 1)
    return windows(starts, codes, length, classes)


class CharacterCorpus(NamedTuple):
    """A text as classes 0 (the most frequent character) to K−1, and how well frequencies predict it."""

    training: Tensor
    held_out: Tensor
    classes: int
    unigram: float  # nats per held-out character, from the training part's counts
    bigram: float


@lru_cache(maxsize=4)
def encode_characters(text: str) -> CharacterCorpus:
    """Turn a text into classes of characters, of which all but the 127 most frequent share one; hold out a tenth."""
    points = torch.frombuffer(bytearray(text.encode("utf-32-le")), dtype=torch.int32)
    _, index, counts = points.unique(return_inverse=True, return_counts=True)
    rank = counts.argsort(descending=True, stable=True).argsort()
    codes = rank[index].clamp(max=CLASSES - 1)
    classes = int(codes.max()) + 1
    training, held_out = codes.tensor_split([len(codes) * 9 // 10])

    def counts_plus_one(seen: Tensor, cells: int) -> Tensor:
        return torch.bincount(seen, minlength=cells).double().add(1).view(-1, classes)

    single = counts_plus_one(training, classes)  # (1, K)
    pairs = counts_plus_one(training[:-1] * classes + training[1:], classes**2)  # (K, K)
    unigram = -(single / single.sum()).log()[0, held_out].mean()
    bigram = -(pairs / pairs.sum(1, keepdim=True)).log()[held_out[:-1], held_out[1:]].mean()
    return CharacterCorpus(training, held_out, classes, unigram.item(), bigram.item())


def build_text(experiment: Experiment) -> Task:
    """Build the task text. Its metric is nats per character; chance predicts by the characters' frequencies.

    Raises:
        TextFileError: for a text that is too short, or of one character alone.
    """
    T = experiment.task_length
    text, text_sha256 = read_text(experiment.text_file)
    if len(text) < 10 * (T + 1):
        reason = f"{len(text)} characters: expected at least {10 * (T + 1)} for length={T}"
        raise TextFileError(experiment.text_file, reason)
    corpus = encode_characters(text)
    K = corpus.classes
    if K == 1:
        raise TextFileError(experiment.text_file, "one character alone: expected at least two")
    draw = partial(random_windows, codes=corpus.training, length=T, classes=K)
    evaluate = partial(even_windows, codes=corpus.held_out, length=T, classes=K)
    measure = partial(random_windows, codes=corpus.held_out, length=T, classes=K)
    return Task(
        "text", T, K, K, corpus.unigram, draw, evaluate, measure,
        every_step=True, bigram=corpus.bigram, text_sha256=text_sha256,
    )  # fmt: skip


def build_words(experiment: Experiment) -> Task:
    """Build the task words. Its metric is nats per word; chance predicts by the words' frequencies.

    Raises:
        TextFileError: for a text that is too short.
    """
    T = experiment.task_length
    text, text_sha256 = read_text(experiment.text_file)
    training, held_out, vocabulary, unigram = encode_words(text)
    count = len(training) + len(held_out)
    if count < 10 * (T + 2):
        reason = f"{count} words: expected at least {10 * (T + 2)} for length={T}"
        raise TextFileError(experiment.text_file, reason)
    draw = partial(random_windows, codes=training, length=T)
    evaluate = partial(even_windows, codes=held_out, length=T)
    measure = partial(random_windows, codes=held_out, length=T)
    return Task(
        "words", T, EMBEDDED, vocabulary.size, unigram, draw, evaluate, measure,
        every_step=True, text_sha256=text_sha256, vocabulary=vocabulary.size,
    )  # fmt: skip
