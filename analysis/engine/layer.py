"""What the layers of all cells share: buffers, packed weights, and the methods that a cell must define.

Inside the engine a layer of S models is kept features-first. At step t it reads one *column*

    column_t = [h_{t-1}; x_t; 1]      (S, P + D + 1, B)

and multiplies it by one *packed* weight (S, R, P + D + 1) of recurrent weights, input weights and bias; R is H
times the number of row blocks of the cell. The hidden state has P = H units, or fewer where it is projected. Every
buffer, and every view of one step into it, is made once and used again: a step is then a handful of calls without an
allocation.

Going back, each step multiplies the incoming gradient by derivatives that are elementwise and known from the forward
pass. `compute_local_derivatives` fills them in for the whole sequence at once, so that a step back is a few products.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")  # torch's names, before the layer's "_l0"
Memory = tuple[Tensor, ...]  # what one step hands to the next, (h,) or (h, c), or its gradients; each (S, H, B)
Step = TypeVar("Step", bound=NamedTuple)


class Activation(NamedTuple):
    """A function φ that works on numpy's arrays, and its slope, which works on torch's.

    numpy's tanh is exact to two units in the last place, and takes a sixth of the time of torch's.
    """

    apply: Callable[..., np.ndarray]  # apply(x, out=y) writes φ(x)
    slope: Callable[..., Tensor]  # slope(y, out=...) writes φ'(x), computed from y = φ(x)
    range: tuple[float, float] | None  # the values φ lies between; None where they are unbounded


ACTIVATIONS = {
    "tanh": Activation(np.tanh, lambda y, out: torch.addcmul(y.new_ones(()), y, y, value=-1, out=out), (-1.0, 1.0)),
    "relu": Activation(lambda x, out: np.maximum(x, 0, out=out), lambda y, out: torch.gt(y, 0, out=out), None),
    "identity": Activation(np.positive, lambda y, out: out.fill_(1), None),
}


class Layer(ABC):
    """One layer of S models over T steps.

    Its buffers have time first: `column` (T+1, S, P+D+1, B); `grad` (T+1, S, P+D, B), the gradient by column; `gate`
    and `delta` (T, S, R, B), the gates and the gradient by their pre-activations. Views into them: `h[t+1]` is the
    state after step t and `dh[t+1]` its gradient, `x[t]` the input at step t and `dx[t]` its gradient.
    """

    name: ClassVar[str]
    blocks: ClassVar[tuple[str, ...]]  # row blocks of the packed weight
    gates: ClassVar[tuple[str, ...]]  # in the order of torch's weights

    def __init__(
        self, S: int, T: int, B: int, D: int, H: int, activation: str, like: Tensor, backward: bool = True, P: int = 0
    ) -> None:
        self.S, self.T, self.B, self.D, self.H = S, T, B, D, H
        P = self.P = P or H
        self.activation = ACTIVATIONS[activation]
        R = H * len(self.blocks)
        self.column = zero_buffer(like, T + 1, S, P + D + 1, B)
        self.column[:, :, -1] = 1
        self.gate = zero_buffer(like, T, S, R, B)
        self.weight = like.new_zeros(S, R, P + D + 1)
        self.h, self.x = self.column[:, :, :P], self.column[:T, :, P:-1]
        self.memories = [self.h]  # what one step hands to the next: h, and an LSTM's c
        self.memory_grads: list[Tensor] = []  # their gradients, which one step hands back to the one before
        # The rows that read the hidden state, and those that read the input, each in torch's order.
        self.hidden_rows = slice(None)
        self.input_rows: slice | Tensor = slice(None)
        self.prepare_forward()
        if backward:
            self.grad = zero_buffer(like, T + 1, S, P + D, B)
            self.delta = zero_buffer(like, T, S, R, B)
            self.weight_grad = zero_buffer(like, S, P + D + 1, R)  # transposed: the faster product
            self.dh, self.dx = self.grad[:, :, :P], self.grad[:T, :, P:]
            self.memory_grads.append(self.dh)
            self.prepare_backward()

    def rows(self, buffer: Tensor, block: str) -> Tensor:
        """Return the rows of one block, (..., H, B), of a buffer (..., R, B)."""
        k = self.blocks.index(block)
        return buffer[..., k * self.H : (k + 1) * self.H, :]

    def gate_ranges(self) -> dict[str, tuple[float, float] | None]:
        """Return each gate's lowest and highest value: 0 and 1, or the range of the candidate's activation."""
        return {gate: self.activation.range if gate == "candidate" else (0.0, 1.0) for gate in self.gates}

    def pack(self, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None) -> None:
        """Load torch's parameters, each with S in front: (S, GH, D), (S, GH, P), (S, GH), (S, GH)."""
        P = self.P
        self.weight[:, self.hidden_rows, :P] = weight_hh
        self.weight[:, self.input_rows, P:-1] = weight_ih
        if bias_ih is not None and bias_hh is not None:
            bias = self.weight[:, :, -1].zero_()
            bias[:, self.hidden_rows] += bias_hh
            bias[:, self.input_rows] += bias_ih

    def unpack_grad(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return `weight_grad` by torch's parameters, in the order of PARAMETERS."""
        P = self.P
        grad = self.weight_grad.mT
        by_hidden, by_input = grad[:, self.hidden_rows], grad[:, self.input_rows]
        return by_input[:, :, P:-1], by_hidden[:, :, :P], by_input[:, :, -1], by_hidden[:, :, -1]

    @abstractmethod
    def prepare_forward(self) -> None:
        """Make the views of each step that `forward` uses."""

    @abstractmethod
    def prepare_backward(self) -> None:
        """Make the views of each step that `backward` uses."""

    @abstractmethod
    def forward(self) -> None:
        """Run T steps from the state in `h[0]` (and `c[0]`) over the inputs in `x`."""

    @abstractmethod
    def compute_local_derivatives(self) -> None:
        """Fill `delta` with the derivatives of each step's memory by its own pre-activations."""

    def backward(self, by_weights: bool = True, cuts: Sequence[int] = (), stop: int | None = None) -> None:
        """Complete `grad`, which holds the loss's own gradient by each state; add to `weight_grad` if asked.

        Nothing is handed back from the steps in `cuts`, in ascending order, to those before them. From step `stop` on,
        where one is given, no gradient comes: it is zero there.
        """
        stop = self.T if stop is None else stop
        if stop:
            self.compute_local_derivatives()
        self.delta[stop:] = 0
        for first, end in reversed([*pairwise(sorted({0, *cuts, stop}))]):
            own = self.dh[first].clone()  # of the loss itself; it reads no cell state
            self.go_back(first, end, by_weights)
            if first in cuts:
                self.dh[first] = own
                for grad in self.memory_grads[1:]:
                    grad[first] = 0

    @abstractmethod
    def go_back(self, first: int, end: int, by_weights: bool) -> None:
        """Complete `grad` for the steps before `end`, down to the first, once the local derivatives are there."""

    def total_memory_grad(self, t: int, grads: list[Tensor]) -> Tensor:
        """Return the total gradient by the memory state after step t, given `grads` as `pull_back` takes them."""
        return grads[0]

    @abstractmethod
    def pull_back(self, t: int, grads: list[Tensor], delta: Tensor) -> None:
        """Take the gradients of n losses back through step t of the first model: one vector-Jacobian product.

        Call `compute_local_derivatives` once before the first step, and `total_memory_grad` before each.

        Args:
            t: the step.
            grads: ∂ℓ/∂h, and of an LSTM ∂ℓ/∂c too, (H, n, B) each; of the memory after step t, and afterwards of
                the memory before it.
            delta: a buffer for the gradient by the pre-activations that read the hidden state, (GH, n, B).
        """


def zero_buffer(like: Tensor, *shape: int) -> Tensor:
    """Return zeros (..., rows, columns) where each matrix starts at a multiple of 32 numbers.

    Products and sigmoids round differently at different memory alignments. With aligned matrices, a model's bits do
    not depend on the number of models in the ensemble.
    """
    *outer, rows, columns = shape
    block = -(-rows * columns // 32) * 32
    return like.new_zeros(*outer, block)[..., : rows * columns].unflatten(-1, (rows, columns))


def views_by_step(kind: type[Step], **buffers: Iterable[Tensor | np.ndarray]) -> list[Step]:
    """Return for each time step a `kind` that holds the step's view of every buffer, by the buffer's name."""
    return [kind._make(views) for views in zip(*(buffers[name] for name in kind._fields), strict=True)]
