"""Decays and runs made up for the tests of words."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from analysis.experiment import Experiment
from analysis.measures.decay import decay_of_norms
from analysis.results import Run


def decay(factor, T=30, S=2, of="memory"):
    """Return the decay of a gradient that each step back leaves this share of."""
    return decay_of_norms(np.tile((factor ** np.arange(T))[None, :, None], (S, 1, 3)), of)


def cut_decay(factor, left, T=30):
    """Return such a decay of which truncation leaves the first distances."""
    kept = np.where(np.arange(T) < left, factor ** np.arange(T), 0.0)
    return replace(decay_of_norms(np.tile(kept[None, :, None], (2, 1, 3)), "memory"), cut=left)


def run(cell, metric, chance=0.125, metric_name="accuracy"):
    """Return a run with only what sentences read."""
    return Run(
        experiment=Experiment(cell=cell, seeds=len(metric)), status="finished", snapshots=(), loss=np.array(metric),
        metric=np.array(metric), metric_name=metric_name, chance=chance, solved=None, measured_before=None,
        measured_after=None, memory=SimpleNamespace(repeating=None), weights={}, diverged=(), versions={},
    )  # fmt: skip
