"""A backward pass through one call of a recurrent layer: what its loss sent back, and the snapshot made of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from math import nan, sqrt

import numpy as np
import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from analysis.measures.bounds import activation_bounds
from analysis.measures.decay import gradient_decay
from analysis.measures.gates import gate_saturation
from analysis.models.calls import Call, Gradients, LossGradients, go_back, tape_of_call, unroll_call
from analysis.models.following import uncompiled
from analysis.models.shares import shares_by_distance
from analysis.results import Snapshot

UNKNOWN = np.array([nan])
ONE_STEP = "a call on one time step: a distance needs a whole sequence in one call"
FIRST_STEP = "the loss reads the first time step of a call alone, and there is no distance before it"
NOTHING = "the loss reads no time step: its gradient is zero everywhere"


@dataclass
class Pass:
    """The gradients that go back through one call of a layer.

    `begin` is called at the first of them and returns the pass's number if it is to be measured, else 0; `end` once the
    backward pass is through, before anyone clips; `again` at each further pass through a call that was measured.
    """

    call: Call | None  # None once it has gone back: this frees the inputs
    begin: Callable[[], int]
    end: Callable[["Pass"], None]
    again: Callable[[], None]
    step: int = 0
    grads: list[Tensor | None] = field(default_factory=list)  # by what the call returned
    squares: list[Tensor] = field(default_factory=list)  # ‖gradient‖² by each weight that got one
    _running: bool = False
    _handles: list[RemovableHandle] = field(default_factory=list)

    def wait(self, returned: list[Tensor]) -> None:
        """Wait for the gradients by what the call returned."""
        self.grads = [None] * len(returned)
        for k, tensor in enumerate(returned):
            if tensor.requires_grad:
                tensor.register_hook(partial(self._keep, k))

    @property
    def gradient(self) -> float:
        """The norm of the loss's gradient by the layer's weights; NaN where none got one."""
        return sqrt(sum(float(square) for square in self.squares)) if self.squares else nan

    @uncompiled
    def _keep(self, k: int, grad: Tensor | None) -> None:
        """Keep the gradient by the k-th part of what was returned; at the first one, prepare for the end."""
        if grad is None:  # of a part that the loss doesn't read, where it reads another
            return
        if not self._running:
            self._running = True
            # torch calls this at the end of the backward pass in which it is queued.
            torch.autograd.Variable._execution_engine.queue_callback(self._end)
            if self.call is None and self.step:
                self.again()
            elif self.call is None:
                return
            elif step := self.begin():
                self.step = step
                # A copy: some optimizers change the weights before the backward pass ends.
                for weight in self.call.weights:
                    if weight.requires_grad:
                        self._handles.append(weight.register_hook(self._keep_square))
                self.call = replace(self.call, weights=tuple(weight.detach().clone() for weight in self.call.weights))
            else:
                self.call = None
        if self.call is not None:
            self.grads[k] = grad.detach()

    def _keep_square(self, grad: Tensor) -> None:
        self.squares.append(grad.detach().double().square().sum())

    @uncompiled
    def _end(self) -> None:
        for handle in self._handles:
            handle.remove()
        if self.call is not None:
            self.end(self)
        self.call, self.grads, self._handles, self._running = None, [], [], False


def snapshot(gone: Pass, samples: int, dtype: torch.dtype) -> Snapshot:
    """Measure one call, given the gradients that came back to it.

    Raises:
        Exception: of any kind, where it can't be measured; the message says why.
    """
    call = gone.call
    grads: Gradients = gone.grads
    assert call is not None
    shares: tuple[float, ...] = ()
    if not isinstance(call.inputs, Tensor) or call.inputs.dim() == 3:
        places = call.read_at_the_end(grads)[:samples]
        call, grads = call.sequences(places), call.gradients_of(grads, places)
    if not call.unrolled:
        tape, layer = tape_of_call(call, grads, -1, dtype), -1
    else:
        unroll, top = unroll_call(call, dtype)
        back = LossGradients.of(call.module, grads, top)
        steps = back.steps()
        if not steps:
            raise ValueError(NOTHING)
        if steps[-1] == 0:
            raise ValueError(ONE_STEP if len(top) == 1 else FIRST_STEP)
        back = back.share(steps[-1])
        layer = back.top_layer()
        go_back(unroll, back)
        tape = unroll.tape((steps[-1],), weight_grad=False)
        shares = shares_by_distance(unroll, steps[-1], call.module.bias)
    return Snapshot(
        step=gone.step,
        loss=UNKNOWN,
        metric=UNKNOWN,
        clipped=UNKNOWN,
        decay=gradient_decay(tape, layer=layer),
        saturation=gate_saturation(tape),
        bounds=activation_bounds(tape),
        sequences=tape.hidden.shape[3],
        gradient=gone.gradient,
        shares=shares,
    )
