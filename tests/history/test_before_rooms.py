"""A history written before `analysis` had subpackages opens as it did: runs, checkpoints, watched models.

Goldfish as it was then wrote before_rooms.sqlite.gz: a finished run; a run of which a killed process left a checkpoint
at step 13; an LSTM watched in a plain training loop. Numbers are compared to 1e-4, as processors round differently.
"""

import gzip
import json
from dataclasses import replace
from math import nan
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from analysis import train, watch
from analysis.history.database import MEMORY
from analysis.history.serialization import decode
from analysis.history.store import Store
from analysis.report.documents import as_plain, run_document
from analysis.training.trainer import Checkpoint, resume
from tests.helpers.runs import EXPERIMENTS, SMALL, shown

FILE = Path(__file__).with_name("before_rooms.sqlite.gz")
FINISHED = EXPERIMENTS["lstm"]
INTERRUPTED = SMALL.replace(cell="gru", seed=7)


@pytest.fixture
def old(tmp_path):
    """Open a copy of the old history."""
    path = tmp_path / "runs.sqlite"
    path.write_bytes(gzip.decompress(FILE.read_bytes()))
    return Store(path)


def assert_same(left, right):
    """Compare two results as their exported documents, time and versions aside."""
    compare(document(left), document(right), "run")


def document(run):
    return {key: value for key, value in run_document(run).items() if key not in ("timing", "versions")}


def compare(left, right, place):
    if isinstance(left, dict):
        assert left.keys() == right.keys(), place
        for key in left:
            compare(left[key], right[key], f"{place}.{key}")
    elif place.endswith(".samples") and left is None:
        assert right, place  # which Goldfish didn't count then
    elif place == "snapshot.name":
        assert (left, right) == ("", "lstm"), place  # which Goldfish didn't keep then
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), place
        for at, (one, other) in enumerate(zip(left, right, strict=True)):
            compare(one, other, f"{place}[{at}]")
    elif isinstance(left, np.ndarray):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6, err_msg=place)
    elif isinstance(left, float):
        assert left == pytest.approx(right, rel=1e-4, abs=1e-6, nan_ok=True), place
    else:
        assert left == right, place


def test_its_runs_are_listed(old):
    rows = {row.experiment: row for row in old.rows()}
    assert rows.keys() == {FINISHED, INTERRUPTED}
    finished, interrupted = rows[FINISHED], rows[INTERRUPTED]
    assert (finished.status, finished.step, finished.name) == ("finished", 20, "kept before")
    assert (interrupted.status, interrupted.step, interrupted.name) == ("interrupted", 13, "")
    assert json.dumps(finished.as_dict(), default=str)


def test_a_finished_run_is_found_and_equals_one_trained_anew(old):
    id = old.find(FINISHED).id
    run = old.load(id)
    assert run.memory.trained.all() and len(run.memory.trained) == len(run.memory.distance)
    assert_same(run, train(FINISHED))
    shown(id, run)


def test_a_finished_run_moves_to_another_history(old):
    id = old.find(FINISHED).id
    other = Store(MEMORY)
    assert other.load(other.import_(old.export(id))) == old.load(id)


def test_an_interrupted_run_is_resumed_from_its_checkpoint(old):
    row = old.find(INTERRUPTED)
    assert old.take(row.id)
    checkpoint, _ = old.progress(row.id)
    steps = []
    run = resume(
        INTERRUPTED,
        decode(Checkpoint, checkpoint),
        old.watch(row.id)[1],
        on_step=lambda trainer: steps.append(trainer.step),
    )
    assert min(steps) >= 13
    assert_same(run, train(INTERRUPTED))


def test_a_watched_model_is_listed_and_equals_one_watched_anew(old):
    [id] = old.watched()
    watched = old.load_watched(id)
    assert (watched.cell, watched.name) == ("lstm", "watched before")
    shown(id, watched)

    torch.manual_seed(0)
    lstm, head = nn.LSTM(2, 3), nn.Linear(3, 1)
    watcher = watch(lstm, every=2)
    optimizer = torch.optim.SGD([*lstm.parameters(), *head.parameters()], 0.1)
    for _ in range(4):
        optimizer.zero_grad()
        head(lstm(torch.randn(6, 4, 2))[0][-1]).square().sum().backward()
        optimizer.step()
    assert [snapshot.step for snapshot in watched.snapshots] == [2, 4]
    for before, anew in zip(watched.snapshots, watcher.history, strict=True):
        compare(as_plain(before), as_plain(replace(anew, sequences=0, gradient=nan, shares=())), "snapshot")
