"""Home: what is left of the gradient in the sidebar's cells, with gates that keep and as torch starts them."""

import numpy as np
import pytest

from analysis.experiment import SETTINGS
from analysis.report.sentences.home import alike_sentence, gate_sentence, kept_sentence, left_sentence, more_sentence
from pages.ui import goldfish, readers
from pages.ui.stops import STOPS
from tests.helpers.app import SMALL, app, charts, fine, preview, values

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


@pytest.fixture(scope="module")
def home():
    return app(**SMALL)


def measured(at, **changes):
    """Measure the page's cells as one of its two pictures shows them."""
    experiments = at.session_state["settings"].experiments
    return {cell: preview(each.replace(**({} if cell == "rnn" else changes))) for cell, each in experiments.items()}


def said(found):
    """Return the lines that belong below a picture of these measurements."""
    decays = {cell: each.decay for cell, each in found.items()}
    gates = {cell: each.decays["carry"] for cell, each in found.items() if "carry" in each.decays}
    why = (alike_sentence(decays), gate_sentence(gates), more_sentence(decays, gates))
    return {f"**{left_sentence(decays)}**", " ".join(filter(None, why))}


def test_home_shows_first_how_much_of_a_first_word_is_left(home):
    traces = goldfish.trace(readers.example(), goldfish.KEEPS)
    lines = {trace["name"]: trace for trace in charts(home)[0]["data"] if trace.get("showlegend")}
    for cell, trace in traces.items():
        np.testing.assert_allclose(values(lines[cell.upper()]["y"]), trace.own, rtol=1e-12)
    assert f"## {kept_sentence(traces, 7)}" in [text.value for text in home.markdown]
    pages = [link.proto.label for link in home.get("page_link")]
    assert pages[0] == "Begin the lesson"


def test_home_shows_cells_that_keep_beside_those_that_torch_starts_and_says_what_is_left(home):
    fine(home)
    assert not home.error
    texts = {text.value for text in (*home.markdown, *home.caption)}
    for picture, changes in zip(charts(home)[1:], ({"forget_bias": 3.0}, {}), strict=True):
        found = measured(home, **changes)
        assert said(found) <= texts
        lines = {trace["name"]: trace for trace in picture["data"] if trace["name"] in ("RNN", "LSTM", "GRU")}
        for cell, each in found.items():
            np.testing.assert_allclose(values(lines[cell.upper()]["y"]), each.decay.relative, rtol=1e-12)


def test_what_the_sidebar_says_of_the_start_is_no_matter_on_home(home):
    other = fine(app(init="orthogonal", gain="2", forget_bias="-1", **SMALL))
    assert [picture["data"] for picture in charts(other)] == [picture["data"] for picture in charts(home)]


@pytest.mark.parametrize("task", SETTINGS["task"].choices)
def test_every_task_on_home(task):
    if task == "digits":
        pytest.importorskip("sklearn")
    at = fine(app(task=task, hidden_size="4", seeds="1", length="20"))
    assert not at.error
    for picture in charts(at):
        assert {"RNN", "LSTM", "GRU"} <= {trace.get("name") for trace in picture["data"]}
    assert at.slider(key="symbols").disabled == (task not in ("recall", "copy"))


def test_no_cell_is_a_clear_line(home):
    at = app(**SMALL)
    at.pills(key="cells").set_value([]).run()
    assert not at.exception
    assert "at least one cell" in at.error[0].value


@pytest.mark.parametrize("cell", ["GRU", "RNN"])
def test_one_cell_alone(cell):
    at = fine(app(cells=cell, **SMALL))
    for picture in charts(at)[1:]:
        assert {trace["name"] for trace in picture["data"]} & {"RNN", "LSTM", "GRU"} == {cell}


def test_home_leads_to_every_stop_of_the_lesson_and_to_the_instrument(home):
    pages = {link.proto.page for link in home.get("page_link")}
    assert {*STOPS, "decay", "bounds"} <= pages
