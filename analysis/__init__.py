"""Goldfish: how far back does a recurrent network remember, and why?

Each public name is imported on first use, so that commands which need no torch start without it.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.answers import bias_for_half_life
    from analysis.experiment import Experiment
    from analysis.jobs.compare import compare
    from analysis.jobs.sweep import sweep
    from analysis.measures.bounds import activation_bounds
    from analysis.measures.decay import carry_decay, gradient_decay
    from analysis.measures.factors import step_factors
    from analysis.measures.gates import gate_saturation, time_scales
    from analysis.measures.lyapunov import jacobian_spectrum, lyapunov_exponents
    from analysis.measures.memory import memory_curve
    from analysis.measures.meter import measure_untrained
    from analysis.measures.spectrum import gradient_matrix
    from analysis.measures.theory import predicted_decay, predicted_rate
    from analysis.models.in_force import weights_in_force
    from analysis.models.influence import input_influence
    from analysis.models.look_back import look_back, look_back_steps
    from analysis.models.steps import record_steps
    from analysis.models.watching import watch
    from analysis.models.whole import record
    from analysis.plan import Plan
    from analysis.training.trainer import train

logging.getLogger(__name__).addHandler(logging.NullHandler())  # silent unless the importing program sets up logging

__all__ = [
    "Experiment",
    "Plan",
    "activation_bounds",
    "bias_for_half_life",
    "carry_decay",
    "compare",
    "gate_saturation",
    "gradient_decay",
    "gradient_matrix",
    "input_influence",
    "jacobian_spectrum",
    "look_back",
    "look_back_steps",
    "lyapunov_exponents",
    "measure_untrained",
    "memory_curve",
    "predicted_decay",
    "predicted_rate",
    "record",
    "record_steps",
    "step_factors",
    "sweep",
    "time_scales",
    "train",
    "watch",
    "weights_in_force",
]
_MODULES = {
    "Experiment": "experiment",
    "Plan": "plan",
    "activation_bounds": "measures.bounds",
    "bias_for_half_life": "answers",
    "carry_decay": "measures.decay",
    "compare": "jobs.compare",
    "gate_saturation": "measures.gates",
    "gradient_decay": "measures.decay",
    "gradient_matrix": "measures.spectrum",
    "input_influence": "models.influence",
    "jacobian_spectrum": "measures.lyapunov",
    "look_back": "models.look_back",
    "look_back_steps": "models.look_back",
    "lyapunov_exponents": "measures.lyapunov",
    "measure_untrained": "measures.meter",
    "memory_curve": "measures.memory",
    "predicted_decay": "measures.theory",
    "predicted_rate": "measures.theory",
    "record": "models.whole",
    "record_steps": "models.steps",
    "step_factors": "measures.factors",
    "sweep": "jobs.sweep",
    "time_scales": "measures.gates",
    "train": "training.trainer",
    "watch": "models.watching",
    "weights_in_force": "models.in_force",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562); raise AttributeError for any other name."""
    if name not in _MODULES:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    value = getattr(import_module(f"analysis.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
