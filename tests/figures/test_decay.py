from dataclasses import replace

import numpy as np
import pytest

from analysis import Experiment, measure_untrained, train
from analysis.figures import style
from analysis.figures.decay import decay, with_memory
from analysis.figures.memory import memory
from analysis.figures.timeline import timeline
from analysis.measures.decay import decay_of_norms
from tests.helpers.decays import cut_decay


@pytest.fixture(scope="module")
def decays():
    return {cell: measure_untrained(Experiment(cell=cell, seeds=2, hidden_size=8)).decay for cell in style.COLOURS}


@pytest.fixture(scope="module")
def runs():
    small = {"seeds": 2, "hidden_size": 4, "length": 8, "steps": 20, "batch_size": 4}
    return {cell: train(Experiment(cell=cell, **small)) for cell in ("rnn", "gru")}


def named(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def legend(figure):
    return [trace.name for trace in figure.data if trace.showlegend is not False]


def steep(factor, T=40):
    return decay_of_norms(np.tile((factor ** np.arange(T, dtype=float))[None, :, None], (2, 1, 2)), "memory")


def coloured(figure):
    """Whether every trace says its own colour."""
    return all(trace.line.color or trace.marker.color for trace in figure.data)


def test_decay_draws_what_was_measured(decays):
    figure = decay(decays)
    for cell, found in decays.items():
        trace = named(figure, cell.upper())
        np.testing.assert_array_equal(trace.y, found.relative)
        np.testing.assert_array_equal(trace.x, found.distance)
        assert (trace.line.color, trace.line.dash) == (style.COLOURS[cell], style.DASHES[cell])
        band = named(figure, f"{cell.upper()} 5th to 95th percentile")
        np.testing.assert_array_equal(band.y, [*found.high, *found.low[::-1]])
        np.testing.assert_array_equal(band.x, [*found.distance, *found.distance[::-1]])
        dot = named(figure, f"{cell.upper()} horizon")
        assert dot.x == (found.horizon,) * 2
        assert dot.y[0] == found.relative[int(found.horizon)] and dot.marker.size == (12, 0)
        assert f"{cell.upper()}: {found.horizon:.0f} time steps" in legend(figure)
    assert named(figure, "threshold").y == (0.01, 0.01)
    assert coloured(figure)
    np.testing.assert_allclose(figure.layout.yaxis.range, [-8, np.log10(3)])


def test_a_band_is_drawn_where_both_of_its_edges_are_finite():
    low, high = np.array([1.0, 2, np.nan, 4, 5]), np.array([2.0, 3, 4, np.inf, 6])
    band = style.band(np.arange(5), low, high, "#000000", "band")
    assert [*band.x] == [0, 1, 4, 4, 1, 0] and [*band.y] == [2, 3, 6, 5, 2, 1]


def test_a_picture_ends_where_fewer_than_a_tenth_of_the_sequences_are_left():
    """Thirty sequences of 6 time steps, two of 20: from distance 6 on, 2 of 32 are left."""
    lengths = np.array([6] * 30 + [20] * 2)
    present = np.arange(20)[:, None] < lengths
    norms = np.where(present, 0.9 ** np.arange(20.0)[:, None], np.nan)[None]
    found = decay_of_norms(norms, "memory", present=present)
    assert found.horizon == 19 and [*found.samples] == [32] * 6 + [2] * 14
    figure = decay({"gru": found}, carry={"gru": found}, spread="seeds")
    for name in ("GRU", "GRU model 0", "GRU by the gate alone"):
        assert [*named(figure, name).x] == [0, 1, 2, 3, 4, 5]
    assert figure.layout.xaxis.range[1] < 6
    assert "fewer than a tenth of the sequences: GRU from 6" in [note.text for note in figure.layout.annotations]
    assert "GRU: ≥ 19 time steps" in legend(figure)
    notes = [note.text for note in decay({"gru": found, "lstm": found}).layout.annotations]
    assert "fewer than a tenth of the sequences: from 6" in notes
    enough = replace(found, samples=np.array([32] * 6 + [4] * 14))
    for whole in (enough, replace(found, samples=None)):
        figure = decay({"gru": whole})
        assert len(named(figure, "GRU").x) == 20
        assert not any("tenth" in note.text for note in figure.layout.annotations)


def test_a_curve_falls_where_truncation_cuts():
    figure = decay({"gru": cut_decay(0.9, 5)})
    drawn = np.array(named(figure, "GRU").y, float)
    assert drawn[4] == pytest.approx(0.9**4) and drawn[5] < 1e-200 and np.isnan(drawn[6:]).all()
    notes = [note.text for note in figure.layout.annotations]
    assert "cut by truncation from 5" in notes and not any("floating" in note for note in notes)


def test_decay_by_position_absolute_and_by_seed(decays):
    figure = decay(decays, position=True, relative=False)
    trace = named(figure, "RNN")
    np.testing.assert_array_equal(trace.x, decays["rnn"].distance[::-1])
    np.testing.assert_array_equal(trace.y, decays["rnn"].norm)
    figure = decay(decays, spread="seeds")
    np.testing.assert_array_equal(named(figure, "GRU model 1").y, decays["gru"].relatives[1])
    assert coloured(figure)


def test_before_is_faint_and_the_carry_thin(decays):
    figure = decay(decays, before=decays, carry={"lstm": decays["lstm"]})
    assert named(figure, "LSTM before").line.color.startswith("rgba")
    assert named(figure, "LSTM by the gate alone").line.dash == "dashdot"
    reached = [f"{cell.upper()}: {found.horizon:.0f} time steps" for cell, found in decays.items()]
    assert legend(figure) == [*reached, "before training"]


def test_the_legend_names_the_gate_alone_only_where_it_is_seen():
    curve = steep(0.6)
    assert legend(decay({"lstm": curve}, carry={"lstm": steep(0.5)}))[1:] == ["by the gate alone"]
    assert not legend(decay({"lstm": curve}, carry={"lstm": steep(0.599)}))[1:]
    assert not legend(decay({"lstm": curve}, carry={"lstm": steep(1e-9)}))[1:]


def test_the_legend_says_what_state_a_cell_is_in(decays):
    found = steep(0.5)
    figure = decay({"rnn": found, "gru": found}, states={"rnn": "untrained"})
    assert legend(figure) == ["RNN (untrained): 6 time steps", "GRU: 6 time steps"]
    assert legend(decay({"rnn": found}, states={"rnn": "update 40"}, relative=False)) == ["RNN (update 40)"]


def test_what_floating_point_cannot_hold_is_a_gap_and_named():
    found = steep(1e-10)
    figure = decay({"rnn": found})
    y = named(figure, "RNN").y
    assert np.isnan(y[31:]).all()
    assert np.isfinite(y[:31]).all()
    assert any("below floating point: RNN from 31" in note.text for note in figure.layout.annotations)


def test_growth_and_depth_widen_the_axis():
    assert decay({"rnn": steep(10.0)}).layout.yaxis.range[1] > 39
    assert decay({"rnn": steep(0.1)}, full_depth=True).layout.yaxis.range[0] < -38
    assert decay({"rnn": steep(0.1)}).layout.yaxis.range[0] == -8


def test_a_decay_that_left_the_finite_range_draws():
    figure = decay({"rnn": steep(np.nan)})
    assert not [trace for trace in figure.data if trace.name == "RNN horizon"]


def test_a_memory_that_left_the_finite_range_draws(runs):
    nothing = np.full_like(runs["gru"].memory.value, np.nan)
    gone = replace(runs["gru"].memory, value=nothing, low=nothing, high=nothing, metric_name="mse", chance=1 / 6)
    figure = memory({"gru": gone})
    assert named(figure, "GRU").showlegend is not False
    np.testing.assert_allclose(figure.layout.yaxis.range, [0, 1.1 / 6])


def test_a_horizon_at_the_end_says_at_least_and_a_growing_gradient_how_much():
    figure = decay({"lstm": steep(0.99), "gru": steep(1.0), "rnn": steep(2.0)})
    assert legend(figure) == ["LSTM: ≥ 39 time steps", "GRU: ≥ 39 time steps", "RNN: grows ×5.5e11"]


def test_memory_and_chance(runs):
    memories = {cell: run.memory for cell, run in runs.items()}
    for figure in (memory(memories), with_memory(decay({cell: run.after for cell, run in runs.items()}), memories)):
        own = [trace for trace in figure.data if trace.name == "GRU"][-1]
        np.testing.assert_array_equal(own.y, memories["gru"].value)
        assert named(figure, "chance").y == (0.125, 0.125)
        edges = named(figure, "GRU lowest to highest").y
        np.testing.assert_array_equal(edges, [*memories["gru"].high, *memories["gru"].low[::-1]])
        assert coloured(figure)


def test_a_window_is_explained_below_the_axis(runs, decays):
    memories = {cell: replace(run.memory, kind="window") for cell, run in runs.items()}
    for position, seen in ((False, "last time steps were seen"), (True, "first time step seen")):
        figure = with_memory(decay(decays, position=position), memories, position=position)
        assert seen in figure.layout.xaxis2.title.text


def test_memory_panel_is_there_while_training(decays):
    figure = with_memory(decay(decays), {})
    assert any(note.text == "Measured when the training is done" for note in figure.layout.annotations)


def test_a_horizon_stands_beside_what_the_cell_answers_once_that_is_known():
    found = {"rnn": steep(0.5), "gru": steep(0.99)}
    assert legend(decay(found, answers={"rnn": "accuracy 0.3", "gru": "accuracy 1"})) == [
        "RNN: accuracy 0.3, horizon 6",
        "GRU: accuracy 1, horizon ≥ 39",
    ]
    assert legend(decay({"rnn": steep(0.5)}, answers={"rnn": "mse 0.1"}, relative=False)) == ["RNN: mse 0.1"]


def test_timeline_draws_every_snapshot(runs):
    figure = timeline(runs, step=10)
    horizon, metric = [trace for trace in figure.data if trace.name == "RNN"]
    snapshots = runs["rnn"].snapshots
    assert horizon.x == metric.x == tuple(snapshot.step for snapshot in snapshots)
    np.testing.assert_array_equal(horizon.y, [snapshot.decay.horizon for snapshot in snapshots])
    np.testing.assert_array_equal(metric.y, [np.median(snapshot.metric) for snapshot in snapshots])
    thin = next(trace for trace in figure.data if trace.name == "RNN models")  # one line after the other, with gaps
    lines = np.reshape(thin.y, (-1, len(snapshots) + 1))
    np.testing.assert_array_equal(lines[:, :-1].T, [snapshot.decay.horizons for snapshot in snapshots])
    assert np.isnan(lines[:, -1]).all() and tuple(thin.x[: len(snapshots)]) == horizon.x
    assert {shape.x0 for shape in figure.layout.shapes} == {10}
    assert coloured(figure)


def test_what_is_drawn_faint_is_named(decays):
    figure = decay(decays, before=decays, before_name="pass 7")
    assert "pass 7" in legend(figure) and "before training" not in legend(figure)


def test_chance_under_a_longer_name_stands_inside_the_picture(runs):
    memories = {"gru": runs["gru"].memory}
    (usual,), (longer,) = (
        memory(memories, **names).layout.annotations for names in ({}, {"chance_name": "nothing seen"})
    )
    assert (usual.text, usual.xanchor) == ("chance", "left")
    assert (longer.text, longer.xanchor, longer.yanchor) == ("nothing seen", "right", "top")
