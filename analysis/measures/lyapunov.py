"""The spectrum of a network's Jacobians: Lyapunov exponents, and singular values by distance."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from numbers import Integral

import numpy as np
import torch
from torch import Generator, Tensor, nn

from analysis.engine.cells import LSTM
from analysis.engine.layer import Layer
from analysis.engine.recording import Module, State, run_forward
from analysis.engine.unroll import Unroll, one_thread
from analysis.reasons import Spectrum

RELIABLE, OVERLAP = 1e-10, 1e-5  # of the largest singular value: what LAPACK finds well, and what a part starts at
Parts = list[Tensor]  # tiny changes of h, and of an LSTM's c: (S, B, H, n) each


def lyapunov_exponents(
    module: Module | Sequence[Module],
    inputs: Tensor,
    count: int | None = None,
    *,
    warmup: int = 0,
    state: State | None = None,
    direction: str = "forward",
) -> Spectrum:
    """Return the Lyapunov exponents of a network along the states it really goes through, in nats per time step.

    n orthonormal directions are carried along by the Jacobian of each time step, J_t Q_{t-1} = Q_t R_t, and made
    orthonormal again; an exponent is the mean of ln |R_ii| (Engelken, Wolf & Abbott 2023; Vogt et al. 2022). The state
    is all that a time step hands on: h of each layer, in an LSTM (h, c), together N numbers. The sum of all N
    exponents is the mean of ln |det J_t|. An exponent is -inf where J_t loses a direction. It takes memory for N n
    numbers per sequence beside the recording.

    Args:
        module: nn.RNN, nn.LSTM or nn.GRU, or several alike, with any number of layers.
        inputs: as `record` takes them; exponents are the mean over sequences.
        count: n, how many of the largest; None = all.
        warmup: time steps at the start that turn the directions and aren't counted.
        state: the initial state, as `record` takes it.
        direction: of a bidirectional module of one layer, forward or backward: that direction alone is run, and time
            steps count in the order in which it reads.

    Returns:
        A `Spectrum` of (S, n) exponents; NaN for a model whose states leave the finite range.

    Raises:
        TypeError, ValueError: as `record`, and for a count or warmup out of range.

    >>> lyapunov_exponents(nn.GRU(3, 16), torch.randn(200, 4, 3), 5).exponents.shape
    (1, 5)
    """
    modules = _as_list(module)
    with one_thread(), torch.no_grad(), torch.inference_mode():
        unroll, _ = run_forward(modules, inputs, state, torch.float64, direction)
        return exponents_of_run(unroll, count, warmup)


def exponents_of_run(unroll: Unroll, count: int | None = None, warmup: int = 0) -> Spectrum:
    """Return the Lyapunov exponents of a run that went forward, in float64, as `lyapunov_exponents` does."""
    with one_thread(), torch.inference_mode():
        layers = unroll.layers
        S, T, B = layers[0].S, unroll.T, layers[0].B
        N = sum(layer.H * len(layer.memories) for layer in layers)
        n, skipped = _checked(count, warmup, N, T)
        for layer in layers:
            layer.compute_local_derivatives()
        start = torch.randn(N, n, generator=Generator().manual_seed(0), dtype=torch.float64)
        growth = _growth(partial(push_forward, layers), start.expand(S, B, -1, -1), T)[skipped:]
        finite = _finite(layers)
    growth[:, ~finite] = np.nan
    with np.errstate(invalid="ignore"):  # the spread of what reaches -inf
        exponents, spread = growth.mean((0, 2)), growth.std((0, 2))
    order = np.argsort(-exponents, 1)
    return Spectrum(np.take_along_axis(exponents, order, 1), np.take_along_axis(spread, order, 1))


def jacobian_spectrum(
    module: Module | Sequence[Module],
    inputs: Tensor,
    distances: Sequence[int],
    *,
    state: State | None = None,
    direction: str = "forward",
) -> np.ndarray:
    """Return the singular values of ∂(memory state)_T/∂(memory state)_{T-k} of the top layer, (S, distances, H).

    They say by how much a gradient shrinks or grows on its way over k time steps, by its direction, the largest first:
    the median over sequences of each. The product of Jacobians is kept as Q R and made orthonormal at each time step,
    so that small values hold as well as large ones, which lie up to hundreds of orders of magnitude above.

    Args:
        module: nn.RNN, nn.LSTM or nn.GRU, or several alike; the memory state is the LSTM's cell state, the others'
            hidden state.
        inputs: as `record` takes them, of T time steps.
        distances: k, from 0 to T - 1, in any order.
        state: the initial state, as `record` takes it.
        direction: of a bidirectional module of one layer, forward or backward: that direction alone is run, and time
            steps count in the order in which it reads.

    Returns:
        NaN for a model whose states, or whose product of Jacobians, leave the finite range.

    Raises:
        TypeError, ValueError: as `record`, and for a distance out of range.
    """
    with one_thread(), torch.no_grad(), torch.inference_mode():
        runs = (run_forward([each], inputs, state, torch.float64, direction)[0] for each in _as_list(module))
        return np.stack([singular_values_of_run(run, distances) for run in runs])


def _checked(count: int | None, warmup: int, N: int, T: int) -> tuple[int, int]:
    """Return how many exponents to find, and time steps to skip; ValueError where these are out of range."""
    if count is not None and not (isinstance(count, Integral) and 1 <= count <= N):
        raise ValueError(f"count={count!r}: expected a whole number from 1 to {N}, or None")
    if not isinstance(warmup, Integral) or not 0 <= warmup < T:
        raise ValueError(f"warmup={warmup!r}: expected a whole number from 0 to {T - 1} for {T} time steps")
    return N if count is None else int(count), int(warmup)


def _as_list(module: Module | Sequence[Module]) -> list[Module]:
    """Return one module, or several, as a list."""
    return list(module) if isinstance(module, Sequence | nn.ModuleList) else [module]


def _finite(layers: Sequence[Layer]) -> np.ndarray:
    """Return which models' states are finite throughout, (S,)."""
    return np.logical_and.reduce(
        [memory.isfinite().all(-1).all(-1).all(0).numpy() for layer in layers for memory in layer.memories]
    )


# Forward: how tiny changes of the state are carried along


def _growth(carry: Callable[[int, Tensor], Tensor], start: Tensor, T: int) -> np.ndarray:
    """Return ln |R_ii| of each time step, (T, S, B, n), of directions (S, B, N, n) that start anyhow.

    `carry(t, directions)` multiplies directions by J_t.
    """
    directions = torch.linalg.qr(start).Q
    growth = []
    for t in range(T):
        directions, R = torch.linalg.qr(carry(t, directions))
        growth.append(R.diagonal(dim1=-2, dim2=-1).abs().numpy())
    with np.errstate(divide="ignore"):
        return np.log(growth)


def push_forward(layers: Sequence[Layer], t: int, directions: Tensor, of_input: Tensor | None = None) -> Tensor:
    """Return J_t times directions (S, B, N, n): changes of the state after step t, by changes of that before.

    Call `compute_local_derivatives` of each layer first.

    Args:
        layers: after their forward pass.
        t: the step.
        directions: changes of the state before, layer by layer, of an LSTM h and then c.
        of_input: changes of the input of that step, (S, B, D, n); None = none.
    """
    sizes = [layer.H for layer in layers for _ in layer.memories]
    parts = list(directions.split(sizes, 2))
    carried: Parts = []
    below = of_input
    for layer in layers:
        width = len(layer.memories)
        before, parts = parts[:width], parts[width:]
        after = CARRIES[layer.name](layer, t, before, _pre_activations(layer, before[0], below))
        carried += after
        below = after[0]
    return torch.cat(carried, 2)


def _pre_activations(layer: Layer, h: Tensor, x: Tensor | None) -> Tensor:
    """Return the changes of all pre-activations, (S, B, R, n), by those of the hidden state before and the input."""
    H = layer.H
    changes = _multiplied(layer.weight[..., :H], h)
    return changes if x is None else changes + _multiplied(layer.weight[..., H:-1], x)


def _multiplied(weight: Tensor, changes: Tensor) -> Tensor:
    """Return weights (S, R, N) times changes (S, B, N, n): one product, where B products would copy the weights."""
    S, B, N, n = changes.shape
    columns = changes.transpose(1, 2).reshape(S, N, B * n)
    return torch.bmm(weight, columns).view(S, -1, B, n).transpose(1, 2)


def _of_step(buffer: Tensor, t: int) -> Tensor:
    """Return a buffer's step (S, ·, B) as factors (S, B, ·, 1)."""
    return buffer[t].mT.unsqueeze(-1)


def _carry_rnn(layer: Layer, t: int, before: Parts, changes: Tensor) -> Parts:
    return [_of_step(layer.delta, t) * changes]


def _carry_lstm(layer: LSTM, t: int, before: Parts, changes: Tensor) -> Parts:
    """Return dh = ∂h/∂o + ∂h/∂c dc and dc = f dc₋ + ∂c/∂(i, f, g), each ∂ times its pre-activation's change."""
    H = layer.H
    local = _of_step(layer.delta, t) * changes
    by_gates = local[:, :, : 3 * H].unflatten(2, (3, H)).sum(2)
    c = by_gates.addcmul_(_of_step(layer.rows(layer.gate, "forget"), t), before[1])
    return [local[:, :, 3 * H :] + _of_step(layer.exposed, t) * c, c]


def _carry_gru(layer: Layer, t: int, before: Parts, changes: Tensor) -> Parts:
    """Return dh = z dh₋ + ∂h/∂(r, z, a, m), each derivative times its pre-activation's change."""
    local = (_of_step(layer.delta, t) * changes).unflatten(2, (4, layer.H)).sum(2)
    return [local.addcmul_(_of_step(layer.rows(layer.gate, "update"), t), before[0])]


CARRIES: dict[str, Callable[..., Parts]] = {"rnn": _carry_rnn, "lstm": _carry_lstm, "gru": _carry_gru}


# Back: singular values by distance


def singular_values_of_run(unroll: Unroll, distances: Sequence[int]) -> np.ndarray:
    """Return the singular values by distance, (distances, H), of one model's run, as `jacobian_spectrum` does."""
    with one_thread(), torch.inference_mode():
        layer, T = unroll.layers[-1], unroll.T
        for k in distances:
            if not isinstance(k, Integral) or not 0 <= k < T:
                raise ValueError(f"distance {k!r}: expected a whole number from 0 to {T - 1} for {T} time steps")
        found = np.full((len(distances), layer.H), np.nan)
        if not len(distances) or not _finite(unroll.layers).all():
            return found
        layer.compute_local_derivatives()
        found[np.equal(distances, 0)] = 1
        for k, (memory, product) in enumerate(_walk_back(layer, max(distances)), 1):
            if k in distances:
                # Where the memory state is all that is handed on, `memory` is orthonormal.
                factors = torch.linalg.qr(memory, mode="r").R @ product if isinstance(layer, LSTM) else product
                values = np.array([_singular_values(factor) for factor in factors])  # (B, H)
                found[np.equal(distances, k)] = np.median(values, 0)
        return found


def _walk_back(layer: Layer, furthest: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield for distances 1 to `furthest` two factors, (B, H, H), of the transposed Jacobian of the memory states.

    The second is upper triangular, with rows whose sizes may differ by many orders of magnitude.
    """
    H, B = layer.H, layer.B
    unit = torch.eye(H, dtype=torch.float64)
    at_memory = unit.unsqueeze(-1).repeat(1, 1, B)
    grads = [*(torch.zeros_like(at_memory) for _ in layer.memories[1:]), at_memory]  # (H, H, B) each
    product = unit.expand(B, -1, -1)
    delta = unit.new_empty(layer.weight[0, layer.hidden_rows].shape[0], H, B)
    for t in range(layer.T - 2, layer.T - 2 - furthest, -1):
        layer.pull_back(t + 1, grads, delta)
        Q, R = torch.linalg.qr(torch.cat(grads).permute(2, 0, 1))
        product = R @ product
        grads = [part.permute(1, 2, 0).contiguous() for part in Q.split(H, 1)]
        yield layer.total_memory_grad(t, grads).permute(2, 0, 1), product


def _singular_values(factor: Tensor) -> np.ndarray:
    """Return the singular values of an upper triangular matrix whose rows differ much in size, the largest first.

    LAPACK finds values down to rounding times the largest. A few QR steps on the transpose (the QR algorithm for
    singular values) make a matrix with rows of descending size almost diagonal. Then its lower right parts have their
    small values to themselves: each part gives those that it finds well, and the next one begins within it. By torch,
    on one thread: numpy takes every core, and many times as long where these are busy.
    """
    if not factor.isfinite().all():
        return np.full(len(factor), np.nan)
    for _ in range(4):
        factor = torch.linalg.qr(factor.mT, mode="r").R
    found: list[float] = []
    start = 0
    while len(found) < len(factor):
        values = torch.linalg.svdvals(factor[start:, start:]).numpy()
        if not values[0] > 0:
            return np.array(found + [0.0] * (len(factor) - len(found)))
        found += values[len(found) - start : np.count_nonzero(values >= RELIABLE * values[0])].tolist()
        start += int(np.count_nonzero(values >= OVERLAP * values[0]))
    return np.array(found)
