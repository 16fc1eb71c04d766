"""The weights of the models that are measured: those of a run, or those with which an experiment's models start."""

from collections.abc import Mapping

import numpy as np
import torch

from analysis.engine.initialization import Weights, initial_weights
from analysis.experiment import Experiment
from analysis.tasks.task import Task

Trained = Mapping[str, np.ndarray] | None  # the weights (S, ...) of an experiment's run; None: those it starts with


def weights_of(experiment: Experiment, task: Task, trained: Trained, models: range) -> Weights:
    """Return the weights of some of an experiment's models, numbered from 0, by torch's names."""
    if trained is None:
        return initial_weights(experiment, task.inputs, task.outputs, task.vocabulary, models)[0]
    return {name: torch.tensor(weight[models.start : models.stop]) for name, weight in trained.items()}
