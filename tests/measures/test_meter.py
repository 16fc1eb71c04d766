"""Measuring in pieces is measuring in one go; the numbers are those of a tape."""

from itertools import pairwise

import numpy as np
import pytest

import analysis.measures.meter
from analysis import Experiment, activation_bounds, carry_decay, gate_saturation, gradient_decay, measure_untrained
from analysis.engine.initialization import initial_weights
from analysis.engine.network import pieces
from analysis.measures.meter import Meter
from analysis.tasks.registry import build_task
from tests.helpers.modules import CELLS

CUTS = [(1, 500), (500, 500), (501, 500), (1000, 500), (1001, 500), (7, 3), (7, 1), (100_000, 500)]


def untrained(length=13, **settings):
    experiment = Experiment(**{"hidden_size": 5, "seeds": 3, "layers": 2, "length": length, **settings})
    task = build_task(experiment)
    return experiment, task, initial_weights(experiment, task.inputs, task.outputs)[0]


def same_decay(found, wanted):
    assert (found.of, found.excluded) == (wanted.of, wanted.excluded)
    np.testing.assert_array_equal(found.distance, wanted.distance)
    for name in ("norm", "mean_square", "relative", "low", "high", "relatives", "rate", "r_squared", "rates"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-9, atol=0, err_msg=name)
    np.testing.assert_array_equal(found.horizons, wanted.horizons)


def same(found, wanted):
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-12)
    assert found.decays.keys() == wanted.decays.keys()
    for kind, decay in wanted.decays.items():
        same_decay(found.decays[kind], decay)
    assert found.saturation.keys() == wanted.saturation.keys()
    for name, gate in wanted.saturation.items():
        np.testing.assert_array_equal(found.saturation[name].counts, gate.counts)
        for end in ("left", "right"):
            if getattr(gate, end) is None:
                assert getattr(found.saturation[name], end) is None
            else:
                np.testing.assert_allclose(getattr(found.saturation[name], end), getattr(gate, end), atol=1e-12)
    for name in ("hidden", "cell", "saturated"):
        if getattr(wanted.bounds, name) is not None:
            np.testing.assert_allclose(getattr(found.bounds, name), getattr(wanted.bounds, name), rtol=1e-12)
    assert found.bounds.overflow_step == wanted.bounds.overflow_step


@pytest.mark.parametrize(("T", "longest"), CUTS)
def test_pieces_cover_every_step_once(T, longest):
    cut = pieces(T, longest)
    sizes = [piece.stop - piece.start for piece in cut]
    assert (cut[0].start, cut[-1].stop) == (0, T)
    assert all(a.stop == b.start for a, b in pairwise(cut))
    assert 1 <= min(sizes) <= max(sizes) <= longest
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("longest", [1, 4, 5, 12])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("cell", CELLS)
def test_in_pieces_as_in_one_go(cell, activation, longest, monkeypatch):
    experiment, task, weights = untrained(cell=cell, activation=activation)
    whole = Meter(experiment, task).measure(weights)
    monkeypatch.setattr(analysis.measures.meter, "pieces", lambda T: pieces(T, longest))
    cut = Meter(experiment, task)
    assert len(cut.pieces) == -(-13 // longest)
    same(cut.measure(weights), whole)
    same(cut.measure(weights), whole)  # on buffers used before
    for kind, decay in cut.decays(weights).items():
        same_decay(decay, whole.decays[kind])


@pytest.mark.parametrize("longest", [3, 4, 5, 13])
@pytest.mark.parametrize("cell", CELLS)
def test_truncation_cuts_what_it_leaves_as_it_was(cell, longest, monkeypatch):
    """Windows of 4 of 13 steps: the last one is a single step; of 5: three steps."""
    experiment, task, weights = untrained(cell=cell)
    whole = Meter(experiment, task).measure(weights)
    monkeypatch.setattr(analysis.measures.meter, "pieces", lambda T: pieces(T, longest))
    for truncate, left in ((4, 1), (5, 3), (12, 1), (13, None), (50, None)):
        found = Meter(experiment.replace(truncate=truncate), task).measure(weights).decays
        for kind, decay in whole.decays.items():
            cut = None if kind == "carry" else left
            assert found[kind].cut == cut
            np.testing.assert_allclose(found[kind].relatives[:, :cut], decay.relatives[:, :cut], rtol=1e-9)
            assert cut is None or not found[kind].high[cut:].any()
            assert cut is None or (found[kind].horizon <= found[kind].furthest == cut - 1)


@pytest.mark.parametrize("task", ["copy", "text", "adding"])
def test_every_task_in_pieces(task, monkeypatch):
    experiment, built, weights = untrained(cell="lstm", task=task)
    whole = Meter(experiment, built).measure(weights)
    monkeypatch.setattr(analysis.measures.meter, "pieces", lambda T: pieces(T, 6))
    same(Meter(experiment, built).measure(weights), whole)
    assert len(whole.decay.distance) == built.length


def test_overflow_in_a_later_piece(monkeypatch):
    settings = {"cell": "rnn", "activation": "identity", "init": "identity", "gain": 3, "layers": 1}
    experiment, task, weights = untrained(700, **settings)
    monkeypatch.setattr(analysis.measures.meter, "pieces", lambda T: pieces(T, 700))
    whole = Meter(experiment, task).measure(weights)
    monkeypatch.setattr(analysis.measures.meter, "pieces", lambda T: pieces(T, 90))
    cut = Meter(experiment, task).measure(weights)
    assert 600 < whole.bounds.overflow_step == cut.bounds.overflow_step
    np.testing.assert_allclose(cut.bounds.hidden, whole.bounds.hidden, rtol=1e-9)
    assert whole.decay.excluded == cut.decay.excluded == 3


@pytest.mark.parametrize("task", ["recall", "copy"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_numbers_are_those_of_the_tape(cell, task):
    experiment, built, weights = untrained(cell=cell, task=task)
    meter = Meter(experiment, built)
    measured = meter.measure(weights)
    tape = meter.tape(weights)
    for of in ("memory", "hidden", "input", "weights"):
        same_decay(measured.decays[of], gradient_decay(tape, of))
    if cell == "rnn":
        assert "carry" not in measured.decays
    else:
        same_decay(measured.decays["carry"], carry_decay(tape))
    assert measured.saturation == gate_saturation(tape)
    assert measured.bounds == activation_bounds(tape)
    assert measured.decay == measured.decays["memory"]


def test_a_tape_isnt_overwritten_by_the_next_measurement():
    experiment, task, weights = untrained(cell="lstm", layers=1)
    meter = Meter(experiment, task)
    tape = meter.tape(weights)
    hidden, gates = tape.hidden.copy(), tape.gates["forget"].copy()
    meter.measure({name: weight * 2 for name, weight in weights.items()})
    np.testing.assert_array_equal(tape.hidden, hidden)
    np.testing.assert_array_equal(tape.gates["forget"], gates)


@pytest.mark.parametrize("cell", CELLS)
def test_models_together_are_each_alone(cell):
    together = measure_untrained(Experiment(cell=cell, length=20, hidden_size=8, seeds=3, seed=5))
    for s in range(3):
        alone = measure_untrained(Experiment(cell=cell, length=20, hidden_size=8, seeds=1, seed=5 + s))
        np.testing.assert_array_equal(together.loss[s], alone.loss[0])
        for kind, decay in alone.decays.items():
            np.testing.assert_array_equal(together.decays[kind].relatives[s], decay.relative)
            np.testing.assert_array_equal(together.decays[kind].rates[s], decay.rate)
            np.testing.assert_array_equal(together.decays[kind].horizons[s], decay.horizon)
        for name, gate in alone.saturation.items():
            np.testing.assert_array_equal(together.saturation[name].left[s], gate.left[0])


@pytest.mark.parametrize("cell", CELLS)
def test_a_long_sequence_is_finite_and_the_same_in_any_pieces(cell, monkeypatch):
    experiment, task, weights = untrained(3000, cell=cell, seeds=1, layers=1, init="orthogonal", gain=1.1)
    found = Meter(experiment, task).measure(weights)
    assert len(Meter(experiment, task).pieces) == 6
    assert np.isfinite(found.decay.norm).all()
    assert found.decay.excluded == 0
    monkeypatch.setattr(analysis.measures.meter, "pieces", lambda T: [slice(0, T)])
    whole = Meter(experiment, task).measure(weights)
    for kind, decay in whole.decays.items():
        floor = 1e-290  # below, numbers lose digits
        kept = (decay.norm > floor) | (decay.norm == 0)
        np.testing.assert_allclose(found.decays[kind].norm[kept], decay.norm[kept], rtol=1e-8)
        assert found.decays[kind].rate == pytest.approx(decay.rate, rel=1e-6)
        assert found.decays[kind].horizon == decay.horizon
    np.testing.assert_allclose(found.bounds.hidden, whole.bounds.hidden, rtol=1e-9)


def test_progress_grows_to_one():
    experiment, task, weights = untrained(1200, cell="rnn", seeds=1, layers=1)
    shares = []
    Meter(experiment, task).measure(weights, on_progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert len(shares) == 6
    assert shares[0] > 0


def test_weights_keep_their_bits():
    experiment, task, weights = untrained(cell="gru")
    kept = {name: weight.clone() for name, weight in weights.items()}
    Meter(experiment, task).measure(weights)
    assert all((weights[name] == kept[name]).all() for name in kept)


def test_a_gradient_below_floating_point_ends():
    """Rounding keeps 5e-324 × 0.6 at 5e-324: without care a curve would never reach zero."""
    norms = measure_untrained(Experiment(cell="lstm", length=4000, hidden_size=4, seeds=1)).decay.norm
    below = np.flatnonzero(norms < np.finfo(float).tiny)
    assert len(below)
    assert (norms[below[0] + 500 :] == 0).all()


def test_what_is_undefined_in_a_piece_counts_nowhere(monkeypatch):
    settings = {"cell": "lstm", "activation": "relu", "gain": 3, "init": "identity", "hidden_size": 2, "layers": 1}
    experiment, task, weights = untrained(length=600, **settings)
    wanted = gate_saturation(Meter(experiment, task).tape(weights))
    monkeypatch.setattr(analysis.measures.meter, "pieces", lambda T: pieces(T, 50))
    found = Meter(experiment, task).measure(weights)
    assert found.bounds.overflow_step is not None
    for name, gate in wanted.items():
        np.testing.assert_array_equal(found.saturation[name].counts, gate.counts)
        if gate.left is not None:
            assert np.isfinite(gate.left).all()
            np.testing.assert_allclose(found.saturation[name].left, gate.left, atol=1e-12)
            np.testing.assert_allclose(found.saturation[name].right, gate.right, atol=1e-12)
