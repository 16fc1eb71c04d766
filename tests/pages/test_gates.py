import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from analysis import Experiment, train
from pages.ui import gates as said
from tests.pages.test_decay import DASHBOARD, SMALL, charts, fine, trained, until

PAGE = "pages/measure/gates.py"
EVERY_STEP = ("text", "words", "digits")
TABS = ("One sequence", "Around the symbol", "Unit by unit", "Carry by distance")

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


def opened(page, **settings):
    """Open a page at once, as from a link with these settings."""
    at = AppTest.from_file(DASHBOARD, default_timeout=60)
    for name, value in settings.items():
        at.query_params[name] = value
    at.switch_page(page)
    return at.run()


def texts(at):
    return " ".join(element.value for element in [*at.markdown, *at.caption, *at.info])


@pytest.mark.parametrize("cell, activation", list(product(("lstm", "gru"), ("tanh", "relu", "identity"))))
def test_every_cell_and_activation(cell, activation):
    at = fine(opened(PAGE, **SMALL, cells=cell.upper(), activation=activation, gain=3))
    assert len(charts(at)) == 2
    assert f"{cell.upper()}: " in texts(at) and "stuck" in texts(at)


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_and_the_histograms_above_it(tab):
    at = fine(opened(PAGE, **SMALL, gates_tab=tab))
    pictures = charts(at)
    assert len(pictures) == 2
    bars = [trace for trace in pictures[0]["data"] if trace["type"] == "bar"]
    assert len(bars) == 7
    for bar in bars:
        y = bar["y"]
        assert (np.sum(y) if isinstance(y, list) else 1) == pytest.approx(1)
    assert said.table and at.get("download_button")


def test_an_rnn_alone_has_no_gates_and_says_so():
    at = fine(opened(PAGE, **SMALL, cells="RNN"))
    assert not charts(at)
    assert "The RNN has no gates" in texts(at)
    assert at.button(key="train")


def test_controls_at_both_ends():
    at = opened(PAGE, **SMALL, cells="LSTM")
    for number in (1, said.SEQUENCES):
        fine(at.number_input(key="sequence").set_value(number).run())
    at = fine(opened(PAGE, **SMALL, cells="LSTM", gates_view="mean", sequence=3))
    assert {trace["type"] for trace in charts(at)[1]["data"]} == {"scatter"}


@pytest.mark.parametrize("task", ["adding", "order", "copy", "text", "words", "digits"])
def test_other_tasks(task):
    if task == "digits":
        pytest.importorskip("sklearn")
    at = fine(opened(PAGE, **SMALL | {"length": 10}, cells="GRU", task=task, gates_tab=TABS[1]))
    assert len(charts(at)) == (1 if task in EVERY_STEP else 2)
    assert ("every step is to be remembered" in texts(at)) == (task in EVERY_STEP)


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


def test_the_sentence_says_what_was_measured():
    run = train(Experiment(cell="gru", length=6, hidden_size=4, seeds=2, steps=2))
    none = np.zeros((2, 1, 4))
    saturation = {name: replace(gate, left=none, right=none) for name, gate in run.measured_after.saturation.items()}
    assert said.sentence("GRU", saturation) == (
        "GRU: all gates stand in between, none is open or shut for long; none is stuck."
    )
    half = np.broadcast_to([1.0, 1.0, 0.0, 0.0], (2, 1, 4))
    saturation["update"] = replace(saturation["update"], right=half)
    assert said.sentence("GRU", saturation, run.measured_before.saturation) == (
        "GRU: the update gate is open 50 % of the time, untrained 0 %; 4 of 8 update gates are stuck."
    )


def test_tables_hold_what_is_drawn():
    run = train(Experiment(cell="lstm", length=6, hidden_size=4, seeds=2, steps=2))
    experiment = {"lstm": run.experiment}
    saturation = {"lstm": run.measured_after.saturation}
    tables = {name: text() for name, text in said.histogram_tables({}, saturation, experiment).items()}
    rows = tables["gates"].splitlines()
    assert rows[0] == "cell,gate,phase,from,to,share" and len(rows) == 1 + 4 * 40
    assert sum(float(row.split(",")[-1]) for row in rows[1:]) == pytest.approx(4)
    assert len(tables["gates-by-unit"].splitlines()) == 1 + 4 * 2 * 4


def test_a_look_is_kept_by_the_run_it_was_taken_of(monkeypatch):
    experiment = Experiment(cell="gru", **SMALL)
    asked = []
    monkeypatch.setattr(said, "_looked_at", lambda *arguments: asked.append(arguments[1]))
    said.looked_at(experiment, True, 1)
    said.training.submit([experiment])
    until(lambda: not said.training.jobs().under_way)
    said.looked_at(experiment, True, 1)
    said.looked_at(experiment, False, 1)
    assert asked == [None, said.training.jobs().find(experiment).id, None]
