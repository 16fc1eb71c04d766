"""Where a gradient is lost: what each time step leaves of it, split into the gates' part and the weights' part."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from analysis.engine.norms import norm
from analysis.engine.unroll import cut_distance
from analysis.experiment import Experiment
from analysis.measures.decay import loss_step_by_sample
from analysis.measures.gate_reading import record_examples
from analysis.measures.weights import Trained
from analysis.reasons import StepFactors
from analysis.results import SMALLEST, Tape

SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # by activation: its slope, computed from its value
    "tanh": lambda h: 1 - h**2,
    "relu": lambda h: (h > 0).astype(h.dtype),
    "identity": np.ones_like,
}


def step_factors(
    tape: Tape, model: int = 0, sample: int = 0, reads: Mapping[str, np.ndarray] | None = None
) -> StepFactors:
    """Split what each time step leaves of the gradient by the memory state of the top layer, exactly.

    g_{t-1} = a_t + (what comes back through the recurrent weights), where a_t is the gate that keeps, times g_t:
    ‖g_{t-1}‖ / ‖g_t‖ = ‖a_t‖ / ‖g_t‖ · ‖g_{t-1}‖ / ‖a_t‖. Without such a gate, g_{t-1} = Wᵀ a_t, and a_t is the
    activation's slope times g_t.

    Args:
        tape: what `record` returned, its loss on one step alone.
        model: which of the S models.
        sample: which of the B sequences.
        reads: by name, at which steps what is read, (T, B) of booleans.

    Returns:
        Factors without a unit, by time step, the earliest first.

    Raises:
        ValueError: where the loss reads several steps, or a cell has neither a gate that keeps nor a known activation.

    >>> found = step_factors(record(nn.LSTM(3, 16), torch.randn(50, 8, 3)))
    >>> found.step[found.lost], found.whole[found.lost], found.gates[found.lost], found.weights[found.lost]
    """
    if tape.keep_gate is None and tape.activation not in SLOPES:
        raise ValueError(f"a tape of {tape.model}: expected one with a gate that keeps, or a known activation")
    last = int(loss_step_by_sample(tape)[sample])
    place = (model, -1, slice(last + 1), sample)
    gradient = (tape.hidden_grad if tape.cell_grad is None else tape.cell_grad)[place]  # (T, H)
    if tape.keep_gate is None:
        through, slope = tape.activation, SLOPES[tape.activation](tape.hidden[place])
    else:
        through, slope = f"{tape.keep_gate} gate", tape.gates[tape.keep_gate][place]
    sizes, passed = _measurable(norm(gradient)), _measurable(norm(slope * gradient))
    with np.errstate(over="ignore"):
        gates, weights = passed[1:] / sizes[1:], sizes[:-1] / passed[1:]
        return StepFactors(
            through=through,
            step=np.arange(1, last + 1),
            whole=sizes[:-1] / sizes[1:],
            gates=gates,
            weights=weights,
            reads={what: np.flatnonzero(steps[:, sample]) for what, steps in (reads or {}).items()},
        )


def _measurable(sizes: np.ndarray) -> np.ndarray:
    """Return sizes with NaN for zero, and for what is below floating point or above it."""
    return np.where((sizes >= SMALLEST) & np.isfinite(sizes), sizes, np.nan)


def measure_factors(experiment: Experiment, number: int, trained: Trained = None, model: int = 0) -> StepFactors:
    """Split what each time step leaves of the gradient while a model reads a sequence of its task.

    Args:
        experiment: whose model.
        number: which sequence, from 1; the last one where there are fewer.
        trained: the weights (S, ...) of the experiment's run; None reads with the initial weights.
        model: which of its models, from 0.
    """
    tape, reads = record_examples(experiment, trained, model)
    found = step_factors(tape, sample=min(number, tape.hidden.shape[3]) - 1, reads=reads)
    return replace(found, cut=cut_distance(experiment.truncate, tape.hidden.shape[2]))
