import numpy as np
import pytest

from analysis.figures import style
from analysis.figures.drawings import DRAWINGS
from analysis.figures.loop import loop
from tests.helpers.readings import reading_of, words_experiment

STATES = {"rnn": ["hidden"], "lstm": ["cell", "hidden"], "gru": ["hidden"]}


@pytest.fixture(scope="module", params=["rnn", "lstm", "gru"])
def reading(request):
    return reading_of(words_experiment(request.param), "the value and <b> zebra")


def patch(figure, name):
    """Return what a patch draws, row after row."""
    return np.array(next(trace.z for trace in figure.data if trace.name == name), float).ravel()


def test_what_comes_back_is_what_the_word_before_left(reading):
    for state in STATES[reading.cell]:
        left, back = patch(loop(reading, 1), state), patch(loop(reading, 2), f"{state}_before")
        np.testing.assert_array_equal(left, back)
        np.testing.assert_allclose(back[:7], reading.parts[state][1], atol=1e-4)


def test_loop_and_memory_that_came_back_have_the_cells_colour(reading):
    figure = loop(reading, 2)
    marked = [shape for shape in figure.layout.shapes if shape.line.color == style.COLOURS[reading.cell]]
    names = [shape.name for shape in marked]
    drawing = DRAWINGS[reading.cell]
    assert names.count("loop") == len(STATES[reading.cell])
    assert set(names) - {"loop"} == {f"{state}_before" for state in STATES[reading.cell]}
    for shape in marked:
        if shape.name != "loop":
            x, y = drawing.patches[shape.name]
            assert shape.x0 < x < shape.x1 and shape.y0 < y < shape.y1


@pytest.mark.parametrize(
    "word, said",
    [
        (0, "nothing comes back: this is the first word"),
        (1, "after “<b>the</b>” → into “<b>value</b>”"),
        (3, "after “<b>and</b>” → into “<b>&lt;</b>”"),
    ],
)
def test_the_loop_is_named_after_the_words_it_joins(reading, word, said):
    assert said in [note.text for note in loop(reading, word).layout.annotations]
