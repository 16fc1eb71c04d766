import numpy as np
import pytest

from analysis.lesson.repetition import parse_vector, repeat
from analysis.report.sentences.bounds import multiplied_sentences
from pages.ui.bounds import DEFAULT
from tests.helpers.app import charts, fine, values
from tests.helpers.links import opened

PAGE = "pages/lesson/tanh.py"

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def check(at, vector, factor, step, said=None):
    """Compare what the page shows with a vector multiplied up to a time step, and what it says with that at `said`."""
    repeated = repeat(parse_vector(vector), factor)
    curve, entries = charts(at)
    dots = next(trace for trace in curve["data"] if trace["name"] == "entries")
    np.testing.assert_array_equal(values(dots["y"]), repeated.bounded[step] if step else [])
    drawn = [values(trace["y"]) for trace in entries["data"]]
    expected = [side[: step + 1, n] for side in (repeated.plain, repeated.bounded) for n in range(len(side[0]))]
    for line, wanted in zip(drawn, expected, strict=True):
        np.testing.assert_array_equal(line, wanted)
    sentences = multiplied_sentences(repeated, step if said is None else said)
    assert f"## {sentences}" in [text.value for text in at.markdown]


def test_it_opens_with_the_notes_numbers():
    at = fine(opened(PAGE))
    check(at, DEFAULT, 3, 10)
    assert any("1 became 59,049 and 0.02 became 1,181: still 50 to 1" in text.value for text in at.markdown)
    assert any("saturated" in text.value for text in at.markdown)


def test_vector_factor_and_time_step_are_chosen():
    at = fine(opened(PAGE, time_step="3"))
    check(at, DEFAULT, 3, 3)
    check(fine(at.button(key="time_step_back").click().run()), DEFAULT, 3, 2)
    check(fine(at.slider(key="factor").set_value(0.5).run()), DEFAULT, 0.5, 2)
    check(fine(at.text_input(key="vector").set_value("0 -7").run()), "0 -7", 0.5, 2)
    check(fine(at.select_slider(key="time_step").set_value(0).run()), "0 -7", 0.5, 0)


def test_the_page_of_the_instrument_shows_the_same_vector():
    at = fine(opened(PAGE, vector="2 1", factor="0.5", time_step="4"))
    at.switch_page("pages/measure/bounds.py")
    check(fine(at.run()), "2 1", 0.5, 4, said=10)


def test_numbers_are_parted_by_chinese_signs_too():
    check(fine(opened(PAGE, vector="0.3，-2、1；4")), "0.3, -2, 1, 4", 3, 10)


@pytest.mark.parametrize("text", ["", "x", "1e99", "<b>1</b>"])
def test_a_bad_vector_is_said_in_a_line_and_the_last_one_stays(text):
    at = fine(opened(PAGE, vector="7"))
    fine(at.text_input(key="vector").set_value(text).run())
    assert len(at.error) == 1 and "expected 1 to 8 numbers" in at.error[0].value
    check(at, "7", 3, 10)


@pytest.mark.parametrize("settings", [{"time_step": "x"}, {"time_step": "11"}, {"factor": "nan"}, {"factor": "-3"}])
def test_hostile_links_fall_back(settings):
    at = fine(opened(PAGE, **settings))
    check(at, DEFAULT, at.slider(key="factor").value, 10)


def test_the_page_in_chinese():
    assert len(charts(fine(opened(PAGE, language="中文")))) == 2
