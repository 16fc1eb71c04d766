"""Build a task by name, and take its batches apart in plain Python."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest

from analysis.experiment import Experiment
from analysis.tasks.registry import build_task
from tests.helpers.data import table, waves


@cache
def data_file():
    """A .csv that the tests of a process share."""
    folder = tempfile.mkdtemp(prefix="goldfish-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder, "waves.csv")
    path.write_bytes(table(waves(6000), "year,wave"))
    return str(path)


def build(name, **settings):
    if name == "digits":
        pytest.importorskip("sklearn")
    if name == "series":
        settings = {"data_file": data_file(), "columns": "wave"} | settings
    return build_task(Experiment(task=name, **settings))


def samples(batch):
    """Inputs and target of each sample as plain lists: one-hot steps as their code."""
    for b in range(batch.inputs.shape[1]):
        steps = batch.inputs[:, b].tolist()
        yield steps, batch.targets[..., b].tolist()


def codes(steps):
    assert all(sorted(step) == [0.0] * (len(step) - 1) + [1.0] for step in steps)
    return [step.index(1.0) for step in steps]
