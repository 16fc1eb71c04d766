import json
from itertools import product

import numpy as np
import pytest

from analysis import Experiment, measure_untrained
from analysis.figures import gates as figures
from analysis.lesson.repetition import parse_vector, repeat
from analysis.measures.gate_reading import SEQUENCES
from analysis.report import tables
from analysis.report.sentences.gates import saturation_sentence
from pages.ui import gates, training
from tests.helpers.app import SMALL, charts, fine, trained, until
from tests.helpers.links import opened

PAGE = "pages/measure/gates.py"
EVERY_STEP = ("text", "words", "digits")
TABS = ("One sequence", "Around the symbol", "Unit by unit", "Carry by distance")

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


def texts(at):
    return " ".join(element.value for element in [*at.markdown, *at.caption, *at.info])


@pytest.mark.parametrize("cell, activation", list(product(("lstm", "gru"), ("tanh", "relu", "identity"))))
def test_every_cell_and_activation(cell, activation):
    at = fine(opened(PAGE, **SMALL, cells=cell.upper(), activation=activation, gain=3))
    assert len(charts(at)) == 2
    [experiment] = at.session_state["settings"].experiments.values()
    saturation = measure_untrained(experiment).saturation
    assert saturation_sentence(cell.upper(), saturation, saturation) in texts(at)


@pytest.fixture
def written(monkeypatch):
    """Return a list that names a table as often as one is written."""
    names, write = [], tables.csv_table
    monkeypatch.setattr(tables, "csv_table", lambda *blocks: names.append("table") or write(*blocks))
    return names


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_and_the_histograms_above_it(tab, written):
    at = fine(opened(PAGE, **SMALL, gates_tab=tab))
    pictures = charts(at)
    assert len(pictures) == 2
    bars = [trace for trace in pictures[0]["data"] if trace["type"] == "bar"]
    assert len(bars) == 7
    for bar in bars:
        y = bar["y"]
        assert (np.sum(y) if isinstance(y, list) else 1) == pytest.approx(1)
    assert at.get("download_button") and not written  # tables are written when they are downloaded
    tables.vector_csv(repeat(parse_vector("1"), 2.0))
    assert written


def test_an_rnn_alone_has_no_gates_and_says_so():
    at = fine(opened(PAGE, **SMALL, cells="RNN"))
    assert not charts(at)
    assert "The RNN has no gates" in texts(at)
    assert at.button(key="train")


def test_controls_at_both_ends():
    at = opened(PAGE, **SMALL, cells="LSTM")
    for number in (1, SEQUENCES):
        fine(at.number_input(key="sequence").set_value(number).run())
    at = fine(opened(PAGE, **SMALL, cells="LSTM", gates_view="mean", sequence=3))
    assert {trace["type"] for trace in charts(at)[1]["data"]} == {"scatter"}


@pytest.mark.parametrize("task", ["adding", "order", "copy", "text", "words", "digits"])
def test_other_tasks(task):
    if task == "digits":
        pytest.importorskip("sklearn")
    at = fine(opened(PAGE, **SMALL | {"length": 10}, cells="GRU", task=task, gates_tab=TABS[1]))
    assert len(charts(at)) == (1 if task in EVERY_STEP else 2)
    assert ("every time step is to be remembered" in texts(at)) == (task in EVERY_STEP)


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_states_beyond_floating_point(cell, tab):
    extreme = {"length": 900, "hidden_size": 2, "seeds": 1, "activation": "identity", "init": "identity", "gain": 3}
    at = opened(PAGE, **extreme, cells=cell, gates_tab=tab, gates_view="mean")
    assert not at.exception
    assert "NaN" not in json.dumps(charts(at)) and "Infinity" not in json.dumps(charts(at))


def test_the_shortest_sequence_and_one_unit():
    fine(opened(PAGE, length=2, hidden_size=1, seeds=1, gates_tab=TABS[1]))


@pytest.mark.parametrize("url", [{"gates_step": "-1"}, {"gates_step": "x"}, {"sequence": "99"}, {"gates_tab": "none"}])
def test_a_stale_or_hostile_url(url):
    assert charts(fine(opened(PAGE, **SMALL, **url)))


def test_training_is_overlaid_and_followed():
    at = fine(opened(PAGE, **SMALL | {"seeds": 1}, snapshot_every=5, cells="GRU"))
    trained(at)
    outlines = [trace for trace in charts(at)[0]["data"] if trace.get("name") == "gru update before"]
    assert len(outlines) == 1
    last = charts(at)[0]
    fine(at.select_slider(key="gates_step").set_value(0).run())
    first = charts(at)[0]
    assert json.dumps(first) != json.dumps(last)
    fine(at.segmented_control(key="gates_weights").set_value("untrained").run())


def test_gates_are_those_of_the_run_they_were_read_of():
    experiment = Experiment(cell="gru", **SMALL)
    training.submit([experiment])
    until(lambda: not training.jobs().under_way)
    id = training.jobs().find(experiment).id
    trained_gates, untrained_gates = (gates.gates_of_sequence(experiment, each, 1)[0] for each in (id, None))
    assert not np.array_equal(trained_gates.gates["update"], untrained_gates.gates["update"])
    np.testing.assert_array_equal(gates.gates_of_sequence(experiment, None, 1)[0].units, untrained_gates.units)


@pytest.fixture
def drawn(monkeypatch):
    """Return a list that names a picture as often as one is drawn."""
    names = []
    for name in ("histograms", "sample_map", "sample_mean", "moments", "saturated_units"):
        draw = getattr(figures, name)
        monkeypatch.setattr(
            figures, name, lambda *arguments, name=name, draw=draw: names.append(name) or draw(*arguments)
        )
    return names


def test_a_rerun_draws_only_what_changed(drawn):
    at = fine(opened(PAGE, **SMALL | {"length": 7}, snapshot_every=5, cells="GRU"))
    assert drawn == ["histograms", "sample_map"]
    shown = charts(at)
    assert charts(fine(at.run())) == shown
    assert drawn == ["histograms", "sample_map"]
    fine(at.number_input(key="sequence").set_value(2).run())
    assert drawn == ["histograms", "sample_map", "sample_map"]
    trained(at)
    drawn.clear()
    assert charts(fine(at.run()))[0] != shown[0]
    fine(at.select_slider(key="gates_step").set_value(5).run())
    assert set(drawn) == {"histograms"}


def test_where_a_gate_keeps_and_where_it_replaces_is_said():
    said = texts(fine(opened(PAGE, **SMALL, cells="GRU", forget_bias=5, gates_tab=TABS[2])))
    assert "GRU: the update gate always keeps everything." in said
    assert "and always keeps in 4 of 4 units." in said
    assert "stuck" not in said and "update gate is" not in said
