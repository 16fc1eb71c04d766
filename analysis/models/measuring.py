"""Measure a user's own recurrent module on inputs."""

import numpy as np
from torch import Tensor

from analysis.answers import Answers, LookBack
from analysis.engine.cost import multiply_adds
from analysis.engine.recording import Module, cell_name, record, unit_vector
from analysis.measures.bounds import activation_bounds
from analysis.measures.decay import carry_decay, gradient_decay
from analysis.measures.gates import gate_saturation, time_scales
from analysis.measures.look_back import windows_of
from analysis.models.in_force import weights_in_force
from analysis.models.influence import input_influence
from analysis.models.look_back import look_back
from analysis.results import THRESHOLD, Measured, Tape

LOOK_BACK_WORK = 1e10  # multiply-adds of all its windows, which are a few seconds
SHORTEST = 2  # time steps that a look-back is measured on at least


def measure_module(module: Module, inputs: Tensor, threshold: float = THRESHOLD) -> tuple[Measured, Tape]:
    """Record a module; return measures of its top layer (decays, carry, gates, bounds), and the tape.

    The loss is `record`'s own: the last output projected on one fixed random direction.
    """
    tape = record(module, inputs)
    top = tape.hidden[:, -1, -1]  # (S, B, H)
    decays = {of: gradient_decay(tape, of, threshold=threshold) for of in ("memory", "hidden", "input", "weights")}
    if tape.gates:
        decays["carry"] = carry_decay(tape, threshold=threshold)
    with np.errstate(invalid="ignore", over="ignore"):
        loss = (top @ unit_vector(top.shape[-1], 0).numpy()).mean(-1)
    return Measured(loss, decays, gate_saturation(tape), activation_bounds(tape)), tape


def answer_module(module: Module, inputs: Tensor, tape: Tape) -> Answers:
    """Return how much past a module needs, what is in force in it, and which of its inputs (N, T, D) matter.

    The tape is that of the same module and inputs.
    """
    return Answers(
        affordable_look_back(module, inputs),
        weights_in_force(module),
        time_scales(tape) if tape.keep_gate else None,
        input_influence(module, inputs),
    )


def affordable_look_back(module: Module, inputs: Tensor) -> LookBack:
    """Measure the look-back on as many of the last time steps and first sequences (N, T, D) as take a few seconds."""
    N, T, D = inputs.shape
    work = 2 * multiply_adds(cell_name(module), D, module.hidden_size, module.num_layers)
    while T > SHORTEST and work * windows_of(T).sum() > LOOK_BACK_WORK:
        T = max(SHORTEST, T * 3 // 4)
    count = max(1, min(N, int(LOOK_BACK_WORK / (work * windows_of(T).sum()))))
    return look_back(module, inputs[:count, -T:])
