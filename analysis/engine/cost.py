"""What an experiment costs: bytes of memory, multiply-adds, milliseconds of one batch."""

import os
from pathlib import Path

from analysis.engine.cells import LAYERS
from analysis.engine.network import PIECE, SLICE
from analysis.experiment import Experiment
from analysis.tasks.task import EVALUATED, MEASURED, Task

MIB = 2**20
MEASURED_NORMS = 12  # arrays (S, T, B) alive while a long sequence is measured
MEASURED_WEIGHTS, TRAINED_WEIGHTS = 5, 8  # copies of all weights and their gradients, in float64 and in float32


def require_memory(experiment: Experiment, task: Task, *, training: bool) -> None:
    """Check that an experiment fits in this machine's memory.

    Raises:
        ValueError: where it does not, with the estimate in MiB.
    """
    needed, available = needed_bytes(experiment, task, training=training), memory_bytes()
    if needed > available:
        raise ValueError(
            f"this experiment needs about {needed / MIB:,.0f} MiB, this machine has {available / MIB:,.0f} MiB: "
            "expected a shorter length, fewer seeds or layers, or a smaller hidden_size or batch_size"
        )


def needed_bytes(experiment: Experiment, task: Task, *, training: bool) -> int:
    """Estimate the bytes of memory that measuring needs, and with `training` those of training besides."""
    T, S, M, D = task.length, experiment.seeds, MEASURED, task.inputs
    numbers = numbers_per_step(experiment.cell, D, experiment.hidden_size, experiment.layers)
    if task.every_step:
        numbers += 4 * task.outputs  # the answers, and what their loss computes with
    measured = 8 * (min(T, PIECE) * S * M * numbers + MEASURED_NORMS * T * S * M)
    weights = S * (packed_weights(experiment, task) + (task.vocabulary or 0) * task.inputs)
    needed = measured + 8 * (T * M * D + MEASURED_WEIGHTS * weights)
    if training:
        B, answers = experiment.batch_size, 3 * S * SLICE * task.outputs if task.every_step else 0
        needed += 4 * (T * S * B * (numbers + 2 * D) + TRAINED_WEIGHTS * weights)
        needed += 4 * T * (EVALUATED * (D + 2) + answers)  # int64 targets take two float32 numbers
    return needed


def packed_weights(experiment: Experiment, task: Task) -> int:
    """Count the weights of one model's recurrent layers, as an unroll packs them."""
    H, rows = experiment.hidden_size, len(LAYERS[experiment.cell].blocks)
    return sum(rows * H * (H + D + 1) for D in _input_sizes(task.inputs, H, experiment.layers))


def memory_bytes() -> int:
    """Return the bytes of this machine's memory, or its container's limit where that is lower."""
    limit = Path("/sys/fs/cgroup/memory.max")
    try:
        contained = int(limit.read_text()) if limit.exists() else 2**63
    except ValueError:  # "max"
        contained = 2**63
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        physical = 2**63  # the system does not report its memory
    return min(physical, contained)


def numbers_per_step(cell: str, D: int, H: int, layers: int) -> int:
    """Count the numbers that an unroll keeps for one step of one sequence of one model, D inputs and H units."""
    rows = len(LAYERS[cell].blocks)
    cell_state = 4 * H if cell == "lstm" else 0  # c, φ(c) and their gradients
    return sum(2 * (H + size) + 2 * rows * H + cell_state for size in _input_sizes(D, H, layers))


def multiply_adds(cell: str, D: int, H: int, layers: int) -> int:
    """Count the multiply-adds of one model's recurrent layers for one step of one sequence, D inputs and H units.

    These are the products with the weights, and the elementwise ones of the gates: an LSTM's f c, i g, o tanh(c), a
    GRU's r a, (1 - z) n, z h.
    """
    gates = len(LAYERS[cell].gates)
    G, elementwise = (gates, 3) if gates else (1, 0)
    return sum(G * H * (size + H) + elementwise * H for size in _input_sizes(D, H, layers))


def count_cost(experiment: Experiment, task: Task) -> dict[str, int]:
    """Count one model's parameters, and its `multiply_adds` for one step of one sequence."""
    D, H, outputs = task.inputs, experiment.hidden_size, task.outputs
    G = max(1, len(LAYERS[experiment.cell].gates))
    recurrent = sum(G * H * (size + H + 2) for size in _input_sizes(D, H, experiment.layers))
    return {
        "parameters": recurrent + outputs * (H + 1) + (task.vocabulary or 0) * D,
        "multiply_adds": multiply_adds(experiment.cell, D, H, experiment.layers),
    }


def _input_sizes(D: int, H: int, layers: int) -> list[int]:
    """Return how many inputs each layer reads."""
    return [D] + [H] * (layers - 1)


def count_cell_cost(experiment: Experiment, task: Task) -> dict[str, int]:
    """Count the parameters of a cell's first layer, and one model's `multiply_adds` for one step of one sequence."""
    G, H = max(1, len(LAYERS[experiment.cell].gates)), experiment.hidden_size
    return count_cost(experiment, task) | {"parameters": G * H * (task.inputs + H + 2)}
