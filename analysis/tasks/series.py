"""The task series, on someone's own data: name a sequence's class, its numbers, or the next row of series over time."""

from dataclasses import replace
from functools import partial

import torch
from torch import Generator, Tensor

from analysis.experiment import Experiment
from analysis.files.errors import UnusableError
from analysis.sources import DataFileError, is_npz, read_data
from analysis.tasks.own_data import FEWEST, Sequences, Series, read_sequences, read_series
from analysis.tasks.task import Batch, Task, choose


def whole_sequences(count: int, generator: Generator, *, every: Batch, again: bool) -> Batch:
    """Draw some of all sequences with their answers.

    With `again`, a sequence may be drawn several times. Without it at most once, and of unlike lengths the longest
    comes first: a few of a batch then reach as far back as all of it.
    """
    chosen = choose(count, every.inputs.shape[1], generator, again=again)
    if every.lengths is not None and not again:
        longest = int(every.lengths[chosen].argmax())
        chosen = torch.cat([chosen[longest:], chosen[:longest]])
    return every.of(chosen)


def windows_before(forecast: Tensor, rows: Tensor, length: int) -> Batch:
    """Cut out the `length` rows before each of the rows (B,) to be forecast, of series (M, C).

    series 1 2 3 4 5, length 2, forecast row 3: 2 3 -> 4
    """
    window = rows[forecast - length + torch.arange(length).unsqueeze(-1)]  # (T, B, C)
    wanted = rows[forecast]  # (B, C)
    return Batch(window, wanted[:, 0] if rows.shape[1] == 1 else wanted.T)


def random_forecasts(
    count: int, generator: Generator, *, rows: Tensor, first: int, last: int, length: int, again: bool
) -> Batch:
    """Draw rows to be forecast, from `first` to before `last`, with what comes before each."""
    return windows_before(first + choose(count, last - first, generator, again=again), rows, length)


def even_forecasts(count: int, generator: Generator, *, rows: Tensor, first: int, length: int) -> Batch:
    """Take rows to be forecast, evenly from `first` to the last, at most each once; nothing is random."""
    total = len(rows) - first
    count = min(count, total)
    return windows_before(first + torch.arange(count) * total // count, rows, length)


def build_series(experiment: Experiment) -> Task:
    """Build the task series. Its metric is accuracy on classes, else the mean squared error in training variances.

    Chance always answers with the most frequent class of the training part, or with its mean. `repeating` is the
    error of a forecast that repeats the last row.

    Raises:
        DataFileError: for a file that can't be learned from, with row and column; for a length that doesn't fit it.
    """
    content, sha256 = read_data(experiment.data_file)
    try:
        if is_npz(experiment.data_file):
            task = _sequences_task(read_sequences(content), experiment)
        else:
            task = _forecast_task(read_series(content, experiment.columns), experiment)
    except UnusableError as error:
        raise DataFileError(experiment.data_file, str(error)) from None
    return replace(task, data_sha256=sha256)


def _sequences_task(data: Sequences, experiment: Experiment) -> Task:
    """Return the task of answering the last `length` steps of whole sequences."""
    steps, length = len(data.inputs), experiment.length
    if experiment.columns is not None:
        raise UnusableError(f"columns={experiment.columns!r}: a .csv has them, an .npz has not")
    if length is None or length > steps:
        raise UnusableError(f"length={length}: x has {steps} time steps: expected 2 to {steps}, its last ones are read")
    every, held = Batch(data.inputs, data.answers, data.lengths).last(length), data.held_out
    if every.lengths is not None and experiment.truncate is not None:
        raise UnusableError(f"truncate={experiment.truncate}: expected None for sequences of unlike lengths")
    held_out = partial(whole_sequences, every=every.of(held), again=False)
    draw = partial(whole_sequences, every=every.of(~held), again=True)
    task = Task(
        "series", length, data.inputs.shape[-1], data.outputs, 0.0, draw, held_out, held_out, squared=data.squared
    )
    targets = task.evaluation().targets
    if data.squared:
        return replace(task, chance=float(targets.square().mean()))
    most = int(torch.bincount(data.answers[~held]).argmax())
    return replace(task, chance=float((targets == most).double().mean()))


def _forecast_task(data: Series, experiment: Experiment) -> Task:
    """Return the task of forecasting a row from the `length` rows before it."""
    rows, first, length = data.rows, data.held_out, experiment.task_length
    if first - length < FEWEST:
        raise UnusableError(
            f"{len(rows)} rows, {first} of them to train on: expected at least {length + FEWEST} of these for "
            f"length={length}, or a length up to {first - FEWEST}"
        )
    draw = partial(random_forecasts, rows=rows, first=length, last=first, length=length, again=True)
    measure = partial(random_forecasts, rows=rows, first=first, last=len(rows), length=length, again=False)
    evaluate = partial(even_forecasts, rows=rows, first=first, length=length)
    C = rows.shape[1]
    task = Task("series", length, C, C, 0.0, draw, evaluate, measure, squared=True)
    batch = task.evaluation()
    last = batch.inputs[-1].unsqueeze(0)  # (1, B, C): answers as a model's
    repeating = float(task.loss(last, batch.targets).mean())
    return replace(task, chance=float(batch.targets.square().mean()), repeating=repeating)


def time_columns(data_file: str | None, columns: str | None) -> tuple[str, ...]:
    """Return which columns read from a .csv count evenly, as a time does; none of an .npz, or an unusable one."""
    if data_file is None or is_npz(data_file):
        return ()
    try:
        return read_series(read_data(data_file)[0], columns).times
    except (UnusableError, DataFileError):  # building the task says why
        return ()
