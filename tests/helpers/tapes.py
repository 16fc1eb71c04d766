"""Tapes made by hand, for measures that ask little of them."""

from dataclasses import fields

import numpy as np

from analysis.results import Tape

EMPTY = np.zeros((1, 1, 1, 1, 1))


def make_tape(**parts):
    """A tape of these parts; the others are those of an RNN of one model, step, sample and unit, all zero."""
    hidden = parts.get("hidden", EMPTY)
    gates = parts.get("gates", {})
    defaults = {
        "model": "rnn", "activation": "tanh", "loss_steps": (hidden.shape[2] - 1,), "hidden": hidden,
        "hidden_grad": hidden, "cell": None, "cell_grad": None, "input_grad": hidden[:, 0], "gates": gates,
        "weight_grad": hidden[..., 0], "keep_gate": None, "ranges": dict.fromkeys(gates, (0.0, 1.0)),
        "lengths": np.full(hidden.shape[3], hidden.shape[2]), "reads": None, "begins": None,
    }  # fmt: skip
    assert set(defaults) == {field.name for field in fields(Tape)}
    return Tape(**{**defaults, **parts})
