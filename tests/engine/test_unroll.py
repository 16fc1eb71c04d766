"""The unroll: models together as each alone, in pieces as in one go, run again as the first time."""

import threading
from itertools import pairwise, product

import numpy as np
import pytest
import torch

from analysis.engine.unroll import Unroll, one_thread
from tests.helpers.modules import CELLS

ROWS = {"rnn": 1, "lstm": 4, "gru": 3}
SIZES = [(2, 4, 8), (3, 16, 8), (4, 32, 32), (3, 5, 7), (8, 1, 5), (5, 33, 17)]  # S, B, H
ACTIVATIONS = ("tanh", "relu", "identity")
T, D = 9, 3


def case(cell, layers, S, B, H, T=T, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape, scale=1.0):
        return torch.randn(*shape, generator=generator, dtype=dtype) * scale

    rows, weights = ROWS[cell] * H, {}
    for k in range(layers):
        weights[f"weight_ih_l{k}"] = normal(S, rows, H if k else D, scale=0.5)
        weights[f"weight_hh_l{k}"] = normal(S, rows, H, scale=H**-0.5)
        weights[f"bias_ih_l{k}"], weights[f"bias_hh_l{k}"] = normal(S, rows, scale=0.3), normal(S, rows, scale=0.3)
    return weights, normal(T, S, B, D), normal(T, S, H, B)


def arrays(unroll, by_weights=True):
    tape = unroll.tape()
    found = {name: getattr(tape, name) for name in ("hidden", "hidden_grad", "input_grad", "weight_grad")}
    if unroll.cell == "lstm":
        found |= {"cell": tape.cell, "cell_grad": tape.cell_grad}
    found |= tape.gates
    if by_weights:
        found |= {name: grad.numpy() for name, grad in unroll.weight_grads().items()}
    return {name: array.copy() for name, array in found.items()}  # (S, ...)


def run(cell, weights, inputs, output_grad, activation="tanh", by_weights=True):
    unroll = Unroll(cell, activation, weights, len(inputs), inputs.shape[2])
    unroll.start()
    unroll.forward(inputs)
    unroll.backward(output_grad, by_weights=by_weights)
    return arrays(unroll, by_weights)


def close(found, wanted, tolerance, name):
    """To `tolerance` relative to the largest entry; 0 asks for every bit."""
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * abs(wanted).max(), err_msg=name)


@pytest.mark.parametrize(("S", "B", "H"), SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("cell", "activation"), list(product(CELLS, ACTIVATIONS)))
def test_models_together_are_each_alone(cell, activation, dtype, S, B, H):
    weights, inputs, output_grad = case(cell, 2, S, B, H, dtype=dtype)
    with one_thread():
        together = run(cell, weights, inputs, output_grad, activation)
        for s in range(S):
            own = {name: weight[s : s + 1].clone() for name, weight in weights.items()}
            alone = run(cell, own, inputs[:, s : s + 1].clone(), output_grad[:, s : s + 1].clone(), activation)
            for name, array in alone.items():
                close(together[name][s], array[0], 0, name)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("cuts", [(4,), (1, 3, 8), tuple(range(1, T))])
def test_pieces_are_the_whole(cell, cuts, S=3, B=5, H=7):
    """Forward with the state handed on, back with the gradient handed on; a piece is run again before going back."""
    weights, inputs, output_grad = case(cell, 2, S, B, H)
    output_grad[:-1] = 0
    whole = run(cell, weights, inputs, output_grad)
    states, later, joined = [None], None, []
    spans = list(pairwise((0, *cuts, T)))
    for a, b in spans:
        unroll = Unroll(cell, "tanh", weights, b - a, B)
        unroll.start(states[-1])
        unroll.forward(inputs[a:b])
        states.append(unroll.state())
    for k, (a, b) in reversed(list(enumerate(spans))):
        unroll = Unroll(cell, "tanh", weights, b - a, B)
        unroll.start(states[k])
        unroll.forward(inputs[a:b])
        unroll.backward(output_grad[-1] if later is None else None, later, by_weights=True)
        later = unroll.earlier()
        joined.insert(0, arrays(unroll))
    for name, array in whole.items():
        if name in weights:  # sums over time, in another order
            close(sum(part[name] for part in joined), array, 1e-12, name)
        else:
            found = np.concatenate([part[name] for part in joined], 1 if name == "input_grad" else 2)
            close(found, array, 1e-12, name)  # where two pieces meet, sums begin with another term


@pytest.mark.parametrize("cell", CELLS)
def test_a_second_run_finds_nothing_of_the_first(cell):
    """Buffers are kept; a run on them must be what a fresh unroll gives, biases and states included."""
    weights, inputs, output_grad = case(cell, 2, 2, 4, 6)
    other, other_inputs, other_grad = case(cell, 2, 2, 4, 6, seed=5)
    unroll = Unroll(cell, "tanh", other, T, 4)
    unroll.start([tuple(torch.ones(2, 6, 4) for _ in layer.memories) for layer in unroll.layers])
    unroll.forward(other_inputs)
    unroll.backward(other_grad, unroll.state(), by_weights=True)
    unroll.load(weights)
    unroll.start()
    unroll.forward(inputs)
    unroll.backward(output_grad, by_weights=True)
    for name, array in run(cell, weights, inputs, output_grad).items():
        np.testing.assert_array_equal(arrays(unroll)[name], array, err_msg=name)


@pytest.mark.parametrize("cell", CELLS)
def test_leaving_out_the_weights_changes_no_other_gradient(cell):
    weights, inputs, output_grad = case(cell, 2, 2, 4, 6)
    full = run(cell, weights, inputs, output_grad)
    for name, array in run(cell, weights, inputs, output_grad, by_weights=False).items():
        np.testing.assert_array_equal(array, full[name], err_msg=name)


@pytest.mark.parametrize("cell", CELLS)
def test_without_biases_they_are_zero(cell):
    weights, inputs, output_grad = case(cell, 2, 2, 4, 6)
    zeroed = {name: weight * 0 if "bias" in name else weight for name, weight in weights.items()}
    without = {name: weight for name, weight in weights.items() if "bias" not in name}
    wanted = run(cell, zeroed, inputs, output_grad)
    for name, array in run(cell, without, inputs, output_grad).items():
        np.testing.assert_array_equal(array, wanted[name], err_msg=name)


@pytest.mark.parametrize("cell", CELLS)
def test_same_inputs_for_all_models_or_each_its_own(cell):
    weights, inputs, output_grad = case(cell, 1, 3, 4, 6)
    shared = inputs[:, 0]
    own = run(cell, weights, shared.unsqueeze(1).repeat(1, 3, 1, 1), output_grad)
    for name, array in run(cell, weights, shared.unsqueeze(1), output_grad).items():
        np.testing.assert_array_equal(array, own[name], err_msg=name)
    unroll = Unroll(cell, "tanh", weights, T, 4)
    unroll.start()
    hidden = unroll.forward(shared)
    np.testing.assert_array_equal(hidden.permute(1, 0, 3, 2).numpy(), own["hidden"][:, 0])


@pytest.mark.parametrize("cell", CELLS)
def test_weights_keep_their_bits(cell):
    weights, inputs, output_grad = case(cell, 2, 2, 4, 6)
    kept = {name: weight.clone() for name, weight in weights.items()}
    run(cell, weights, inputs, output_grad)
    assert all(torch.equal(weights[name], kept[name]) for name in kept)


def test_a_tape_names_the_steps_its_loss_reads():
    unroll = Unroll("rnn", "tanh", case("rnn", 1, 2, 4, 6)[0], T, 4)
    assert unroll.tape().loss_steps == (T - 1,)
    assert unroll.tape((0, -2)).loss_steps == (0, T - 2)


def test_one_thread_beside_another_gives_the_threads_back():
    before, inside, leave = torch.get_num_threads(), threading.Event(), threading.Event()

    def beside():
        with one_thread():
            inside.set()
            leave.wait()

    torch.set_num_threads(3)
    other = threading.Thread(target=beside)
    try:
        with one_thread():
            other.start()
            inside.wait()
        assert torch.get_num_threads() == 3
        leave.set()
        other.join()
        assert torch.get_num_threads() == 3
    finally:
        leave.set()
        torch.set_num_threads(before)


def test_one_thread_gives_the_threads_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyError), one_thread():
            assert torch.get_num_threads() == 1
            raise KeyError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
