"""Read a sentence with one gate held at a value: what becomes of the memory, and of the gradient on its way back.

A gate is held by its own weights: zero, with a bias of logit(value). Its sum is then the same at every word, σ of it is
the value, and no gradient goes through it. The engine runs these weights like any others.
"""

from collections.abc import Mapping
from numbers import Real

import numpy as np
import torch

from analysis.engine.initialization import Weights
from analysis.engine.network import embed, readout
from analysis.engine.norms import norm
from analysis.engine.unroll import Unroll, one_thread
from analysis.experiment import GATED, GATES, Experiment
from analysis.lesson.reading import encode_for_first, model_weights, read_sentence
from analysis.reading import Held, Reading

HELD_GATES = {cell: tuple(gate for gate in GATES[cell] if gate != "candidate") for cell in GATED}  # those from 0 to 1


@torch.no_grad()
def hold_gate(experiment: Experiment, weights: Weights, words: list[str], gate: str, value: float | None) -> Held:
    """Read the first words of a sentence with one gate of all units of the first layer held at a value.

    Args:
        experiment: a words task with a cell that has gates.
        weights: those of the experiment's models, (S, ...), of which the first reads.
        words: as `split_words` returns them, at least one.
        gate: forget, input or output of an LSTM; update or reset of a GRU.
        value: from 0 to 1; None leaves the gate as it is.

    Raises:
        ValueError: for another gate or value, and as `read_sentence`.
    """
    _check(experiment.cell, gate, value)
    _, weights, codes = encode_for_first(experiment, weights, words)
    inputs = embed(weights, codes.unsqueeze(1))  # (T, 1, 1, E)
    with one_thread():
        unroll = Unroll(experiment.cell, experiment.activation, weights, len(codes), 1)
        unroll.start()
        next_word = readout(weights, unroll.forward(inputs)[-1])[0, 0].argmax()
        if value is not None:
            unroll.load(_with_gate_held(weights, experiment.cell, gate, value))
            unroll.forward(inputs)
        unroll.backward(weights["readout.weight"][:, next_word].unsqueeze(-1))
        first = unroll.layers[0]
        hidden, *cell_state = (states[1:, 0, :, 0].numpy().copy() for states in first.memories)
        gradient = norm(first.memory_grads[-1][1:, 0, :, 0].numpy())
    return Held(
        cell=experiment.cell,
        gate=gate,
        value=value,
        words=tuple(words[: len(codes)]),
        hidden=hidden,
        cell_state=cell_state[0] if cell_state else None,
        gradient=gradient[::-1].copy(),
    )


def hold_gate_of_model(
    experiment: Experiment,
    words: list[str],
    gate: str,
    value: float | None,
    trained: Mapping[str, np.ndarray] | None = None,
) -> Held:
    """Hold a gate as `hold_gate`, with the weights of an experiment's run; None reads with the initial weights."""
    return hold_gate(experiment, model_weights(experiment, trained), words, gate, value)


def read_with_gate_held(
    experiment: Experiment,
    words: list[str],
    gate: str,
    value: float,
    trained: Mapping[str, np.ndarray] | None = None,
) -> Reading:
    """Read the first words of a sentence as `read_with_model`, with one gate held as `hold_gate_of_model` holds it.

    A held gate's sum is the same at every word: its shares say nothing of what the gate would have been.
    """
    _check(experiment.cell, gate, value)
    _, weights, _ = encode_for_first(experiment, model_weights(experiment, trained), words)
    return read_sentence(experiment, _with_gate_held(weights, experiment.cell, gate, value), words)


def _check(cell: str, gate: str, value: float | None) -> None:
    """Raise a ValueError unless the cell has this gate and the value is one that it can take."""
    if cell not in HELD_GATES:
        raise ValueError(f"cell={cell!r} has no gate to hold: expected one of {', '.join(HELD_GATES)}")
    if gate not in HELD_GATES[cell]:
        raise ValueError(f"gate={gate!r}: expected one of {', '.join(HELD_GATES[cell])}")
    if value is not None and not (isinstance(value, Real) and 0 <= value <= 1):
        raise ValueError(f"value={value!r}: expected a number from 0 to 1, or None")


def _with_gate_held(weights: Weights, cell: str, gate: str, value: float) -> Weights:
    """Return weights (1, ...) whose first layer computes the value for this gate whatever it reads."""
    H = weights["weight_hh_l0"].shape[-1]
    first = H * GATES[cell].index(gate)
    held = dict(weights)
    logit = torch.tensor(value, dtype=torch.float64).logit().item()  # ∓∞ at 0 and 1, where σ is exact
    for name, number in (("weight_ih_l0", 0.0), ("weight_hh_l0", 0.0), ("bias_ih_l0", logit), ("bias_hh_l0", 0.0)):
        held[name] = weights[name].clone()
        held[name][:, first : first + H] = number
    return held
