"""The drawing of a cell: every number in it is the tape's, and a user's word is never markup."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from analysis import Experiment, record
from analysis.engine.initialization import initial_weights
from analysis.figures import sentence as figures
from analysis.figures.cell import DRAWINGS, SHOWN, cell
from analysis.lesson.reading import read_sentence
from analysis.report.export import html
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


def tape_of(name, reading):
    experiment = Experiment(task="words", cell=name, seeds=1, hidden_size=12, gain=1.5)
    module = MODULES[name](EMBEDDED, 12).double()
    own = {key: weight[0].double() for key, weight in weights_of(experiment).items()}
    module.load_state_dict({key: weight for key, weight in own.items() if "." not in key})
    return record(module, torch.tensor(reading.embedded))


def unfolded(z, count):
    flat = [value for row in z for value in row]
    assert all(value is None for value in flat[count:])
    return np.array(flat[:count], float)


def drawn(figure):
    """By part and word: the numbers shown."""
    spec = json.loads(figure.to_json())
    patches = [trace for trace in spec["data"] if trace["type"] == "heatmap"]
    first = spec["data"].index(patches[0])
    for frame in spec["frames"]:
        assert frame["traces"] == list(range(first, len(spec["data"])))
    return {patch["name"]: [frame["data"][k]["z"] for frame in spec["frames"]] for k, patch in enumerate(patches)}, spec


@pytest.mark.parametrize("name", CELLS)
def test_each_number_in_the_drawing_is_the_tapes(name):
    reading = reading_of(name)
    shown, spec = drawn(cell(reading))
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
    for state in ("hidden", "cell"):
        if state in truth:
            truth[f"{state}_before"] = np.vstack([np.zeros(12), truth[state][:-1]])
    assert shown.keys() == set(DRAWINGS[name].patches) <= truth.keys()
    for part, frames in shown.items():
        for t, z in enumerate(frames):
            wanted = truth[part][t]
            np.testing.assert_allclose(unfolded(z, len(wanted)), wanted, atol=1e-6, err_msg=part)
    still = {trace["name"]: trace["z"] for trace in spec["data"] if trace["type"] == "heatmap"}
    assert still == {part: frames[0] for part, frames in shown.items()}  # it starts at the first word


def test_play_pause_step_and_slider_name_their_frames():
    reading = reading_of("lstm")
    _, spec = drawn(cell(reading))
    T = len(reading.words)
    assert [frame["name"] for frame in spec["frames"]] == [str(t) for t in range(T)]
    steps = spec["layout"]["sliders"][0]["steps"]
    assert [step["args"][0] for step in steps] == [[str(t)] for t in range(T)]
    for t, frame in enumerate(spec["frames"]):
        play, pause, back, on = frame["layout"]["updatemenus"][0]["buttons"]
        assert play["args"][0] == (None if t in (0, T - 1) else [str(k) for k in range(t + 1, T)])
        assert pause["args"][0] == [None]
        assert (back["args"][0], on["args"][0]) == ([str(max(t - 1, 0))], [str(min(t + 1, T - 1))])
    assert spec["layout"]["updatemenus"][0]["buttons"] == spec["frames"][0]["layout"]["updatemenus"][0]["buttons"]


def test_words_are_shown_as_they_are():
    _, spec = drawn(cell(reading_of("gru", "<b>bold</b> &lt; " + "a" * 39)))
    labels = [step["label"] for step in spec["layout"]["sliders"][0]["steps"]]
    assert labels == ["&lt;", "b", "&gt;", "bold", "&lt;", "/", "b", "&gt;", "&amp;", "lt", ";", "a" * 9 + "…"]
    said = [frame["data"][-1]["text"][0] for frame in spec["frames"]]
    assert said[0] == "<b>&lt;</b>"
    assert said[3] == "<b>bold</b> (unknown)"
    assert [frame["data"][-1]["text"][2] for frame in spec["frames"]] == [f"reads: {word}" for word in said]


@pytest.mark.parametrize("name", CELLS)
def test_the_drawing_stays_on_its_canvas(name):
    drawing = DRAWINGS[name]
    points = [p for wire in (*drawing.wires, *drawing.flows) for p in wire] + list(drawing.patches.values())
    points += [*drawing.boxes.values(), *((x, y) for _, x, y in drawing.signs)]
    assert all(0 <= x <= 100 and -1 <= y <= drawing.top for x, y in points)
    for wire in (*drawing.wires, *drawing.flows):
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(wire)), wire


@pytest.mark.parametrize("name", CELLS)
def test_the_scale_and_the_word_read_stand_between_the_buttons_and_the_drawing(name):
    layout, said = (figure := cell(reading_of(name))).layout, figure.data[-1]
    bar = layout.coloraxis.colorbar
    assert (bar.y, bar.yanchor) == (1, "top")  # the browser's buttons are above 1
    assert DRAWINGS[name].top < said.y[2] < layout.yaxis.range[1]


def test_wide_and_endless_vectors_can_be_drawn():
    shown, _ = drawn(cell(reading_of("rnn", hidden_size=100)))
    assert sum(len(row) for row in shown["hidden"][0]) == SHOWN
    wild = reading_of("rnn", "a " * 40, hidden_size=3, activation="identity", init="identity", gain=3.0)
    wild.parts["hidden"][-1] = [np.inf, np.nan, 1e300]
    shown, _ = drawn(cell(wild))
    assert shown["hidden"][-1] == [[None, None, 1e300]]
    assert drawn(cell(reading_of("lstm", hidden_size=1)))[0]["cell"][0][0][0] is not None


def test_the_exported_page_plays_when_asked_to():
    page = html({"cell": cell(reading_of("rnn"))}, "x")
    assert "Plotly.addFrames" in page
    assert "Plotly.animate('cell'" not in page and 'Plotly.animate("cell"' not in page


@pytest.mark.parametrize("name", CELLS)
def test_states_and_gates_are_the_readings(name):
    reading = reading_of(name)
    maps = {trace.name: trace.z for trace in figures.states(reading).data}
    assert maps.keys() == ({"hidden", "cell"} if name == "lstm" else {"hidden"})
    for part, z in maps.items():
        np.testing.assert_array_equal(z, reading.parts[part].T)
    for gate in (part for part in ("forget", "input", "candidate", "update") if part in reading.parts):
        mean, units = figures.gate(reading, gate).data
        np.testing.assert_array_equal(units.z, reading.parts[gate].T)
        np.testing.assert_array_equal(mean.y, reading.parts[gate].mean(1))
        assert figures.gate(reading, gate).layout.coloraxis.cmin == (-1 if gate == "candidate" else 0)


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
    for figure in (cell(reading), figures.states(reading), figures.gate(reading, "forget")):
        assert figure.to_json()
    reading = replace(reading, connectivity=np.zeros((1, 1)))
    for relative in (False, True):
        assert figures.connectivity({"lstm": reading}, 0, relative=relative).to_json()
