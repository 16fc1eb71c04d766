"""Layers that read sequences in one direction of time or in both: each direction of a layer is a `Layer` of its own."""

from collections.abc import Mapping

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
        self._flipped = torch.where(steps < lengths, lengths - 1 - steps, steps).view(T, 1, 1, N)
        suffixes = SUFFIXES if "weight_hh_l0_reverse" in weights else SUFFIXES[:1]
        self.count = len(suffixes)
        L = sum(name.startswith("weight_hh_l") for name in weights) // self.count
        self.layers = [
            [_layer(cell, activation, weights, f"_l{k}{suffix}", T, N) for suffix in suffixes] for k in range(L)
        ]

    def flip(self, steps: Tensor) -> Tensor:
        """Return (T, S, ·, N) with the time steps of each sequence in reverse order, and padding where it was."""
        return steps.flip(0) if self._even else steps.gather(0, self._flipped.expand(steps.shape))

    def start(self, layer: int, direction: int, state: Memory) -> None:
        """Set the state before the first step that a direction of a layer reads; it is zero before."""
        for buffer, value in zip(self.layers[layer][direction].memories, state, strict=True):
            buffer[0] = value

    @torch.inference_mode()
    def forward(self, inputs: Tensor) -> Tensor:
        """Run over inputs (T, 1, D, N); return the top layer's states of all directions, (T, S, directions·P, N)."""
        read = inputs
        for forward, *reverse in self.layers:
            forward.x.copy_(read)
            forward.forward()
            read = forward.h[1:]
            for layer in reverse:
                layer.x.copy_(self.flip(forward.x))
                layer.forward()
                read = torch.cat([read, self.flip(layer.h[1:])], 2)
        return read

    @torch.inference_mode()
    def backward(self, output_grad: Tensor) -> None:
        """Propagate ∂ℓ/∂(top layer's states), (T, S, directions·P, N), back through all steps and layers."""
        for layer in (layer for layers in self.layers for layer in layers):
            layer.grad.zero_()
            layer.memory_grads[-1][-1] = 0
        for forward, *reverse in self.layers[::-1]:
            forward.dh[1:] = output_grad[:, :, : forward.P]
            forward.backward(by_weights=False)
            for layer in reverse:
                layer.dh[1:] = self.flip(output_grad[:, :, forward.P :])
                layer.backward(by_weights=False)
            output_grad = self._input_grad(forward, reverse)
        self._inputs_grad = output_grad

    def _input_grad(self, forward: Layer, reverse: list[Layer]) -> Tensor:
        """Return ∂ℓ/∂(a layer's inputs), (T, S, ·, N), through all its directions."""
        for layer in reverse:
            return forward.dx + self.flip(layer.dx)
        return forward.dx

    @torch.inference_mode()
    def tape(self, direction: int) -> Tape:
        """Return what one direction recorded, in the order in which it reads; padding holds numbers of no meaning."""
        input_grad = self.flip(self._inputs_grad) if direction else self._inputs_grad
        return tape_of_layers(self, [layers[direction] for layers in self.layers], input_grad, ())


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
