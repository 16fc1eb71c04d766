"""An LSTM whose hidden state is projected to fewer units, as torch's with `proj_size`."""

import torch
from torch import Tensor

from analysis.engine.cells import LSTM
from analysis.engine.layer import zero_buffer


class ProjectedLSTM(LSTM):
    """[i, f, g, o] = W [h₋, x, 1];  c = σ(f) c₋ + σ(i) φ(g);  h = R σ(o) φ(c), of P < H units.

    Sak, Senior & Beaufays (2014). What is projected, r = σ(o) φ(c), takes the place of an LSTM's h in each step.
    """

    def prepare_forward(self) -> None:
        """Make the projection, and the views of each step with r in the place of h."""
        super().prepare_forward()
        self.projection = self.column.new_zeros(self.S, self.P, self.H)
        projected = zero_buffer(self.column, self.T, self.S, self.H, self.B)
        self._forward_steps = [step._replace(h=r) for step, r in zip(self._forward_steps, projected, strict=True)]
        self._hidden_steps = list(self.h[1:])

    def prepare_backward(self) -> None:
        """Make the views of each step with the gradient by r in the place of that by h, the last step first."""
        super().prepare_backward()
        self._projected_grad = zero_buffer(self.column, self.S, self.H, self.B)
        self._hidden_grad_steps = [step.dh for step in self._backward_steps]
        self._backward_steps = [step._replace(dh=self._projected_grad) for step in self._backward_steps]

    def pack_projection(self, weight_hr: Tensor) -> None:
        """Load torch's weight_hr, (S, P, H)."""
        self.projection.copy_(weight_hr)

    def forward(self) -> None:
        """Run T steps from the state in `h[0]` and `c[0]` over the inputs in `x`."""
        W, R, squash = self.weight, self.projection, self.activation.apply
        for step, h in zip(self._forward_steps, self._hidden_steps, strict=True):
            torch.bmm(W, step.column, out=step.gate)
            step.input_forget.sigmoid_()
            squash(step.g_array, out=step.g_array)
            step.o.sigmoid_()
            torch.mul(step.f, step.c_before, out=step.c).addcmul_(step.i, step.g)
            squash(step.c_array, out=step.squashed_array)
            torch.mul(step.o, step.squashed, out=step.h)
            torch.bmm(R, step.h, out=h)

    def go_back(self, first: int, end: int, by_weights: bool) -> None:
        """Complete `grad` and `dc`; `by_weights` isn't supported: nothing trains a projection."""
        if by_weights:
            raise NotImplementedError("gradients by the weights of a projected LSTM")
        W, R = self.weight[:, :, :-1].mT, self.projection.mT
        steps = slice(self.T - end, self.T - first)
        for step, dh in zip(self._backward_steps[steps], self._hidden_grad_steps[steps], strict=True):
            torch.bmm(R, dh, out=step.dh)
            step.dc.addcmul_(step.dh, step.exposed)
            torch.mul(step.dc, step.f, out=step.dc_before)
            step.delta_cell.mul_(step.dc_wide)
            step.delta_output.mul_(step.dh)
            step.grad_before.baddbmm_(W, step.delta)
