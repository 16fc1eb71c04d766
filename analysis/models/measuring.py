"""Measure a user's own recurrent module on inputs."""

from dataclasses import replace

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


def measure_module(
    module: Module, inputs: Tensor, threshold: float = THRESHOLD, direction: str = "forward", layer: int | None = None
) -> tuple[Measured, Tape]:
    """Record a module; return measures of one layer, or of its top one with the gates of all, and the tape of all.

    The loss is `record`'s own: the last output projected on one fixed random direction.
    """
    whole = record(module, inputs, direction=direction)
    tape = whole if layer is None else tape_of_layer(whole, layer)
    top = whole.hidden[:, -1, -1]  # (S, B, H)
    decays = {of: gradient_decay(tape, of, threshold=threshold) for of in ("memory", "hidden", "input", "weights")}
    if tape.gates:
        decays["carry"] = carry_decay(tape, threshold=threshold)
    with np.errstate(invalid="ignore", over="ignore"):
        loss = (top @ unit_vector(top.shape[-1], 0).numpy()).mean(-1)
    return Measured(loss, decays, gate_saturation(tape), activation_bounds(tape)), whole


def tape_of_layer(tape: Tape, layer: int) -> Tape:
    """Return the tape of one layer alone, with the gradients of the same loss; its arrays are views."""
    tape.require_layer(layer)
    own = [layer % tape.hidden.shape[1]]
    return replace(
        tape,
        hidden=tape.hidden[:, own],
        hidden_grad=tape.hidden_grad[:, own],
        cell=None if tape.cell is None else tape.cell[:, own],
        cell_grad=None if tape.cell_grad is None else tape.cell_grad[:, own],
        gates={name: gate[:, own] for name, gate in tape.gates.items()},
        weight_grad=tape.weight_grad[:, own],
    )


def answer_module(module: Module, inputs: Tensor, tape: Tape, direction: str = "forward") -> Answers:
    """Return how much past a module needs, what is in force in it, and which of its inputs (N, T, D) matter.

    The tape is that of the same module and inputs.
    """
    return Answers(
        affordable_look_back(module, inputs, direction),
        weights_in_force(module, direction=direction),
        time_scales(tape) if tape.keep_gate else None,
        input_influence(module, inputs, direction=direction),
    )


def affordable_look_back(module: Module, inputs: Tensor, direction: str = "forward") -> LookBack:
    """Measure the look-back on as many of the last time steps and first sequences (N, T, D) as take a few seconds.

    A backward direction reads the first time steps last.
    """
    N, T, D = inputs.shape
    layers = module.num_layers * (1 + module.bidirectional)
    work = 2 * multiply_adds(cell_name(module), D, module.hidden_size, layers)  # of both starts
    while T > SHORTEST and work * windows_of(T).sum() > LOOK_BACK_WORK:
        T = max(SHORTEST, T * 3 // 4)
    count = max(1, min(N, int(LOOK_BACK_WORK / (work * windows_of(T).sum()))))
    used = inputs[:count, :T] if direction == "backward" else inputs[:count, -T:]
    return look_back(module, used, direction=direction)
