"""The pictures of the page Why hold the numbers of the results."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import Experiment
from analysis.figures import style
from analysis.figures.exponents import exponents, fan
from analysis.figures.factors import factors
from analysis.figures.matrix import matrices
from analysis.figures.updates import updates
from analysis.measures import why
from analysis.measures.factors import measure_factors
from analysis.reasons import GradientMatrix, Spectrum, StepFactors

CELLS = tuple(style.COLOURS)


def measured(measure, *more, **settings):
    experiment = {"length": 7, "hidden_size": 4, "seeds": 2} | settings
    return {cell: measure(Experiment(cell=cell, **experiment), *more) for cell in CELLS}


def named(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def test_matrices_and_the_means_of_their_diagonals_share_an_axis():
    now, before = measured(why.measure_matrix), measured(why.measure_matrix, gain=3)
    figure = matrices(now, {"gru": before["gru"]})
    maps = [trace for trace in figure.data if trace.type == "heatmap"]
    for k, (cell, matrix) in enumerate(now.items()):
        lower = np.tri(7, dtype=bool)
        np.testing.assert_allclose(maps[k].z[lower], np.log10(matrix.relative[lower]), atol=0.006)
        assert np.isnan(maps[k].z[~lower]).all()
        curve = named(figure, cell.upper())
        np.testing.assert_array_equal(curve.x, [6, 5, 4, 3, 2, 1, 0])  # under the states at these distances
        np.testing.assert_array_equal(curve.y, matrix.left)
        area = named(figure, f"{cell.upper()} lowest to highest")
        np.testing.assert_array_equal(area.y, [*matrix.lefts.max(0), *matrix.lefts.min(0)[::-1]])
        assert area.xaxis == curve.xaxis
        above, below = (figure.layout[f"xaxis{trace.xaxis[1:]}"].range for trace in (maps[k], curve))
        assert above == below == (-0.5, 6.5)
    np.testing.assert_array_equal(named(figure, "GRU before").y, before["gru"].left)
    assert named(figure, "before training").x == (None,)


def test_a_matrix_that_grows_widens_the_axis_and_what_is_unknown_is_a_gap():
    matrix = GradientMatrix(5, np.array([[1.0, 0], [1e6, np.nan]]), np.array([[1.0, 1e6]]))
    figure = matrices({"rnn": matrix, "lstm": replace(matrix, lefts=np.array([[1.0, np.nan]]))})
    assert figure.layout.yaxis3.range[1] > 6
    assert np.isnan(named(figure, "LSTM").y[1])
    assert list(figure.data[0].x) == [5, 6]


def test_updates_add_up_and_mark_the_half():
    now = measured(why.measure_updates)
    figure = updates(now, {"rnn": now["rnn"]}, {"gru": "untrained"})
    for cell, name in (("rnn", "RNN"), ("lstm", "LSTM"), ("gru", "GRU (untrained)")):
        curve = named(figure, name)
        np.testing.assert_allclose(curve.y, np.median(now[cell].cumulated, 0))
        assert list(curve.x) == [1, 2, 3, 4, 5, 6, 7] and curve.y[-1] == pytest.approx(1)
        dot = named(figure, f"{cell.upper()} half")
        assert dot.x == (now[cell].median_half,) and dot.y[0] == curve.y[dot.x[0] - 1]
        band = named(figure, f"{cell.upper()} lowest to highest")
        assert max(band.y) == now[cell].cumulated.max()
    assert named(figure, "RNN before").line.width < named(figure, "RNN").line.width


def test_updates_that_cannot_be_measured_leave_a_gap():
    unknown = why.UpdateShares(np.full((2, 4), np.nan))
    figure = updates({"rnn": unknown})
    assert np.isnan(named(figure, "RNN").y).all()
    assert not any(trace.name == "RNN half" for trace in figure.data)


def test_exponents_are_a_line_per_cell():
    now = measured(why.measure_exponents)
    figure = exponents(now, now, {})
    for cell in CELLS:
        line = named(figure, cell.upper())
        np.testing.assert_allclose(line.y, np.median(now[cell].exponents, 0))
        assert len(line.y) == (8 if cell == "lstm" else 4)


def test_a_direction_that_is_lost_at_once_is_a_gap():
    lost = Spectrum(np.array([[-1.0, -np.inf], [-2.0, -np.inf], [-3.0, -4.0]]), np.zeros((3, 2)))
    np.testing.assert_array_equal(named(exponents({"rnn": lost}), "RNN").y, [-2, np.nan])


def test_a_fan_has_every_direction_and_the_largest_on_top():
    found = measured(why.measure_singular_values)
    figure = fan(found)
    for cell, each in found.items():
        np.testing.assert_array_equal(named(figure, f"{cell.upper()} largest").y, each.values[:, 0])
        lines = np.array(named(figure, f"{cell.upper()} every direction").y).reshape(4, 8)
        np.testing.assert_array_equal(lines[:, :7], each.values.T)
        assert np.isnan(lines[:, 7]).all()


def test_factors_mark_the_step_at_which_most_is_lost():
    found = measured(measure_factors, 1)
    figure = factors(found)
    for cell, each in found.items():
        name = cell.upper()
        whole, gates, weights = (
            named(figure, f"{name} {part}").y
            for part in ("the whole step", "gates (RNN: activation)", "recurrent weights")
        )
        np.testing.assert_allclose(np.multiply(gates, weights), whole)
        mark = named(figure, f"{name} most is lost")
        assert mark.x == (each.step[each.lost],) and mark.y == (whole.min(),)
    assert {note.text for note in figure.layout.annotations} == {"symbol", "cue"}


def test_factors_that_cannot_be_measured_have_no_mark():
    nothing = np.full(3, np.nan)
    found = StepFactors("tanh", np.arange(1, 4), nothing, nothing, nothing, {})
    assert not any("most" in (trace.name or "") for trace in factors({"rnn": found}).data)


@pytest.mark.parametrize("low, high", [(0.4, 1.1), (1e-3, 20.0), (1e-12, 1e9), (1.0, 1.0)])
def test_factors_have_a_few_labels(low, high):
    values = np.array([low, high])
    figure = factors({"gru": StepFactors("update gate", np.arange(1, 3), values, values, values, {})})
    axis = figure.layout.yaxis
    inside = [tick for tick in axis.tickvals if axis.range[0] <= np.log10(tick) <= axis.range[1]]
    assert 1 <= len(inside) <= 8 and 10 ** axis.range[0] < low and 10 ** axis.range[1] > high
