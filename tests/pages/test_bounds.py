import json
import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from analysis import Experiment, measure_untrained
from analysis.lesson.repetition import repeat
from pages.ui import bounds as said
from tests.pages.test_decay import SMALL, charts, fine
from tests.pages.test_gates import opened

PAGE = "pages/measure/bounds.py"
REAL = SMALL | {"show": "a real cell"}
PRESET, SIDEBAR = "orthogonal, gain 1.5", "as in the sidebar"

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def page():
    return fine(opened(PAGE, **SMALL))


@pytest.fixture(scope="module")
def cell():
    return fine(opened(PAGE, **REAL))


def texts(at):
    return " ".join(element.value for element in [*at.markdown, *at.caption, *at.error])


def test_it_opens_with_the_textbook_case(page):
    assert len(charts(page)) == 1
    assert "from 1 to 59,049, through tanh to 0.995" in texts(page)
    assert "float32 at step 81 and float64 at step 647" in texts(page)
    spec = charts(page)[0]
    assert len(spec["frames"]) == 11 and spec["layout"]["yaxis"].get("type") != "log"


def test_a_real_cell_is_an_rnn_at_first(cell):
    assert len(charts(cell)) == 3
    assert "RNN: with tanh |h| stays within" in texts(cell)


@pytest.mark.parametrize("cell, start", list(product(("rnn", "lstm", "gru"), (PRESET, SIDEBAR))))
def test_every_cell_with_either_start_draws_all_activations(cell, start):
    at = fine(opened(PAGE, **REAL, bounds_cell=cell.upper(), bounds_start=start, bounds_tab="Cell state"))
    for chart in charts(at)[:2]:
        assert {"tanh", "relu", "identity"} <= {trace.get("name") for trace in chart["data"]}
    assert len(charts(at)) == (3 if cell == "lstm" else 2)


@pytest.mark.parametrize("factor", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_the_number_at_both_ends(factor, scale):
    at = fine(opened(PAGE, **SMALL, factor=factor, scale=scale))
    assert len(charts(at)) == 1


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
    assert len(charts(fine(opened(PAGE, **SMALL, show=show)))) == 1


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


def test_a_cell_that_is_no_longer_chosen_gives_way():
    at = fine(opened(PAGE, **REAL, bounds_cell="GRU"))
    fine(at.pills(key="cells").set_value(["lstm"]).run())
    assert "LSTM: with tanh" in texts(at)


def test_an_overflow_leaves_gaps_and_a_mark():
    at = opened(PAGE, **REAL | {"length": 900, "hidden_size": 2}, cells="RNN", init="identity", gain=3)
    assert not at.exception
    state = charts(at)[0]
    assert any("identity from step" in note["text"] for note in state["layout"]["annotations"])
    assert "identity |h| reaches beyond floating point" in texts(at)
    assert "∞" not in texts(at) and "×0." not in texts(at)
    assert "Infinity" not in json.dumps(charts(at))


@pytest.mark.parametrize("factor", [0, 0.5, 1, 1.01, 3, -2])
@pytest.mark.parametrize("start", [[0.0], [1.0], [0.1, -2.0, 0.0]])
def test_the_textbook_sentences_hold(start, factor):
    result = repeat(start, factor)
    sentence, detail = said.multiplied(result)
    assert "nan" not in sentence + detail
    assert ("erases size" in detail) == (len(start) == 3 and abs(factor) > 1.5)
    assert ("never leaves" in said.left(result)) == (factor == 1 or not any(start))


def test_the_lesson_is_said_only_where_it_was_measured():
    def measured(**settings):
        return {
            a: measure_untrained(Experiment(cell="rnn", activation=a, seeds=2, **settings)) for a in said.ACTIVATIONS
        }

    grown = measured(init="orthogonal", gain=1.5)
    assert grown["tanh"].decay.relative[-1] > 1
    assert "not the gradient" in said.held_back("rnn", grown)[1]
    shrunk = measured(gain=0.5)
    assert shrunk["tanh"].decay.relative[-1] < 1
    assert "not the gradient" not in said.held_back("rnn", shrunk)[1]
    assert re.search(r"29 steps back the gradient is ×", said.held_back("rnn", shrunk)[0])


def test_growth_that_does_not_show_in_three_digits_is_none():
    measured = {
        a: measure_untrained(Experiment(cell="rnn", activation=a, seeds=1, length=2, hidden_size=4))
        for a in said.ACTIVATIONS
    }

    def held_back(*relative):
        tanh = measured["tanh"]
        decay = replace(tanh.decay, relative=np.array(relative))
        return said.held_back("rnn", measured | {"tanh": replace(tanh, decays=tanh.decays | {"memory": decay})})

    sentence, lesson = held_back(1.0, 1.0003)
    assert sentence.endswith(", and 1 step back the gradient is ×1.") and "not the gradient" not in lesson
    sentence, lesson = held_back(1.0, 1.006)
    assert sentence.endswith(", yet 1 step back the gradient has grown ×1.01.") and "not the gradient" in lesson
    assert held_back(np.nan, np.nan)[0].endswith(", and 1 step back the gradient is zero.")


def test_tables_hold_what_is_drawn():
    measured = {a: measure_untrained(Experiment(cell="lstm", activation=a, **{
        name: SMALL[name] for name in ("length", "hidden_size", "seeds")})) for a in said.ACTIVATIONS}  # fmt: skip
    tables = {name: text().splitlines() for name, text in said.cell_tables("lstm", measured).items()}
    assert len(tables["state"]) == len(tables["gradient"]) == 1 + 3 * 6
    assert "hidden_0.99" in tables["state"][0] and "cell_1" in tables["state"][0]
    rows = said.textbook_table(repeat([1.0, 2.0], 3))().splitlines()
    assert rows[0] == "start,step,plain,tanh" and len(rows) == 1 + 2 * 11
    assert float(rows[11].split(",")[2]) == np.float64(3) ** 10
