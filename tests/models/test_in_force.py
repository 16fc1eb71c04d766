"""What is in force: biases, gains and eigenvalues against numpy, closed forms of time scales."""

import numpy as np
import pytest
import torch
from torch import nn

from analysis import bias_for_half_life, record, time_scales, weights_in_force
from analysis.answers import half_life_of_bias
from tests.helpers.modules import MODULES

BLOCKS = {"rnn": ["state"], "lstm": ["input", "forget", "candidate", "output"], "gru": ["reset", "update", "candidate"]}
H = 5


@pytest.mark.parametrize("cell", MODULES)
def test_gain_and_eigenvalues_are_those_of_numpy(cell):
    torch.manual_seed(0)
    module = MODULES[cell](3, H, 2, bidirectional=True)
    for direction, suffix in (("forward", ""), ("backward", "_reverse")):
        found = weights_in_force(module, direction=direction)
        assert list(found.gain) == list(found.eigenvalues) == BLOCKS[cell]
        for k, layer in enumerate(("l0", "l1")):
            whole = getattr(module, f"weight_hh_{layer}{suffix}").detach().double().numpy()
            for place, block in enumerate(BLOCKS[cell]):
                matrix = whole[place * H : (place + 1) * H]
                assert found.gain[block][0, k] == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-12)
                real, imaginary = found.eigenvalues[block][0, k].T
                same = np.sort_complex(real + 1j * imaginary)
                assert np.allclose(same, np.sort_complex(np.linalg.eigvals(matrix)), atol=1e-10)
                assert found.radius[block][0, k] == pytest.approx(np.abs(same).max())


def test_with_a_projection_they_are_those_of_both_matrices():
    torch.manual_seed(0)
    module = nn.LSTM(3, H, proj_size=2)
    weight, projection = (getattr(module, name).detach().double().numpy() for name in ("weight_hh_l0", "weight_hr_l0"))
    product = projection @ weight[H : 2 * H]
    found = weights_in_force(module)
    assert found.gain["forget"][0, 0] == pytest.approx(np.linalg.norm(product, 2))
    assert found.eigenvalues["forget"].shape == (1, 1, 2, 2)


@pytest.mark.parametrize("kind, gate, place", [(nn.LSTM, "forget", 1), (nn.GRU, "update", 1)])
def test_both_biases_are_in_force(kind, gate, place):
    """The recipe that fills both vectors with 1 gives 2."""
    torch.manual_seed(0)
    module = kind(3, H, 2)
    own = slice(place * H, (place + 1) * H)
    with torch.no_grad():
        module.bias_ih_l1[own] = 1
        module.bias_hh_l1[own] = 1
    found = weights_in_force(module)
    assert found.gate == gate and found.bias.shape == (1, 2, H)
    assert (found.bias[0, 1] == 2).all() and (found.input_bias[0, 1] == 1).all()
    assert np.allclose(found.bias[0, 0], (module.bias_ih_l0 + module.bias_hh_l0)[own].detach())


def test_without_a_bias_or_a_gate():
    assert (weights_in_force(nn.GRU(3, H, bias=False)).bias == 0).all()
    rnn = weights_in_force(nn.RNNCell(3, H))
    assert rnn.gate is None and rnn.bias.size == 0


def test_of_one_layer_of_a_model_of_several_alike_and_under_weight_norm():
    torch.manual_seed(0)
    model = nn.ModuleDict({"a": nn.GRU(3, H), "b": nn.LSTM(3, H)})
    assert weights_in_force(model, part="b").cell == "lstm"
    with pytest.raises(ValueError, match=r"part=None: expected the name of one layer, a .*, b"):
        weights_in_force(model)
    assert weights_in_force(nn.ModuleDict({"cell": nn.GRUCell(3, H)})).gate == "update"
    pair = [nn.GRU(3, H), nn.GRU(3, H)]
    both = weights_in_force(pair)
    assert np.array_equal(both.bias[1:], weights_in_force(pair[1]).bias)
    normed = nn.utils.parametrizations.weight_norm(nn.GRU(3, H), "weight_hh_l0")
    with torch.no_grad():
        normed.parametrizations.weight_hh_l0.original0 *= 3
    gain = weights_in_force(normed).gain["reset"][0, 0]
    assert gain == pytest.approx(np.linalg.norm(normed.weight_hh_l0[:H].detach().double().numpy(), 2), rel=1e-6)


@pytest.mark.parametrize("steps", [0.5, 1, 7, 100, 1e5])
def test_a_bias_for_a_half_life_gives_it(steps):
    bias = bias_for_half_life(steps)
    gate = 1 / (1 + np.exp(-bias))
    assert gate**steps == pytest.approx(0.5)
    assert half_life_of_bias(bias) == pytest.approx(steps)


@pytest.mark.parametrize("steps", [0, -1, float("inf"), float("nan")])
def test_no_bias_gives_such_a_half_life(steps):
    with pytest.raises(ValueError, match="expected a half-life above 0"):
        bias_for_half_life(steps)


@pytest.mark.parametrize("kind, start", [(nn.LSTM, H), (nn.GRU, H)])
def test_time_scales_follow_from_the_bias_alone(kind, start):
    """With no weights, a gate is the sigmoid of its bias."""
    module = kind(3, H)
    biases = [bias_for_half_life(half_life) for half_life in (1, 2, 5, 20, 100)]
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.bias_ih_l0[start : start + H] = torch.tensor(biases)
    found = time_scales(record(module, torch.ones(9, 2, 3)))
    assert np.allclose(found[0, 0] * np.log(2), [1, 2, 5, 20, 100], rtol=1e-4)


def test_a_gate_of_one_keeps_for_ever():
    module = nn.LSTM(3, H)
    with torch.no_grad():
        module.bias_ih_l0[H : 2 * H] = torch.tensor([60.0] * (H - 1) + [-2000.0])
    found = time_scales(record(module, torch.ones(7, 3, 3)))[0, 0]
    assert found.tolist() == [np.inf] * (H - 1) + [0]


def test_an_rnn_has_no_time_scales():
    with pytest.raises(ValueError, match="only an LSTM or a GRU has gates"):
        time_scales(record(nn.RNN(3, H), torch.ones(9, 2, 3)))
