"""Backpropagation through time: L layers of S models, unrolled, run forward and back, everything recorded."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from analysis.engine.cells import LAYERS
from analysis.engine.layer import PARAMETERS, Layer, Memory
from analysis.engine.norms import norm
from analysis.experiment import KEEP_GATE
from analysis.results import Tape

_ZEROS = (0.0, 0.0)  # of h and c


def cuts(truncate: int | None, first: int, end: int) -> list[int]:
    """Return where truncated backpropagation cuts the gradient in steps `first` … `end` - 1, counted from the first.

    Windows of `truncate` steps count from the sequence's start, as in a loop that reads on and detaches the state
    (Williams & Peng, 1990, in windows that don't overlap). None cuts nowhere.

    >>> cuts(4, 0, 10), cuts(4, 5, 10)
    ([4, 8], [3])
    """
    return [t - first for t in range(first, end) if t % truncate == 0 and t] if truncate else []


def cut_distance(truncate: int | None, T: int) -> int | None:
    """Return from which distance on truncation leaves no gradient of the last of T steps; None = it cuts none.

    >>> cut_distance(4, 10), cut_distance(4, 8), cut_distance(10, 10)
    (2, 4, None)
    """
    return (T - 1) % truncate + 1 if truncate and truncate < T else None


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: with more, small work is slower and batched products differ in the last bits.

    torch has one thread count for each Python thread, so callers in other threads are not affected.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Unroll:
    """L layers of S models over T steps of B sequences, in buffers that are made once and can be run again.

    Weights are torch's parameters by name, each with S in front. Inside, arrays are (T, S, ·, B).
    """

    def __init__(
        self, cell: str, activation: str, weights: Mapping[str, Tensor], T: int, B: int, *, backward: bool = True
    ) -> None:
        self.cell, self.activation, self.T = cell, activation, T
        L = sum(name.startswith("weight_hh_l") for name in weights)
        self.layers: list[Layer] = []
        for k in range(L):
            weight_ih = weights[f"weight_ih_l{k}"]
            S, _, D = weight_ih.shape
            H = weights[f"weight_hh_l{k}"].shape[-1]
            self.layers.append(LAYERS[cell](S, T, B, D, H, activation, weight_ih.detach(), backward))
        self.load(weights)

    @torch.inference_mode()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Replace the weights; biases may be missing."""
        for k, layer in enumerate(self.layers):
            bias_ih, bias_hh = weights.get(f"bias_ih_l{k}"), weights.get(f"bias_hh_l{k}")
            layer.pack(weights[f"weight_ih_l{k}"], weights[f"weight_hh_l{k}"], bias_ih, bias_hh)

    @torch.inference_mode()
    def start(self, state: Sequence[Memory] | None = None) -> None:
        """Set the state before the first step, of each layer; None = zero."""
        for k, layer in enumerate(self.layers):
            values: Sequence[Tensor | float] = state[k] if state else _ZEROS
            for buffer, value in zip(layer.memories, values, strict=False):
                buffer[0] = value

    def state(self) -> list[Memory]:
        """Return a copy of the state after the last step, as `start` takes it."""
        return [tuple(buffer[-1].clone() for buffer in layer.memories) for layer in self.layers]

    @torch.inference_mode()
    def forward(self, inputs: Tensor) -> Tensor:
        """Run over inputs (T, B, D) or (T, S, B, D); return the top layer's hidden states, (T, S, H, B)."""
        read = inputs.mT.unsqueeze(1) if inputs.dim() == 3 else inputs.mT
        for layer in self.layers:
            layer.x.copy_(read)
            layer.forward()
            read = layer.h[1:]
        return read

    @torch.inference_mode()
    def backward(
        self,
        output_grad: Tensor | None,
        later: Sequence[Memory] | None = None,
        *,
        by_weights: bool = False,
        cuts: Sequence[int] = (),
    ) -> None:
        """Propagate the loss's gradient back through all steps and layers, after `forward`.

        The results stay in the layers' buffers: `tape` and `weight_grads` return them. Gradients with respect to
        states, gates and inputs are each sample's own; those with respect to weights are summed over samples.

        Args:
            output_grad: ∂ℓ/∂(top layer's hidden state), (S, H, B) at the last step or (T, S, H, B) at all steps; None
                where the loss reads none of them.
            later: where these T steps are a piece of a longer sequence: what `earlier` returned for the piece after it.
            by_weights: whether to compute the gradients with respect to the weights.
            cuts: the steps that hand no gradient back to the step before them.
        """
        for k, layer in enumerate(self.layers):
            layer.grad.zero_()
            layer.weight_grad.zero_()
            values: Sequence[Tensor | float] = later[k] if later else _ZEROS
            for buffer, value in zip(layer.memory_grads, values, strict=False):
                buffer[-1] = value
        top = self.layers[-1].dh
        if output_grad is not None:
            target = top[-1] if output_grad.dim() == 3 else top[1:]
            target += output_grad
        for layer, above in zip(self.layers[::-1], [None, *self.layers[:0:-1]], strict=True):  # the top layer first
            if above:
                layer.dh[1:] += above.dx
            layer.backward(by_weights, cuts)

    def earlier(self) -> list[Memory]:
        """Return a copy of the gradient that flows on into the steps before the first.

        Subnormal numbers become zero: rounding would keep them from ever decaying to zero, and they are slow.
        """

        def flush(gradient: Tensor) -> Tensor:
            return torch.where(gradient.abs() < torch.finfo(gradient.dtype).tiny, 0, gradient)

        return [tuple(flush(buffer[0]) for buffer in layer.memory_grads) for layer in self.layers]

    @torch.inference_mode()
    def weight_grads(self) -> dict[str, Tensor]:
        """Return the gradients by torch's parameters, summed over samples."""
        return {
            f"{name}_l{k}": grad
            for k, layer in enumerate(self.layers)
            for name, grad in zip(PARAMETERS, layer.unpack_grad(), strict=True)
        }

    @torch.inference_mode()
    def tape(self, loss_steps: tuple[int, ...] = (-1,), *, weight_grad: bool = True) -> Tape:
        """Return what was recorded, in the public order; arrays are views that the next run overwrites.

        Args:
            loss_steps: the steps whose output the loss reads; negative ones count from the end.
            weight_grad: whether to compute `Tape.weight_grad`, the one part that takes extra time; else it is empty.
        """
        steps = tuple(t % self.T for t in loss_steps)
        return tape_of_layers(self, self.layers, self.layers[0].dx, steps, weight_grad=weight_grad)


class Cell(Protocol):
    """What a tape says of its cell."""

    cell: str
    activation: str


def tape_of_layers(
    of: Cell, layers: list[Layer], input_grad: Tensor, loss_steps: tuple[int, ...], *, weight_grad: bool = True
) -> Tape:
    """Return what layers recorded, in the public order; `input_grad` is (T, S, D, B)."""
    lowest = layers[0]
    has_cell_state = len(lowest.memories) == 2
    return Tape(
        model=of.cell,
        activation=of.activation,
        loss_steps=loss_steps,
        hidden=_public([layer.h[1:] for layer in layers]),
        hidden_grad=_public([layer.dh[1:] for layer in layers]),
        cell=_public([layer.memories[1][1:] for layer in layers]) if has_cell_state else None,
        cell_grad=_public([layer.memory_grads[1][1:] for layer in layers]) if has_cell_state else None,
        input_grad=input_grad.permute(1, 0, 3, 2).numpy(),
        gates={gate: _public([layer.rows(layer.gate, gate) for layer in layers]) for gate in lowest.gates},
        weight_grad=_recurrent_shares(layers if weight_grad else []),
        keep_gate=KEEP_GATE.get(of.cell),
        ranges=lowest.gate_ranges(),
        lengths=np.full(lowest.B, lowest.T),
    )


def _recurrent_shares(layers: list[Layer]) -> np.ndarray:
    """Return ‖δ_t‖ ‖h_{t-1}‖, (S, L, T, B): the norm of the outer product that step t adds to a sample's ∂ℓ/∂W_hh."""
    with np.errstate(invalid="ignore", over="ignore"):  # of states that left the finite range
        shares = [
            norm(layer.delta[:, :, layer.hidden_rows].numpy(), 2) * norm(layer.h[:-1].numpy(), 2) for layer in layers
        ]
    return np.stack(shares).transpose(2, 0, 1, 3) if shares else np.empty(0)


def _public(layers: list[Tensor]) -> np.ndarray:
    """Order one array per layer, (T, S, H, B) each, as (S, L, T, B, H)."""
    ordered = [array.permute(1, 0, 3, 2) for array in layers]
    stacked = ordered[0].unsqueeze(1) if len(ordered) == 1 else torch.stack(ordered, 1)
    return stacked.numpy()
