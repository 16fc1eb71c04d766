"""Runs of a comparison without training: one small run, with the numbers that a comparison reads put in."""

from dataclasses import replace
from functools import cache

import numpy as np

from analysis import Experiment, train
from analysis.jobs.fairness import counted
from analysis.jobs.judgement import judge


@cache
def _base():
    return train(Experiment(hidden_size=2, length=6, seeds=1, batch_size=2, steps=1))


def run_of(experiment, solved=0, *, step=None, metric=None, horizons=(2.0, 4.0), threshold=0.95, name="accuracy"):
    """A run of which so many seeds solve the task, at an update, or whose metric by seed is given."""
    base = _base()
    if metric is None:
        metric = [1.0] * solved + [0.3] * (experiment.seeds - solved)
    metric = np.array(metric, float)
    steps = [0, step or experiment.steps]
    snapshots = [replace(base.snapshots[0], step=at, metric=metric if at else metric * 0 + 0.1) for at in steps]
    before, after = (
        replace(measured, decays={"memory": replace(measured.decay, horizon=horizon)})
        for measured, horizon in zip((base.measured_before, base.measured_after), horizons, strict=True)
    )
    return replace(
        base, experiment=experiment, metric=metric, snapshots=tuple(snapshots), measured_before=before,
        measured_after=after, solved=threshold, metric_name=name,
    )  # fmt: skip


def judged(plan, solved, **changes):
    """The comparison of a plan, so many of whose experiments' seeds solve the task, in their order."""
    experiments = counted(plan)
    return judge(plan, [run_of(e, count, **changes) for e, count in zip(experiments, solved, strict=True)])
