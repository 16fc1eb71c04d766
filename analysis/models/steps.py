"""record_steps(step, inputs, state): states, gates and exact gradients of a cell of one's own, by autograd.

>>> from analysis import carry_decay, gradient_decay
>>> W, V = torch.randn(2, 8, 3, dtype=torch.float64)
>>> def min_gru(x, h):  # its gates read the input alone
...     z = (x @ W.T).sigmoid()
...     return (1 - z) * h + z * (x @ V.T), {"update": 1 - z}  # an update gate keeps where it is 1
>>> tape = record_steps(min_gru, torch.randn(50, 16, 3), torch.zeros(16, 8, dtype=torch.float64))
>>> bool(np.allclose(gradient_decay(tape).relative, carry_decay(tape).relative))  # all goes through the gate
True
"""

import re
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from analysis.engine.recording import Loss, gradient_of, require_finite, summed_loss, unit_vector
from analysis.engine.unroll import one_thread
from analysis.experiment import GATES, KEEP_GATE
from analysis.results import Tape

Step = Callable[[Tensor, Any], Any]  # (x_t, state) -> state, or (state, gates)
Parts = tuple[Tensor, ...]  # of a state, (B, H) each
PartGrads = Sequence[Tensor | None]  # ∂ℓ/∂part by part; None where the loss doesn't depend on it
GATE_NAMES = tuple(dict.fromkeys(gate for gates in GATES.values() for gate in gates))
DTYPES = (torch.float32, torch.float64, torch.complex64, torch.complex128)
ROUNDING = 1e-6  # by which a gate may lie beyond 0 and 1
IN_PLACE = re.compile("in-?place|out=")  # in autograd's errors
FIXES = "expected a state computed from the one before by torch, without detach(), no_grad(), .data, item(), numpy()"


class Walk(NamedTuple):
    """What a step made of inputs: T states, and the gates of each."""

    x: Tensor  # (T, B, D), a leaf
    states: list[Parts]
    gates: list[Mapping[str, Tensor]]


def record_steps(
    step: Step, inputs: Tensor, state: Tensor | Parts, loss: Loss | None = None, *, memory: int = -1
) -> Tape:
    """Run a step of your own over inputs and back by autograd, and return every state, gate and gradient.

    The tape is that of one model and layer, as `record` returns it: `hidden` is the state's first part, `cell` the
    memory unless that is the first part too, and there is no `weight_grad`. A complex part becomes (B, 2H) real
    numbers, real and imaginary in turn. As in an LSTM, the memory's gradient includes the path through an output that
    step computed from the tensor it returns as the memory. Weights, their gradients, and torch's global random state
    stay as they are.

    Args:
        step: step(x_t, state) returns the new state, of the same form, or (state, gates). It writes nothing in place.
            Gates are a dict, with any of the names input, forget, output, reset, update (from 0 to 1), candidate; each
            of the memory's shape. `forget`, or else `update`, keeps the memory where it is 1.
        inputs: (T, B, D); they are converted to the state's precision.
        state: before the first time step: a tensor (B, H), or a tuple of them; float64 computes in float64.
        loss: as in `record`, called with the first parts of all states, (T, B, H); None is as there.
        memory: which part of the state is the memory, on which decay is measured: -1 is the last, 0 the first.

    Raises:
        TypeError, ValueError: for what doesn't fit, of another kind or not finite, for a step that writes in place
            or detaches its state, and for a memory that the last output which the loss reads doesn't depend on.

    >>> decays = torch.tensor([0.9, 0.5], dtype=torch.float64)
    >>> tape = record_steps(lambda x, h: decays * h + x, torch.ones(20, 1, 2), torch.zeros(1, 2).double())
    >>> (tape.hidden_grad[0, 0, -4, 0] / tape.hidden_grad[0, 0, -1, 0]).round(3)  # 3 time steps before the last
    array([0.729, 0.125])
    """
    start, x = checked_steps(step, inputs, state, loss)
    if not isinstance(memory, Integral) or not -len(start) <= memory < len(start):
        raise ValueError(f"memory={memory!r}: expected {-len(start)} to {len(start) - 1} for {describe(start)}")
    part = int(memory) % len(start)
    devices = [x.device] if x.is_cuda else []
    with one_thread(), torch.random.fork_rng(devices), torch.inference_mode(False), torch.enable_grad():
        walk = _walk(step, x, start, isinstance(state, Tensor), part)
        outputs = _stack([parts[0] for parts in walk.states])
        output_grad = _output_grad(loss, outputs)
        loss_steps = tuple(output_grad.flatten(1).ne(0).any(1).nonzero().flatten().tolist())
        input_grad, grads = _go_back(walk, output_grad, loss_steps)
        _require_reached(grads, loss_steps, part)
        return _tape(walk, outputs, input_grad, grads, loss_steps, part)


def describe(parts: Any) -> str:  # noqa: ANN401
    """Return the shapes and dtypes of a state for an error: "(4, 5) in float64 and (4, 5) in float64".

    >>> describe((torch.zeros(4, 5), None))
    '(4, 5) in float32 and NoneType'
    """
    if isinstance(parts, Tensor):
        return f"{tuple(parts.shape)} in {str(parts.dtype).removeprefix('torch.')}"
    if isinstance(parts, tuple | list):
        return " and ".join(map(describe, parts)) or "no tensor"
    return type(parts).__name__


# What is given


def checked_steps(step: Step, inputs: Tensor, state: Tensor | Parts, loss: Loss | None) -> tuple[Parts, Tensor]:
    """Return copies of the state's parts, (B, H) each, and of the inputs, (T, B, D); raise for what doesn't fit."""
    if not callable(step):
        raise TypeError(f"step={type(step).__name__}: expected a function step(x_t, state) -> state")
    if loss is not None and not callable(loss):
        raise TypeError(f"loss={type(loss).__name__}: expected a function of the outputs (T, B, H), or None")
    if not isinstance(inputs, Tensor):
        raise TypeError(f"inputs={type(inputs).__name__}: expected a tensor (T, B, D)")
    if inputs.dim() != 3 or not inputs.numel() or inputs.is_complex():
        raise ValueError(f"inputs of {describe(inputs)}: expected real numbers (T, B, D), at least one of each")
    parts = (state,) if isinstance(state, Tensor) else state
    if not isinstance(parts, tuple | list) or not parts or not all(isinstance(part, Tensor) for part in parts):
        raise TypeError(f"state: {describe(state)}: expected a tensor (B, H), or a tuple of them")
    B = inputs.shape[1]
    for k, part in enumerate(parts):
        if part.dim() != 2 or len(part) != B or not part.numel() or part.dtype not in DTYPES:
            raise ValueError(
                f"part {k} of the state: {describe(part)}: expected ({B}, H), B = {B} as in the inputs "
                f"{tuple(inputs.shape)}, in float32, float64, complex64 or complex128"
            )
        require_finite(part, f"part {k} of the state", "sequence, unit")
    precisions = {part.dtype.to_real() for part in parts}
    if len(precisions) > 1:
        raise ValueError(f"state: {describe(parts)}: expected one precision in all its parts")
    with torch.inference_mode(False):
        x = inputs.detach().to(parts[0].device, precisions.pop(), copy=True)
        require_finite(x, "inputs", "time step, sequence, input")
        return tuple(part.detach().clone() for part in parts), x


# Forward


def _walk(step: Step, x: Tensor, start: Parts, lone: bool, memory: int) -> Walk:
    """Run a step over inputs (T, B, D) from the parts of a state; `lone` passes a lone part as a tensor."""
    walk = Walk(x.requires_grad_(), [], [])
    before = tuple(part.requires_grad_() for part in start)  # leaves: to write into them in place is an error at once
    columns = x.unbind(0)
    kept = {id(tensor): tensor for tensor in (*columns, *before)}
    versions = []
    for t, column in enumerate(columns):
        given = tuple(part.view_as(part) for part in before)  # a part that is passed on then has a gradient of its own
        returned = _call(step, column, given[0] if lone else given, t)
        parts, gates = _split(returned, before, lone, t)
        _require_gates(gates, walk.gates[0] if t else gates, parts[memory], t)
        before = _distinct(parts, kept)
        walk.states.append(before)
        walk.gates.append(gates)
        versions.append([tensor._version for tensor in (*before, *gates.values())])
    for t, (parts, gates) in enumerate(zip(walk.states, walk.gates, strict=True)):
        if [tensor._version for tensor in (*parts, *gates.values())] != versions[t]:
            raise _in_place(f"what it returned at time step {t} was changed later")
    return walk


def _call(step: Step, column: Tensor, state: Tensor | Parts, t: int) -> Any:  # noqa: ANN401
    """Call a step; explain an error of its own by what it was called with."""
    try:
        return step(column, state)
    except Exception as error:
        if isinstance(error, RuntimeError) and IN_PLACE.search(str(error)):
            raise _in_place(f"at time step {t}") from error
        if isinstance(error, RuntimeError) and "numpy()" in str(error):  # torch's advice would be to detach
            raise ValueError(f"step leaves torch for numpy at time step {t}: {FIXES}") from error
        error.add_note(f"raised by step at time step {t}, called with x_t {describe(column)}, state {describe(state)}")
        raise


def _split(returned: Any, like: Parts, lone: bool, t: int) -> tuple[Parts, Mapping[str, Tensor]]:  # noqa: ANN401
    """Return the parts of a state like the one before, and the gates, if any; ValueError for another state."""
    gates: Mapping[str, Tensor] = {}
    state = returned
    if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], Mapping):
        state, gates = returned
    parts = (state,) if lone else state
    form = isinstance(parts, tuple | list) and len(parts) == len(like)
    if not form or not all(
        isinstance(part, Tensor) and part.shape == old.shape and part.dtype == old.dtype
        for part, old in zip(parts, like, strict=True)
    ):
        wanted = "a tensor" if lone else f"a tuple of {len(like)}"
        raise ValueError(
            f"step returned {describe(returned)} at time step {t}: expected {wanted}, {describe(like)}, as the state "
            "before, or that and a dict of gates"
        )
    for k, part in enumerate(parts):
        if not part.requires_grad:
            raise ValueError(f"part {k} of the state after time step {t} has no gradient: {FIXES}")
    return tuple(parts), gates


def _require_gates(gates: Mapping[str, Tensor], first: Mapping[str, Tensor], memory: Tensor, t: int) -> None:
    """Raise a ValueError for gates of other names or shapes than the tape can hold."""
    if gates.keys() != first.keys():
        names = [", ".join(map(str, each)) or "none" for each in (gates, first)]
        raise ValueError(f"gates at time step {t}: {names[0]}: expected {names[1]}, as at time step 0")
    for name, gate in gates.items():
        if name not in GATE_NAMES:
            raise ValueError(f"gate {name!r}: expected names among {', '.join(GATE_NAMES)}")
        if memory.is_complex():
            raise ValueError(f"gate {name!r} of a complex memory: expected no gates, or a memory of real numbers")
        if not isinstance(gate, Tensor) or gate.shape != memory.shape or gate.dtype != memory.dtype:
            raise ValueError(
                f"gate {name!r} at time step {t}: {describe(gate)}: expected {describe(memory)}, as the memory"
            )


def _distinct(parts: Parts, kept: dict[int, Tensor]) -> Parts:
    """Return the parts as tensors that weren't returned before, and add them to those kept, which are by id.

    A step may return a tensor twice: as aliases, each has a gradient of its own. The first part is made from the later
    ones, so that the gradient of a memory includes the path through the output.
    """
    found = []
    for part in reversed(parts):
        alias = part.view_as(part) if id(part) in kept else part
        kept[id(alias)] = alias
        found.append(alias)
    return tuple(reversed(found))


def _in_place(where: str) -> ValueError:
    """Return the error for a step that writes into tensors that autograd still needs."""
    return ValueError(f"step writes in place ({where}): expected new tensors, h = h + …, not h += …, h[…] = … or out=")


# Back


def _output_grad(loss: Loss | None, outputs: Tensor) -> Tensor:
    """Return ∂ℓ/∂(first part of every state), (T, B, H), for the parts themselves."""
    if loss is None:
        H = outputs.shape[-1]
        vector = unit_vector(2 * H if outputs.is_complex() else H, 0)
        output_grad = torch.zeros_like(outputs)
        output_grad[-1] = (torch.view_as_complex(vector.view(H, 2)) if outputs.is_complex() else vector).to(outputs)
        return output_grad
    leaf = outputs.detach().requires_grad_()
    return gradient_of(summed_loss(loss(leaf), leaf.shape[1]), leaf)


def _go_back(walk: Walk, output_grad: Tensor, loss_steps: tuple[int, ...]) -> tuple[Tensor, list[PartGrads]]:
    """Return ∂ℓ/∂inputs and, by time step and part, ∂ℓ/∂state; None where the loss doesn't depend on a part."""
    width = len(walk.states[0])
    flat = [part for parts in walk.states for part in parts]
    if not loss_steps:
        return torch.zeros_like(walk.x), [[None] * width for _ in walk.states]
    try:
        found = torch.autograd.grad(
            [walk.states[t][0] for t in loss_steps],
            [walk.x, *flat],
            [output_grad[t] for t in loss_steps],
            allow_unused=True,
        )
    except RuntimeError as error:
        if IN_PLACE.search(str(error)):
            raise _in_place("in what autograd needs to go back") from error
        error.add_note(f"raised by autograd on the way back through step; {FIXES}")
        raise
    input_grad, *grads = found
    rows: list[PartGrads] = [grads[k : k + width] for k in range(0, len(grads), width)]
    return torch.zeros_like(walk.x) if input_grad is None else input_grad, rows


def _require_reached(grads: list[PartGrads], loss_steps: tuple[int, ...], memory: int) -> None:
    """Raise a ValueError where the way back from the last step that the loss reads is broken."""
    if not loss_steps:
        return
    last = loss_steps[-1]
    if grads[last][memory] is None:
        raise ValueError(
            f"memory={memory}: the output after time step {last} doesn't depend on part {memory} of the state then: "
            "expected a part from which step computes its first part, as the same tensor, or memory=0"
        )
    for t in range(last - 1, -1, -1):
        if all(grad is None for grad in grads[t]):
            raise ValueError(
                f"the state after time step {t + 1} doesn't depend on the one after time step {t}: step doesn't read "
                f"it, or detaches it: {FIXES}"
            )


def _tape(
    walk: Walk, outputs: Tensor, input_grad: Tensor, grads: list[PartGrads], loss_steps: tuple[int, ...], memory: int
) -> Tape:
    """Return what was recorded as the tape of one model of one layer."""
    T, B, _ = walk.x.shape

    def gradients(k: int) -> np.ndarray:
        zero = torch.zeros_like(walk.states[0][k])
        return _array(_stack([zero if row[k] is None else row[k] for row in grads]))

    gates = {name: _stack([gates[name] for gates in walk.gates]) for name in walk.gates[0]}
    return Tape(
        model="steps",
        activation="unknown",
        loss_steps=loss_steps,
        hidden=_array(outputs),
        hidden_grad=gradients(0),
        cell=_array(_stack([parts[memory] for parts in walk.states])) if memory else None,
        cell_grad=gradients(memory) if memory else None,
        input_grad=input_grad.cpu().numpy()[None],
        gates={name: _array(values) for name, values in gates.items()},
        weight_grad=np.empty(0),
        keep_gate=next((gate for gate in KEEP_GATE.values() if gate in gates), None),
        ranges={name: _range(name, values) for name, values in gates.items()},
        lengths=np.full(B, T),
    )


def _range(gate: str, values: Tensor) -> tuple[float, float] | None:
    """Return what the values (T, B, H) of a gate lie between; ValueError where they don't, but NaN may be anywhere.

    A candidate is of a function unknown here: bounded by ±1, as one through tanh, unless a value lies beyond.
    """
    low, high = (-1.0, 1.0) if gate == "candidate" else (0.0, 1.0)
    least, most = values.aminmax()
    if low - ROUNDING <= least and most <= high + ROUNDING:  # not so if any is NaN, which follows an overflow
        return low, high
    beyond = ((values < low - ROUNDING) | (values > high + ROUNDING)).nonzero().tolist()
    if beyond and gate == "candidate":
        return None
    if beyond:
        t, b, h = beyond[0]
        raise ValueError(
            f"gate {gate!r} at time step {t}: {values[t, b, h].item():g} at {b, h} (sequence, unit): "
            "expected values from 0 to 1"
        )
    return low, high


def _stack(by_step: Sequence[Any]) -> Tensor:
    """Return T tensors (B, H) as one, (T, B, H), without their graph."""
    with torch.no_grad():
        return torch.stack(list(by_step))


def _array(states: Tensor) -> np.ndarray:
    """Return a tensor (T, B, H) as an array (1, 1, T, B, H); a complex one as real numbers, (1, 1, T, B, 2H)."""
    real = torch.view_as_real(states.resolve_conj()).flatten(-2) if states.is_complex() else states
    return real.cpu().numpy()[None, None]
