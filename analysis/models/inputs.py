"""Inputs for a user's own recurrent layers: read from a file or drawn at random, and cut to what can be recorded."""

import numpy as np
import torch
from torch import Generator, Tensor

from analysis.engine.axes import ALIKE, CORNER
from analysis.engine.cost import multiply_adds, numbers_per_step
from analysis.files.arrays import read_array
from analysis.files.errors import UnusableError
from analysis.models.layers import RecurrentStack, count_of
from analysis.models.limits import (
    LARGEST_VARIANCE,
    RANDOM_SEED,
    RANDOM_SEQUENCES,
    RANDOM_STEPS,
    RANDOM_VARIANCE,
    SEQUENCES,
    STEPS,
)

NUMBERS = 20_000_000  # the most that a recording may keep
MULTIPLY_ADDS = 3e9  # the most in a forward pass: some seconds on one core


def read_inputs(data: bytes, name: str, stack: RecurrentStack) -> np.ndarray:
    """Read inputs of two axes (T, D), or three whose last is D, from `.npy`, `.npz` or `.csv`, for `fit_inputs`.

    Raises:
        UnusableError: for anything else.
    """
    D = stack.input_size

    def fits(shape: tuple[int, ...]) -> bool:
        return len(shape) in (2, 3) and shape[-1] == D

    inputs = read_array(data, name, fits)
    if not fits(inputs.shape):
        raise UnusableError(f"{name} of shape {inputs.shape}: expected (T, {D}), (N, T, {D}) or (T, N, {D})")
    return inputs


def describe_inputs(inputs: np.ndarray, time_first: bool = False) -> tuple[str, str]:
    """Return how inputs are read, "16 sequences of 40 time steps, 3 inputs", and the other order if it is likelier.

    The other order of axes is likelier if neighbouring steps would be more alike in it than neighbouring sequences.
    If it isn't, the second text is empty.

    >>> describe_inputs(np.cumsum(np.random.default_rng(0).normal(size=(40, 16, 3)), axis=0))
    ('40 sequences of 16 time steps, 3 inputs', '16 sequences of 40 time steps')
    """
    whole = _sequences_first(inputs, time_first)
    N, T, D = whole.shape
    corner = np.array(whole[:CORNER, :CORNER, :CORNER], float)
    with np.errstate(over="ignore", invalid="ignore"):
        unlike = [np.square(np.diff(corner, axis=axis)).mean() if corner.shape[axis] > 1 else np.inf for axis in (0, 1)]
    likelier = inputs.ndim == 3 and N > 1 and unlike[0] < ALIKE * unlike[1]
    other = f"{count_of(T, 'sequence')} of {count_of(N, 'time step')}"
    return f"{count_of(N, 'sequence')} of {count_of(T, 'time step')}, {count_of(D, 'input')}", other if likelier else ""


def fit_inputs(stack: RecurrentStack, inputs: np.ndarray | Tensor, time_first: bool = False) -> tuple[Tensor, str]:
    """Return inputs (N, T, D) as float64, cut to what a recording may take, and a sentence on what was cut.

    The last steps of long sequences are kept, and the first of many sequences. A backward direction reads them from
    their end: they are returned in the order of reading.

    Args:
        stack: the layers that are to read them.
        inputs: (T, D), one sequence; (N, T, D).
        time_first: whether inputs of three axes are (T, N, D).

    Raises:
        UnusableError: for a single step, and numbers beyond float64.
    """
    whole = _sequences_first(inputs, time_first)
    N, T, D = whole.shape
    if T < 2:
        raise UnusableError(f"{count_of(N, 'sequence')} of one time step: expected at least 2, a distance needs them")
    count, steps = _affordable(stack, N, T, D)
    used = _finite_float64(whole[:count, T - steps :])
    if stack.backward:
        used = used.flip(1)
    cut = []
    if steps < T:
        cut.append(f"of {T:,} time steps the last {steps:,}")
    if count < N:
        cut.append(f"of {N:,} sequences the first {count:,}")
    return used, f"Used are {' and '.join(cut)}." if cut else ""


def _affordable(stack: RecurrentStack, N: int, T: int, D: int) -> tuple[int, int]:
    """Return how many of N sequences and of T steps a recording can take: its memory and time are bounded."""
    sizes = stack.cell, D, stack.hidden_size, stack.layers
    numbers, work = numbers_per_step(*sizes), multiply_adds(*sizes)  # of one sequence
    steps = max(2, min(T, STEPS, NUMBERS // numbers, int(MULTIPLY_ADDS / work)))
    count = max(1, min(N, SEQUENCES, NUMBERS // numbers // steps, int(MULTIPLY_ADDS / work / steps)))
    return count, steps


def _finite_float64(inputs: np.ndarray | Tensor) -> Tensor:
    """Return inputs as float64; UnusableError where one is not finite."""
    if isinstance(inputs, Tensor):
        inputs = inputs.double().numpy(force=True)
    with np.errstate(over="ignore"):
        used = torch.from_numpy(np.array(inputs, np.float64))
    if not used.isfinite().all():
        raise UnusableError("inputs beyond float64: expected finite numbers")
    return used


def _sequences_first(inputs: np.ndarray | Tensor, time_first: bool) -> np.ndarray | Tensor:
    """Return inputs of either order as (N, T, D)."""
    if inputs.ndim == 2:
        return inputs[None]
    return inputs.swapaxes(0, 1) if time_first else inputs


def random_inputs(
    stack: RecurrentStack,
    steps: int = RANDOM_STEPS,
    count: int = RANDOM_SEQUENCES,
    variance: float = RANDOM_VARIANCE,
    seed: int = RANDOM_SEED,
) -> Tensor:
    """Draw `count` sequences of normal inputs (N, T, D) with mean 0 and this variance.

    Raises:
        UnusableError: for sizes that are not from 2 steps and 1 sequence up, another variance than 0 to 1e6, or
            another seed than torch takes.
    """
    if not (2 <= steps <= STEPS and 1 <= count <= SEQUENCES):
        raise UnusableError(f"{steps} time steps, {count} sequences: expected 2 to {STEPS}, 1 to {SEQUENCES}")
    if not 0 <= variance <= LARGEST_VARIANCE:
        raise UnusableError(f"variance={variance}: expected 0 to {LARGEST_VARIANCE:g}")
    if not 0 <= seed < 2**63:
        raise UnusableError(f"seed={seed}: expected a whole number from 0 to 2^63 - 1")
    shape, generator = (count, steps, stack.input_size), Generator().manual_seed(seed)
    return variance**0.5 * torch.randn(shape, generator=generator, dtype=torch.float64)
