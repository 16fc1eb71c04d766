"""The price of memory: how much the last memory state moves with the recurrent weights.

The longer a network remembers, the more its output moves with its weights, since a weight acts at every time step and
what it did is kept: learning gets harder even where no gradient explodes (Zucchet & Orvieto 2024).
"""

import numpy as np
import torch
from torch import Tensor

from analysis.engine.initialization import Weights
from analysis.engine.layer import Layer
from analysis.engine.network import embed
from analysis.engine.unroll import Unroll, cuts, one_thread
from analysis.experiment import Experiment


def weight_sensitivity(experiment: Experiment, weights: Weights, inputs: Tensor, units: int) -> np.ndarray:
    """Return the root mean square of ∂(last memory state)/∂(recurrent weights) of each model, (S,).

    The mean is over units of the top layer's memory state, all recurrent weights of all layers, and sequences. It is
    exact: one sweep back takes along the gradient of every unit, each in a column of its own. Where backpropagation is
    truncated it is what training sees: the weights' part in the last window, whose first state counts as given.

    Args:
        experiment: gives cell, activation and truncation.
        weights: torch's parameters by name, (S, ...).
        inputs: of the sequences, (T, B, D), or words (T, B).
        units: how many units, evenly spaced; all where there are fewer.

    Returns:
        Change of a state per change of a weight; inf or NaN for a model whose states leave the finite range.
    """
    weights = {name: weight.detach().double() for name, weight in weights.items()}
    H = experiment.hidden_size
    chosen = torch.linspace(0, H - 1, min(units, H)).round().long()
    T, B = inputs.shape[:2]
    columns = B * len(chosen)
    with one_thread(), torch.no_grad(), torch.inference_mode(), np.errstate(all="ignore"):
        unroll = Unroll(experiment.cell, experiment.activation, weights, T, columns)
        unroll.start()
        repeated = inputs.repeat_interleave(len(chosen), dim=1)
        unroll.forward(embed(weights, repeated) if not repeated.is_floating_point() else repeated.double())
        later = [tuple(torch.zeros_like(buffer[-1]) for buffer in layer.memory_grads) for layer in unroll.layers]
        later[-1][-1][:, chosen.repeat(B), torch.arange(columns)] = 1.0
        unroll.backward(None, later, cuts=cuts(experiment.truncate, 0, T))
        squares = torch.stack([_squares(layer) for layer in unroll.layers]).sum(0)
        count = sum(weight[0].numel() for name, weight in weights.items() if name.startswith("weight_hh"))
        return (squares / (columns * count)).sqrt().numpy()


def _squares(layer: Layer) -> Tensor:
    """Return the sum of squares of each column's gradient by the recurrent weights, over columns, (S,).

    A column's gradient is G = Σ_t δ_t h_{t-1}ᵀ, and ‖G‖² = Σ_{t,u} (δ_t·δ_u) (h_{t-1}·h_{u-1}), which takes less time
    where there are fewer time steps than units.
    """
    delta, before = layer.delta[:, :, layer.hidden_rows], layer.h[:-1]  # (T, S, R, B), (T, S, H, B)
    squares = []
    for model in range(layer.S):
        by_step, states = delta[:, model].permute(2, 1, 0), before[:, model].permute(2, 0, 1)  # (B, R, T), (B, T, H)
        if layer.T < layer.H:
            squares.append((torch.bmm(by_step.mT, by_step) * torch.bmm(states, states.mT)).sum().clamp_min(0))
        else:
            squares.append(torch.bmm(by_step, states).square().sum())
    return torch.stack(squares)
