"""Measure a user's own recurrent module on inputs."""

import numpy as np
from torch import Tensor

from analysis.engine.recording import Module, record, unit_vector
from analysis.measures.bounds import activation_bounds
from analysis.measures.decay import carry_decay, gradient_decay
from analysis.measures.gates import gate_saturation
from analysis.results import THRESHOLD, Measured, Tape


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
