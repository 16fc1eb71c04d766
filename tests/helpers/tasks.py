"""Build a task by name, and take its batches apart in plain Python."""

import pytest

from analysis.experiment import Experiment
from analysis.tasks.registry import build_task


def build(name, **settings):
    if name == "digits":
        pytest.importorskip("sklearn")
    return build_task(Experiment(task=name, **settings))


def samples(batch):
    """Inputs and target of each sample as plain lists: one-hot steps as their code."""
    for b in range(batch.inputs.shape[1]):
        steps = batch.inputs[:, b].tolist()
        yield steps, batch.targets[..., b].tolist()


def codes(steps):
    assert all(sorted(step) == [0.0] * (len(step) - 1) + [1.0] for step in steps)
    return [step.index(1.0) for step in steps]
