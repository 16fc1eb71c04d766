"""record(module, inputs): states, gates and exact gradients of torch's recurrent layers and cells."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from analysis.engine.axes import warn_of_swapped_axes
from analysis.engine.batch import Batch, Inputs, Numbers, read_batch
from analysis.engine.layer import Memory
from analysis.engine.layout import Layout, Module
from analysis.engine.modules import MODULES, cell_name, plain_modules, stacked_weights
from analysis.engine.sequences import Sequences
from analysis.engine.unroll import Unroll, one_thread
from analysis.results import Tape

__all__ = [
    "MODULES", "Layout", "Loss", "Module", "State", "cell_name", "gradient_of", "record", "require_finite",
    "run_forward", "summed_loss", "unit_vector",
]  # fmt: skip
State = Tensor | tuple[Tensor, Tensor]  # h0, or (h0, c0), as a module takes it; arrays too
Loss = Callable[[Any], Tensor]  # takes the output as the module returns it
DIRECTIONS = ("forward", "backward")


def record(
    module_or_modules: nn.Module | Sequence[nn.Module],
    inputs: Inputs,
    loss: Loss | None = None,
    *,
    state: State | None = None,
    at: int | None = None,
    lengths: Numbers | None = None,
    resets: Numbers | None = None,
    direction: str = "forward",
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Tape:
    """Run a module over inputs and back, and return every state, gate and gradient, of one direction of time.

    The module, its gradients and mode, and the global random state stay as they are. Dropout is left out. The engine
    computes on the CPU, wherever the module is; the loss gets its output on the module's device.

    Args:
        module_or_modules: nn.RNN, nn.LSTM, nn.GRU, or nn.RNNCell, nn.LSTMCell, nn.GRUCell run over the inputs' time
            axis; or S of them, alike in shape. They may be wrapped and parametrized (DataParallel, torch.compile,
            weight norm, pruning): measured are the weights of the next forward pass.
        inputs: (T, B, D), (B, T, D) with batch_first, (T, D) for one sequence, or a PackedSequence; arrays too.
        loss: called with the module's output, as the module returns it; returns a loss per sample (B,) or a scalar
            that is their sum. It is called in `dtype`, or in the module's own where that fails. None projects the
            last state of the top layer on one fixed random unit vector, the same for all models and samples.
        state: the initial state as the module takes it, h0 or (h0, c0); None = zero.
        at: keep only the share of ∂ℓ/∂output at this step of `direction` (-1 = each sample's last); None keeps all.
        lengths: (B,) time steps of each sample, T at most; after them inputs aren't read, and the output is zero.
        resets: (T, B), true where a sequence begins anew: the state starts over from zero before that step.
        direction: forward, or of a bidirectional module backward: arrays then run from a sequence's end to its start,
            the order of reading. Both directions are run, and gradients go through both.
        dtype: what the engine computes in, torch.float64 or torch.float32.
        seed: of the random unit vector.

    Raises:
        TypeError, ValueError: for another kind of module, unlike modules, other shapes, inputs that are not finite.

    Warns:
        UserWarning: where the inputs' axes of time and batch look interchanged, as where batch_first was forgotten.

    >>> tape = record(nn.LSTM(3, 16), torch.randn(50, 8, 3))
    >>> tape.cell_grad.shape  # (S, L, T, B, H)
    (1, 1, 50, 8, 16)
    """
    modules = plain_modules(module_or_modules)
    reverse = _is_reverse(direction, modules[0])
    with one_thread(), torch.no_grad():
        batch = read_batch(modules[0], inputs, lengths, resets, _checked_dtype(dtype))
        return _record_batch(modules, batch, loss, state, at, reverse, seed)


def _record_batch(
    modules: Sequence[Module],
    batch: Batch,
    loss: Loss | None,
    state: State | None,
    at: int | None,
    reverse: bool,
    seed: int,
) -> Tape:
    """Run modules over a batch and back; return the tape of the forward or the `reverse` direction."""
    run, top = _run_batch(modules, batch, state, int(reverse) if loss is None else None)
    require_finite(batch.given(), "inputs", batch.layout.axes)
    kept = None if at is None else _steps_at(at, batch, reverse)
    if loss is None:
        output_grad = _projection_grad(top, modules[0], batch, reverse, seed)
    else:
        output_grad = _loss_grads(loss, top, modules[0], batch)
    if kept is not None:
        output_grad.masked_fill_(~kept[:, None, :, None], 0)
    run.backward(output_grad.mT)
    reads = _own_units(output_grad, modules[0], reverse).ne(0).any(3).any(1)  # (T, B)
    if reverse:
        reads = batch.flip(reads) & batch.inside
    steps = tuple(reads.any(1).nonzero().flatten().tolist())
    tape = run.tape(int(reverse)) if isinstance(run, Sequences) else run.tape()
    return replace(tape, loss_steps=steps, reads=reads.numpy())


def _own_units(output: Tensor, module: Module, reverse: bool) -> Tensor:
    """Return the part of outputs, or of their gradients, that one direction gives, (..., P); a view."""
    P = output.shape[-1] // (1 + module.bidirectional)
    return output[..., P:] if reverse else output[..., :P]


def _projection_grad(top: Tensor, module: Module, batch: Batch, reverse: bool, seed: int) -> Tensor:
    """Return ∂ℓ/∂output, (T, S, B, ·), of the loss that projects each sample's last output on a random unit vector."""
    output_grad = torch.zeros_like(top)
    own = _own_units(output_grad, module, reverse).transpose(1, 2)  # (T, B, S, P)
    own[_steps_at(-1, batch, reverse)] = unit_vector(own.shape[-1], seed).to(top)
    return output_grad


def run_forward(
    modules: Sequence[nn.Module],
    inputs: Inputs,
    state: State | None,
    dtype: torch.dtype,
    direction: str = "forward",
) -> tuple[Unroll, Tensor]:
    """Unroll one direction of modules over inputs of one length; return the unroll and the top layer's states.

    The states are (T, S, B, H), in the order in which the direction reads. It raises what `record` does, and a
    ValueError for modules and inputs that only `record` takes.
    """
    plain = plain_modules(modules)
    first = plain[0]
    reverse = _is_reverse(direction, first)
    if first.bidirectional and first.num_layers > 1:
        raise ValueError(
            f"bidirectional=True with num_layers={first.num_layers}: not supported here, where upper layers read both "
            "directions: expected one layer; record takes more"
        )
    if first.proj_size:
        raise ValueError(f"proj_size={first.proj_size}: not supported here, expected 0; record takes projections")
    if isinstance(inputs, PackedSequence):
        raise ValueError(
            "inputs=PackedSequence: expected a tensor; packed sequences are not supported here, record takes them"
        )
    batch = read_batch(first, inputs, None, None, _checked_dtype(dtype))
    suffix = "_reverse" * reverse
    weights = {
        name.removesuffix(suffix): weight
        for name, weight in stacked_weights(plain, dtype).items()
        if name.endswith("_reverse") == reverse
    }
    T, B, _ = batch.x.shape
    run = Unroll(cell_name(first), getattr(first, "nonlinearity", "tanh"), weights, T, B)
    if state is not None:
        parts = _initial_state(state, first, len(plain), batch)
        run.start(parts[reverse:][:1] if first.bidirectional else parts)
    return run, run.forward(batch.x.flip(0) if reverse else batch.x).mT


def _run_batch(
    modules: Sequence[Module], batch: Batch, state: State | None, direction: int | None = None
) -> tuple[Unroll | Sequences, Tensor]:
    """Run modules over a batch; return the run, and the top layer's states of all directions, (T, S, B, ·).

    Where a direction is named, the top layer's other one may not be run: nothing reads it.
    """
    first = modules[0]
    weights = stacked_weights(modules, batch.x.dtype)
    kind = cell_name(first), getattr(first, "nonlinearity", "tanh")
    T, B, _ = batch.x.shape
    run: Unroll | Sequences
    if batch.even and not first.bidirectional and not first.proj_size:
        run = Unroll(*kind, weights, T, B)
    else:
        run = Sequences(*kind, weights, batch.lengths, batch.begins)
    if state is not None:
        parts = _initial_state(state, first, len(modules), batch)
        run.start(parts)
    return run, (run.forward(batch.x) if isinstance(run, Unroll) else run.forward(batch.x, direction)).mT


def _checked_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return a dtype that the engine computes in; ValueError for another."""
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype={dtype}: expected torch.float64, or torch.float32, whose smallest number is 1e-38")
    return dtype


def _is_reverse(direction: str, module: Module) -> bool:
    """Return whether the backward direction is meant; ValueError where a module doesn't have it."""
    if direction not in DIRECTIONS:
        raise ValueError(f"direction={direction!r}: expected {' or '.join(DIRECTIONS)}")
    if direction == "backward" and not module.bidirectional:
        raise ValueError("direction='backward': this module reads forward alone, expected bidirectional=True")
    return direction == "backward"


def _steps_at(at: int, batch: Batch, reverse: bool) -> Tensor:
    """Return where step `at` of each sample lies, (T, B) of booleans; ValueError where no sample has it."""
    T = int(batch.lengths.max())
    if not (isinstance(at, Integral) and -T <= at < T):
        raise ValueError(f"at={at!r}: expected {-T} to {T - 1} for {T} steps")
    steps = torch.arange(len(batch.x)).unsqueeze(1)
    wanted = batch.lengths + at if at < 0 else torch.full_like(batch.lengths, int(at))  # in the order of reading
    return batch.inside & (steps == (batch.lengths - 1 - wanted if reverse else wanted))


def _initial_state(state: State, module: Module, S: int, batch: Batch) -> list[Memory]:
    """Convert h0, or (h0, c0), from a module's layout to the engine's: by layer and direction, (S, ·, B) each.

    Raises:
        ValueError: for another number of tensors than the module takes, and other shapes.
    """
    parts = [torch.from_numpy(part) if isinstance(part, np.ndarray) else part
             for part in (state if isinstance(state, tuple | list) else [state])]  # fmt: skip
    B, L = len(batch.lengths), module.num_layers * (1 + module.bidirectional)
    units = [module.proj_size or module.hidden_size, module.hidden_size][: 1 + isinstance(module, nn.LSTM)]
    shapes = [batch.layout.state_shape(L, B, H) for H in units]
    if L == 1:  # a cell takes its state without an axis of layers
        parts = [p.unsqueeze(0) if isinstance(p, Tensor) and p.dim() == len(shapes[0]) - 1 else p for p in parts]
    found = [tuple(part.shape) if isinstance(part, Tensor) else repr(part) for part in parts]
    if found != shapes:
        equal = f"both {shapes[0]}" if shapes[0] == shapes[-1] else f"{shapes[0]} and {shapes[-1]}"
        expected = f"(h0, c0), {equal}" if len(units) == 2 else shapes[0]
        raise ValueError(f"state of shape {', '.join(map(str, found))}: expected {expected}")
    by_layer = [part.detach().to(batch.x).reshape(L, 1, B, -1).mT for part in parts]  # (L, 1, H, B)
    return [tuple(part[k].expand(S, -1, -1) for part in by_layer) for k in range(L)]


def require_finite(numbers: Tensor, name: str, axes: str) -> None:
    """Raise a ValueError that says where, by `axes`, numbers hold the first one that is not finite."""
    if not numbers.isfinite().all():
        place = tuple(numbers.isfinite().logical_not().nonzero()[0].tolist())
        raise ValueError(f"{name}: {numbers[place].item()} at {place} ({axes}): expected finite numbers")


def unit_vector(H: int, seed: int) -> Tensor:
    """Return the fixed random direction (H,) that a default loss projects on."""
    vector = torch.randn(H, generator=Generator().manual_seed(seed), dtype=torch.float64)
    return vector / vector.norm()


def _loss_grads(loss: Loss, top: Tensor, module: Module, batch: Batch) -> Tensor:
    """Return ∂ℓ/∂output of every model, (T, S, B, H), for outputs `top` of the same shape; zero in padding.

    The loss is called in the outputs' precision, and where it can't compute in that, in the module's own.
    """
    weight = next(module.parameters())
    grads = []
    for own in top.unbind(1):
        try:
            grad = _loss_grad(loss, own.to(weight.device), batch.layout)
        except (RuntimeError, ValueError, TypeError):  # a module in the loss, such as a head, takes one dtype alone
            if weight.dtype == top.dtype:
                raise
            grad = _loss_grad(loss, own.to(weight), batch.layout)
        grads.append(grad.to(top))
    stacked = torch.stack(grads, 1)
    warn_of_swapped_axes(stacked, batch)
    return stacked if batch.even else stacked.masked_fill_(~batch.inside[:, None, :, None], 0)


def _loss_grad(loss: Loss, output: Tensor, layout: Layout) -> Tensor:
    """Call the loss with one model's output (T, B, H); return ∂ℓ/∂output, (T, B, H)."""
    with torch.inference_mode(False), torch.enable_grad():
        output = output.clone().requires_grad_()
        value = loss(layout.from_engine(output))
        return gradient_of(summed_loss(value, output.shape[1]), output)


def summed_loss(value: object, B: int) -> Tensor:
    """Return the sum of what a loss returned for B samples; ValueError unless it is real, (B,) or a scalar."""
    if not isinstance(value, Tensor) or value.dim() > 1 or (value.dim() == 1 and len(value) != B):
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"loss returned {got}: expected a loss per sample ({B},) or their sum")
    if value.is_complex():
        raise ValueError(f"loss returned numbers in {value.dtype}: expected real ones")
    return value.sum()


def gradient_of(loss: Tensor, output: Tensor) -> Tensor:
    """Return ∂loss/∂output; ValueError where the loss does not depend on the output."""
    grad = torch.autograd.grad(loss, output, allow_unused=True)[0] if loss.requires_grad else None
    if grad is None:
        raise ValueError("loss doesn't depend on the output it was called with: expected a function of it")
    return grad
