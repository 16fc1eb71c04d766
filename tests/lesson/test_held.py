"""A gate held by hand: states and gradients are those of an autograd loop in which the gate is a constant."""

import numpy as np
import pytest
import torch

from analysis.experiment import KEEP_GATE
from analysis.lesson.held import HELD_GATES, hold_gate, hold_gate_of_model, read_with_gate_held
from analysis.lesson.reading import MOST_WORDS
from analysis.tasks.vocabulary import split_words
from tests.helpers.readings import SENTENCE, reading_of, weights_of, words_experiment

WORDS = split_words(SENTENCE)
GATES = [(cell, gate) for cell, gates in HELD_GATES.items() for gate in gates]
VALUES = [None, 0.0, 0.05, 0.5, 0.9, 1.0]
SQUASH = {"tanh": torch.tanh, "identity": lambda x: x}


def step(cell, w, x, state, held, squash):
    """One layer's state (h,) or (h, c) after one step, with gates replaced by the values in `held`."""
    h = state[0]
    by_input, by_memory = w["weight_ih"] @ x + w["bias_ih"], w["weight_hh"] @ h + w["bias_hh"]

    def gate(name, value):
        return torch.full_like(value, held[name]) if name in held else value.sigmoid()

    if cell == "lstm":
        i, f, g, o = (by_input + by_memory).chunk(4)
        c = gate("forget", f) * state[1] + gate("input", i) * squash(g)
        return gate("output", o) * squash(c), c
    (r, z, n), (r_memory, z_memory, n_memory) = by_input.chunk(3), by_memory.chunk(3)
    z = gate("update", z + z_memory)
    return ((1 - z) * squash(n + gate("reset", r + r_memory) * n_memory) + z * h,)


def loop(experiment, weights, embedded, held):
    """The first layer's states by word, and the scores after the last; the gate is held in the first layer alone."""
    own = {name: weight[0].double() for name, weight in weights.items()}
    layers = [
        {name.removesuffix(f"_l{k}"): weight for name, weight in own.items() if name.endswith(f"_l{k}")}
        for k in range(experiment.layers)
    ]
    zero = torch.zeros(experiment.hidden_size, dtype=torch.float64, requires_grad=True)
    states = [(zero,) * (1 + (experiment.cell == "lstm"))] * experiment.layers
    first = []
    for x in torch.tensor(embedded):
        for k, w in enumerate(layers):
            held_here = held if k == 0 else {}
            states[k] = step(experiment.cell, w, x, states[k], held_here, SQUASH[experiment.activation])
            x = states[k][0]
        first.append(states[0])
    return first, own["readout.weight"] @ x + own["readout.bias"]


@pytest.mark.parametrize(("layers", "activation"), [(1, "tanh"), (2, "tanh"), (1, "identity")])
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(("cell", "gate"), GATES)
def test_states_and_gradients_are_autograds(cell, gate, value, layers, activation):
    experiment = words_experiment(cell, layers=layers, activation=activation)
    weights, embedded = weights_of(experiment), reading_of(experiment).embedded
    result = hold_gate(experiment, weights, WORDS, gate, value)
    as_it_is = loop(experiment, weights, embedded, {})[1]
    states, scores = loop(experiment, weights, embedded, {} if value is None else {gate: value})
    memories = [state[-1] for state in states]
    gradients = torch.autograd.grad(scores[as_it_is.argmax()], memories)
    close = {"rtol": 1e-9, "atol": 1e-300}
    np.testing.assert_allclose(result.hidden, torch.stack([h for h, *_ in states]).detach(), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(result.memory, torch.stack(memories).detach(), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(result.gradient, [g.norm() for g in gradients[::-1]], **close)
    assert result.words == tuple(WORDS)


@pytest.mark.parametrize(("cell", "gate"), GATES)
def test_as_it_is_equals_the_ordinary_reading(cell, gate):
    experiment = words_experiment(cell)
    reading, result = reading_of(experiment), hold_gate(experiment, weights_of(experiment), WORDS, gate, None)
    np.testing.assert_allclose(result.hidden, reading.parts["hidden"], rtol=1e-12, atol=1e-15)
    assert (result.cell_state is None) == (cell == "gru")
    np.testing.assert_allclose(result.memory, reading.parts["cell" if cell == "lstm" else "hidden"], atol=1e-15)
    assert result.through_gate is None
    assert result.left[0] == 1


@pytest.mark.parametrize("value", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(("cell", "gate"), KEEP_GATE.items())
def test_without_recurrent_weights_the_held_gate_keeps_its_power(cell, gate, value):
    experiment = words_experiment(cell)
    weights = weights_of(experiment)
    weights["weight_hh_l0"] = torch.zeros_like(weights["weight_hh_l0"])
    result = hold_gate(experiment, weights, WORDS, gate, value)
    np.testing.assert_allclose(result.through_gate, [value**k for k in range(len(WORDS))])
    np.testing.assert_allclose(result.left, result.through_gate, rtol=1e-12)


@pytest.mark.parametrize(("cell", "gate"), [pair for pair in GATES if pair not in KEEP_GATE.items()])
def test_other_gates_keep_no_power(cell, gate):
    experiment = words_experiment(cell)
    assert hold_gate(experiment, weights_of(experiment), WORDS, gate, 0.9).through_gate is None


def test_what_the_ends_of_a_gate_do():
    lstm, gru = words_experiment("lstm"), words_experiment("gru")
    held = {gate: hold_gate(lstm, weights_of(lstm), WORDS, gate, 0.0) for gate in HELD_GATES["lstm"]}
    assert not held["input"].memory.any()
    assert not held["output"].hidden.any() and held["output"].memory.any()
    assert np.isnan(held["output"].left).all()  # no gradient enters
    kept = hold_gate(gru, weights_of(gru), WORDS, "update", 1.0)
    assert not kept.memory.any() and (kept.left == 1).all()


@pytest.mark.parametrize("value", [0.0, 0.35, 1.0])
@pytest.mark.parametrize(("cell", "gate"), GATES)
def test_what_is_drawn_of_a_held_gate_is_what_was_held(cell, gate, value):
    experiment = words_experiment(cell)
    read = read_with_gate_held(experiment, WORDS, gate, value)
    held = hold_gate_of_model(experiment, WORDS, gate, value)
    np.testing.assert_allclose(read.parts[gate], value, atol=1e-12)
    np.testing.assert_allclose(read.parts["cell" if cell == "lstm" else "hidden"], held.memory, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(read.parts["hidden"], held.hidden, rtol=1e-12, atol=1e-15)
    assert all(np.isfinite(part).all() for part in read.parts.values()) and np.isfinite(read.probability).all()
    with pytest.raises(ValueError, match="from 0 to 1"):
        read_with_gate_held(experiment, WORDS, gate, 1.5)


def test_the_first_model_reads_the_first_words():
    experiment = words_experiment("gru")
    words = ["the"] * (MOST_WORDS + 3)
    result = hold_gate(experiment, weights_of(experiment), words, "update", 0.3)
    assert result.words == tuple(words[:MOST_WORDS]) and len(result.gradient) == MOST_WORDS
    several = weights_of(experiment.replace(seeds=2))
    assert hold_gate(experiment, several, words, "update", 0.3) == result
    trained = {name: weight.numpy() for name, weight in several.items()}
    assert hold_gate_of_model(experiment, words, "update", 0.3, trained) == result
    assert hold_gate_of_model(experiment, words, "update", 0.3) == result
    one = hold_gate(experiment, several, ["the"], "update", 0.3)
    np.testing.assert_array_equal(one.left, [1])


@pytest.mark.parametrize(
    ("cell", "gate", "value", "accepted"),
    [
        ("lstm", "update", 0.5, "gate='update': expected one of input, forget, output"),
        ("gru", "candidate", 0.5, "gate='candidate': expected one of reset, update"),
        ("gru", "forget", None, "expected one of reset, update"),
        ("rnn", "forget", 0.5, "cell='rnn' has no gate to hold: expected one of lstm, gru"),
        ("lstm", "forget", 1.05, "value=1.05: expected a number from 0 to 1, or None"),
        ("lstm", "forget", -0.1, "from 0 to 1"),
        ("lstm", "forget", float("nan"), "from 0 to 1"),
        ("lstm", "forget", "0.5", "from 0 to 1"),
    ],
)
def test_another_gate_or_value_is_refused(cell, gate, value, accepted):
    experiment = words_experiment(cell)
    with pytest.raises(ValueError, match=accepted):
        hold_gate(experiment, weights_of(experiment), WORDS, gate, value)


def test_no_word_and_other_weights_are_refused():
    experiment = words_experiment("lstm")
    with pytest.raises(ValueError, match="at least one word"):
        hold_gate(experiment, weights_of(experiment), [], "forget", 0.5)
    with pytest.raises(ValueError, match="embedding of 800 words"):
        hold_gate(experiment, {"weight_hh_l0": torch.zeros(1, 28, 7)}, WORDS, "forget", 0.5)
