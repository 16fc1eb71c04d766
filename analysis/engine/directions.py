"""Layers that read sequences in one direction of time or in both: each direction of a layer is a `Layer` of its own."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from analysis.engine.cells import LAYERS
from analysis.engine.layer import Layer, Memory
from analysis.engine.projection import ProjectedLSTM
from analysis.engine.unroll import tape_of_layers
from analysis.results import Tape

SUFFIXES = ("", "_reverse")  # of torch's parameters, by direction


class Directions:
    """L layers of S models over N sequences of at most T time steps, each of its own length, padded at its end.

    Weights are torch's parameters by name, each with S in front. The backward direction reads each sequence from its
    own last step. Padding is read too, but comes after all that counts: gradients are zero there.
    """

    def __init__(self, cell: str, activation: str, weights: Mapping[str, Tensor], lengths: Tensor) -> None:
        self.cell, self.activation = cell, activation
        T, N = int(lengths.max()), len(lengths)
        steps = torch.arange(T).unsqueeze(1)
        self._even = bool((lengths == T).all())
        self._outside = (steps >= lengths).view(T, 1, 1, N)
        self._order = torch.where(steps < lengths, lengths - 1 - steps, steps).view(T, 1, 1, N)
        suffixes = SUFFIXES if "weight_hh_l0_reverse" in weights else SUFFIXES[:1]
        self.count = len(suffixes)
        L = sum(name.startswith("weight_hh_l") for name in weights) // self.count
        self.layers = [
            [_layer(cell, activation, weights, f"_l{k}{suffix}", T, N) for suffix in suffixes] for k in range(L)
        ]

    def start(self, layer: int, direction: int, state: Memory) -> None:
        """Set the state before the first step that a direction of a layer reads; it is zero before."""
        for buffer, value in zip(self.layers[layer][direction].memories, state, strict=True):
            buffer[0] = value

    @torch.inference_mode()
    def forward(self, inputs: Tensor, top: int | None = None) -> Tensor:
        """Run over inputs (T, 1, D, N); return the top layer's states of all directions, (T, S, directions·P, N).

        Where one direction of the `top` layer is named, the other isn't run there: its states are zero.
        """
        read = [inputs]
        for layers in self.layers:
            for direction, layer in enumerate(layers):
                if layers is self.layers[-1] and top not in (None, direction):
                    continue
                self._join(layer.x, read, direction)
                layer.forward()
            read = [layer.h[1:] for layer in layers]
        T, S, P, N = read[0].shape
        output = read[0].new_empty(T, S, P * len(read), N)
        self._join(output, read, 0)
        return output

    @torch.inference_mode()
    def backward(self, output_grad: Tensor) -> None:
        """Propagate ∂ℓ/∂(top layer's states), (T, S, directions·P, N), back through all; once, as gradients add up."""
        above = [output_grad]
        for layers in self.layers[::-1]:
            for direction, layer in enumerate(layers):
                own = slice(direction * layer.P, (direction + 1) * layer.P)
                self._add(layer.dh[1:], [grad[:, :, own] for grad in above], direction)
            for layer in layers:  # a loss that reads one direction's last step leaves the other without a gradient
                reached = layer.dh[1:].ne(0).any(3).any(2).any(1).nonzero()
                layer.backward(by_weights=False, stop=int(reached[-1]) + 1 if len(reached) else 0)
            above = [layer.dx for layer in layers]

    @torch.inference_mode()
    def tape(self, direction: int) -> Tape:
        """Return what one direction recorded, in the order in which it reads; padding holds numbers of no meaning."""
        input_grad = torch.zeros_like(self.layers[0][0].dx)
        self._add(input_grad, [layer.dx for layer in self.layers[0]], direction)
        layers = [layers[direction] for layers in self.layers]
        if not self._even:
            for layer in layers:
                layer.delta.masked_fill_(self._outside, 1)  # it is 0 there, and norms of zero vectors take longer
        return tape_of_layers(self, layers, input_grad, ())

    def _join(self, into: Tensor, parts: list[Tensor], direction: int) -> None:
        """Write each direction's part (T, S, ·, N), one below the other, in the order in which `direction` reads."""
        at = 0
        for own, part in enumerate(parts):
            rows = into[:, :, at : at + part.shape[2]]
            if own == direction:
                rows.copy_(part)
            else:
                np.copyto(rows.numpy(), self._flipped(part))
            at += part.shape[2]

    def _add(self, into: Tensor, parts: list[Tensor], direction: int) -> None:
        """Add each direction's part, (T, S, ·, N), to zeros, in the order in which `direction` reads."""
        for own, part in enumerate(parts):
            if own == direction == 0:
                into.copy_(part)
            elif own == direction:
                into += part
            else:
                np.add(into.numpy(), self._flipped(part), out=into.numpy())

    def _flipped(self, steps: Tensor) -> np.ndarray:
        """Return (T, S, ·, N) with the steps of each sequence in reverse order, and padding where it was."""
        return steps.numpy()[::-1] if self._even else steps.gather(0, self._order.expand(steps.shape)).numpy()


def _layer(cell: str, activation: str, weights: Mapping[str, Tensor], suffix: str, T: int, N: int) -> Layer:
    """Return a layer with the weights of torch's parameters that end in a suffix, "_l0" or "_l0_reverse"."""
    weight_ih, weight_hh, weight_hr = (weights.get(f"weight_{part}{suffix}") for part in ("ih", "hh", "hr"))
    assert weight_ih is not None and weight_hh is not None
    S, _, D = weight_ih.shape
    P = weight_hh.shape[2]
    layer: Layer
    if weight_hr is None:
        layer = LAYERS[cell](S, T, N, D, P, activation, weight_ih)
    else:
        layer = ProjectedLSTM(S, T, N, D, weight_hr.shape[2], activation, weight_ih, P=P)
        layer.pack_projection(weight_hr)
    layer.pack(weight_ih, weight_hh, weights.get(f"bias_ih{suffix}"), weights.get(f"bias_hh{suffix}"))
    return layer
