"""Goldfish: how far back does a recurrent network remember, and why?"""

from analysis.bounds import activation_bounds
from analysis.config import Experiment
from analysis.decay import carry_decay, gradient_decay
from analysis.gates import gate_saturation
from analysis.measuring import measure_untrained
from analysis.memory import memory_curve
from analysis.recording import record
from analysis.spectrum import gradient_matrix
from analysis.training import train
from analysis.watching import watch

__all__ = [
    "Experiment",
    "activation_bounds",
    "carry_decay",
    "gate_saturation",
    "gradient_decay",
    "gradient_matrix",
    "measure_untrained",
    "memory_curve",
    "record",
    "train",
    "watch",
]
