"""From how far back a gradient by weights comes: its shares by ranges of distance."""

from math import isfinite

import torch
from torch import Tensor

from analysis.engine.layer import Layer
from analysis.engine.unroll import Unroll, one_thread
from analysis.results import DISTANCES


def shares_by_distance(unroll: Unroll, step: int, bias: bool) -> tuple[float, ...]:
    """Return the shares of a loss's gradient by the weights that come from each range of DISTANCES, in all layers.

    The gradient is a sum over time steps. A range's share is the projection of its part of the sum on the whole: shares
    add up to 1, and one is negative where its part points away from the whole.

    Args:
        unroll: of one model, gone back with a loss that reads one time step.
        step: that time step; a distance counts from it.
        bias: whether the layers have biases, which are weights too.

    Returns:
        The shares; empty where the gradient is zero or not finite.
    """
    parts: list[Tensor] = []
    with one_thread(), torch.inference_mode():
        for first, beyond in zip(DISTANCES, (*DISTANCES[1:], step + 1), strict=True):
            steps = slice(max(0, step + 1 - beyond), max(0, step + 1 - first))
            parts.append(torch.cat([_gradient(layer, steps, bias) for layer in unroll.layers]))
        whole = torch.stack(parts)
        total = whole.sum(0)
        largest = float(total.abs().max())
        if not (isfinite(largest) and largest > 0):
            return ()
        total /= largest
        return tuple(((whole / largest) @ total / (total @ total)).tolist())


def _gradient(layer: Layer, steps: slice, bias: bool) -> Tensor:
    """Return what some time steps add to the gradient by the first model's weights, summed over samples, (weights,)."""
    column, delta = layer.column[:-1][steps, 0], layer.delta[steps, 0]  # (t, H + D + 1, B), (t, R, B)
    layer.weight_grad[0] = column.transpose(0, 1).flatten(1) @ delta.transpose(0, 1).flatten(1).T
    weight_ih, weight_hh, bias_ih, bias_hh = layer.unpack_grad()
    return torch.cat([part.flatten() for part in (weight_ih, weight_hh, *((bias_ih, bias_hh) if bias else ()))])
