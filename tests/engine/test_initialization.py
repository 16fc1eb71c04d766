"""How weights start: torch's own bit for bit, and every other initialisation as it is defined."""

from itertools import product

import pytest
import torch
from torch import nn

from analysis import Experiment
from analysis.engine.initialization import initial_weights
from tests.helpers.modules import CELLS, MODULES

BLOCKS = {"rnn": ("state",), "lstm": ("input", "forget", "candidate", "output"), "gru": ("reset", "update", "new")}
KEEP = {"lstm": "forget", "gru": "update"}
SIZES = [(10, 32, 1, 8), (3, 7, 2, 5), (1, 1, 3, 1), (98, 65, 1, 98), (2, 100, 2, 1), (10, 512, 1, 8)]  # D, H, L, O
D, O = 6, 4  # noqa: E741


def drawn(cell, **settings):
    experiment = Experiment(**{"cell": cell, "hidden_size": 8, "seeds": 2, "layers": 2, **settings})
    return initial_weights(experiment, D, O)[0]


def block(weights, cell, kind, layer, name):
    """One gate's rows of a parameter, (S, H, ...)."""
    parameter = weights[f"{kind}_l{layer}"]
    k, H = BLOCKS[cell].index(name), parameter.shape[1] // len(BLOCKS[cell])
    return parameter[:, k * H : (k + 1) * H]


@pytest.mark.parametrize(("cell", "sizes"), list(product(CELLS, SIZES)))
def test_the_default_is_torchs_bit_for_bit(cell, sizes):
    inputs, H, layers, outputs = sizes
    experiment = Experiment(cell=cell, hidden_size=H, layers=layers, seeds=2, seed=41)
    weights, generators = initial_weights(experiment, inputs, outputs)
    for s in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(41 + s)
            module, head = MODULES[cell](inputs, H, layers), nn.Linear(H, outputs)
            state = torch.get_rng_state()
        wanted = {**module.state_dict(), "readout.weight": head.weight, "readout.bias": head.bias}
        assert list(weights) == list(wanted)
        for name, parameter in wanted.items():
            assert torch.equal(weights[name][s], parameter), name
        assert torch.equal(generators[s].get_state(), state)  # the data go on where torch would


@pytest.mark.parametrize("H", [*range(1, 129), 200, 256, 300, 511, 512])
def test_the_range_is_torchs_at_every_size(H):
    weights, _ = initial_weights(Experiment(cell="rnn", hidden_size=H, seeds=1, seed=3), 2, 3)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module, head = nn.RNN(2, H), nn.Linear(H, 3)
    assert torch.equal(weights["weight_hh_l0"][0], module.weight_hh_l0)
    assert torch.equal(weights["readout.weight"][0], head.weight)
    assert torch.equal(weights["readout.bias"][0], head.bias)


@pytest.mark.parametrize("init", ["default", "orthogonal", "identity", "chrono"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_seed_gives_the_same_whoever_is_drawn_beside_it(cell, init):
    if (cell, init) == ("rnn", "chrono"):
        with pytest.raises(ValueError, match="init='chrono'"):
            drawn(cell, init=init)
        return
    together, alone = drawn(cell, init=init, seeds=5, seed=10), drawn(cell, init=init, seeds=1, seed=13)
    for name, weight in alone.items():
        assert torch.equal(together[name][3], weight[0]), name
    assert not torch.equal(together["weight_ih_l0"][0], together["weight_ih_l0"][1])


@pytest.mark.parametrize("gain", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("cell", CELLS)
def test_orthogonal_in_every_block(cell, gain):
    weights = drawn(cell, init="orthogonal", gain=gain)
    for layer, name in product((0, 1), BLOCKS[cell]):
        values = torch.linalg.svdvals(block(weights, cell, "weight_hh", layer, name).double())
        torch.testing.assert_close(values, torch.full_like(values, gain), rtol=1e-5, atol=0)
    blocks = [block(weights, cell, "weight_hh", 0, name) for name in BLOCKS[cell]]
    assert all(not torch.equal(blocks[0], other) for other in blocks[1:])


@pytest.mark.parametrize("cell", CELLS)
def test_identity_in_every_block(cell):
    weights = drawn(cell, init="identity", gain=1.5)
    for layer, name in product((0, 1), BLOCKS[cell]):
        assert (block(weights, cell, "weight_hh", layer, name) == 1.5 * torch.eye(8)).all()


@pytest.mark.parametrize("init", ["default", "orthogonal", "identity"])
@pytest.mark.parametrize("cell", CELLS)
def test_gain_multiplies_the_recurrent_weights_alone(cell, init):
    plain, doubled = drawn(cell, init=init), drawn(cell, init=init, gain=2)
    for name, weight in plain.items():
        factor = 2 if name.startswith("weight_hh") else 1
        assert torch.equal(doubled[name], factor * weight), name


@pytest.mark.parametrize("init", ["orthogonal", "identity"])
@pytest.mark.parametrize("cell", CELLS)
def test_an_init_of_recurrent_weights_leaves_the_others_torchs(cell, init):
    plain, other = drawn(cell), drawn(cell, init=init)
    for name, weight in plain.items():
        assert torch.equal(other[name], weight) == (not name.startswith("weight_hh")), name


@pytest.mark.parametrize("length", [2, 3, 30, 1000])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_chrono_spreads_the_time_constants(cell, length):
    weights = drawn(cell, init="chrono", length=length, hidden_size=256)
    for layer in (0, 1):
        keep = block(weights, cell, "bias_ih", layer, KEEP[cell])
        assert (block(weights, cell, "bias_hh", layer, KEEP[cell]) == 0).all()
        times = keep.double().exp()
        longest = max(length - 1, 1)
        assert times.min() >= 1 - 1e-6
        assert times.max() <= longest * (1 + 1e-6)
        assert times.mean() == pytest.approx((1 + longest) / 2, rel=0.1)  # of 512 uniform draws
        if cell == "lstm":
            assert torch.equal(block(weights, cell, "bias_ih", layer, "input"), -keep)
            assert (block(weights, cell, "bias_hh", layer, "input") == 0).all()
    untouched = {"lstm": ("candidate", "output"), "gru": ("reset", "new")}[cell]
    plain = drawn(cell, length=length, hidden_size=256)
    for name in untouched:
        assert torch.equal(block(weights, cell, "bias_ih", 0, name), block(plain, cell, "bias_ih", 0, name))


@pytest.mark.parametrize("value", [-10, -1.5, 0, 1, 10])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_forget_bias_is_the_whole_bias_of_the_gate_that_keeps(cell, value):
    weights, plain = drawn(cell, forget_bias=value), drawn(cell)
    for layer, name in product((0, 1), BLOCKS[cell]):
        for kind in ("bias_ih", "bias_hh"):
            found = block(weights, cell, kind, layer, name)
            if name == KEEP[cell]:
                assert (found == (value if kind == "bias_ih" else 0)).all()
            else:
                assert torch.equal(found, block(plain, cell, kind, layer, name))
    assert torch.equal(weights["weight_hh_l0"], plain["weight_hh_l0"])


@pytest.mark.parametrize("init", ["default", "orthogonal", "chrono"])
def test_the_global_generator_is_left_alone(init):
    before = torch.get_rng_state()
    drawn("gru", init=init)
    assert torch.equal(torch.get_rng_state(), before)
