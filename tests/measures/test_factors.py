"""What each time step leaves of a gradient: the two parts multiply back to the whole, and are those of autograd."""

import numpy as np
import pytest
import torch
from torch import nn

from analysis import Experiment, record, step_factors
from analysis.measures.factors import measure_factors
from tests.helpers.modules import CELLS, MODULES
from tests.helpers.tapes import make_tape

T, B, D, H = 9, 3, 4, 5


def taped(cell, **settings):
    torch.manual_seed(2)
    module = MODULES[cell](D, H, **settings).double()
    return module, record(module, torch.randn(T, B, D, dtype=torch.float64))


def memory_grad(tape):
    return (tape.hidden_grad if tape.cell_grad is None else tape.cell_grad)[0, -1]  # (T, B, H)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("sample", range(B))
def test_parts_multiply_back_to_the_whole(cell, sample):
    _, tape = taped(cell, num_layers=2)
    found = step_factors(tape, sample=sample)
    norms = np.linalg.norm(memory_grad(tape)[:, sample], axis=-1)
    assert list(found.step) == list(range(1, T))
    np.testing.assert_allclose(found.whole, norms[:-1] / norms[1:], rtol=1e-12)
    np.testing.assert_allclose(found.gates * found.weights, found.whole, rtol=1e-12)
    assert np.prod(found.gates) * np.prod(found.weights) == pytest.approx(norms[0] / norms[-1], rel=1e-11)
    assert found.whole[found.lost] == found.whole.min()


def test_an_rnns_parts_are_its_slope_and_its_weights():
    """g_{t-1} = Wᵀ a_t with a_t = (1 - h_t²) g_t, which is all of it."""
    module, tape = taped("rnn")
    W, g, h = module.weight_hh_l0.detach().numpy(), memory_grad(tape)[:, 0], tape.hidden[0, 0, :, 0]
    a = (1 - h**2) * g
    np.testing.assert_allclose(a[1:] @ W, g[:-1], rtol=1e-10)
    found = step_factors(tape)
    np.testing.assert_allclose(found.gates, (np.linalg.norm(a, axis=1) / np.linalg.norm(g, axis=1))[1:], rtol=1e-12)
    assert found.through == "tanh"


@pytest.mark.parametrize("cell, gate", [("lstm", "forget"), ("gru", "update")])
def test_without_recurrent_weights_all_is_the_gates(cell, gate):
    module, _ = taped(cell)
    with torch.no_grad():
        module.weight_hh_l0.zero_()
    torch.manual_seed(3)
    found = step_factors(record(module, torch.randn(T, B, D, dtype=torch.float64)), sample=1)
    assert found.through == f"{gate} gate"
    np.testing.assert_allclose(found.weights, 1, rtol=1e-12)
    np.testing.assert_allclose(found.whole, found.gates, rtol=1e-12)
    assert (found.gates < 1).all()


def test_lengths_and_a_loss_inside_the_sequence():
    module, _ = taped("gru")
    torch.manual_seed(4)
    inputs = torch.randn(T, B, D, dtype=torch.float64)
    short = step_factors(record(module, inputs, lengths=[4, T, 6]), sample=0)
    alone = step_factors(record(module, inputs[:4, :1]))
    np.testing.assert_allclose(short.whole, alone.whole, rtol=1e-10)
    inside = step_factors(record(module, inputs, lambda out: out[4].sum(1)), sample=2)
    assert list(inside.step) == [1, 2, 3, 4]


def test_what_is_zero_has_no_factor():
    grad = np.ones((1, 1, 4, 1, 2))
    grad[:, :, :2] = 0
    found = step_factors(make_tape(hidden=np.full_like(grad, 0.5), hidden_grad=grad))
    np.testing.assert_array_equal(np.isnan(found.whole), [True, True, False])
    assert found.lost == 2
    nothing = step_factors(make_tape(hidden=np.full_like(grad, 0.5), hidden_grad=0 * grad))
    assert nothing.lost is None


def test_refusals():
    several = make_tape(loss_steps=(0, 1), hidden=np.zeros((1, 1, 2, 1, 1)))
    with pytest.raises(ValueError, match="reads 2 steps"):
        step_factors(several)
    with pytest.raises(ValueError, match="a tape of steps"):
        step_factors(make_tape(model="steps", activation="unknown"))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
def test_an_experiments_sequence(cell, activation):
    found = measure_factors(Experiment(cell=cell, activation=activation, length=8, hidden_size=4, seeds=2), 3)
    np.testing.assert_allclose(found.gates * found.weights, found.whole, rtol=1e-12)
    assert list(found.reads) == ["symbol", "cue"] and list(found.reads["cue"]) == [7]
    other = measure_factors(Experiment(cell=cell, activation=activation, length=8, hidden_size=4, seeds=2), 99)
    assert len(other.step) == 7


def test_relu_units_that_are_off_hold_the_gradient_back():
    torch.manual_seed(0)
    module = nn.RNN(D, H, nonlinearity="relu").double()
    tape = record(module, torch.randn(T, B, D, dtype=torch.float64))
    found = step_factors(tape)
    g, on = memory_grad(tape)[:, 0], tape.hidden[0, 0, :, 0] > 0
    np.testing.assert_allclose(found.gates, (np.linalg.norm(on * g, axis=1) / np.linalg.norm(g, axis=1))[1:])
