"""RNN, LSTM and GRU: one step, its exact backward, and how weights start. Knows nothing of tasks or training.

Inside the engine a layer of S models is kept features-first. At step t it reads one *column*

    column_t = [h_{t-1}; x_t; 1]      (S, H + D + 1, B)

and multiplies it by one *packed* weight (S, R, H + D + 1) of recurrent weights, input weights and bias; R is H
times the number of row blocks of the cell. Every buffer, and every view of one step into it, is made once and used
again: a step is then a handful of calls without an allocation.

Going back, all that a step multiplies its incoming gradient with is elementwise and known from the forward pass,
so `local_derivatives` computes it for the whole sequence at once, and a step is a few products.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Activation(NamedTuple):
    """φ of numpy's arrays, `apply(x, out=y)`; φ'(x) as a function of the output, of torch's, `slope(y, out=...)`.

    numpy's tanh keeps to two units in the last place, and takes a sixth of the time of torch's.
    """

    apply: Callable[..., np.ndarray]
    slope: Callable[..., Tensor]


ACTIVATIONS = {
    "tanh": Activation(np.tanh, lambda y, out: torch.addcmul(y.new_ones(()), y, y, value=-1, out=out)),
    "relu": Activation(lambda x, out: np.maximum(x, 0, out=out), lambda y, out: torch.gt(y, 0, out=out)),
    "identity": Activation(np.positive, lambda y, out: out.fill_(1)),
}


class Layer:
    """One layer of S models over T steps: its buffers, and what the three cells share.

    Time first: `column` (T+1, S, H+D+1, B); `grad` (T+1, S, H+D, B), the gradient by column; `gate` and `delta`
    (T, S, R, B), the gates and the gradient by their pre-activations. Their parts: `h[t+1]` is the state after
    step t and `dh[t+1]` its gradient, `x[t]` the input at step t and `dx[t]` its gradient.
    """

    name: str
    blocks: tuple[str, ...]  # row blocks of the packed weight
    gates: tuple[str, ...]  # in the order of torch's weights

    def __init__(
        self, S: int, T: int, B: int, D: int, H: int, activation: str, like: Tensor, backward: bool = True
    ) -> None:
        self.S, self.T, self.B, self.D, self.H = S, T, B, D, H
        self.activation = ACTIVATIONS[activation]
        R = H * len(self.blocks)
        self.column = _buffer(like, T + 1, S, H + D + 1, B)
        self.column[:, :, -1] = 1
        self.gate = _buffer(like, T, S, R, B)
        self.weight = like.new_zeros(S, R, H + D + 1)
        self.h, self.x = self.column[:, :, :H], self.column[:T, :, H:-1]
        self.memories, self.memory_grads = [self.h], []  # all that one step hands to the next, or back
        # Rows that meet the hidden state and rows that meet the input, each in torch's order.
        self.hidden_rows: slice = slice(None)
        self.input_rows: slice | Tensor = slice(None)
        self.prepare_forward()
        if backward:
            self.grad = _buffer(like, T + 1, S, H + D, B)
            self.delta = _buffer(like, T, S, R, B)
            self.weight_grad = _buffer(like, S, H + D + 1, R)  # transposed: the faster product
            self.dh, self.dx = self.grad[:, :, :H], self.grad[:T, :, H:]
            self.memory_grads.append(self.dh)
            self.prepare_backward()

    def rows(self, buffer: Tensor, block: str) -> Tensor:
        """The rows of one block, (..., H, B) of a buffer (..., R, B)."""
        k = self.blocks.index(block)
        return buffer[..., k * self.H : (k + 1) * self.H, :]

    def pack(self, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None) -> None:
        """Load torch's parameters, each with S in front: (S, GH, D), (S, GH, H), (S, GH), (S, GH)."""
        H = self.H
        self.weight[:, self.hidden_rows, :H] = weight_hh
        self.weight[:, self.input_rows, H:-1] = weight_ih
        if bias_ih is not None and bias_hh is not None:
            bias = self.weight[:, :, -1].zero_()
            bias[:, self.hidden_rows] += bias_hh
            bias[:, self.input_rows] += bias_ih

    def unpack_grad(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`weight_grad` by torch's weight_ih, weight_hh, bias_ih, bias_hh."""
        H = self.H
        grad = self.weight_grad.mT
        by_hidden, by_input = grad[:, self.hidden_rows], grad[:, self.input_rows]
        return by_input[:, :, H:-1], by_hidden[:, :, :H], by_input[:, :, -1], by_hidden[:, :, -1]

    def prepare_forward(self) -> None:
        """Make the views that `forward` walks over."""
        raise TypeError("a layer is one of RNN, LSTM, GRU")

    def prepare_backward(self) -> None:
        """Make the views that `backward` walks over."""
        raise TypeError("a layer is one of RNN, LSTM, GRU")

    def forward(self) -> None:
        """Run T steps from the state in `h[0]` (and `c[0]`) over the inputs in `x`."""
        raise TypeError("a layer is one of RNN, LSTM, GRU")

    def backward(self, by_weights: bool = True) -> None:
        """Complete `grad`, which holds what the loss itself adds at each state; add to `weight_grad` if asked."""
        raise TypeError("a layer is one of RNN, LSTM, GRU")


def _buffer(like: Tensor, *shape: int) -> Tensor:
    """Zeros (..., rows, columns) where each matrix starts at a multiple of 32 numbers.

    Products and sigmoids round by where in memory they write; so a model's bits don't depend on how many stand
    beside it.
    """
    *outer, rows, columns = shape
    block = -(-rows * columns // 32) * 32
    return like.new_zeros(*outer, block)[..., : rows * columns].unflatten(-1, (rows, columns))


def _steps(*buffers: Tensor | np.ndarray) -> list[tuple[Tensor | np.ndarray, ...]]:
    """Views of every time step of every buffer."""
    return list(zip(*buffers, strict=True))


class RNN(Layer):
    """h = φ(W [h₋, x, 1]).  Elman (1990)."""

    name = "rnn"
    blocks = ("state",)
    gates = ()

    def prepare_forward(self) -> None:  # noqa: D102
        self._forth = _steps(self.column[:-1], self.h[1:], self.h[1:].numpy())

    def prepare_backward(self) -> None:  # noqa: D102
        T = self.T
        self._back = _steps(self.delta, self.dh[1:], self.grad[:T], self.column[:T], self.delta.mT)[::-1]

    def forward(self) -> None:  # noqa: D102
        W, squash = self.weight, self.activation.apply
        for column, h, state in self._forth:
            torch.bmm(W, column, out=h)
            squash(state, out=state)

    def local_derivatives(self) -> None:
        """∂h/∂(pre-activation), into `delta`."""
        self.activation.slope(self.h[1:], out=self.delta)

    def backward(self, by_weights: bool = True) -> None:  # noqa: D102
        W, dW = self.weight[:, :, :-1].mT, self.weight_grad
        self.local_derivatives()
        for delta, dh, grad, column, delta_T in self._back:
            delta.mul_(dh)
            grad.baddbmm_(W, delta)
            if by_weights:
                dW.baddbmm_(column, delta_T)


class LSTM(Layer):
    """[i, f, g, o] = W [h₋, x, 1];  c = σ(f) c₋ + σ(i) φ(g);  h = σ(o) φ(c).

    Hochreiter & Schmidhuber (1997), with the forget gate of Gers, Schmidhuber & Cummins (2000). `c[t+1]` is the
    cell state after step t, `dc[t+1]` its gradient with the path through h_t.
    """

    name = "lstm"
    blocks = gates = ("input", "forget", "candidate", "output")

    def prepare_forward(self) -> None:  # noqa: D102
        T, S, B, H = self.T, self.S, self.B, self.H
        self.c = _buffer(self.column, T + 1, S, H, B)
        self.squashed = _buffer(self.column, T, S, H, B)  # φ(c)
        self.memories.append(self.c)
        i, f, g, o = (self.rows(self.gate, name) for name in self.blocks)
        self._forth = _steps(
            self.column[:T], self.gate, self.gate[:, :, : 2 * H], i, f, g, g.numpy(), o,
            self.c[:T], self.c[1:], self.c[1:].numpy(), self.squashed, self.squashed.numpy(), self.h[1:],
        )  # fmt: skip

    def prepare_backward(self) -> None:  # noqa: D102
        T, H = self.T, self.H
        self.dc = _buffer(self.c, T + 1, self.S, H, self.B)
        self.exposed = _buffer(self.c, T, self.S, H, self.B)  # ∂h/∂c
        self.memory_grads.append(self.dc)
        into_cell = self.delta[:, :, : 3 * H].unflatten(2, (3, H))
        self._back = _steps(
            self.delta, into_cell, self.rows(self.delta, "output"), self.rows(self.gate, "forget"), self.exposed,
            self.dh[1:], self.dc[1:], self.dc[1:].unsqueeze(2), self.dc[:T],
            self.grad[:T], self.column[:T], self.delta.mT,
        )[::-1]  # fmt: skip

    def forward(self) -> None:  # noqa: D102
        W, squash = self.weight, self.activation.apply
        for column, gate, input_forget, i, f, g, g_np, o, c_before, c, c_np, squashed, squashed_np, h in self._forth:
            torch.bmm(W, column, out=gate)
            input_forget.sigmoid_()
            squash(g_np, out=g_np)
            o.sigmoid_()
            torch.mul(f, c_before, out=c).addcmul_(i, g)
            squash(c_np, out=squashed_np)
            torch.mul(o, squashed, out=h)

    def local_derivatives(self) -> None:
        """∂c/∂(pre-activations of i, f, g) and ∂h/∂(that of o), into `delta`; ∂h/∂c."""
        slope = self.activation.slope
        i, f, g, o = (self.rows(self.gate, name) for name in self.blocks)
        by_i, by_f, by_g, by_o = (self.rows(self.delta, name) for name in self.blocks)
        _logistic_slope(i, out=by_i).mul_(g)
        _logistic_slope(f, out=by_f).mul_(self.c[:-1])
        slope(g, out=by_g).mul_(i)
        _logistic_slope(o, out=by_o).mul_(self.squashed)
        slope(self.squashed, out=self.exposed).mul_(o)

    def backward(self, by_weights: bool = True) -> None:  # noqa: D102
        W, dW = self.weight[:, :, :-1].mT, self.weight_grad
        self.local_derivatives()
        for delta, into_cell, into_output, f, exposed, dh, dc, dc_wide, dc_before, grad, column, delta_T in self._back:
            dc.addcmul_(dh, exposed)
            torch.mul(dc, f, out=dc_before)
            into_cell.mul_(dc_wide)
            into_output.mul_(dh)
            grad.baddbmm_(W, delta)
            if by_weights:
                dW.baddbmm_(column, delta_T)


class GRU(Layer):
    """[r, z, a, m] = W [h₋, x, 1];  n = φ(m + σ(r) a);  h = (1 - σ(z)) n + σ(z) h₋.

    Cho et al. (2014) in torch's form: z is the share kept, and r acts on a = W_hn h₋ + b_hn. So a sees the hidden
    state alone and m the input alone; their other weights are zero.
    """

    name = "gru"
    blocks = ("reset", "update", "recalled", "candidate")
    gates = ("reset", "update", "candidate")

    def prepare_forward(self) -> None:  # noqa: D102
        T, H = self.T, self.H
        self.hidden_rows = slice(3 * H)
        self.input_rows = torch.tensor([*range(2 * H), *range(3 * H, 4 * H)])
        r, z, a, n = (self.rows(self.gate, name) for name in self.blocks)
        self._forth = _steps(
            self.column[:T], self.gate, self.gate[:, :, : 2 * H], r, z, a, n, n.numpy(), self.h[:T], self.h[1:]
        )

    def prepare_backward(self) -> None:  # noqa: D102
        T, H = self.T, self.H
        self._back = _steps(
            self.delta, self.delta.unflatten(2, (4, H)), self.rows(self.gate, "update"),
            self.dh[1:], self.dh[1:].unsqueeze(2), self.dh[:T], self.grad[:T], self.column[:T], self.delta.mT,
        )[::-1]  # fmt: skip

    def forward(self) -> None:  # noqa: D102
        W, squash = self.weight, self.activation.apply
        for column, gate, reset_update, r, z, a, n, n_np, h_before, h in self._forth:
            torch.bmm(W, column, out=gate)
            reset_update.sigmoid_()
            n.addcmul_(r, a)
            squash(n_np, out=n_np)
            torch.lerp(n, h_before, z, out=h)

    def local_derivatives(self) -> None:
        """∂h/∂(pre-activations), into `delta`."""
        r, z, a, n = (self.rows(self.gate, name) for name in self.blocks)
        by_r, by_z, by_a, by_m = (self.rows(self.delta, name) for name in self.blocks)
        self.activation.slope(n, out=by_m)
        torch.addcmul(by_m, by_m, z, value=-1, out=by_m)
        torch.sub(self.h[:-1], n, out=by_a)
        _logistic_slope(z, out=by_z).mul_(by_a)
        _logistic_slope(r, out=by_r).mul_(a).mul_(by_m)
        torch.mul(by_m, r, out=by_a)

    def backward(self, by_weights: bool = True) -> None:  # noqa: D102
        W, dW = self.weight[:, :, :-1].mT, self.weight_grad
        self.local_derivatives()
        for delta, by_pre_activation, z, dh, dh_wide, dh_before, grad, column, delta_T in self._back:
            by_pre_activation.mul_(dh_wide)
            dh_before.addcmul_(dh, z)
            grad.baddbmm_(W, delta)
            if by_weights:
                dW.baddbmm_(column, delta_T)


def _logistic_slope(s: Tensor, out: Tensor) -> Tensor:
    """σ' = σ - σ²."""
    return torch.addcmul(s, s, s, value=-1, out=out)


LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
