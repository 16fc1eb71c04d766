from dataclasses import replace
from math import tanh

import numpy as np
import pytest

from analysis import Experiment, measure_untrained
from analysis.figures import bounds as figures
from analysis.lesson.repetition import fixed_point, parse_vector, repeat

ACTIVATIONS = ("tanh", "relu", "identity")
FACTORS = [0.1, 0.25, 0.5, 0.7, 0.9, 1.1, 1.25, 1.5, 2, 2.7, 3, 4, 5, -0.5, -2, -3]
STARTS = [1.0, 2.0, 0.5, 0.1, -0.3, 1e-3, 1e6, -7.0]


@pytest.fixture(scope="module")
def measured():
    settings = {"init": "orthogonal", "gain": 1.5, "length": 12, "hidden_size": 6, "seeds": 2}
    return {
        cell: {a: measure_untrained(Experiment(cell=cell, activation=a, **settings)) for a in ACTIVATIONS}
        for cell in ("rnn", "lstm", "gru")
    }


def named(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def leaves(start, factor, kind):
    """Multiply until the largest float is passed, or the smallest normal one; return the step of either."""
    value, info = kind(start), np.finfo(kind)
    with np.errstate(over="ignore", under="ignore"):
        for k in range(20_000):
            if np.isinf(value) or abs(value) < info.tiny:
                return (k, None) if np.isinf(value) else (None, k)
            value = value * kind(factor)
    raise AssertionError("never")


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_step_that_leaves_floating_point_is_the_closed_form(factor, kind):
    for start in STARTS:
        result, name = repeat([0.0, start], factor), kind.__name__
        assert (result.overflow[name], result.underflow[name]) == leaves(start, factor, kind), start


def test_tripling_one_leaves_float32_at_81_and_float64_at_647():
    assert repeat([1.0], 3).overflow == {"float32": 81, "float64": 647}


@pytest.mark.parametrize("factor", [1, -1])
def test_a_factor_of_one_never_leaves(factor):
    assert {*repeat([2.0], factor).overflow.values(), *repeat([2.0], factor).underflow.values()} == {None}


def test_zero_as_number_or_as_vector():
    assert repeat([3.0], 0).underflow == {"float32": 1, "float64": 1}
    assert repeat([0.0, 0.0], 5).overflow == {"float32": None, "float64": None}
    assert not repeat([0.0], 5).plain.any()


@pytest.mark.parametrize("factor", [1.05, 1.5, 3, 5])
def test_tanh_tends_to_its_fixed_point_from_any_start(factor):
    limit = fixed_point(factor)
    assert tanh(factor * limit) == pytest.approx(limit, abs=1e-12)
    np.testing.assert_allclose(np.abs(repeat([0.01, -1, 40], factor, 2000).bounded[-1]), limit, rtol=1e-6)
    np.testing.assert_allclose(np.abs(repeat([0.01, -1, 40], -factor, 2000).bounded[-1]), limit, rtol=1e-6)


def test_tripled_entries_end_at_point_995():
    assert repeat([0.02, -1.0], 3).bounded[-1] == pytest.approx([0.995, -0.995], abs=1e-3)
    assert fixed_point(0.9) == fixed_point(1) == 0


def test_a_vector_is_read():
    np.testing.assert_array_equal(parse_vector(" 0.5, -1;2e3  .1 "), [0.5, -1, 2000, 0.1])


@pytest.mark.parametrize("text", ["", " , ", "a", "1, two", "nan", "inf", "-inf", "1e7", "1e999", "1 " * 9, "0x1", "'"])
def test_a_bad_vector_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match="expected 1 to 8 numbers") as error:
        parse_vector(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 150


@pytest.mark.parametrize("start, factor", [([], 3), ([np.nan], 3), ([1], np.inf), ([[1]], 3)])
def test_what_is_not_finite_is_refused(start, factor):
    with pytest.raises(ValueError, match="finite"):
        repeat(start, factor)


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
