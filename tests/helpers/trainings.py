"""A small experiment that trains in a moment, and a training that is spoilt on purpose."""

import torch

import analysis.engine.cost
import analysis.training.trainer
from analysis import Experiment


def tiny(**settings):
    defaults = {"cell": "gru", "length": 6, "symbols": 3, "hidden_size": 8, "seeds": 3, "batch_size": 4, "steps": 6}
    if settings.get("task", "recall") not in ("recall", "copy"):
        del defaults["symbols"]
    return Experiment(**{**defaults, "snapshot_every": 3, **settings})


def spoilt(monkeypatch, model, step, what="loss"):
    """Make one model's loss NaN, or its gradient alone infinite, at one step."""
    update = analysis.training.trainer.Trainer._update

    def spoil(self, grad, loss):
        if self.step == step:
            if what == "loss":
                loss[model] = torch.nan
            grad[model] = torch.inf
        return update(self, grad, loss)

    monkeypatch.setattr(analysis.training.trainer.Trainer, "_update", spoil)
