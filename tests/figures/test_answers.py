"""The pictures of a model's answers show the numbers of their results."""

import numpy as np
import pytest
import torch
from torch import nn

from analysis import input_influence, look_back, record, time_scales, weights_in_force
from analysis.figures import style
from analysis.figures.in_force import eigenvalues, unit_time_scales
from analysis.figures.influence import influence_by_column, influence_by_distance
from analysis.figures.look_back import LEAST, STARTS
from analysis.figures.look_back import look_back as look_back_figure
from tests.helpers.modules import MODULES


def named(figure):
    return {trace.name: trace for trace in figure.data}


def small(cell="lstm", layers=1):
    torch.manual_seed(0)
    return MODULES[cell](3, 6, layers), torch.randn(120, 8, 3)


def test_look_back_has_both_starts_and_the_shares():
    found = look_back(*small())
    figure = look_back_figure(found, "lstm")
    traces = named(figure)
    for name, windows in zip(STARTS, (found.start, found.reached), strict=True):
        assert np.array_equal(traces[name].x, found.window)
        assert np.allclose(traces[name].y, np.clip(windows.change, LEAST, None))
        assert np.array_equal(traces[name].customdata, windows.change)
    assert [traces[name].y[0] for name in ("10 %", "5 %", "1 %")] == [0.1, 0.05, 0.01]
    assert traces[STARTS[0]].line.color == style.COLOURS["lstm"]
    assert (figure.layout.xaxis.title.text, figure.layout.xaxis.tickvals[-1]) == ("last time steps seen", 100)


def test_what_can_not_be_measured_is_a_gap():
    figure = look_back_figure(look_back(nn.RNN(3, 4, bias=False), torch.zeros(9, 2, 3)), "rnn")
    assert all(np.isnan(named(figure)[name].y).all() for name in STARTS)


@pytest.mark.parametrize("cell", MODULES)
def test_eigenvalues_stand_beside_the_unit_circle(cell):
    module, _ = small(cell, 2)
    found = weights_in_force(module)
    for layer in (0, 1):
        traces = named(eigenvalues(found, layer))
        assert np.allclose(np.hypot(traces["unit circle"].x, traces["unit circle"].y), 1)
        assert traces.keys() == {"unit circle", *found.gain}
        for block, values in found.eigenvalues.items():
            assert np.array_equal(traces[block].x, values[0, layer, :, 0])
            assert np.array_equal(traces[block].y, values[0, layer, :, 1])
    with torch.no_grad():
        module.weight_hh_l1 *= 10  # the axes hold what is far out
    figure = eigenvalues(weights_in_force(module))
    assert figure.layout.xaxis.range[1] >= max(radius[0, 1] for radius in weights_in_force(module).radius.values())


def test_time_scales_are_sorted():
    module, inputs = small("gru")
    scales = time_scales(record(module, inputs))[:, -1]
    [trace] = unit_time_scales(scales, "update").data
    assert np.array_equal(trace.y, np.sort(scales.ravel())) and trace.line.color == style.GATE_COLOURS["update"]


def test_influence_by_distance_and_by_column():
    found = input_influence(*small())
    traces = named(influence_by_distance(found, "lstm"))
    assert np.array_equal(traces["gradient"].y, style.drawable(found.size))
    assert np.array_equal(traces["from a state of its own"].y, style.drawable(found.reached))
    assert np.array_equal(traces["gradient × input"].y, style.drawable(found.product.sum(1)))
    [heatmap] = influence_by_column(found).data
    assert np.allclose(heatmap.z, found.product.T / found.product.max(), rtol=1e-6)
    assert [name.split(":")[0] for name in heatmap.y] == ["0", "1", "2"]


def test_a_rise_that_the_zero_state_causes_is_marked():
    torch.manual_seed(1)
    module, inputs = nn.RNN(3, 32), 2 * torch.randn(60, 16, 3)
    assert "rise at the first time step" not in named(influence_by_distance(input_influence(module, inputs), "rnn"))
    with torch.no_grad():
        module.weight_hh_l0 *= 3
    found = input_influence(module, inputs)
    figure = influence_by_distance(found, "rnn")
    mark = named(figure)["rise at the first time step"]
    assert (mark.x[0], mark.y[0]) == (59, found.size[-1])
    assert [note.text for note in figure.layout.annotations] == ["it begins in zero"]


def test_many_columns_and_distances_are_thinned():
    module = nn.RNN(300, 2)
    [heatmap] = influence_by_column(input_influence(module, torch.randn(200, 2, 300))).data
    assert heatmap.z.size <= 16_000 and len(heatmap.y) == 300
