from dataclasses import replace

import numpy as np
import pytest

from analysis import Experiment, measure_untrained
from analysis.figures import bounds as figures
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
def test_the_textbook_picture_draws_and_plays_every_step(log, factor):
    result = repeat([0.02, -0.5, 0, 1], factor)
    figure = figures.repeated(result, log)
    assert len(figure.data) == 8 and len(figure.frames) == 11
    shown = lambda values: np.where(values == 0, np.nan, np.abs(values)) if log else values  # noqa: E731
    for n in range(4):
        np.testing.assert_array_equal(figure.data[n].y, shown(result.plain[:, n]))
        np.testing.assert_array_equal(figure.data[4 + n].y, shown(result.bounded[:, n]))
        np.testing.assert_array_equal(figure.frames[3].data[4 + n].y, shown(result.bounded[:4, n]))
    assert all(np.isfinite(axis.range).all() for axis in figure.select_yaxes())
    low, high = figure.layout.yaxis.range
    drawn = np.array(figure.data[3].y, float)
    drawn = np.log10(drawn) if log else drawn
    assert low <= drawn.min() and drawn.max() <= high
    assert [button.label for button in figure.layout.updatemenus[0].buttons] == ["▶ Play", "Pause"]
    assert len(figure.layout.sliders[0].steps) == 11


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
    assert figure.layout.shapes[0].x0 == 7
    assert figure.layout.annotations[0].text == "beyond floating point:<br>identity from step 7"
    assert np.isfinite(figure.layout.yaxis.range).all()


def test_a_state_that_overflows_at_once_and_a_gradient_that_is_lost(measured):
    lost = measured["rnn"]["relu"]
    nothing = np.full_like(lost.bounds.hidden, np.inf)
    figure = figures.sizes({"relu": replace(lost.bounds, hidden=nothing, overflow_step=0)})
    assert np.isnan(named(figure, "relu").y).all()
    gone = np.full(12, np.nan)
    figure = figures.growth({"relu": replace(lost.decay, relative=gone, low=gone, high=gone)})
    assert figure.layout.annotations[0].text == "relu: beyond floating point"
