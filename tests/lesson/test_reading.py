"""A sentence is read: all states are the recording's, the connectivity and the predictions are autograd's."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis import Experiment, record, train
from analysis.engine.initialization import initial_weights
from analysis.lesson.reading import MOST_WORDS, find_changed_guess, read_each_alone, read_sentence, read_with_model
from analysis.reading import Alone
from analysis.tasks.text import EMBEDDED
from analysis.tasks.vocabulary import split_words
from tests.helpers.modules import CELLS, MODULES
from tests.helpers.readings import SENTENCE, reading_of, weights_of, words_experiment

ODD = ["a", "the " * 200, "👍🏽 你好", "שלום עולם", "<b>bold</b>", "\u0301", "=" * 90]


def modules(experiment, weights):
    """The same model in torch's own modules, in double."""
    own = {name: weight[0].double() for name, weight in weights.items()}
    module = MODULES[experiment.cell](EMBEDDED, experiment.hidden_size, experiment.layers).double()
    module.load_state_dict({name: weight for name, weight in own.items() if "." not in name})
    return module, own


@pytest.mark.parametrize("cell", CELLS)
def test_what_flows_is_what_the_tape_records(cell):
    experiment = words_experiment(cell)
    reading = reading_of(experiment)
    module, _ = modules(experiment, weights_of(experiment))
    tape = record(module, torch.tensor(reading.embedded))
    named = {"hidden": tape.hidden} | ({"cell": tape.cell} if cell == "lstm" else {}) | tape.gates
    for name, values in named.items():
        np.testing.assert_allclose(reading.parts[name], values[0, 0, :, 0], atol=1e-12, err_msg=name)
    assert reading.words == tuple(split_words(SENTENCE))
    assert [w for w, known in zip(reading.words, reading.known, strict=True) if not known] == ["isn't", "你", "zebras"]


@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_parts_fit_together(cell, activation):
    reading = reading_of(words_experiment(cell, activation=activation))
    p = reading.parts
    squash = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0), "identity": lambda x: x}[activation]
    assert not p["hidden_before"][0].any()
    np.testing.assert_array_equal(p["hidden_before"][1:], p["hidden"][:-1])
    sums = {name: share.sum(-1) for name, share in reading.shares.items()}
    if cell == "rnn":
        np.testing.assert_allclose(p["hidden"], squash(sums["hidden"]))
        return
    for name in sums.keys() - {"candidate"}:
        np.testing.assert_allclose(p[name], 1 / (1 + np.exp(-sums[name])))
    if cell == "lstm":
        np.testing.assert_array_equal(p["cell_before"][1:], p["cell"][:-1])
        np.testing.assert_allclose(p["candidate"], squash(sums["candidate"]), atol=1e-12)
        np.testing.assert_allclose(p["kept"] + p["stored"], p["cell"], atol=1e-12)
        np.testing.assert_allclose(p["kept"], p["forget"] * p["cell_before"])
        np.testing.assert_allclose(p["output"] * p["squashed"], p["hidden"], atol=1e-12)
    else:
        word, _, bias, _ = np.moveaxis(reading.shares["candidate"], -1, 0)
        np.testing.assert_allclose(p["candidate"], squash(word + bias + p["recalled"]), atol=1e-12)
        np.testing.assert_allclose(p["kept"] + p["stored"], p["hidden"], atol=1e-12)
        np.testing.assert_allclose(p["kept"], p["update"] * p["hidden_before"])


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_connectivity_and_prediction_are_autograds(cell, layers):
    experiment = words_experiment(cell, layers=layers)
    weights, reading = weights_of(experiment), reading_of(experiment)
    module, own = modules(experiment, weights)
    T = len(reading.words)
    for t in range(T):
        x = torch.tensor(reading.embedded).requires_grad_()
        logits = module(x)[0] @ own["readout.weight"].T + own["readout.bias"]
        chances = logits[t].softmax(-1)
        assert reading.probability[t, 0] == pytest.approx(chances.max().item())
        wanted = int((chances - reading.probability[t, 1]).abs().argmin())
        assert chances[wanted].item() == pytest.approx(reading.probability[t, 1])
        grad = torch.autograd.grad(logits[t, wanted], x)[0].norm(dim=1)
        np.testing.assert_allclose(reading.connectivity[t, : t + 1], grad[: t + 1], rtol=1e-9)
        assert np.isnan(reading.connectivity[t, t + 1 :]).all()
    assert reading.wanted == (*reading.words[1:], reading.predicted[-1])
    assert reading.probability[-1, 0] == reading.probability[-1, 1]


@pytest.mark.parametrize("sentence", ODD)
def test_any_sentence_can_be_read(sentence):
    words = split_words(sentence)
    reading = reading_of(words_experiment("gru"), sentence)
    assert len(reading.words) == min(len(words), MOST_WORDS)
    assert reading.left_out == len(words) - len(reading.words)
    assert all(np.isfinite(part).all() for part in reading.parts.values())


def test_no_word_and_other_weights_are_refused():
    experiment = words_experiment("rnn")
    with pytest.raises(ValueError, match="at least one word"):
        read_sentence(experiment, weights_of(experiment), [])
    other, _ = initial_weights(experiment, EMBEDDED, 5, 5)
    for wrong in (other, {name: weight for name, weight in other.items() if name != "embedding.weight"}):
        with pytest.raises(ValueError, match="embedding of 800 words"):
            read_sentence(experiment, wrong, ["a"])


EXPERIMENT = Experiment(task="words", cell="gru", seeds=2, hidden_size=3, length=3, steps=2, batch_size=2)
WORDS = ["the", "list"]


def test_a_runs_weights_read_otherwise_than_initial_ones():
    run = train(EXPERIMENT)
    untrained, trained = read_with_model(EXPERIMENT, WORDS), read_with_model(EXPERIMENT, WORDS, run.weights)
    assert untrained.words == trained.words == tuple(WORDS)
    assert not np.array_equal(untrained.parts["hidden"], trained.parts["hidden"])
    assert np.array_equal(trained.parts["hidden"], read_with_model(EXPERIMENT, WORDS, run.weights).parts["hidden"])


def test_a_run_without_an_embedding_is_refused():
    with pytest.raises(ValueError, match="embedding"):
        read_with_model(EXPERIMENT, WORDS, {"weight_ih_l0": np.zeros((1, 9, 3))})


@pytest.mark.parametrize("cell", CELLS)
def test_a_word_read_alone_is_a_sentence_of_that_word(cell):
    experiment = words_experiment(cell)
    words = split_words(SENTENCE)
    alone = read_each_alone(experiment, words)
    assert alone.words == tuple(words)
    for t, word in enumerate(words):
        single = read_with_model(experiment, [word])
        assert alone.predicted[t] == single.predicted[0]
        assert alone.probability[t] == pytest.approx(single.probability[0, 0], rel=1e-12)


@pytest.mark.parametrize(
    ("with_memory", "alone", "found"),
    [
        ("aaaaa", "aaaaa", None),
        ("abaaa", "aaaaa", 1),
        ("bbabb", "aaaaa", 3),  # as far from the middle as 1, and later
        ("baaaa", "aaaaa", None),  # at the first word nothing is remembered
        ("ab,aa", "aaaaa", 1),  # a word goes before a sign that is nearer the middle
        ("aa,aa", "aaaaa", 2),
    ],
)
def test_the_word_after_which_memory_changes_the_guess(with_memory, alone, found):
    reading = replace(reading_of(words_experiment("rnn"), "the value and the zebra"), predicted=tuple(with_memory))
    assert find_changed_guess(reading, Alone(reading.words, tuple(alone), np.ones(5))) == found
