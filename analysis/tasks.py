"""What the network must remember: sequences, their targets, and how an answer is judged."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from math import log
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from analysis import words
from analysis.config import Experiment

# Seeds no experiment can have; torch's CPU generator reads only the lower 32 bits.
EVALUATION_SEED, MEASURING_SEED, HELD_OUT_SEED = 3_000_000_000, 3_000_000_001, 3_000_000_002
EVALUATED, MEASURED = 1024, 64
COPIED = 10
CLASSES = 128
EMBEDDED = 16  # numbers a word becomes


@dataclass(frozen=True)
class Batch:
    """Sequences and what is wanted of them.

    inputs (T, B, D) float32, or words as int64 classes (T, B); targets (B,), or (T, B) where every step counts: int64
    classes or float32.
    """

    inputs: Tensor
    targets: Tensor


Draw = Callable[[int, Generator], Batch]
METRICS = {
    "recall": "accuracy",
    "adding": "mse",
    "order": "accuracy",
    "copy": "nats per step",
    "text": "nats per character",
    "words": "nats per word",
    "digits": "accuracy",
}


@dataclass(frozen=True)
class Task:
    """Something to remember: `length` T steps of `inputs` D channels, answered by `outputs` O numbers."""

    name: str
    length: int
    inputs: int
    outputs: int
    chance: float
    draw: Draw  # (count, generator) -> training data
    draw_evaluation: Draw
    draw_measuring: Draw
    solved: float | None = None
    every_step: bool = False
    squared: bool = False
    bigram: float | None = None
    text_sha256: str | None = None
    vocabulary: int | None = None  # classes of words, each to be embedded in D numbers

    @property
    def metric_name(self) -> str:
        """What the metric is, with its unit."""
        return METRICS[self.name]

    @property
    def last_step_chance(self) -> float:
        """Chance for the last step alone; in copy most other steps are blank and cost nothing."""
        return self.chance * self.length / COPIED if self.name == "copy" else self.chance

    def evaluation(self) -> Batch:
        """Return the 1,024 sequences (digits: the whole held-out third) that the metric is taken on."""
        return self.draw_evaluation(EVALUATED, seeded(EVALUATION_SEED))

    def measuring(self) -> Batch:
        """Return the 64 sequences that decay is measured on (recall: symbol first)."""
        return self.draw_measuring(MEASURED, seeded(MEASURING_SEED))

    def at_distance(self, distance: int, count: int, generator: Generator) -> Batch:
        """Draw recall sequences with the symbol exactly `distance` steps, 1 to T−1, before the last."""
        if self.name != "recall":
            raise ValueError(f"task={self.name}: only recall has one symbol at one distance")
        if not 1 <= distance < self.length:
            raise ValueError(f"distance={distance}: expected a whole number from 1 to {self.length - 1}")
        return recall(count, generator, length=self.length, symbols=self.outputs, distance=distance)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return each sample's loss (..., B) of outputs (..., B, O), or (..., T, B, O) if every step counts.

        Targets may lack leading axes. Cross-entropy in nats or squared error; mean over the steps.
        """
        if self.squared:
            loss = (outputs.squeeze(-1) - targets).square()
        else:
            classes = targets.expand(outputs.shape[:-1]).unsqueeze(-1)
            loss = outputs.logsumexp(-1) - outputs.gather(-1, classes).squeeze(-1)
        return loss.mean(-2) if self.every_step else loss

    def score(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return each sample's part (..., B) in the metric, which is their mean; axes as in `loss`.

        NaN where an answer is not finite.
        """
        if self.metric_name == "accuracy":
            right = (outputs.argmax(-1) == targets).to(outputs.dtype)
            return torch.where(outputs.isfinite().all(-1), right, torch.nan)
        return self.loss(outputs, targets)


def higher_is_better(metric_name: str) -> bool:
    """Whether a larger metric is the better one."""
    return metric_name == "accuracy"


def build(experiment: Experiment) -> Task:
    """Make the task of an experiment.

    Raises ValueError for a text that can't be used, ModuleNotFoundError for digits without scikit-learn.
    """
    return BUILDERS[experiment.task](experiment)


def seeded(seed: int) -> Generator:
    """Return a generator that starts from a seed."""
    return Generator().manual_seed(seed)


def one_hot(codes: Tensor, classes: int) -> Tensor:
    """Turn codes (T, B) into inputs (T, B, D)."""
    return torch.zeros(*codes.shape, classes).scatter_(-1, codes.unsqueeze(-1), 1.0)


def between(low: int, high: int, count: int, generator: Generator) -> Tensor:
    """Draw `count` whole numbers from low to high, both included."""
    return torch.randint(low, high + 1, (count,), generator=generator)


def recall(count: int, generator: Generator, *, length: int, symbols: int, distance: int | None = None) -> Batch:
    """Name the one symbol that was shown, `distance` steps before the last or anywhere.

    length 5, symbols 2, distance 3: blank, symbol 1, blank, blank, cue = 2 1 2 2 3 as codes -> 1
    """
    blank, cue = symbols, symbols + 1
    symbol = between(0, symbols - 1, count, generator)
    first, last = (0, length - 2) if distance is None else (length - 1 - distance,) * 2
    position = between(first, last, count, generator)
    codes = torch.full((length, count), blank)
    codes[position, torch.arange(count)] = symbol
    codes[-1] = cue
    return Batch(one_hot(codes, symbols + 2), symbol)


def adding(count: int, generator: Generator, *, length: int) -> Batch:
    """Add the two marked values, one in each half.

    length 4, values .1 .7 .4 .2, markers 0 1 1 0 -> .7 + .4 = 1.1
    """
    values = torch.rand(length, count, generator=generator)
    markers = torch.zeros(length, count)
    half, sample = length // 2, torch.arange(count)
    markers[between(0, half - 1, count, generator), sample] = 1.0
    markers[between(half, length - 1, count, generator), sample] = 1.0
    return Batch(torch.stack([values, markers], dim=-1), (values * markers).sum(0))


def order(count: int, generator: Generator, *, length: int) -> Batch:
    """Tell in which order X and Y came: XX, XY, YX, YY (Hochreiter & Schmidhuber 1997, task 6a, shortened).

    length 10: a Y c b d X a a b c = 0 5 2 1 3 4 0 0 1 2 as codes -> YX = 2
    """
    x, sample = 4, torch.arange(count)  # distractors a b c d are 0 to 3, X is 4, Y is 5
    codes = torch.randint(0, x, (length, count), generator=generator)
    early, late = torch.randint(0, 2, (2, count), generator=generator)
    codes[between(length // 10, length // 5, count, generator), sample] = x + early
    codes[between(length // 2, 3 * length // 5, count, generator), sample] = x + late
    return Batch(one_hot(codes, x + 2), 2 * early + late)


def copy(count: int, generator: Generator, *, length: int, symbols: int) -> Batch:
    """Repeat ten symbols after `length` steps, the last of which is the cue; blank (0) until then.

    length 3, symbols 2: 2 1 1 2 2 1 2 1 1 1, 0 0, cue 3, ten 0 -> thirteen 0, 2 1 1 2 2 1 2 1 1 1
    """
    word = torch.randint(1, symbols + 1, (COPIED, count), generator=generator)
    codes, targets = torch.zeros(2, length + 2 * COPIED, count, dtype=torch.int64)
    codes[:COPIED] = word
    codes[-COPIED - 1] = symbols + 1
    targets[-COPIED:] = word
    return Batch(one_hot(codes, symbols + 2), targets)


def windows(starts: Tensor, codes: Tensor, length: int, classes: int | None = None) -> Batch:
    """Cut sequences out of a text: at every step, the target is the next character, or word.

    Inputs are one-hot of so many `classes`, or without them the classes themselves.
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


def digits(count: int, generator: Generator, *, images: Tensor, labels: Tensor, again: bool) -> Batch:
    """Name a digit seen pixel by pixel, row by row: images (N, T), labels (N,).

    Drawn `again` and again, or each at most once: then no more than N. Image 0 0 .5 1 … -> label 0 to 9
    """
    if again:
        chosen = between(0, len(images) - 1, count, generator)
    else:
        chosen = torch.randperm(len(images), generator=generator)[:count]
    return Batch(images[chosen].T.unsqueeze(-1), labels[chosen])


class Corpus(NamedTuple):
    """A text as classes 0 (the most frequent character) to K−1, and how well simple counting predicts it."""

    training: Tensor
    held_out: Tensor
    classes: int
    unigram: float  # nats per held-out character, from the training part's counts
    bigram: float


@lru_cache(maxsize=4)
def encode(text: str) -> Corpus:
    """Number the characters of a text by frequency, the rarest beyond 127 as one class; hold out a tenth."""
    points = torch.frombuffer(bytearray(text.encode("utf-32-le")), dtype=torch.int32)
    _, index, counts = points.unique(return_inverse=True, return_counts=True)
    rank = counts.argsort(descending=True, stable=True).argsort()
    codes = rank[index].clamp(max=CLASSES - 1)
    classes = int(codes.max()) + 1
    training, held_out = codes.tensor_split([len(codes) * 9 // 10])

    def add_one(seen: Tensor, cells: int) -> Tensor:
        return torch.bincount(seen, minlength=cells).double().add(1).view(-1, classes)

    single = add_one(training, classes)  # (1, K)
    pairs = add_one(training[:-1] * classes + training[1:], classes**2)  # (K, K)
    unigram = -(single / single.sum()).log()[0, held_out].mean()
    bigram = -(pairs / pairs.sum(1, keepdim=True)).log()[held_out[:-1], held_out[1:]].mean()
    return Corpus(training, held_out, classes, unigram.item(), bigram.item())


def read_text(text_file: str | None) -> tuple[str, str]:
    """Return a file's text, or the help texts that every Python carries, and the SHA-256 of its bytes."""
    if text_file is None:
        from pydoc_data.topics import topics

        content = "\n".join(topics[name] for name in sorted(topics)).encode()
    else:
        try:
            content = Path(text_file).read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a null character in the name
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"text_file={text_file!r}: expected a UTF-8 file: {reason}") from None
    try:
        return content.decode(), sha256(content).hexdigest()
    except UnicodeDecodeError as error:
        reason = f"{error.reason} at byte {error.start}"
        raise ValueError(f"text_file={text_file!r}: expected UTF-8: {reason}") from None


def build_recall(experiment: Experiment) -> Task:
    """Recall: accuracy, 1/K by chance."""
    T, K = experiment.task_length, experiment.symbols
    anywhere = partial(recall, length=T, symbols=K)
    first = partial(anywhere, distance=T - 1)
    draw = first if experiment.position == "first" else anywhere
    return Task("recall", T, K + 2, K, 1 / K, draw, draw, first, solved=0.95)


def build_adding(experiment: Experiment) -> Task:
    """Adding: mean squared error, 1/6 (the variance of the sum) for who always answers 1."""
    T = experiment.task_length
    draw = partial(adding, length=T)
    return Task("adding", T, 2, 1, 1 / 6, draw, draw, draw, solved=0.01, squared=True)


def build_order(experiment: Experiment) -> Task:
    """Order: accuracy, 1/4 by chance."""
    T = experiment.task_length
    draw = partial(order, length=T)
    return Task("order", T, 6, 4, 1 / 4, draw, draw, draw, solved=0.95)


def build_copy(experiment: Experiment) -> Task:
    """Copy: nats per step, by chance ln K for each of the ten answers and none for the blanks."""
    length, K = experiment.task_length, experiment.symbols
    T = length + 2 * COPIED
    chance = COPIED * log(K) / T
    draw = partial(copy, length=length, symbols=K)
    return Task("copy", T, K + 2, K + 1, chance, draw, draw, draw, solved=chance / 10, every_step=True)


def build_text(experiment: Experiment) -> Task:
    """Text: nats per character, by chance those of the single characters' frequencies."""
    T = experiment.task_length
    text, text_sha256 = read_text(experiment.text_file)
    if len(text) < 10 * (T + 1):
        found = f"text_file={experiment.text_file!r}: {len(text)} characters"
        raise ValueError(f"{found}: expected at least {10 * (T + 1)} for length={T}")
    corpus = encode(text)
    K = corpus.classes
    if K == 1:
        raise ValueError(f"text_file={experiment.text_file!r}: one character alone: expected at least two")
    draw = partial(random_windows, codes=corpus.training, length=T, classes=K)
    evaluate = partial(even_windows, codes=corpus.held_out, length=T, classes=K)
    measure = partial(random_windows, codes=corpus.held_out, length=T, classes=K)
    return Task(
        "text", T, K, K, corpus.unigram, draw, evaluate, measure,
        every_step=True, bigram=corpus.bigram, text_sha256=text_sha256,
    )  # fmt: skip


def build_words(experiment: Experiment) -> Task:
    """Words: nats per word, by chance those of the single words' frequencies."""
    T = experiment.task_length
    text, text_sha256 = read_text(experiment.text_file)
    training, held_out, vocabulary, unigram = words.corpus(text)
    count = len(training) + len(held_out)
    if count < 10 * (T + 2):
        found = f"text_file={experiment.text_file!r}: {count} words"
        raise ValueError(f"{found}: expected at least {10 * (T + 2)} for length={T}")
    draw = partial(random_windows, codes=training, length=T)
    evaluate = partial(even_windows, codes=held_out, length=T)
    measure = partial(random_windows, codes=held_out, length=T)
    return Task(
        "words", T, EMBEDDED, vocabulary.size, unigram, draw, evaluate, measure,
        every_step=True, text_sha256=text_sha256, vocabulary=vocabulary.size,
    )  # fmt: skip


@lru_cache(maxsize=1)
def load_digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's images (1797, 64), 0 to 1, and labels (1797,), in a fixed random order."""
    try:
        from sklearn import datasets
    except ImportError:
        raise ModuleNotFoundError("task=digits needs scikit-learn: pip install scikit-learn") from None
    images, labels = map(torch.from_numpy, datasets.load_digits(return_X_y=True))
    shuffled = torch.randperm(len(images), generator=seeded(HELD_OUT_SEED))
    return images[shuffled].float() / 16, labels[shuffled].long()


def build_digits(experiment: Experiment) -> Task:
    """Digits: accuracy on the held-out third, 1/10 by chance."""
    images, labels = load_digits()
    third = len(images) // 3
    draw = partial(digits, images=images[third:], labels=labels[third:], again=True)
    held_out = partial(digits, images=images[:third], labels=labels[:third], again=False)
    return Task("digits", experiment.task_length, 1, 10, 1 / 10, draw, held_out, held_out, solved=0.9)


BUILDERS: dict[str, Callable[[Experiment], Task]] = {
    "recall": build_recall,
    "adding": build_adding,
    "order": build_order,
    "copy": build_copy,
    "text": build_text,
    "words": build_words,
    "digits": build_digits,
}
