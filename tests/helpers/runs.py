"""Small runs for tests of the history: how they come into it, and everything that is shown of them."""

import io
import zipfile
from dataclasses import fields, is_dataclass, replace
from functools import cache

import numpy as np
import pytest

from analysis import Experiment, train
from analysis.cli import summary
from analysis.experiment import METRICS
from analysis.figures import bounds, comparison, decay, gates, memory, timeline
from analysis.history.database import Database
from analysis.history.entry import Record
from analysis.history.serialization import encode
from analysis.history.transfer import finished_columns
from analysis.report import documents, wording
from analysis.report.sentences import decay as sentences
from analysis.report.sentences.training import compare_cells, training_sentence
from analysis.results import Watched
from analysis.training.trainer import resume

SMALL = Experiment(hidden_size=3, length=6, seeds=2, batch_size=4, steps=20)
EXPERIMENTS = {
    "lstm": SMALL,
    "gru": SMALL.replace(cell="gru", layers=2, activation="relu"),
    "adding": SMALL.replace(task="adding", cell="rnn", optimizer="sgd"),
    "copy": SMALL.replace(task="copy", optimizer="rmsprop"),
    "diverged": SMALL.replace(
        cell="rnn", activation="identity", gain=3, length=60, optimizer="sgd", learning_rate=1, clip=0
    ),
}


class StopError(Exception):
    pass


@cache
def trained(name):
    return train(EXPERIMENTS[name])


def keep(store, run, owner=None):
    """Write a finished run as a worker would report it."""
    id = store.add(run.experiment, owner)
    for snapshot in run.snapshots:
        store.write(id, {"status": "running", "step": snapshot.step}, ("snapshot", snapshot.step, encode(snapshot)))
    store.write(id, *finished_columns(run))
    return id


def stopped(experiment, at):
    """Train until a step; return the checkpoint there and the snapshots so far."""
    checkpoints, snapshots = [], []

    def stop(trainer):
        if trainer.step == at:
            checkpoints.append(trainer.checkpoint())
            raise StopError

    with pytest.raises(StopError):
        resume(experiment, on_snapshot=snapshots.append, on_step=stop)
    return checkpoints[0], snapshots


def limit(monkeypatch, pages=0):
    """Keep history files from growing, or from growing beyond some pages of SQLite's."""
    connect = Database._connect

    def full(self):
        connection = connect(self)
        (there,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {max(there, pages)}")
        return connection

    monkeypatch.setattr(Database, "_connect", full)


ODD = (np.nan, np.inf, -np.inf, -1.0, 0.0, 0.5, 1.0, 7.0, 1e9, 1e300)


def forgeries(result):
    """Yield copies of a result, each with one number or one whole array replaced by an odd value."""
    for field in fields(result):
        value, changes = getattr(result, field.name), []
        if isinstance(value, Experiment):
            continue
        if is_dataclass(value):
            changes = forgeries(value)
        elif isinstance(value, tuple) and value and is_dataclass(value[-1]):
            changes = ((*value[:-1], forged) for forged in forgeries(value[-1]))
        elif isinstance(value, dict):
            parts = [(name, part) for name, part in value.items() if is_dataclass(part)]
            changes = (value | {name: forged} for name, part in parts for forged in forgeries(part))
        elif isinstance(value, float):
            changes = ODD
        elif isinstance(value, np.ndarray) and value.size:
            changes = (_overwritten(value, odd, at) for odd in ODD for at in (slice(None), 0, -1))
        for changed in changes:
            yield replace(result, **{field.name: changed})


def _overwritten(array, odd, at):
    """Write an odd number over an array, or over one place in it."""
    array = array.copy()
    with np.errstate(invalid="ignore"):  # no whole number
        array.reshape(-1)[at] = np.array(odd).astype(array.dtype)
    return array


def shown(id, result):
    """Describe, draw and export a finished run or a watched model in every way that pages and command line do."""
    if isinstance(result, Watched):
        cell, activation, first, last = result.cell, result.activation, result.snapshots[0], result.snapshots[-1]
        figures = [timeline.timeline({cell: result})]
        summary.describe_watched(id, result)
    else:
        cell, activation = result.experiment.cell, result.experiment.activation
        first, last = result.measured_before, result.measured_after
        figures = draw_run(cell, result)
        describe_run(cell, result)
    figures += draw_measured(cell, activation, first, last)
    for measured in (first.decay, last.decay):
        describe_decay(cell, measured)
    for figure in figures:
        figure.to_json()


def draw_run(cell, run):
    runs = {cell: run}
    return [
        timeline.timeline(runs),
        comparison.timeline(runs),
        comparison.decay(runs),
        comparison.memory(runs),
        memory.memory({cell: run.memory}),
        decay.with_memory(decay.decay({cell: run.after}), {cell: run.memory}),
    ]


def describe_run(cell, run):
    summary.describe_run(run)
    documents.to_json(documents.run_document(run))
    documents.to_json(finished_columns(run)[0])
    compare_cells({cell: run})
    training_sentence(cell, run)
    wording.describe_factor_range(run.after)
    sentences.update_sentence({cell: run.measured_after.decays["weights"]})
    if run.carry:
        sentences.carry_sentence(cell, run.after, run.carry)


def draw_measured(cell, activation, first, last):
    """Return figures of what was measured at first and at last, a `Measured` or a `Snapshot` each."""
    carry = {cell: last.decays["carry"]} if "carry" in getattr(last, "decays", ()) else {}
    figures = [
        decay.decay(
            {cell: last.decay}, before={cell: first.decay}, carry=carry, spread="seeds", relative=relative,
            position=position, full_depth=deep,
        )
        for position, relative, deep in ((False, True, True), (True, False, False))
    ]  # fmt: skip
    figures += [bounds.sizes({activation: last.bounds}), bounds.saturated({activation: last.bounds})]
    figures += [bounds.growth({activation: last.decay})]
    if cell == "lstm":
        figures.append(bounds.sizes({activation: last.bounds}, "cell"))
    if last.saturation:
        figures.append(gates.histograms({cell: last.saturation}, {cell: first.saturation}))
        figures.append(gates.saturated_units({cell: last.saturation}))
    return figures


def describe_decay(cell, measured):
    wording.describe_horizon_range(measured)
    wording.describe_reach(measured)
    wording.describe_rate(measured)
    wording.describe_half_life(measured)
    sentences.untrained_sentence({cell: measured})
    summary.describe_decay("", measured)
    documents.to_json(documents.as_plain(measured))


def text_run(run, path):
    """Make a finished run that says it learned from a text."""
    experiment = SMALL.replace(task="text", length=6, text_file=path)
    name = METRICS["text"]
    memory = replace(run.memory, metric_name=name)
    return replace(run, experiment=experiment, text_sha256="0" * 64, metric_name=name, memory=memory)


def data_run(run, path):
    """Make a finished run that says it forecast someone's own series."""
    experiment = SMALL.replace(task="series", length=6, data_file=path)
    memory = replace(run.memory, metric_name="mse", repeating=0.5)
    return replace(run, experiment=experiment, data_sha256="0" * 64, metric_name="mse", memory=memory)


def record_of(of, /, **changes):
    shared = {"name": "", "reason": None, "created": "2026-01-02T03:04:05+00:00", "seconds": 1.0, "versions": {}}
    whole = {"status": "finished", "experiment": of.experiment, "step": of.snapshots[-1].step}
    return Record(**shared | whole | {"snapshots": of.snapshots, "run": replace(of, snapshots=())} | changes)


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
