"""A sentence read: everything on the way is the tape's, the connectivity autograd's, the arithmetic adds up."""

import re
from itertools import pairwise
from math import tanh

import numpy as np
import pytest
import torch

from analysis import Experiment, record
from analysis.engine.initialization import initial_weights
from analysis.lesson.arithmetic import arithmetic, rounded, text
from analysis.lesson.reading import MOST_WORDS, read_sentence
from analysis.tasks.registry import build_task
from analysis.tasks.text import EMBEDDED
from analysis.tasks.vocabulary import split_words
from tests.helpers.modules import CELLS, MODULES

SENTENCE = "If the value isn't found, 你 and zebras get None."
ODD = ["a", "the " * 200, "👍🏽 你好", "שלום עולם", "<b>bold</b>", "\u0301", "=" * 90]
SAFE = {"×": "*", "−": "-", "σ": "sigmoid"}


def setting(cell, **changes):
    return Experiment(**{"task": "words", "cell": cell, "seeds": 1, "hidden_size": 7, "gain": 2.0} | changes)


def weights_of(experiment):
    task = build_task(experiment)
    return initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)[0]


def reading_of(experiment, sentence=SENTENCE):
    return read_sentence(experiment, weights_of(experiment), split_words(sentence))


def modules(experiment, weights):
    """The same model in torch's own modules, in double."""
    own = {name: weight[0].double() for name, weight in weights.items()}
    module = MODULES[experiment.cell](EMBEDDED, experiment.hidden_size, experiment.layers).double()
    module.load_state_dict({name: weight for name, weight in own.items() if "." not in name})
    return module, own


@pytest.mark.parametrize("cell", CELLS)
def test_what_flows_is_what_the_tape_records(cell):
    experiment = setting(cell)
    found = reading_of(experiment)
    module, _ = modules(experiment, weights_of(experiment))
    tape = record(module, torch.tensor(found.embedded))
    named = {"hidden": tape.hidden} | ({"cell": tape.cell} if cell == "lstm" else {}) | tape.gates
    for name, values in named.items():
        np.testing.assert_allclose(found.parts[name], values[0, 0, :, 0], atol=1e-12, err_msg=name)
    assert found.words == tuple(split_words(SENTENCE))
    assert [w for w, known in zip(found.words, found.known, strict=True) if not known] == ["isn't", "你", "zebras"]


@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_parts_fit_together(cell, activation):
    found = reading_of(setting(cell, activation=activation))
    p = found.parts
    squash = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0), "identity": lambda x: x}[activation]
    assert not p["hidden_before"][0].any()
    np.testing.assert_array_equal(p["hidden_before"][1:], p["hidden"][:-1])
    sums = {name: share.sum(-1) for name, share in found.shares.items()}
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
        word, _, bias, _ = np.moveaxis(found.shares["candidate"], -1, 0)
        np.testing.assert_allclose(p["candidate"], squash(word + bias + p["recalled"]), atol=1e-12)
        np.testing.assert_allclose(p["kept"] + p["stored"], p["hidden"], atol=1e-12)
        np.testing.assert_allclose(p["kept"], p["update"] * p["hidden_before"])


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_connectivity_and_prediction_are_autograds(cell, layers):
    experiment = setting(cell, layers=layers)
    weights, found = weights_of(experiment), reading_of(experiment)
    module, own = modules(experiment, weights)
    T = len(found.words)
    for t in range(T):
        x = torch.tensor(found.embedded).requires_grad_()
        logits = module(x)[0] @ own["readout.weight"].T + own["readout.bias"]
        chances = logits[t].softmax(-1)
        assert found.probability[t, 0] == pytest.approx(chances.max().item())
        wanted = int((chances - found.probability[t, 1]).abs().argmin())
        assert chances[wanted].item() == pytest.approx(found.probability[t, 1])
        grad = torch.autograd.grad(logits[t, wanted], x)[0].norm(dim=1)
        np.testing.assert_allclose(found.connectivity[t, : t + 1], grad[: t + 1], rtol=1e-9)
        assert np.isnan(found.connectivity[t, t + 1 :]).all()
    assert found.wanted == (*found.words[1:], found.predicted[-1])
    assert found.probability[-1, 0] == found.probability[-1, 1]


@pytest.mark.parametrize("sentence", ODD)
def test_any_sentence_can_be_read(sentence):
    words = split_words(sentence)
    found = reading_of(setting("gru"), sentence)
    assert len(found.words) == min(len(words), MOST_WORDS)
    assert found.left_out == len(words) - len(found.words)
    assert all(np.isfinite(part).all() for part in found.parts.values())


def test_no_word_and_other_weights_are_refused():
    experiment = setting("rnn")
    with pytest.raises(ValueError, match="at least one word"):
        read_sentence(experiment, weights_of(experiment), [])
    other, _ = initial_weights(experiment, EMBEDDED, 5, 5)
    for wrong in (other, {name: weight for name, weight in other.items() if name != "embedding.weight"}):
        with pytest.raises(ValueError, match="embedding of 800 words"):
            read_sentence(experiment, wrong, ["a"])


def value_of(written):
    """What the digits on paper give."""
    for sign, plain in SAFE.items():
        written = written.replace(sign, plain)
    return eval(written, {"sigmoid": lambda x: (1 + tanh(x / 2)) / 2, "tanh": tanh, "relu": lambda x: max(x, 0)})


@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_arithmetic_adds_up_to_the_digits_shown(cell, activation):
    found = reading_of(setting(cell, activation=activation))
    for word in (0, 3, len(found.words) - 1):
        for unit in range(7):
            lines = arithmetic(found, word, unit)
            assert [line.part for line in lines][-1] == "hidden"
            for line in lines:
                symbol, *steps, result = str(line).split(" = ")
                assert symbol == line.symbol
                assert value_of(result) == line.value
                # What the sum is rounded to stands inside: tanh(0.421 − 0.220) = tanh(0.201) = 0.198
                assert rounded(value_of(steps[-1])) == line.value, line
                for before, after in pairwise(steps):
                    assert value_of(before) == pytest.approx(value_of(after), abs=1.1e-3)
                assert line.value == pytest.approx(found.parts[line.part][word, unit], abs=6e-3)
                assert not re.search(r"[−+] −\d+\.\d+(?! ×)", line.written.replace("× −", "× "))


def test_a_sum_is_never_minus_zero_and_huge_numbers_stay_short():
    found = reading_of(setting("rnn", activation="identity", gain=3.0, init="identity"), "a " * 40)
    assert max(len(str(line)) for line in arithmetic(found, 39, 0)) < 80
    assert rounded(-0.0001) == 0 and text(rounded(-0.0001)) == "0.000"
