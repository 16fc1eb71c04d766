"""RNN, LSTM and GRU: one step forward, and its exact gradient. Independent of tasks and training."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from analysis.engine.layer import Layer, views_by_step, zero_buffer


class RnnForward(NamedTuple):
    """Views of one step of an RNN, going forward."""

    column: Tensor
    h: Tensor
    h_array: np.ndarray


class RnnBackward(NamedTuple):
    """Views of one step of an RNN, going back."""

    column: Tensor
    delta: Tensor
    delta_T: Tensor
    dh: Tensor
    grad_before: Tensor


class RNN(Layer):
    """h = φ(W [h₋, x, 1]).  Elman (1990)."""

    name = "rnn"
    blocks = ("state",)
    gates = ()

    def prepare_forward(self) -> None:
        """Make the views of each step that `forward` uses."""
        h = self.h[1:]
        self._forward_steps = views_by_step(RnnForward, column=self.column[:-1], h=h, h_array=h.numpy())

    def prepare_backward(self) -> None:
        """Make the views of each step that `backward` uses, the last step first."""
        self._backward_steps = views_by_step(
            RnnBackward,
            column=self.column[: self.T],
            delta=self.delta,
            delta_T=self.delta.mT,
            dh=self.dh[1:],
            grad_before=self.grad[: self.T],
        )[::-1]

    def forward(self) -> None:
        """Run T steps from the state in `h[0]` over the inputs in `x`."""
        W, squash = self.weight, self.activation.apply
        for step in self._forward_steps:
            torch.bmm(W, step.column, out=step.h)
            squash(step.h_array, out=step.h_array)

    def compute_local_derivatives(self) -> None:
        """Fill `delta` with ∂h/∂(pre-activation)."""
        self.activation.slope(self.h[1:], out=self.delta)

    def go_back(self, first: int, end: int, by_weights: bool) -> None:
        """Complete `grad`; with `by_weights`, add to `weight_grad` too."""
        W, dW = self.weight[:, :, :-1].mT, self.weight_grad
        for step in self._backward_steps[self.T - end : self.T - first]:
            step.delta.mul_(step.dh)
            step.grad_before.baddbmm_(W, step.delta)
            if by_weights:
                dW.baddbmm_(step.column, step.delta_T)

    def pull_back(self, t: int, grads: list[Tensor], delta: Tensor) -> None:
        """Compute ∂ℓ/∂h₋ = Wᵀ (φ' ∂ℓ/∂h)."""
        (dh,) = grads
        torch.mul(self.delta[t, 0].unsqueeze(1), dh, out=delta)
        dh.flatten(1).addmm_(self.weight[0, :, : self.H].T, delta.flatten(1), beta=0)


class LstmForward(NamedTuple):
    """Views of one step of an LSTM, going forward; names ending in _array are numpy views of the same memory."""

    column: Tensor
    gate: Tensor
    input_forget: Tensor
    i: Tensor
    f: Tensor
    g: Tensor
    g_array: np.ndarray
    o: Tensor
    c_before: Tensor
    c: Tensor
    c_array: np.ndarray
    squashed: Tensor
    squashed_array: np.ndarray
    h: Tensor


class LstmBackward(NamedTuple):
    """Views of one step of an LSTM, going back."""

    column: Tensor
    delta: Tensor
    delta_T: Tensor
    delta_cell: Tensor  # (S, 3, H, B) of i, f and g, which act on the cell state
    delta_output: Tensor
    f: Tensor
    exposed: Tensor
    dh: Tensor
    dc: Tensor
    dc_wide: Tensor  # (S, 1, H, B)
    dc_before: Tensor
    grad_before: Tensor


class LSTM(Layer):
    """[i, f, g, o] = W [h₋, x, 1];  c = σ(f) c₋ + σ(i) φ(g);  h = σ(o) φ(c).

    Hochreiter & Schmidhuber (1997), with the forget gate of Gers, Schmidhuber & Cummins (2000). `c[t+1]` is the
    cell state after step t, `dc[t+1]` its gradient with the path through h_t.
    """

    name = "lstm"
    blocks = gates = ("input", "forget", "candidate", "output")

    def prepare_forward(self) -> None:
        """Make the cell state, and the views of each step that `forward` uses."""
        T, S, B, H = self.T, self.S, self.B, self.H
        self.c = zero_buffer(self.column, T + 1, S, H, B)
        self.squashed = zero_buffer(self.column, T, S, H, B)  # φ(c)
        self.memories.append(self.c)
        i, f, g, o = (self.rows(self.gate, name) for name in self.blocks)
        self._forward_steps = views_by_step(
            LstmForward,
            column=self.column[:T],
            gate=self.gate,
            input_forget=self.gate[:, :, : 2 * H],
            i=i,
            f=f,
            g=g,
            g_array=g.numpy(),
            o=o,
            c_before=self.c[:T],
            c=self.c[1:],
            c_array=self.c[1:].numpy(),
            squashed=self.squashed,
            squashed_array=self.squashed.numpy(),
            h=self.h[1:],
        )

    def prepare_backward(self) -> None:
        """Make the cell state's gradient, and the views of each step that `backward` uses, the last step first."""
        T, H = self.T, self.H
        self.dc = zero_buffer(self.c, T + 1, self.S, H, self.B)
        self.exposed = zero_buffer(self.c, T, self.S, H, self.B)  # ∂h/∂c
        self.memory_grads.append(self.dc)
        self._backward_steps = views_by_step(
            LstmBackward,
            column=self.column[:T],
            delta=self.delta,
            delta_T=self.delta.mT,
            delta_cell=self.delta[:, :, : 3 * H].unflatten(2, (3, H)),
            delta_output=self.rows(self.delta, "output"),
            f=self.rows(self.gate, "forget"),
            exposed=self.exposed,
            dh=self.dh[1:],
            dc=self.dc[1:],
            dc_wide=self.dc[1:].unsqueeze(2),
            dc_before=self.dc[:T],
            grad_before=self.grad[:T],
        )[::-1]

    def forward(self) -> None:
        """Run T steps from the state in `h[0]` and `c[0]` over the inputs in `x`."""
        W, squash = self.weight, self.activation.apply
        for step in self._forward_steps:
            torch.bmm(W, step.column, out=step.gate)
            step.input_forget.sigmoid_()
            squash(step.g_array, out=step.g_array)
            step.o.sigmoid_()
            torch.mul(step.f, step.c_before, out=step.c).addcmul_(step.i, step.g)
            squash(step.c_array, out=step.squashed_array)
            torch.mul(step.o, step.squashed, out=step.h)

    def compute_local_derivatives(self) -> None:
        """Fill `delta` with ∂c/∂(pre-activations of i, f, g) and ∂h/∂(that of o), and `exposed` with ∂h/∂c."""
        slope = self.activation.slope
        i, f, g, o = (self.rows(self.gate, name) for name in self.blocks)
        by_i, by_f, by_g, by_o = (self.rows(self.delta, name) for name in self.blocks)
        _logistic_slope(i, out=by_i).mul_(g)
        _logistic_slope(f, out=by_f).mul_(self.c[:-1])
        slope(g, out=by_g).mul_(i)
        _logistic_slope(o, out=by_o).mul_(self.squashed)
        slope(self.squashed, out=self.exposed).mul_(o)

    def go_back(self, first: int, end: int, by_weights: bool) -> None:
        """Complete `grad` and `dc`; with `by_weights`, add to `weight_grad` too."""
        W, dW = self.weight[:, :, :-1].mT, self.weight_grad
        for step in self._backward_steps[self.T - end : self.T - first]:
            step.dc.addcmul_(step.dh, step.exposed)
            torch.mul(step.dc, step.f, out=step.dc_before)
            step.delta_cell.mul_(step.dc_wide)
            step.delta_output.mul_(step.dh)
            step.grad_before.baddbmm_(W, step.delta)
            if by_weights:
                dW.baddbmm_(step.column, step.delta_T)

    def total_memory_grad(self, t: int, grads: list[Tensor]) -> Tensor:
        """Add the path through h, ∂ℓ/∂h ∂h/∂c, to ∂ℓ/∂c with h held; return the sum."""
        dh, dc = grads
        return dc.addcmul_(dh, self.exposed[t, 0].unsqueeze(1))

    def pull_back(self, t: int, grads: list[Tensor], delta: Tensor) -> None:
        """Compute ∂ℓ/∂c₋ = σ(f) ∂ℓ/∂c with h₋ held, and ∂ℓ/∂h₋ = Wᵀ of the gradient by the pre-activations."""
        H = self.H
        dh, dc = grads
        local = self.delta[t, 0].unsqueeze(1)  # (4H, 1, B)
        torch.mul(local[: 3 * H].unflatten(0, (3, H)), dc, out=delta[: 3 * H].unflatten(0, (3, H)))
        torch.mul(local[3 * H :], dh, out=delta[3 * H :])
        dc.mul_(self.gate[t, 0, H : 2 * H].unsqueeze(1))
        dh.flatten(1).addmm_(self.weight[0, :, :H].T, delta.flatten(1), beta=0)


class GruForward(NamedTuple):
    """Views of one step of a GRU, going forward."""

    column: Tensor
    gate: Tensor
    reset_update: Tensor
    r: Tensor
    z: Tensor
    a: Tensor
    n: Tensor
    n_array: np.ndarray
    h_before: Tensor
    h: Tensor


class GruBackward(NamedTuple):
    """Views of one step of a GRU, going back."""

    column: Tensor
    delta: Tensor
    delta_T: Tensor
    delta_blocks: Tensor  # (S, 4, H, B)
    z: Tensor
    dh: Tensor
    dh_wide: Tensor  # (S, 1, H, B)
    dh_before: Tensor
    grad_before: Tensor


class GRU(Layer):
    """[r, z, a, m] = W [h₋, x, 1];  n = φ(m + σ(r) a);  h = (1 - σ(z)) n + σ(z) h₋.

    Cho et al. (2014) in torch's form: z is the share kept, and r acts on a = W_hn h₋ + b_hn. So a sees the hidden
    state alone and m the input alone; their other weights are zero.
    """

    name = "gru"
    blocks = ("reset", "update", "recalled", "candidate")
    gates = ("reset", "update", "candidate")

    def prepare_forward(self) -> None:
        """Set which rows read the hidden state and which the input; make the views that `forward` uses."""
        T, H = self.T, self.H
        self.hidden_rows = slice(3 * H)
        self.input_rows = torch.tensor([*range(2 * H), *range(3 * H, 4 * H)])
        r, z, a, n = (self.rows(self.gate, name) for name in self.blocks)
        self._forward_steps = views_by_step(
            GruForward,
            column=self.column[:T],
            gate=self.gate,
            reset_update=self.gate[:, :, : 2 * H],
            r=r,
            z=z,
            a=a,
            n=n,
            n_array=n.numpy(),
            h_before=self.h[:T],
            h=self.h[1:],
        )

    def prepare_backward(self) -> None:
        """Make the views of each step that `backward` uses, the last step first."""
        T, H = self.T, self.H
        self._backward_steps = views_by_step(
            GruBackward,
            column=self.column[:T],
            delta=self.delta,
            delta_T=self.delta.mT,
            delta_blocks=self.delta.unflatten(2, (4, H)),
            z=self.rows(self.gate, "update"),
            dh=self.dh[1:],
            dh_wide=self.dh[1:].unsqueeze(2),
            dh_before=self.dh[:T],
            grad_before=self.grad[:T],
        )[::-1]

    def forward(self) -> None:
        """Run T steps from the state in `h[0]` over the inputs in `x`."""
        W, squash = self.weight, self.activation.apply
        for step in self._forward_steps:
            torch.bmm(W, step.column, out=step.gate)
            step.reset_update.sigmoid_()
            step.n.addcmul_(step.r, step.a)
            squash(step.n_array, out=step.n_array)
            torch.lerp(step.n, step.h_before, step.z, out=step.h)

    def compute_local_derivatives(self) -> None:
        """Fill `delta` with ∂h/∂(pre-activations)."""
        r, z, a, n = (self.rows(self.gate, name) for name in self.blocks)
        by_r, by_z, by_a, by_m = (self.rows(self.delta, name) for name in self.blocks)
        self.activation.slope(n, out=by_m)
        torch.addcmul(by_m, by_m, z, value=-1, out=by_m)
        torch.sub(self.h[:-1], n, out=by_a)
        _logistic_slope(z, out=by_z).mul_(by_a)
        _logistic_slope(r, out=by_r).mul_(a).mul_(by_m)
        torch.mul(by_m, r, out=by_a)

    def go_back(self, first: int, end: int, by_weights: bool) -> None:
        """Complete `grad`; with `by_weights`, add to `weight_grad` too."""
        W, dW = self.weight[:, :, :-1].mT, self.weight_grad
        for step in self._backward_steps[self.T - end : self.T - first]:
            step.delta_blocks.mul_(step.dh_wide)
            step.dh_before.addcmul_(step.dh, step.z)
            step.grad_before.baddbmm_(W, step.delta)
            if by_weights:
                dW.baddbmm_(step.column, step.delta_T)

    def pull_back(self, t: int, grads: list[Tensor], delta: Tensor) -> None:
        """Compute ∂ℓ/∂h₋ = σ(z) ∂ℓ/∂h + Wᵀ of the gradient by the pre-activations of r, z and a."""
        H = self.H
        (dh,) = grads
        local = self.delta[t, 0, : 3 * H].unflatten(0, (3, H)).unsqueeze(2)  # (3, H, 1, B)
        torch.mul(local, dh, out=delta.unflatten(0, (3, H)))
        dh.mul_(self.gate[t, 0, H : 2 * H].unsqueeze(1))
        dh.flatten(1).addmm_(self.weight[0, : 3 * H, :H].T, delta.flatten(1))


def _logistic_slope(s: Tensor, out: Tensor) -> Tensor:
    """Write σ' = σ - σ², computed from s = σ, to `out` and return it."""
    return torch.addcmul(s, s, s, value=-1, out=out)


LAYERS: dict[str, type[Layer]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
