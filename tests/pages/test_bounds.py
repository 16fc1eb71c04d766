import json
from itertools import product

import pytest

from analysis.lesson.repetition import parse_vector, repeat
from analysis.report.sentences.bounds import multiplied_sentences, overflow_sentence, ratio_sentences, tanh_sentences
from pages.ui.bounds import ACTIVATIONS, DEFAULT, PRESET, SIDEBAR
from tests.helpers.app import SMALL, charts, fine, preview
from tests.helpers.links import opened

PAGE = "pages/measure/bounds.py"
REAL = SMALL | {"show": "a real cell"}
PRESET_START = {"init": "orthogonal", "gain": 1.5}

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def page():
    return fine(opened(PAGE, **SMALL))


@pytest.fixture(scope="module")
def cell():
    return fine(opened(PAGE, **REAL))


def texts(at):
    return " ".join(element.value for element in [*at.markdown, *at.caption, *at.error])


def sentences(at, cell, **start):
    """Return the two sentences on a cell of the page, measured with every activation and these weights."""
    experiment = at.session_state["settings"].experiments[cell].replace(**start)
    return tanh_sentences(cell, {each: preview(experiment.replace(activation=each)) for each in ACTIVATIONS})


def test_it_opens_with_the_textbook_case(page):
    assert len(charts(page)) == 2
    repeated = repeat(parse_vector(DEFAULT), 3.0)
    assert multiplied_sentences(repeated) in texts(page)
    assert ratio_sentences(repeated) + overflow_sentence(repeated) in texts(page)
    assert charts(page)[1]["layout"]["yaxis"].get("type") != "log"
    assert page.select_slider(key="time_step").value == 10


def test_its_time_step_is_chosen_for_both_pictures():
    at = fine(opened(PAGE, **SMALL, time_step=3))
    curve, lines = charts(at)
    assert all(len(trace["marker"]["size"]) == 4 for trace in lines["data"])  # time steps 0 to 3
    fine(at.button(key="time_step_back").click().run())
    assert all(len(trace["marker"]["size"]) == 3 for trace in charts(at)[1]["data"])
    assert charts(at)[0]["data"][-1] != curve["data"][-1]


def test_a_real_cell_is_an_rnn_at_first(cell):
    assert len(charts(cell)) == 3
    assert sentences(cell, "rnn", **PRESET_START)[0] in texts(cell)


@pytest.mark.parametrize("cell, start", list(product(("rnn", "lstm", "gru"), (PRESET, SIDEBAR))))
def test_every_cell_with_either_start_draws_all_activations(cell, start):
    at = fine(opened(PAGE, **REAL, bounds_cell=cell.upper(), bounds_start=start, bounds_tab="Cell state"))
    for chart in charts(at)[:2]:
        assert {"tanh", "relu", "identity"} <= {trace.get("name") for trace in chart["data"]}
    assert len(charts(at)) == 3
    assert [tab.label for tab in at.tabs] == ["Share beyond .99", "Cell state"][: 1 + (cell == "lstm")]
    if cell != "lstm":  # a link to the tab that it doesn't have
        assert "share of |h|" in charts(at)[2]["layout"]["yaxis"]["title"]["text"]


@pytest.mark.parametrize("factor", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_the_number_at_both_ends(factor, scale):
    at = fine(opened(PAGE, **SMALL, factor=factor, scale=scale))
    assert len(charts(at)) == 2


@pytest.mark.parametrize("text", ["x", "1,,nan", "1e99", "1 2 3 4 5 6 7 8 9", "<b>1</b>"])
def test_a_bad_vector_is_said_in_a_line_and_the_picture_stays(page, text):
    at = fine(opened(PAGE, **SMALL, vector=text))
    assert len(at.error) == 1 and "expected 1 to 8 numbers" in at.error[0].value
    assert charts(at) == charts(page)


@pytest.mark.parametrize("text", ["", "7, x"])
def test_a_typo_keeps_the_last_good_vector(text):
    at = fine(opened(PAGE, **SMALL, vector="7"))
    before = charts(at)
    fine(at.text_input(key="vector").set_value(text).run())
    assert "expected 1 to 8 numbers" in at.error[0].value
    assert charts(at) == before


@pytest.mark.parametrize("show", ["x", "", "a" * 3000])
def test_hostile_views_fall_back(page, show):
    assert len(charts(fine(opened(PAGE, **SMALL, show=show)))) == 2


@pytest.mark.parametrize("text", ["0", "-3", "1e-6 1e6", "0 0 1"])
def test_unusual_vectors(text):
    fine(opened(PAGE, **SMALL, vector=text, scale="log"))


def test_moving_the_sidebar_shows_the_sidebars_weights():
    at = fine(opened(PAGE, **REAL))
    assert at.segmented_control(key="bounds_start").value == PRESET
    fine(at.slider(key="gain").set_value(2.0).run())
    assert at.segmented_control(key="bounds_start").value == SIDEBAR
    fine(at.segmented_control(key="bounds_start").set_value(PRESET).run())
    assert at.segmented_control(key="bounds_start").value == PRESET
    assert at.slider(key="gain").value == 2.0
    linked = fine(opened(PAGE, **REAL, cells="RNN", init="orthogonal", gain=2))
    assert linked.segmented_control(key="bounds_start").value == SIDEBAR


def test_the_page_offers_all_cells_whatever_the_sidebar_says():
    at = fine(opened(PAGE, **REAL, cells="RNN", bounds_cell="GRU"))
    assert at.segmented_control(key="bounds_cell").options == ["RNN", "LSTM", "GRU"]
    gru = at.session_state["settings"].every["gru"].replace(**PRESET_START)
    assert gru.hidden_size == SMALL["hidden_size"]
    measured = {each: preview(gru.replace(activation=each)) for each in ACTIVATIONS}
    assert tanh_sentences("gru", measured)[0] in texts(at)


def test_an_overflow_leaves_gaps_and_a_mark():
    at = opened(PAGE, **REAL | {"length": 900, "hidden_size": 2}, cells="RNN", init="identity", gain=3)
    assert not at.exception
    state = charts(at)[0]
    assert any("identity from time step" in note["text"] for note in state["layout"]["annotations"])
    assert sentences(at, "rnn")[1] in texts(at)
    assert "∞" not in texts(at) and "×0." not in texts(at)
    assert "Infinity" not in json.dumps(charts(at))
