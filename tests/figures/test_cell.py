"""The drawing of a cell: every number in it is the tape's, and a user's word is never markup."""

import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from analysis import Experiment, record
from analysis.engine.initialization import initial_weights
from analysis.figures import sentence as figures
from analysis.figures.cell import DECIMALS, SHOWN, cell
from analysis.figures.drawings import DRAWINGS
from analysis.lesson.reading import read_sentence
from analysis.tasks.registry import build_task
from analysis.tasks.text import EMBEDDED
from analysis.tasks.vocabulary import split_words
from tests.helpers.modules import CELLS, MODULES

SENTENCE = "If <b> isn't found, 你 get None."


def weights_of(experiment):
    task = build_task(experiment)
    return initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)[0]


def reading_of(name, sentence=SENTENCE, **settings):
    experiment = Experiment(**{"task": "words", "cell": name, "seeds": 1, "hidden_size": 12, "gain": 1.5} | settings)
    return read_sentence(experiment, weights_of(experiment), split_words(sentence))


def experiment_of(name):
    return Experiment(task="words", cell=name, seeds=1, hidden_size=12, gain=1.5)


def tape_of(name, reading):
    module = MODULES[name](EMBEDDED, 12).double()
    own = {key: weight[0].double() for key, weight in weights_of(experiment_of(name)).items()}
    module.load_state_dict({key: weight for key, weight in own.items() if "." not in key})
    return record(module, torch.tensor(reading.embedded))


def unfolded(z, count):
    flat = [value for row in z for value in row]
    assert all(value is None for value in flat[count:])
    return np.array(flat[:count], float)


def drawn(reading, word):
    """By part: the numbers shown at a word."""
    spec = json.loads(cell(reading, word).to_json())
    assert "frames" not in spec
    return {trace["name"]: trace["z"] for trace in spec["data"] if trace["type"] == "heatmap"}


def texts(reading, word):
    return [note.text for note in cell(reading, word).layout.annotations]


@pytest.mark.parametrize("name", CELLS)
def test_each_number_in_the_drawing_is_the_tapes(name):
    reading = reading_of(name)
    tape = tape_of(name, reading)
    truth = {"hidden": tape.hidden[0, 0, :, 0], "embedded": reading.embedded}
    truth |= {gate: values[0, 0, :, 0] for gate, values in tape.gates.items()}
    if name == "lstm":
        truth["cell"] = tape.cell[0, 0, :, 0]
        truth["kept"] = truth["forget"] * np.vstack([np.zeros(12), truth["cell"][:-1]])
        truth["stored"] = truth["input"] * truth["candidate"]
    elif name == "gru":
        truth["kept"] = truth["update"] * np.vstack([np.zeros(12), truth["hidden"][:-1]])
        truth["stored"] = (1 - truth["update"]) * truth["candidate"]
        truth["recalled"] = reading.parts["recalled"]  # proved in test_sentence
    else:
        own = {key: weight[0].double().numpy() for key, weight in weights_of(experiment_of(name)).items()}
        truth["from_word"] = reading.embedded @ own["weight_ih_l0"].T
        truth["from_memory"] = np.vstack([np.zeros(12), truth["hidden"][:-1]]) @ own["weight_hh_l0"].T
        truth["bias"] = np.tile(own["bias_ih_l0"] + own["bias_hh_l0"], (len(reading.words), 1))
        truth["sum"] = np.arctanh(truth["hidden"])
    for state in ("hidden", "cell"):
        if state in truth:
            truth[f"{state}_before"] = np.vstack([np.zeros(12), truth[state][:-1]])
    for word in range(len(reading.words)):
        shown = drawn(reading, word)
        assert shown.keys() == set(DRAWINGS[name].patches) <= truth.keys()
        for part, z in shown.items():
            wanted = truth[part][word]
            np.testing.assert_allclose(unfolded(z, len(wanted)), wanted, atol=0.6 * 10**-DECIMALS, err_msg=part)


def test_one_words_drawing_is_small():
    assert (
        len(json.dumps(json.loads(cell(reading_of("lstm", hidden_size=SHOWN), 3).to_json())["data"])) < 37_000
    )  # with what can be pointed at and clicked


def test_words_are_shown_as_they_are():
    reading = reading_of("gru", "<b>bold</b> &lt; " + "a" * 39)
    said = [texts(reading, word)[-2] for word in range(len(reading.words))]
    assert said[0] == "<b>&lt;</b>"
    assert said[3] == "<b>bold</b> (unknown)"
    assert said[8] == "<b>&amp;</b>"
    assert said[-1] == f"<b>{'a' * 17}…</b> (unknown)"
    predicted = [texts(reading, word)[-1] for word in range(len(reading.words))]
    assert all(text.startswith(("predicts “<b>", "predicts a ")) and text.endswith(" %") for text in predicted)


@pytest.mark.parametrize("name", CELLS)
def test_letters_are_large_enough_and_in_the_themes_own_ink(name):
    for note in cell(reading_of(name), 3).layout.annotations:
        assert note.font.size >= 12 and note.font.color is None, note.text
        assert all(int(size) >= 12 for size in re.findall(r"font-size:(\d+)px", note.text)), note.text


@pytest.mark.parametrize("name", CELLS)
def test_the_drawing_stays_on_its_canvas(name):
    drawing = DRAWINGS[name]
    points = [p for wire in (*drawing.wires, *drawing.flows) for p in wire] + list(drawing.patches.values())
    points += [*drawing.boxes.values(), *((x, y) for _, x, y in drawing.signs)]
    assert all(0 <= x <= 100 and -4 <= y <= drawing.top for x, y in points)
    assert all(-3 <= x <= 103 and y <= drawing.top for wire in drawing.loops for x, y in wire)
    for wire in (*drawing.wires, *drawing.flows, *drawing.loops):
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(wire)), wire


def test_wide_and_endless_vectors_can_be_drawn():
    assert sum(len(row) for row in drawn(reading_of("rnn", hidden_size=100), 0)["hidden"]) == SHOWN
    wild = reading_of("rnn", "a " * 40, hidden_size=3, activation="identity", init="identity", gain=3.0)
    wild.parts["hidden"][-1] = [np.inf, np.nan, 1e300]
    assert drawn(wild, 39)["hidden"] == [[None, None, 1e300]]
    assert drawn(reading_of("lstm", hidden_size=1), 1)["cell"][0][0] is not None


@pytest.mark.parametrize("name", CELLS)
def test_states_and_gates_are_the_readings(name):
    reading = reading_of(name)
    maps = {trace.name: trace.z for trace in figures.states(reading, 2).data}
    assert maps.keys() == ({"hidden", "cell"} if name == "lstm" else {"hidden"})
    for part, z in maps.items():
        np.testing.assert_array_equal(z, reading.parts[part].T)


def test_the_word_reached_is_marked_in_every_panel():
    reading = reading_of("lstm")
    pictures = [
        figures.states(reading, 2),
        figures.connectivity({"lstm": reading}, 2),
    ]
    for figure, panels in zip(pictures, (2, 1), strict=True):
        assert [(mark.x0, mark.x1) for mark in figure.layout.shapes] == [(1.5, 2.5)] * panels


@pytest.mark.parametrize("relative", [False, True])
def test_connectivity_is_the_readings(relative):
    readings = {name: reading_of(name) for name in CELLS}
    figure = figures.connectivity(readings, 3, relative=relative)
    for (name, reading), bars in zip(readings.items(), figure.data, strict=True):
        wanted = (reading.relative if relative else reading.connectivity)[3]
        assert bars.name == name.upper()
        np.testing.assert_array_equal(bars.y, wanted)
        assert np.isnan(wanted[4:]).all()
    assert figure.layout.yaxis.type == (None if relative else "log")
    assert figure.layout.xaxis3.ticktext[1] == "&lt;"


def test_one_word_and_no_dependence_can_be_drawn():
    reading = reading_of("lstm", "hello")
    for figure in (cell(reading, 0), figures.states(reading, 0)):
        assert figure.to_json()
    reading = replace(reading, connectivity=np.zeros((1, 1)))
    for relative in (False, True):
        assert figures.connectivity({"lstm": reading}, 0, relative=relative).to_json()
