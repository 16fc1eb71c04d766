"""The picture of what is left: its numbers are the results', its axis is linear first, and words are never markup."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.figures import style
from analysis.figures.fading import fading
from tests.helpers.decays import decay

DECAYS = {"rnn": decay(0.5), "lstm": decay(0.97), "gru": decay(0.9)}
WORDS = ("If", "<b>", "isn't", "found", "…")
OWN = {cell: factor ** np.arange(5.0) for cell, factor in (("rnn", 0.4), ("lstm", 1.1), ("gru", 0.8))}


def named(figure):
    return {trace.name: trace for trace in figure.data if trace.showlegend is not False}


def test_lines_are_the_medians_in_each_cells_colour_and_dash():
    lines = named(fading(DECAYS))
    assert list(lines) == ["RNN", "LSTM", "GRU"]
    for cell, each in DECAYS.items():
        line = lines[cell.upper()]
        np.testing.assert_array_equal(line.x, each.distance)
        np.testing.assert_array_equal(line.y, each.relative)
        assert (line.line.color, line.line.dash) == (style.COLOURS[cell], style.DASHES[cell])


def test_bands_reach_from_low_to_high():
    spread = replace(DECAYS["gru"], low=DECAYS["gru"].relative / 2, high=DECAYS["gru"].relative * 1.5)
    (band,) = (trace for trace in fading({"gru": spread}).data if trace.fill == "toself")
    np.testing.assert_array_equal(band.y, np.concatenate([spread.high, spread.low[::-1]]))


def test_the_axis_is_linear_in_per_cent_and_widens():
    axis = fading(DECAYS).layout.yaxis
    assert (axis.type, axis.tickformat) == (None, ".0%") and axis.range[0] <= 0 and 1 < axis.range[1] < 1.1
    grown = replace(DECAYS["rnn"], relative=1.2 ** np.arange(30.0))
    assert fading({"rnn": grown}).layout.yaxis.range[1] > 1.2**29
    endless = replace(DECAYS["rnn"], relative=np.array([1, np.inf, *np.full(28, np.nan)]))
    figure = fading({"rnn": endless})
    assert 1 < figure.layout.yaxis.range[1] < 2 and np.isnan(named(figure)["RNN"].y[1:]).all()


@pytest.mark.parametrize(
    ("factor", "ends"), [(0.97, ("100 %", "1 %")), (0.5, ("100 %", "10⁻⁶ %")), (2.0, ("10¹⁰ %", "1 %"))]
)
def test_the_log_axis_names_per_cent_too(factor, ends):
    axis = fading({"rnn": decay(factor)}, log=True).layout.yaxis
    assert axis.type == "log" and (axis.ticktext[0], axis.ticktext[-1]) == ends
    assert axis.range[0] <= np.log10(axis.tickvals[-1]) and axis.range[1] > np.log10(axis.tickvals[0])


def test_hovers_say_how_much_is_left_and_how_far_back():
    text = named(fading(DECAYS))["RNN"].text
    assert text[1] == "RNN: 50 % left, 1 time step back"
    assert text[3] == "RNN: 12.5 % left, 3 time steps back"
    own = named(fading(DECAYS, own=OWN, words=WORDS))["RNN"].text
    assert own[1] == "RNN: 40 % left, 1 turn later"
    assert own[2] == "RNN: 16 % left, 2 turns later"


def test_a_sentence_of_ones_own_is_bold_beside_thin_medians():
    figure = fading(DECAYS, own=OWN, words=WORDS, at=3)
    lines = named(figure)
    for cell, values in OWN.items():
        np.testing.assert_array_equal(lines[cell.upper()].y, values)
        (thin,) = (t for t in figure.data if t.name == cell.upper() and t.showlegend is False)
        np.testing.assert_array_equal(thin.y, DECAYS[cell].relative)
        assert thin.line.width < lines[cell.upper()].line.width
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    assert [(mark.x[0], mark.y[0]) for mark in marks] == [(3, values[3]) for values in OWN.values()]
    assert figure.layout.shapes[0].x0 == 3
    assert figure.layout.yaxis.range[1] > 1.1**4


def test_a_band_beside_ones_own_line_is_seen_whole():
    wide = {"rnn": replace(DECAYS["rnn"], high=1.5 ** np.arange(30.0))}
    assert fading(wide).layout.yaxis.range[1] == pytest.approx(1.05)
    assert fading(wide, own={"rnn": OWN["rnn"]}, words=WORDS).layout.yaxis.range[1] == pytest.approx(1.05 * 1.5**4)


def test_words_name_the_distances_and_are_never_markup():
    axis = fading(DECAYS, own=OWN, words=WORDS).layout.xaxis
    assert list(axis.ticktext) == ["If", "&lt;b&gt;", "isn't", "found", "…"] and axis.range[1] < 5
    assert fading(DECAYS).layout.xaxis.ticktext is None
    assert fading({"rnn": DECAYS["rnn"]}, own={"rnn": np.ones(1)}, words=["hello"]).layout.xaxis.range[1] > 0


def test_axes_say_what_is_asked_for():
    assert fading(DECAYS).layout.xaxis.title.text == "time steps back from the last"
    layout = fading(DECAYS, x_title="", y_title="gradient left").layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == (None, "gradient left")


def test_nothing_measured_is_an_empty_picture():
    assert not fading({}).data
