"""A backward pass through one call of a recurrent layer: what its loss sent back, and the snapshot made of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import nan, sqrt
from operator import is_

import numpy as np
import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from analysis.engine.overflow import overflow_forward
from analysis.measures.bounds import activation_bounds
from analysis.measures.decay import gradient_decay
from analysis.measures.gates import gate_saturation
from analysis.models.calls import Call, Gradients, LossGradients, go_back, tape_of_call, unroll_call
from analysis.models.following import uncompiled
from analysis.models.shares import shares_by_distance
from analysis.results import Snapshot, Tape

UNKNOWN = np.array([nan])
ONE_STEP = (
    "a call on one time step: a distance needs a whole sequence in one call, or in calls that each begin in the very "
    "state that the one before handed on, untouched by dropout or a mask"
)
OWN_ANSWERS = (
    "calls on one time step that read what earlier ones returned, as a decoder its own answers: the way through these "
    "inputs isn't known here, analysis.record_steps takes such a loop as one step of its own"
)
FIRST_STEP = "the loss reads the first time step of a call alone, and there is no distance before it"
BACKWARD_FIRST = (
    "the loss reads the backward direction after its first step alone, as output[-1] does: it ends in output[0] and h_n"
)
NOTHING = "the loss reads no time step: its gradient is zero everywhere"


@dataclass
class Pass:
    """The gradients that go back through one call of a layer, or through several that hand their state on.

    `begin` is called at the first of them and returns the pass's number if it is to be measured, else 0; `end` once the
    backward pass is through, before anyone clips; `again` at each further pass through a call that was measured.
    """

    begin: Callable[[], int]
    end: Callable[["Pass"], None]
    again: Callable[[], None]
    of_layer: bool  # else of a cell
    step: int = 0
    calls: list[Call] = field(default_factory=list)  # none once they have gone back: this frees the inputs
    grads: list[list[Tensor | None]] = field(default_factory=list)  # by call, then by what it returned
    squares: list[Tensor] = field(default_factory=list)  # ‖gradient‖² by each weight that got one
    same_weights: bool = True
    own_answers: bool = False  # whether inputs depend on what earlier calls returned
    gone: bool = False
    _running: bool = False
    _handles: list[RemovableHandle] = field(default_factory=list)

    def add(self, call: Call, returned: Sequence[Tensor | None]) -> None:
        """Wait for the gradients by what a call returned."""
        k = len(self.calls)
        if k:
            self.same_weights &= all(map(is_, call.weights, self.calls[0].weights))
        self.calls.append(call)
        self.grads.append([None] * len(returned))
        for part, tensor in enumerate(returned):
            if tensor is not None and tensor.requires_grad:
                tensor.register_hook(partial(self._keep, k, part))

    @property
    def gradient(self) -> float:
        """The norm of the loss's gradient by the layer's weights; NaN where none got one."""
        return sqrt(sum(float(square) for square in self.squares)) if self.squares else nan

    def joined(self) -> tuple[Call, Gradients]:
        """Return the calls as one, up to the last that the loss reads, and the gradients by what that one returned.

        Nothing later hands a gradient to it: what autograd found there is the loss's own.

        Raises:
            ValueError: where the calls have weights of their own each, as of weight drop that draws them anew, and
                where they read their own answers.
        """
        first = self.calls[0]
        if len(self.calls) == 1:
            return first, self.grads[0]
        if self.own_answers:
            raise ValueError(OWN_ANSWERS)
        if not self.same_weights:
            raise ValueError("calls on one time step each compute their weights anew: expected the same in all of them")
        read = [k for k, own in enumerate(self.grads) if any(grad is not None and grad.ne(0).any() for grad in own)]
        last = max(read, default=len(self.calls) - 1)
        inputs = [call.inputs for call in self.calls[: last + 1] if isinstance(call.inputs, Tensor)]
        output, *states = self.grads[last]
        if output is not None:
            before = [torch.zeros_like(output)] * last
            output = torch.cat([*before, output], first.time_axis)
        return replace(first, inputs=torch.cat(inputs, first.time_axis)), [output, *states]

    @uncompiled
    def _keep(self, k: int, part: int, grad: Tensor | None) -> None:
        """Keep the gradient by a part of what a call returned; at the first one, prepare for the end."""
        if grad is None:  # of a part that the loss doesn't read, where it reads another
            return
        if not self._running:
            self._running = True
            # torch calls this at the end of the backward pass in which it is queued.
            torch.autograd.Variable._execution_engine.queue_callback(self._end)
            if self.gone:
                if self.step:
                    self.again()
            elif step := self.begin():
                self.step = step
                # A copy: some optimizers change the weights before the backward pass ends.
                call = self.calls[0]
                for weight in call.weights:
                    if weight.requires_grad:
                        self._handles.append(weight.register_hook(self._keep_square))
                self.calls[0] = replace(call, weights=tuple(weight.detach().clone() for weight in call.weights))
        if self.step and not self.gone:
            # A cell returns a state without the axis of layers that a layer's has.
            self.grads[k][part] = grad.detach() if self.of_layer else grad.detach().unsqueeze(0)

    def _keep_square(self, grad: Tensor) -> None:
        self.squares.append(grad.detach().double().square().sum())

    @uncompiled
    def _end(self) -> None:
        for handle in self._handles:
            handle.remove()
        if self.step and not self.gone:
            self.end(self)
        self.calls, self.grads, self._handles, self._running, self.gone = [], [], [], False, True


def _require_finite(call: Call, grads: Gradients) -> None:
    """Raise a ValueError where a gradient that came back isn't finite in the training's own precision; say where."""
    spoilt = [grad for grad in grads if grad is not None and not grad.isfinite().all()]
    if not spoilt:
        return
    dtype, place = spoilt[0].dtype, ""
    if call.unrolled and call.weights[0].dtype == torch.float32:
        unroll, top = unroll_call(call, torch.float32)
        step = overflow_forward(unroll)
        where = "no state" if step is None else f"the state at time step {step + 1} of {len(top)}"
        place = f", {where} left it on the way forward"
    raise ValueError(f"the gradient that came back left the finite range of {dtype}{place}")


def snapshot(gone: Pass, samples: int, dtype: torch.dtype, direction: str = "forward") -> Snapshot:
    """Measure one call, given the gradients that came back to it, of a direction in which its layer reads.

    Raises:
        Exception: of any kind, where it can't be measured; the message says why.
    """
    call, grads = gone.joined()
    _require_finite(call, grads)
    shares: tuple[float, ...] = ()
    behind = call.before_the_end(grads, direction == "backward")
    if not isinstance(call.inputs, Tensor) or call.inputs.dim() == 3:
        # In a masked or weighted loss, nothing goes back from the last time step that is read in the other sequences.
        places = (behind == behind.min()).nonzero().flatten()[:samples]
        call, grads = call.sequences(places), call.gradients_of(grads, places)
    if not call.unrolled:
        tape, layer = _tape_of_the_last(call, grads, int(behind.min()), dtype, direction), -1
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
        layer=layer % call.module.num_layers,
    )


def _tape_of_the_last(call: Call, grads: Gradients, behind: int, dtype: torch.dtype, direction: str) -> Tape:
    """Return the tape of what the loss reads so many time steps before a direction's end."""
    if behind >= call.steps:
        raise ValueError(NOTHING)
    if behind + 1 == call.steps:
        first = FIRST_STEP if direction == "forward" else BACKWARD_FIRST
        raise ValueError(ONE_STEP if call.steps == 1 else first)
    of_layers = {} if direction == "forward" else {"direction": direction}
    return tape_of_call(call, grads, -1 - behind, dtype, **of_layers)
