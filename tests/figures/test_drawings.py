"""The drawing of a cell: its scales hold what is drawn; its parts are named, pointed at, clicked and outlined."""

import re

import numpy as np
import pytest

from analysis.figures import style
from analysis.figures.cell import DECIMALS, SHOWN, cell
from analysis.figures.drawings import DRAWINGS, PATCH, name_of, symbol_of
from analysis.report.wording import format_number
from tests.figures.test_cell import reading_of
from tests.helpers.modules import CELLS

RUNS_AWAY = {"activation": "identity", "init": "identity", "gain": 2.0}


def patches(figure):
    """By part: the colour scale and the numbers drawn."""
    return {
        trace.name: (figure.layout[trace.coloraxis], [value for row in trace.z for value in row if value is not None])
        for trace in figure.data
        if trace.type == "heatmap"
    }


def targets(figure):
    return [trace for trace in figure.data if trace.name == "targets"]


@pytest.mark.parametrize("settings", [{}, RUNS_AWAY])
@pytest.mark.parametrize("name", CELLS)
def test_no_number_is_beyond_its_colour_scale(name, settings):
    reading = reading_of(name, **settings)
    for word in range(len(reading.words)):
        for part, (scale, numbers) in patches(cell(reading, word)).items():
            rounding = 0.6 * 10**-DECIMALS
            assert scale.cmin - rounding <= min(numbers) and max(numbers) <= scale.cmax + rounding, part
            assert scale.colorbar.title.text
            if part in ("forget", "input", "output", "reset", "update"):
                assert (scale.cmin, scale.cmax) == (0, 1)
                assert [colour for _, colour in scale.colorscale] == [colour for _, colour in style.GATE_SCALE]
            else:
                assert scale.cmin == -scale.cmax
                assert scale.colorbar.ticktext[-1] == format_number(scale.cmax)


@pytest.mark.parametrize("name", CELLS)
def test_the_hidden_state_is_drawn_within_1_until_it_runs_away(name):
    assert patches(cell(reading_of(name), 0))["hidden"][0].cmax == 1
    reading = reading_of(name, **RUNS_AWAY)
    drawn = [part for part in ("hidden", "candidate", "kept", "stored") if part in DRAWINGS[name].patches]
    if name == "lstm":
        drawn = ["hidden", "candidate"]  # what is kept and stored has the cell state's scale
    largest = max(np.abs(reading.parts[part]).max() for part in drawn)
    assert patches(cell(reading, 0))["hidden"][0].cmax == largest > 1


def test_the_cell_state_has_a_scale_of_its_own():
    reading = reading_of("lstm", forget_bias=3.0)
    largest = max(np.abs(reading.parts[part]).max() for part in ("cell", "kept", "stored"))
    shown = patches(cell(reading, 0))
    for part in ("cell", "cell_before", "kept", "stored"):
        assert shown[part][0].cmax == largest
    assert shown["embedded"][0].cmax == np.abs(reading.embedded).max()


def test_what_is_not_finite_or_not_drawn_leaves_the_scale_to_the_rest():
    reading = reading_of("lstm", hidden_size=SHOWN + 1)
    reading.parts["cell"][0, 0], reading.parts["cell"][0, 1], reading.parts["cell"][0, SHOWN] = np.inf, -50, 900
    assert patches(cell(reading, 1))["cell"][0].cmax == 50


@pytest.mark.parametrize("name", CELLS)
def test_every_box_and_square_is_a_target_that_says_its_part_and_number(name):
    reading = reading_of(name)
    figure, drawing = cell(reading, 3), DRAWINGS[name]
    shown = targets(figure)
    for trace in shown:
        assert trace.marker.opacity == trace.selected.marker.opacity == trace.unselected.marker.opacity == 0
        assert trace.hovertemplate.startswith(name_of(trace.legendgroup, name))
    boxes = shown[: len(drawing.boxes)]
    assert [(trace.legendgroup, (trace.x[0], trace.y[0])) for trace in boxes] == list(drawing.boxes.items())
    squares = {trace.legendgroup: trace for trace in shown[len(boxes) :]}
    assert squares.keys() == drawing.patches.keys()
    for part, (x, y) in drawing.patches.items():
        trace = squares[part]
        units, numbers = trace.customdata.T
        np.testing.assert_allclose(numbers, patches(figure)[part][1], rtol=1e-6)
        assert units.tolist() == list(range(1, len(numbers) + 1))  # people count from 1
        assert "unit %{customdata[0]}: %{customdata[1]:.3f}" in trace.hovertemplate
        assert (abs(trace.x - x) < PATCH[0] / 2).all() and (abs(trace.y - y) < PATCH[1] / 2).all()
        assert len({*zip(trace.x.tolist(), trace.y.tolist(), strict=True)}) == len(trace.x)


@pytest.mark.parametrize(
    ("name", "chosen", "outlined"),
    [("lstm", None, 0), ("lstm", "forget", 2), ("lstm", "kept", 1), ("gru", "recalled", 1), ("rnn", "from_word", 2)],
)
def test_what_is_chosen_has_a_strong_outline(name, chosen, outlined):
    strong = [
        shape
        for shape in cell(reading_of(name), 3, chosen=chosen).layout.shapes
        if shape.line.width == 5 and shape.line.color == style.CHOSEN
    ]
    assert len(strong) == outlined
    places = {DRAWINGS[name].boxes.get(chosen), DRAWINGS[name].patches.get(chosen)}
    for shape in strong:
        assert shape.line.color == style.CHOSEN
        assert any(
            place and np.allclose(((shape.x0 + shape.x1) / 2, (shape.y0 + shape.y1) / 2), place) for place in places
        )


@pytest.mark.parametrize("name", CELLS)
def test_every_patch_is_named_and_states_before_have_their_time_step_below(name):
    said = [note.text for note in cell(reading_of(name), 3).layout.annotations]
    for part in DRAWINGS[name].patches:
        assert symbol_of(part, name) in said, part
    assert "<i>h</i><sub>t−1</sub>" in [re.sub("</?span[^>]*>", "", text) for text in said]


@pytest.mark.parametrize("name", CELLS)
def test_the_loop_leads_from_what_is_handed_on_to_where_it_enters(name):
    drawing = DRAWINGS[name]
    states = ["hidden", "cell"] if name == "lstm" else ["hidden"]
    for state in states:
        out, back = drawing.patches[state], drawing.patches[f"{state}_before"]
        assert any(loop[0][1] == out[1] and loop[-1][1] == back[1] for loop in drawing.loops), state
    for loop in drawing.loops:
        assert loop[0][0] >= 100 and loop[-1][0] <= 0
    assert sum("the loop" in note.text for note in cell(reading_of(name), 3).layout.annotations) == 1
