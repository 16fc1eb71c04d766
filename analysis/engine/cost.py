"""Whether an experiment fits in this machine's memory, asked before it starts."""

import os
from pathlib import Path
from time import perf_counter

import torch

from analysis.engine.cells import LAYERS
from analysis.engine.initialization import initial_weights
from analysis.engine.network import PIECE, SLICE
from analysis.engine.unroll import Unroll, one_thread
from analysis.experiment import Experiment
from analysis.tasks.task import EVALUATED, MEASURED, Task

MIB = 2**20
MEASURED_NORMS = 12  # arrays (S, T, B) alive while a long sequence is measured
MEASURED_WEIGHTS, TRAINED_WEIGHTS = 5, 8  # copies of all weights and their gradients, in float64 and in float32


def require_memory(experiment: Experiment, task: Task, *, training: bool) -> None:
    """Refuse an experiment that needs more memory than there is: ValueError with the estimate in MiB."""
    needed, there = needed_bytes(experiment, task, training=training), memory_bytes()
    if needed > there:
        raise ValueError(
            f"this experiment needs about {needed / MIB:,.0f} MiB, this machine has {there / MIB:,.0f} MiB: "
            "expected a shorter length, fewer seeds or layers, or a smaller hidden_size or batch_size"
        )


def needed_bytes(experiment: Experiment, task: Task, *, training: bool) -> int:
    """Estimate the bytes that measuring, and training where asked, keep at once."""
    T, S, M, D = task.length, experiment.seeds, MEASURED, task.inputs
    measured = 8 * (min(T, PIECE) * S * M * _numbers_per_step(experiment, task) + MEASURED_NORMS * T * S * M)
    weights = S * _weights(experiment, task)
    needed = measured + 8 * (T * M * D + MEASURED_WEIGHTS * weights)
    if training:
        B, answers = experiment.batch_size, 3 * S * SLICE * task.outputs if task.every_step else 0
        needed += 4 * (T * S * B * (_numbers_per_step(experiment, task) + 2 * D) + TRAINED_WEIGHTS * weights)
        needed += 4 * T * (EVALUATED * (D + 2) + answers)  # codes take two
    return needed


def _weights(experiment: Experiment, task: Task) -> int:
    """Weights of one model's recurrent layers, as an unroll packs them, and of its embedding."""
    H, rows = experiment.hidden_size, len(LAYERS[experiment.cell].blocks)
    recurrent = sum(rows * H * (H + D + 1) for D in [task.inputs] + [H] * (experiment.layers - 1))
    return recurrent + (task.vocabulary or 0) * task.inputs


def _numbers_per_step(experiment: Experiment, task: Task) -> int:
    """Numbers an unroll keeps for one step of one sequence of one model."""
    H, rows = experiment.hidden_size, len(LAYERS[experiment.cell].blocks)
    extra = 4 * H if experiment.cell == "lstm" else 0
    sizes = [task.inputs] + [H] * (experiment.layers - 1)
    answers = 4 * task.outputs if task.every_step else 0
    return sum(2 * (H + D) + 2 * rows * H + extra for D in sizes) + answers


def memory_bytes() -> int:
    """Return this machine's memory, or what its container may use of it."""
    limit = Path("/sys/fs/cgroup/memory.max")
    try:
        contained = int(limit.read_text()) if limit.exists() else 2**63
    except ValueError:  # "max"
        contained = 2**63
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        physical = 2**63  # a system that doesn't say
    return min(physical, contained)


def count_cost(experiment: Experiment, task: Task) -> dict[str, int]:
    """Count one model's parameters, and the multiply-adds of its recurrent layers for one step of one sequence.

    Products with the weights, and the elementwise ones of the gates: an LSTM's f c, i g, o tanh(c), a GRU's
    r a, (1 - z) n, z h.
    """
    H, O = experiment.hidden_size, task.outputs  # noqa: E741
    gates = len(LAYERS[experiment.cell].gates)
    G, elementwise = (gates, 3) if gates else (1, 0)
    sizes = [task.inputs] + [H] * (experiment.layers - 1)
    return {
        "parameters": sum(G * H * (D + H + 2) for D in sizes) + O * (H + 1) + (task.vocabulary or 0) * task.inputs,
        "multiply_adds": sum(G * H * (D + H) + elementwise * H for D in sizes),
    }


REPEATS = 15


def time_cell(experiment: Experiment, task: Task) -> float:
    """Time one model's recurrent layers: forward and back over one batch, the quickest of a few."""
    experiment = experiment.replace(seeds=1)
    weights, _ = initial_weights(experiment, task.inputs, task.outputs)
    T, B = task.length, experiment.batch_size
    inputs, output_grad = torch.ones(T, B, task.inputs), torch.ones(1, experiment.hidden_size, B)
    with one_thread():
        unroll = Unroll(experiment.cell, experiment.activation, weights, T, B)

        def once() -> float:
            began = perf_counter()
            unroll.start()
            unroll.forward(inputs)
            unroll.backward(output_grad, by_weights=True)
            return 1e3 * (perf_counter() - began)

        return min(once() for _ in range(REPEATS))


BRIEF = 2.1e7  # words × units of a training that starts by itself: twice that of the defaults, some 15 s


def is_brief(experiment: Experiment) -> bool:
    """Return whether a training is short enough to start without a press of a button."""
    words = experiment.steps * experiment.batch_size * experiment.task_length
    return words * experiment.hidden_size <= BRIEF


def measure_cell_cost(experiment: Experiment, task: Task) -> dict[str, float]:
    """Count the parameters of a cell's first layer and its multiply-adds for one step, and time one batch in ms."""
    weights, _ = initial_weights(experiment, task.inputs, task.outputs)
    return {
        "parameters": sum(weight[0].numel() for name, weight in weights.items() if name.endswith("_l0")),
        "multiply_adds": count_cost(experiment, task)["multiply_adds"],
        "milliseconds": time_cell(experiment, task),
    }
