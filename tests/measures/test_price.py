from itertools import product

import numpy as np
import pytest
import torch

from analysis import Experiment
from analysis.engine.initialization import initial_weights
from analysis.measures.price import weight_sensitivity
from analysis.tasks.registry import build_task
from tests.helpers.modules import MODULES

H, LENGTH, SEQUENCES = 3, 6, 2


def by_autograd(module, cell, inputs, units, truncate=LENGTH):
    """The same, a backward pass for each unit and sequence, through the last window."""
    state = None
    for window in inputs.split(truncate):
        state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state
        state = module(window, state.detach() if isinstance(state, torch.Tensor) else state)[1]
    last = (state[1] if cell == "lstm" else state)[-1]  # (B, H)
    recurrent = [weight for name, weight in module.named_parameters() if "weight_hh" in name]
    squares = [
        torch.cat([g.flatten() for g in torch.autograd.grad(last[b, u], recurrent, retain_graph=True)]).square()
        for b, u in product(range(len(last)), units)
    ]
    return torch.stack(squares).mean().sqrt().item()


@pytest.mark.parametrize("cell, layers, task", list(product(MODULES, (1, 2), ("recall", "adding"))))
def test_it_equals_autograd(cell, layers, task):
    experiment = Experiment(cell=cell, layers=layers, task=task, hidden_size=H, length=LENGTH, seeds=2, gain=1.5)
    built = build_task(experiment)
    weights, _ = initial_weights(experiment, built.inputs, built.outputs, built.vocabulary)
    inputs = built.measuring().inputs[:, :SEQUENCES]
    for units in (H, 2):
        found = weight_sensitivity(experiment, weights, inputs, units)
        for model in range(2):
            module = MODULES[cell](built.inputs, H, layers).double()
            module.load_state_dict({n: w[model] for n, w in weights.items() if n in dict(module.named_parameters())})
            wanted = by_autograd(module, cell, inputs.double(), range(H) if units == H else (0, 2))
            assert found[model] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("cell, truncate", list(product(MODULES, (1, 4, 5))))
@pytest.mark.parametrize("hidden_size", [H, 2 * LENGTH])
def test_truncation_leaves_what_the_last_window_adds(cell, truncate, hidden_size):
    """More units than time steps are summed in another way."""
    experiment = Experiment(
        cell=cell, hidden_size=hidden_size, length=LENGTH, seeds=1, gain=1.5, truncate=truncate, layers=2
    )
    built = build_task(experiment)
    weights, _ = initial_weights(experiment, built.inputs, built.outputs)
    inputs = built.measuring().inputs[:, :SEQUENCES]
    module = MODULES[cell](built.inputs, hidden_size, 2).double()
    module.load_state_dict({n: w[0] for n, w in weights.items() if n in dict(module.named_parameters())})
    wanted = by_autograd(module, cell, inputs.double(), range(hidden_size), truncate)
    assert weight_sensitivity(experiment, weights, inputs, hidden_size)[0] == pytest.approx(wanted, rel=1e-9)
    assert weight_sensitivity(experiment.replace(truncate=None), weights, inputs, hidden_size)[0] != wanted


def test_what_remembers_longer_costs_more():
    """A linear unit with the state kept whole moves with its weight by T(T-1)/2; forgetting at once, by little."""

    def price(kept, length):
        experiment = Experiment(cell="rnn", activation="identity", hidden_size=1, seeds=1, length=length)
        ones = torch.ones(1, 1, 1)
        weights = {
            "weight_ih_l0": ones,
            "weight_hh_l0": kept * ones,
            "bias_ih_l0": ones[0] * 0,
            "bias_hh_l0": ones[0] * 0,
        }
        return weight_sensitivity(experiment, weights, torch.ones(length, 1, 1), 1)[0]

    assert price(1.0, 10) == pytest.approx(45)
    assert price(0.0, 10) == pytest.approx(1)


def test_words_are_read_too():
    experiment = Experiment(task="words", hidden_size=4, seeds=2, length=5)
    built = build_task(experiment)
    weights, _ = initial_weights(experiment, built.inputs, built.outputs, built.vocabulary)
    assert np.isfinite(weight_sensitivity(experiment, weights, built.measuring().inputs[:, :1], 4)).all()
