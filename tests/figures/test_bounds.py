from dataclasses import replace

import numpy as np
import pytest

from analysis import Experiment, measure_untrained
from analysis.figures import bounds as figures
from analysis.figures import style
from analysis.lesson.repetition import repeat

ACTIVATIONS = ("tanh", "relu", "identity")


@pytest.fixture(scope="module")
def measured():
    settings = {"init": "orthogonal", "gain": 1.5, "length": 12, "hidden_size": 6, "seeds": 2}
    return {
        cell: {a: measure_untrained(Experiment(cell=cell, activation=a, **settings)) for a in ACTIVATIONS}
        for cell in ("rnn", "lstm", "gru")
    }


def named(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("factor", [0.1, 1, 3, 5])
@pytest.mark.parametrize("step", [0, 3, 10])
def test_the_textbook_picture_draws_every_entry_up_to_a_time_step(log, factor, step):
    result = repeat([0.02, -0.5, 0, 1], factor)
    figure = figures.repeated(result, step, log)
    assert len(figure.data) == 8 and not figure.frames
    shown = lambda values: np.where(values == 0, np.nan, np.abs(values)) if log else values  # noqa: E731
    for n in range(4):
        np.testing.assert_array_equal(figure.data[n].y, shown(result.plain[: step + 1, n]))
        np.testing.assert_array_equal(figure.data[4 + n].y, shown(result.bounded[: step + 1, n]))
    for panel, axis in enumerate(figure.select_yaxes()):
        low, high = axis.range
        drawn = np.concatenate([np.array(trace.y, float) for trace in figure.data[4 * panel : 4 * panel + 4]])
        drawn = np.log10(drawn) if log else drawn
        assert low <= np.nanmin(drawn) and np.nanmax(drawn) <= high
        band = figure.layout.shapes[panel]
        assert (band.y0, band.y1) == (pytest.approx(10**low) if log else -1, 1)


def test_no_time_step_is_flat_while_the_entries_grow():
    result = repeat([0.02, -0.5, 1], 3)
    for step in range(1, 11):
        figure = figures.repeated(result, step)
        low, high = figure.layout.yaxis.range
        assert max(np.ptp(trace.y) for trace in figure.data[:3]) > 0.3 * (high - low)
        assert figure.layout.yaxis2.range == figures.repeated(result, 10).layout.yaxis2.range


def test_the_entries_lie_on_tanhs_curve_and_so_does_their_way_there():
    result = repeat([0.02, -0.5, 1], 3)
    figure = figures.squash(result, 3)
    curve, way, dots = (named(figure, name) for name in ("tanh", "before", "entries"))
    np.testing.assert_allclose(curve.y, np.tanh(curve.x))
    np.testing.assert_allclose(dots.y, np.tanh(dots.x))
    np.testing.assert_array_equal(dots.y, result.bounded[3])
    np.testing.assert_allclose(way.y, np.tanh(way.x))
    np.testing.assert_array_equal(way.y, result.bounded[1:3].ravel())
    assert way.marker.color == 2 * dots.marker.color
    assert figure.layout.shapes[0].y0 == -1 and figure.layout.shapes[0].y1 == 1
    assert len(named(figures.squash(result, 0), "entries").x) == 0
    assert "before" not in {trace.name for trace in figures.squash(result, 1).data}


def test_points_beyond_the_curve_are_drawn_at_its_end():
    dots = named(figures.squash(repeat([1e6, -1e6, 0.1], 3), 1), "entries")
    np.testing.assert_allclose(dots.x, [3.3, -3.3, 0.3])
    np.testing.assert_allclose(dots.customdata, [3e6, -3e6, 0.3])


def test_one_colour_has_one_meaning():
    meanings = [style.COLOURS.values(), style.GATE_COLOURS.values(), (style.NEGATIVE, style.POSITIVE)]
    meanings += [figures.COLOURS.values(), figures.ENTRIES]
    colours = [colour for each in meanings for colour in each]
    assert len(colours) == len(set(colours))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_states_and_gradients_are_those_measured(measured, cell):
    found = {a: each.bounds for a, each in measured[cell].items()}
    pictures = {"hidden": figures.sizes(found), "cell": figures.sizes(found, "cell") if cell == "lstm" else None}
    for of, figure in pictures.items():
        for a in ACTIVATIONS if figure else ():
            low, median, high, largest = getattr(found[a], of)
            np.testing.assert_array_equal(named(figure, a).y, largest)
            np.testing.assert_array_equal(named(figure, f"{a} median").y, np.where(median > 0, median, np.nan))
            upper, lower = np.split(np.array(named(figure, f"{a} 1 % to 99 %").y), 2)
            np.testing.assert_array_equal(upper, high)
            np.testing.assert_array_equal(lower, np.maximum(low, figures.FLOOR)[::-1])
    growth, saturated = figures.growth({a: each.decay for a, each in measured[cell].items()}), figures.saturated(found)
    for a, each in measured[cell].items():
        np.testing.assert_array_equal(named(growth, a).y, each.decay.relative)
        np.testing.assert_array_equal(named(saturated, a).y, each.bounds.saturated)


def test_an_overflow_is_a_gap_with_a_mark(measured):
    bounds = measured["rnn"]["identity"].bounds
    beyond = np.where(np.arange(12) < 7, bounds.hidden, np.inf)
    figure = figures.sizes({"identity": replace(bounds, hidden=beyond, overflow_step=7)})
    drawn = named(figure, "identity").y
    assert np.isnan(drawn[7:]).all() and np.isfinite(drawn[:7]).all()
    band, mark = figure.layout.shapes
    assert (band.y1, band.label.text) == (1, "within ±1")
    assert mark.x0 == 7
    assert figure.layout.annotations[0].text == "beyond floating point:<br>identity from time step 7"
    assert np.isfinite(figure.layout.yaxis.range).all()


def test_a_state_that_overflows_at_once_and_a_gradient_that_is_lost(measured):
    lost = measured["rnn"]["relu"]
    nothing = np.full_like(lost.bounds.hidden, np.inf)
    figure = figures.sizes({"relu": replace(lost.bounds, hidden=nothing, overflow_step=0)})
    assert np.isnan(named(figure, "relu").y).all()
    gone = np.full(12, np.nan)
    figure = figures.growth({"relu": replace(lost.decay, relative=gone, low=gone, high=gone)})
    assert figure.layout.annotations[0].text == "relu: beyond floating point"
