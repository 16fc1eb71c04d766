"""Theory beside simulation: predicted and measured rates of wide networks, exact cases, and the bound."""

from math import log, sqrt

import numpy as np
import pytest
import torch
from torch import nn

from analysis import Experiment, gradient_decay, measure_untrained, predicted_decay, predicted_rate, record
from analysis.measures.theory import gradient_bound
from tests.helpers.data import sequences
from tests.helpers.modules import MODULES

ROWS = {"rnn": 1, "lstm": 4, "gru": 3}


def simulated_rate(cell, weight_variance, input_variance, gate_bias, H=256):
    """Slope of ln of the mean square gradient per time step, 30 to 60 time steps back."""
    curves = []
    for seed in range(12 if cell == "rnn" else 3):
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape, generator=generator):
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        D = 128
        module = MODULES[cell](D, H).double()
        with torch.no_grad():
            module.weight_ih_l0.copy_(normal(ROWS[cell] * H, D) * sqrt(input_variance / D))
            module.weight_hh_l0.copy_(normal(ROWS[cell] * H, H) * sqrt(weight_variance / H))
            module.bias_hh_l0.zero_()
            module.bias_ih_l0.zero_()
            module.bias_ih_l0[H : 2 * H] = gate_bias
        curves.append(gradient_decay(record(module, normal(90, 2, D), seed=seed)).mean_square[:61])
    k = np.arange(30, 61)
    return np.polyfit(k, np.log(np.mean(curves, axis=0)[k]), 1)[0]


@pytest.mark.parametrize(
    ("cell", "weight_variance", "input_variance", "gate_bias"),
    [
        ("rnn", 1 / 3, 1.0, 0.0),
        ("rnn", 1.0, 1.0, 0.0),
        ("rnn", 2.0, 0.3, 0.0),
        ("gru", 1 / 3, 0.3, 0.0),
        ("gru", 1.0, 0.3, 1.0),
        ("gru", 1.0, 1.0, 3.0),
        ("gru", 2.0, 0.3, 1.0),
        ("lstm", 1 / 3, 0.3, 0.0),
        ("lstm", 1.0, 0.3, 1.0),
        ("lstm", 1.0, 1.0, 1.0),
        ("lstm", 1 / 3, 1.0, 3.0),
    ],
)
def test_a_wide_network_with_random_inputs_decays_at_the_predicted_rate(
    cell, weight_variance, input_variance, gate_bias
):
    found = simulated_rate(cell, weight_variance, input_variance, gate_bias)
    predicted = predicted_rate(cell, weight_variance, input_variance, gate_bias=gate_bias)
    assert predicted == pytest.approx(found, abs=0.03)


@pytest.mark.parametrize(
    "settings",
    [
        {"cell": "rnn"},
        {"cell": "rnn", "task": "words"},
        {"cell": "lstm"},
        {"cell": "lstm", "init": "chrono", "length": 50},
        {"cell": "lstm", "init": "orthogonal", "gain": 1.5},
        {"cell": "lstm", "forget_bias": 1.0, "task": "words"},
        {"cell": "lstm", "layers": 2},
        {"cell": "gru", "task": "adding"},
        {"cell": "gru", "init": "chrono", "length": 50},
        {"cell": "gru", "gain": 2.0},
        {"cell": "gru", "forget_bias": 3.0},
    ],
)
def test_untrained_models_decay_as_predicted(settings):
    """Their rate within 0.015 nats per time step, and the curve within a fifth at 10 time steps."""
    experiment = Experiment(hidden_size=256, seeds=2, **settings)
    predicted, measured = predicted_decay(experiment), measure_untrained(experiment).decay
    assert predicted.reason is None
    assert predicted.name and predicted.assumption
    np.testing.assert_array_equal(predicted.distance, measured.distance)
    np.testing.assert_allclose(predicted.relative**2, predicted.mean_square)
    assert predicted.relative[0] == 1
    assert predicted.rate == pytest.approx(measured.rate, abs=0.015)
    assert predicted.relative[10] == pytest.approx(measured.relative[10], rel=0.2)


@pytest.mark.parametrize("init", ["orthogonal", "identity"])
def test_linear_networks_with_orthogonal_or_no_mixing_are_predicted_exactly(init):
    experiment = Experiment(cell="rnn", activation="identity", init=init, gain=0.9, hidden_size=8)
    predicted, measured = predicted_decay(experiment), measure_untrained(experiment).decay
    np.testing.assert_allclose(predicted.relative, measured.relative, rtol=1e-5)  # weights are float32
    assert predicted.rate == pytest.approx(log(0.9))
    assert predicted.bound == pytest.approx(log(0.9), abs=1e-6)


def test_the_rate_of_an_rnn_has_its_known_values():
    assert predicted_rate("rnn", 0.25, 0.0) == pytest.approx(log(0.25))
    assert predicted_rate("rnn", 1.0, 0.3) == predicted_rate("rnn", 1.0, 0.1, 0.2)
    assert predicted_rate("rnn", 0.0, 1.0) == -np.inf
    assert predicted_rate("rnn", 1.0, 1e6) < -5  # every unit is saturated


def test_a_larger_gate_bias_keeps_more():
    for cell in ("lstm", "gru"):
        assert predicted_rate(cell, 1.0, 0.1, 0.1, -1.0) < predicted_rate(cell, 1.0, 0.1, 0.1, 1.0)


@pytest.mark.parametrize("length", [1000, 3000])
def test_a_long_curve_is_finite_where_floats_reach(length):
    predicted = predicted_decay(Experiment(cell="rnn", length=length))
    assert (predicted.relative[:1000] > 0).all()
    assert np.isfinite(predicted.rate)
    np.testing.assert_allclose(np.diff(np.log(predicted.relative[:1000])), predicted.rate)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"cell": "rnn", "activation": "relu"}, "for relu"),
        ({"cell": "gru", "activation": "identity"}, "without tanh"),
        ({"cell": "rnn", "init": "identity"}, "units don't mix"),
        ({"cell": "lstm", "init": "identity"}, "units don't mix"),
    ],
)
def test_a_setting_without_theory_says_why(settings, reason):
    predicted = predicted_decay(Experiment(**settings))
    assert reason in predicted.reason
    assert predicted.distance.size == predicted.mean_square.size == predicted.relative.size == 0
    assert np.isnan(predicted.rate)
    assert np.isfinite(predicted.bound) == (settings["cell"] == "rnn")


def test_a_prediction_is_the_same_at_each_call():
    experiment = Experiment(cell="gru")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert predicted_decay(experiment) == predicted_decay(experiment)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tanh", 1.0, 0.0), "expected one of rnn, lstm, gru"),
        (("rnn", -1.0, 0.0), "weight_variance=-1.0: expected a finite number from 0 on"),
        (("gru", 1.0, np.nan), "input_variance=nan"),
        (("gru", 1.0, 0.0, np.inf), "bias_variance=inf"),
        (("lstm", 1.0, 0.0, 0.0, np.inf), "gate_bias=inf: expected a finite number"),
        (("rnn", 1.0, 0.0, 0.0, 1.0), "an RNN has no gate"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        predicted_rate(*arguments)


def largest_growth(weight, T=12):
    """ln of how much the largest gradient grows per time step, at every distance, in a linear network."""
    H = len(weight)
    net = nn.RNN(1, H, bias=False, nonlinearity="relu").double()
    with torch.no_grad():
        net.weight_hh_l0.copy_(weight)
        net.weight_ih_l0.fill_(1.0)
    grown = []
    for unit in range(H):
        tape = record(net, torch.ones(T, 1, 1).double(), lambda output, unit=unit: output[-1, :, unit])
        grown.append(np.log(np.linalg.norm(tape.hidden_grad[0, 0, :, 0], axis=-1))[::-1])
    return np.max(grown, axis=0)[1:] / np.arange(1, T)


def test_the_bound_is_reached_by_a_permutation_and_never_exceeded():
    weight = 1.3 * torch.eye(5).roll(1, 0)
    assert gradient_bound(weight) == pytest.approx(log(1.3), abs=1e-6)
    np.testing.assert_allclose(largest_growth(weight), log(1.3), atol=1e-6)
    assert gradient_bound(weight, 0.25) == pytest.approx(log(1.3 / 4), abs=1e-6)


def test_a_nilpotent_weight_grows_first_though_its_eigenvalues_are_zero():
    weight = torch.zeros(4, 4, dtype=torch.float64)
    weight[1, 0] = weight[2, 1] = weight[3, 2] = 3.0
    bound = gradient_bound(weight)
    assert bound == pytest.approx(log(3))
    with np.errstate(divide="ignore"):
        growth = largest_growth(weight, 5)
    np.testing.assert_allclose(growth[:3], bound)
    assert growth[3] == -np.inf


@pytest.mark.parametrize(
    "settings", [{"gain": 3.0}, {"init": "orthogonal", "gain": 1.1}, {"layers": 2}, {"activation": "relu", "gain": 2.0}]
)
def test_no_model_exceeds_its_bound(settings):
    experiment = Experiment(cell="rnn", seeds=3, **settings)
    decay = measure_untrained(experiment).decay
    bound = predicted_decay(experiment).bound
    assert (np.log(decay.high[1:]) <= bound * decay.distance[1:] + 1e-6).all()


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_truncation_leaves_the_last_window_of_what_is_predicted(cell):
    whole = predicted_decay(Experiment(cell=cell, length=30))
    cut = predicted_decay(Experiment(cell=cell, length=30, truncate=12))  # 12 + 12 + 6 time steps
    np.testing.assert_allclose(cut.relative[:6], whole.relative[:6])
    assert not cut.mean_square[6:].any() and np.isfinite(cut.rate)
    assert np.isnan(predicted_decay(Experiment(cell=cell, length=30, truncate=29)).rate)


def test_sequences_of_ones_own_have_their_own_length(tmp_path):
    file = tmp_path / "own.npz"
    file.write_bytes(sequences())
    assert list(predicted_decay(Experiment(cell="rnn", task="series", data_file=str(file))).distance) == [
        0,
        1,
        2,
        3,
        4,
        5,
    ]
