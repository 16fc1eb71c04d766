"""Decay by hand: norms, rate, half-life, horizon, the carry, and what is refused."""

from itertools import product
from math import exp, inf, log, nan

import numpy as np
import pytest
import torch

from analysis import carry_decay, gradient_decay, record
from analysis.engine.unroll import Unroll
from analysis.measures.decay import at_threshold, carry_norms, decay_of_norms, gradient_norms
from analysis.results import GRADIENTS
from tests.helpers.modules import CELLS, MODULES
from tests.helpers.tapes import make_tape

HORIZONS = [  # relative by distance, threshold, horizon, whether it is the whole sequence
    ([1, 0.5, 0.1, 0.001], 0.01, 2, False),
    ([1, 0.5, 0.1, 0.01], 0.01, 3, True),
    ([1, 2, 4, 8], 0.01, 3, True),
    ([1, 0.001, 0.001, 0.5], 0.01, 0, False),
    ([1, 0.5, 0.001, 0.5], 0.01, 1, False),
    ([1, 1, 1, 0.9], 1.0, 2, False),
]


def decay(curve, threshold=0.01):
    """Of one model and one sample."""
    return decay_of_norms(np.array(curve, float)[None, :, None], "memory", threshold)


def module(cell, D=3, H=6, layers=1, seed=0):
    torch.manual_seed(seed)
    return MODULES[cell](D, H, layers)


# Rate, half-life, horizon


@pytest.mark.parametrize(("curve", "threshold", "horizon", "censored"), HORIZONS)
def test_horizon(curve, threshold, horizon, censored):
    found = decay(curve, threshold)
    assert (found.horizon, bool(found.censored)) == (horizon, censored)
    np.testing.assert_array_equal(found.horizons, [horizon])
    np.testing.assert_array_equal(found.distance, range(4))


@pytest.mark.parametrize(
    ("of", "curve", "horizon", "censored"),
    [
        ("weights", [1, 0.5, 0.1, 0], 2, True),
        ("weights", [1, 0.5, 0.1, 0.1], 3, True),  # from a state that isn't zero
        ("weights", [1, 0.5, 0.001, 0], 1, False),
        ("memory", [1, 0.5, 0.1, 0], 2, False),
    ],
)
def test_the_horizon_of_weights_ends_where_a_step_can_add_something(of, curve, horizon, censored):
    found = decay_of_norms(np.array(curve, float)[None, :, None], of)
    assert (found.horizon, found.censored) == (horizon, censored)


def test_weights_that_all_steps_add_to_have_the_whole_sequence_as_horizon():
    unroll = Unroll("rnn", "identity", {"weight_ih_l0": torch.ones(1, 1, 1), "weight_hh_l0": torch.ones(1, 1, 1)}, 5, 2)
    unroll.start()
    unroll.forward(torch.ones(5, 2, 1))
    unroll.backward(torch.ones(1, 1, 2))
    found = gradient_decay(unroll.tape(), "weights")
    np.testing.assert_allclose(found.relative, [1, 3 / 4, 2 / 4, 1 / 4, 0])  # as the state before each step
    assert (found.horizon, found.censored) == (3, True)


@pytest.mark.parametrize("scale", [1, 1e-300, 1e-20, 1e200])
def test_a_curve_doesnt_depend_on_its_size(scale):
    found = decay([scale, scale / 2, scale / 4, scale / 8])
    np.testing.assert_allclose(found.relative, [1, 0.5, 0.25, 0.125])
    assert found.rate == pytest.approx(-log(2))
    assert found.half_life == pytest.approx(1)
    assert found.factor == pytest.approx(0.5)
    assert found.r_squared == pytest.approx(1)


def test_a_flat_or_growing_curve_has_no_half_life():
    flat, growing = decay([2, 2, 2, 2]), decay([1, 3, 9, 27])
    assert (flat.rate, flat.factor, flat.half_life, flat.r_squared) == (0, 1, inf, 1)
    assert (growing.half_life, growing.horizon) == (inf, 3)
    assert growing.factor == pytest.approx(3)


def test_least_squares_by_hand():
    """ln relative = 0, -1, -4 at k = 0, 1, 2: slope -2, r² = 8 / (26/3)."""
    found = decay([1, exp(-1), exp(-4)])
    assert found.rate == pytest.approx(-2)
    assert found.r_squared == pytest.approx(8 / (26 / 3))


def test_the_fit_leaves_out_what_is_below_floating_point():
    found = decay([1, 1e-100, 1e-200, 1e-300, 1e-320, 0, 0])
    assert found.rate == pytest.approx(-100 * log(10))
    assert found.horizon == 0


def test_one_step_alone_has_no_rate():
    found = decay([3.0])
    assert np.isnan([found.rate, found.half_life, found.factor, found.r_squared]).all()
    assert found.horizon == 0


def test_medians_and_percentiles_by_hand():
    norms = np.empty((2, 2, 3))
    norms[:, 0], norms[:, 1] = 2.0, [[0.2, 0.4, 0.6], [0.8, 1.0, 1.8]]
    found = decay_of_norms(norms, "memory")
    ratios = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.9])
    np.testing.assert_allclose(found.norm, [2, 0.7])
    np.testing.assert_allclose(found.mean_square, [4, np.mean((2 * ratios) ** 2)])
    np.testing.assert_allclose(found.relative, [1, 0.35])
    np.testing.assert_allclose(found.relatives, [[1, 0.2], [1, 0.5]])
    np.testing.assert_allclose([found.low[1], found.high[1]], np.percentile(ratios, [5, 95]))
    np.testing.assert_allclose(found.rates, np.log([0.2, 0.5]))


@pytest.mark.parametrize("bad", [nan, inf])
def test_a_model_out_of_the_finite_range_is_excluded_and_counted(bad):
    norms = np.ones((3, 4, 2)) * 0.5 ** np.arange(4)[:, None]
    norms[1, 3, 0] = bad
    found, without = decay_of_norms(norms, "memory"), decay_of_norms(norms[[0, 2]], "memory")
    assert (found.excluded, without.excluded) == (1, 0)
    for name in ("norm", "mean_square", "relative", "low", "high", "rate", "horizon"):
        np.testing.assert_array_equal(getattr(found, name), getattr(without, name))
    for name in ("rates", "half_lives", "horizons"):
        np.testing.assert_array_equal(np.isnan(getattr(found, name)), [False, True, False])


def test_no_model_left_is_undefined():
    found = decay_of_norms(np.full((2, 4, 3), nan), "memory")
    assert found.excluded == 2
    assert np.isnan([found.rate, found.factor, found.half_life, found.horizon]).all()
    assert np.isnan(found.relative).all()
    assert not found.censored


def test_a_sample_without_gradient_has_no_ratio():
    norms = np.array([1, 0.5, 0.25])[None, :, None] * np.array([1.0, 0.0, 3.0])
    found = decay_of_norms(norms, "memory")
    assert found.excluded == 0
    np.testing.assert_allclose(found.relative, [1, 0.5, 0.25])
    np.testing.assert_allclose(found.norm, [1, 0.5, 0.25])  # the median of 0, 1, 3
    nothing = decay([0, 0, 0])
    assert np.isnan(nothing.relative).all()
    np.testing.assert_array_equal(nothing.norm, [0, 0, 0])


@pytest.mark.parametrize("curve", [[1e-10, 1e300], [1e-300, 1, 1e300], [5e-324, 1, 2]])
def test_a_model_that_grows_beyond_floating_point_is_excluded_and_counted(curve):
    """Its norms are finite, their ratio isn't."""
    norms = np.stack([np.array(curve), np.ones(len(curve))])[:, :, None]
    found = decay_of_norms(norms, "memory")
    assert found.excluded == 1
    np.testing.assert_array_equal(found.relative, 1)
    assert decay(curve).excluded == 1


def test_a_single_step_that_trains_is_no_whole_sequence():
    found = decay_of_norms(np.array([[[1.0], [0.0]]]), "weights")
    assert (found.furthest, found.horizon, found.censored) == (0, 0, False)


@pytest.mark.parametrize("threshold", [0, -1, 1.5, nan, inf])
def test_a_bad_threshold_is_named(threshold):
    with pytest.raises(ValueError, match=rf"threshold={threshold}.*above 0, at most 1"):
        decay([1, 0.5], threshold)


# Of a tape


@pytest.mark.parametrize(("cell", "of", "layer"), list(product(CELLS, GRADIENTS, (-1, 0))))
def test_of_every_kind_is_the_norm_of_its_array(cell, of, layer):
    tape = record(module(cell, layers=2), torch.randn(7, 4, 3), at=-1)
    if of == "cell" and cell != "lstm":
        with pytest.raises(ValueError, match=f"of='cell'.*{cell}"):
            gradient_decay(tape, of)
        return
    array = {
        "memory": (tape.cell_grad if cell == "lstm" else tape.hidden_grad)[:, layer],
        "hidden": tape.hidden_grad[:, layer],
        "cell": None if cell != "lstm" else tape.cell_grad[:, layer],
        "input": tape.input_grad,
        "weights": tape.weight_grad[:, layer][..., None],
    }[of]
    wanted = np.linalg.norm(array, axis=-1)[:, ::-1]
    np.testing.assert_allclose(gradient_norms(tape, of, layer), wanted, rtol=1e-13)
    found = gradient_decay(tape, of, layer)
    assert found.of == of
    np.testing.assert_allclose(found.norm, np.median(wanted[0], axis=1), rtol=1e-13)
    np.testing.assert_allclose(found.relative, np.median(wanted[0] / wanted[0, 0], axis=1), rtol=1e-12)


def test_distance_counts_from_the_step_the_loss_reads():
    net, x = module("gru"), torch.randn(9, 4, 3)
    found = gradient_decay(record(net, x, lambda output: output[5].sum(-1)))
    np.testing.assert_array_equal(found.distance, range(6))
    wanted = gradient_decay(record(net, x[:6], lambda output: output[5].sum(-1)))
    np.testing.assert_allclose(found.relative, wanted.relative, rtol=1e-12)


def test_distance_counts_from_each_samples_own_last_step():
    """Three samples of 4, 2 and 1 of 4 steps; the norms of sample b at step t are 10 b + t."""
    S, T, B = 2, 4, 3
    norms = 10.0 * np.arange(B) + np.arange(T)[:, None]  # (T, B)
    arrays = {"hidden_grad": np.broadcast_to(norms[:, :, None], (S, 1, T, B, 1)), "hidden": np.zeros((S, 1, T, B, 1))}
    tape = make_tape(**arrays, lengths=np.array([4, 2, 1]))
    wanted = [[3, 11, 20], [2, 10, nan], [1, nan, nan], [0, nan, nan]]
    np.testing.assert_array_equal(gradient_norms(tape, "hidden"), [wanted] * S)
    one_before = make_tape(**arrays, lengths=np.array([4, 2, 1]), loss_steps=(T - 2,))
    np.testing.assert_array_equal(
        gradient_norms(one_before, "hidden"), [[[2, 10, nan], [1, nan, nan], [0, nan, nan]]] * S
    )
    np.testing.assert_array_equal(gradient_norms(make_tape(**arrays), "hidden"), [norms[::-1]] * S)


def test_the_carry_goes_through_the_gate_that_the_tape_names():
    gate = np.full((1, 1, 4, 2, 1), 0.5)
    tape = make_tape(model="mine", hidden=1 + gate, gates={"leak": gate}, keep_gate="leak")
    np.testing.assert_array_equal(carry_decay(tape).relative, [1, 0.5, 0.25, 0.125])


@pytest.mark.parametrize("measure", [gradient_decay, carry_decay])
def test_a_loss_on_several_steps_is_refused(measure):
    tape = record(module("lstm"), torch.randn(7, 4, 3), lambda output: output.square().sum((0, 2)))
    with pytest.raises(ValueError, match=r"loss reads 7 steps.*at=-1"):
        measure(tape)
    nothing = record(module("lstm"), torch.randn(7, 4, 3), lambda output: output.sum() * 0)
    with pytest.raises(ValueError, match="gradient is zero everywhere"):
        measure(nothing)


@pytest.mark.parametrize("of", ["", "Hidden", "gates", None, 0])
def test_a_bad_of_is_named(of):
    with pytest.raises(ValueError, match=f"of={of!r}: expected one of memory, hidden, cell, input, weights"):
        gradient_decay(record(module("rnn"), torch.randn(4, 2, 3)), of)


@pytest.mark.parametrize("measure", [gradient_decay, carry_decay])
@pytest.mark.parametrize("layer", [2, -3, 99])
def test_a_layer_there_isnt_is_named(measure, layer):
    with pytest.raises(ValueError, match=f"layer={layer}: expected -2 to 1 for 2 layers"):
        measure(record(module("gru", layers=2), torch.randn(4, 2, 3)), layer=layer)


# The carry


@pytest.mark.parametrize("layer", [0, -1])
@pytest.mark.parametrize(("cell", "gate"), [("lstm", "forget"), ("gru", "update")])
def test_the_carry_is_the_product_of_the_gates(cell, gate, layer):
    tape = record(module(cell, layers=2), torch.randn(6, 4, 3))
    g = (tape.cell_grad if cell == "lstm" else tape.hidden_grad)[0, layer, -1]
    wanted = []
    for k in range(6):
        wanted.append(np.linalg.norm(g, axis=-1))
        g = g * tape.gates[gate][0, layer, 5 - k]
    norms, carried = carry_norms(tape, layer)
    np.testing.assert_allclose(norms[0], wanted, rtol=1e-13)
    np.testing.assert_allclose(carried[0], g, rtol=1e-13)
    found = carry_decay(tape, layer)
    assert found.of == "carry"
    np.testing.assert_allclose(found.norm, np.median(wanted, axis=1), rtol=1e-13)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_without_recurrent_weights_the_carry_is_the_gradient(cell):
    net = module(cell)
    torch.nn.init.zeros_(net.weight_hh_l0)
    tape = record(net, torch.randn(12, 4, 3))
    found, carry = gradient_decay(tape), carry_decay(tape)
    for name in ("norm", "relative", "low", "high"):
        np.testing.assert_allclose(getattr(carry, name), getattr(found, name), rtol=1e-12)
    assert carry.rate == pytest.approx(found.rate)


def test_an_rnn_has_no_carry():
    with pytest.raises(ValueError, match=r"rnn.*only an LSTM or a GRU"):
        carry_decay(record(module("rnn"), torch.randn(4, 2, 3)))


def test_a_relu_that_overflows_is_left_out_though_its_gradient_comes_back_as_zeros():
    torch.manual_seed(0)
    modules = [torch.nn.RNN(2, 4, nonlinearity="relu") for _ in range(2)]
    with torch.no_grad():
        modules[1].weight_hh_l0.fill_(1e30)
    tape = record([module.double() for module in modules], torch.rand(50, 3, 2))
    assert not np.isfinite(tape.hidden[1]).all()
    decay = gradient_decay(tape)
    assert decay.excluded == 1
    assert np.isnan(decay.relatives[1]).all() and np.isfinite(decay.relatives[0]).all()


def test_a_lower_layer_that_overflows_is_left_out_though_the_top_is_finite():
    net = torch.nn.RNN(1, 1, 2, nonlinearity="relu", bias=False).double()
    with torch.no_grad():
        for weight, value in zip(net.parameters(), (1, 3, -1, 1), strict=True):  # in, over time; in, over time
            weight.fill_(value)
    tape = record(net, torch.ones(800, 2, 1))
    assert np.isfinite(tape.hidden[:, 1]).all() and not np.isfinite(tape.hidden[:, 0]).all()
    for of in ("memory", "input", "weights"):
        assert gradient_decay(tape, of).excluded == 1


@pytest.mark.parametrize(("cell", "gate"), [("lstm", 1), ("gru", 1)])
def test_rounding_below_floating_point_bends_no_curve(cell, gate):
    """Below the smallest normal number a product rounds to what it was, and a decay would end in a plateau."""
    net = module(cell, H=16)
    with torch.no_grad():
        net.bias_ih_l0[16 * gate : 16 * (gate + 1)] += 1
    inputs = torch.randn(600, 4, 3)
    exact, single = (record(net, inputs, dtype=dtype) for dtype in (torch.float64, torch.float32))
    small = record(net, torch.cat([inputs] * 6), lambda output: output[-1].sum(-1) * 1e-20)
    for measure in (gradient_decay, carry_decay):
        wanted = measure(exact)
        assert (wanted.relative > 0).all()
        ended = measure(single)
        assert (ended.relative[-50:] == 0).all()
        for found, tolerance in ((ended, 0.02), (measure(small), 0.02)):
            assert found.rate == pytest.approx(wanted.rate, rel=tolerance)
            assert found.r_squared > 0.999


def test_at_another_threshold_it_is_what_would_have_been_measured():
    norms = np.random.default_rng(0).lognormal(size=(3, 20, 5)).cumprod(1)
    norms[2, 5:] = np.nan
    for threshold in (0.001, 0.5, 1.0):
        found, wanted = (
            at_threshold(decay_of_norms(norms, "memory"), threshold),
            decay_of_norms(norms, "memory", threshold),
        )
        assert (found.threshold, found.horizon) == (threshold, wanted.horizon)
        np.testing.assert_array_equal(found.horizons, wanted.horizons)
        assert found.rate == wanted.rate
