"""The LSTM's stop: its parts explained beside the drawing, a gate held by hand, what its gates carried."""

import numpy as np
import pytest

from analysis.figures import style
from analysis.figures.parts import VIEWS
from analysis.lesson.arithmetic import lines_of_unit
from analysis.lesson.held import HELD_GATES, hold_gate_of_model
from analysis.report.sentences.cell import held_sentences
from analysis.report.sentences.parts import headline_sentence, part_sentence
from analysis.tasks.vocabulary import split_words
from pages.ui import lesson, parts, readers, session
from tests.helpers.app import charts, fine, values
from tests.helpers.links import opened

PAGE = "pages/lesson/lstm.py"
WORDS = split_words(readers.EXAMPLES["en"])

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def reading():
    return readers.read("lstm", WORDS)


def texts(at):
    return [element.value for element in (*at.markdown, *at.caption)]


@pytest.mark.parametrize("view", VIEWS["lstm"])
def test_each_part_is_explained_in_the_readers_word(reading, view):
    at = fine(opened(PAGE, word="6 · France"))
    fine(at.segmented_control(key="lstm_gate").set_value(view).run())
    assert part_sentence(reading, view, 5, 0) in texts(at)
    assert any(text.startswith(lesson.MEANINGS["lstm", view]) for text in texts(at))
    assert f"## {headline_sentence(reading, view, 5)}" in texts(at)
    assert at.latex[0].value.strip("$\n ") == lesson.FORMULAS["lstm", view]
    of_unit = {str(line) for line in lines_of_unit(reading, 5, 0)}
    assert {*at.code[0].value.removeprefix("unit 1: ").splitlines()} <= of_unit
    outlined = [
        shape
        for shape in charts(at)[0]["layout"]["shapes"]
        if shape["line"]["width"] == 5 and shape["line"]["color"] == style.CHOSEN
    ]
    assert len(outlined) == (2 if view in ("forget", "input", "output") else 1)


def test_pictures_hold_the_readings_numbers(reading):
    at = fine(opened(PAGE, word="6 · France"))
    wanted = {
        "forget": [reading.parts["forget"].mean(1)],
        "input": [reading.parts[part][5] for part in ("candidate", "input", "stored")],
        "cell": [reading.parts[part][5] for part in ("kept", "stored", "cell")],
        "output": [reading.parts[part][:, 3] for part in ("cell", "squashed", "hidden", "output")],
        "hidden": [np.abs(reading.parts["hidden"]).mean(1)],
    }
    for view, rows in wanted.items():
        at.segmented_control(key="lstm_gate").set_value(view).run()
        if view == "output":
            at.number_input(key="unit").set_value(4).run()
        drawn = charts(fine(at))[1]["data"]
        for trace, row in zip(drawn, rows, strict=True):
            np.testing.assert_allclose(values(trace["y"]), row, rtol=1e-12, err_msg=view)


@pytest.mark.parametrize("gate", HELD_GATES["lstm"])
def test_a_gate_is_held_by_hand(gate):
    at = fine(opened(PAGE))
    at.segmented_control(key="lstm_gate").set_value(gate).run()
    fine(at.toggle(key="hold").set_value(True).run())
    fine(at.slider(key="held_at").set_value(0.35).run())
    experiment = readers.experiments(WORDS)["lstm"]
    weights = readers.run(experiment).weights
    as_it_is, held = (hold_gate_of_model(experiment, WORDS, gate, value, weights) for value in (None, 0.35))
    assert f"{held_sentences(as_it_is, held, trained=True)} {lesson.OF_ONE_SCORE}" in texts(at)
    lines = {(trace["name"], trace["yaxis"]): values(trace["y"]) for trace in charts(at)[1]["data"]}
    np.testing.assert_allclose(lines[f"{gate} gate held at 0.35", "y"], held.size, rtol=1e-12)
    np.testing.assert_allclose(lines[f"{gate} gate held at 0.35", "y2"], held.left, rtol=1e-12)
    drawn = {trace["name"]: values(trace["z"]) for trace in charts(at)[0]["data"] if trace["type"] == "heatmap"}
    np.testing.assert_allclose(drawn[gate], 0.35, atol=1e-4)  # the drawing follows
    np.testing.assert_allclose(drawn["cell"], held.cell_state[7], atol=1e-4)


def test_states_are_not_held():
    at = fine(opened(PAGE, hold="true", lstm_gate="cell state"))
    assert "hold" not in [toggle.key for toggle in at.toggle]


@pytest.mark.parametrize("cell", VIEWS)
def test_every_part_of_the_drawing_leads_to_an_explanation(cell):
    clickable = {*readers.read(cell, WORDS).parts, "embedded"}
    views = VIEWS[cell]
    assert len(views) == 1 or {parts.CLICKED[cell].get(part, part) for part in clickable} == {*views}


def test_a_sentence_of_unknown_words_gets_a_warning_instead_of_numbers(reading):
    at = fine(opened(PAGE, sentence="Zxq vvb kkp wyz"))
    assert at.warning and "hold" not in [toggle.key for toggle in at.toggle]
    assert not [text for text in texts(at) if text.startswith("## ") and text.strip("# ")]


@pytest.mark.parametrize("sentence", ["a", "小猫在家里睡觉。", "word " * 60])
def test_any_sentence_can_be_read(sentence):
    for view in VIEWS["lstm"]:
        at = fine(opened(PAGE, sentence=sentence))
        fine(at.segmented_control(key="lstm_gate").set_value(view).run())


@pytest.mark.parametrize(
    ("name", "value"), [("lstm_gate", "none"), ("unit", "1e9"), ("word", "99 · x"), ("held_at", "nan")]
)
def test_hostile_links_fall_back(name, value):
    assert charts(fine(opened(PAGE, **{name: value, "hold": "true"})))


def test_an_old_link_names_a_gate_by_a_word():
    at = fine(opened("pages/understand/cell.py", lstm_gate="output"))
    assert at.segmented_control(key=session.part("lstm").name).value == "output"
