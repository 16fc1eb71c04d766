"""The tasks made of symbols and numbers: recall, adding, order, copy."""

from functools import partial
from math import log

import torch
from torch import Generator

from analysis.experiment import Experiment
from analysis.tasks.task import Batch, Task, between, one_hot

COPIED = 10  # symbols that the copy task repeats


def recall(count: int, generator: Generator, *, length: int, symbols: int, distance: int | None = None) -> Batch:
    """Draw sequences that show one symbol, `distance` steps before the last or anywhere; the target is that symbol.

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
    """Draw numbers of which two are marked, one in each half; the target is the sum of the two.

    length 4, values .1 .7 .4 .2, markers 0 1 1 0 -> .7 + .4 = 1.1
    """
    values = torch.rand(length, count, generator=generator)
    markers = torch.zeros(length, count)
    half, sample = length // 2, torch.arange(count)
    markers[between(0, half - 1, count, generator), sample] = 1.0
    markers[between(half, length - 1, count, generator), sample] = 1.0
    return Batch(torch.stack([values, markers], dim=-1), (values * markers).sum(0))


def order(count: int, generator: Generator, *, length: int) -> Batch:
    """Draw distractors with an X or Y early and an X or Y late; the target is the pair: XX, XY, YX or YY.

    Hochreiter & Schmidhuber 1997, task 6a, shortened.

    length 10: a Y c b d X a a b c = 0 5 2 1 3 4 0 0 1 2 as codes -> YX = 2
    """
    x, sample = 4, torch.arange(count)  # distractors a b c d are 0 to 3, X is 4, Y is 5
    codes = torch.randint(0, x, (length, count), generator=generator)
    early, late = torch.randint(0, 2, (2, count), generator=generator)
    codes[between(length // 10, length // 5, count, generator), sample] = x + early
    codes[between(length // 2, 3 * length // 5, count, generator), sample] = x + late
    return Batch(one_hot(codes, x + 2), 2 * early + late)


def copy(count: int, generator: Generator, *, length: int, symbols: int) -> Batch:
    """Draw ten symbols, then `length` steps, the last of which is the cue; the targets are blanks, then the symbols.

    length 3, symbols 2: 2 1 1 2 2 1 2 1 1 1, 0 0, cue 3, ten 0 -> thirteen 0, 2 1 1 2 2 1 2 1 1 1
    """
    word = torch.randint(1, symbols + 1, (COPIED, count), generator=generator)
    codes, targets = torch.zeros(2, length + 2 * COPIED, count, dtype=torch.int64)
    codes[:COPIED] = word
    codes[-COPIED - 1] = symbols + 1
    targets[-COPIED:] = word
    return Batch(one_hot(codes, symbols + 2), targets)


def build_recall(experiment: Experiment) -> Task:
    """Build the task recall. Its metric is accuracy, 1/K by chance."""
    T, K = experiment.task_length, experiment.symbols
    anywhere = partial(recall, length=T, symbols=K)
    first = partial(anywhere, distance=T - 1)
    draw = first if experiment.position == "first" else anywhere
    return Task("recall", T, K + 2, K, 1 / K, draw, draw, first, solved=0.95, draw_at=anywhere)


def build_adding(experiment: Experiment) -> Task:
    """Build the task adding. Its metric is the mean squared error; always answering 1 gets 1/6, the sum's variance."""
    T = experiment.task_length
    draw = partial(adding, length=T)
    return Task("adding", T, 2, 1, 1 / 6, draw, draw, draw, solved=0.01, squared=True)


def build_order(experiment: Experiment) -> Task:
    """Build the task order. Its metric is accuracy, 1/4 by chance."""
    T = experiment.task_length
    draw = partial(order, length=T)
    return Task("order", T, 6, 4, 1 / 4, draw, draw, draw, solved=0.95)


def build_copy(experiment: Experiment) -> Task:
    """Build the task copy. Its metric is nats per step; chance is ln K for each of the ten answers, 0 for blanks."""
    length, K = experiment.task_length, experiment.symbols
    T = length + 2 * COPIED
    chance = COPIED * log(K) / T
    draw = partial(copy, length=length, symbols=K)
    return Task(
        "copy", T, K + 2, K + 1, chance, draw, draw, draw,
        solved=chance / 10, every_step=True, chance_at_last_step=chance * T / COPIED,
    )  # fmt: skip
