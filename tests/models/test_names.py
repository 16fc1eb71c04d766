"""Weights under other names than torch's give the same states as torch's, and the words say what was taken."""

import pytest
import torch
from torch import nn

from analysis.files.errors import UnusableError
from analysis.models.layers import find_recurrent, take_layers, to_module
from analysis.models.layouts import TORCH_ORDER
from tests.helpers.modules import MODULES

KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
NAMES = {
    "enc_w_ih": ("enc_w_ih", "enc_w_hh", "enc_b_ih", "enc_b_hh"),
    "W_xh": ("W_xh", "W_hh", "b_xh", "b_hh"),
    "i2h": ("cell.i2h.weight", "cell.h2h.weight", "cell.i2h.bias", "cell.h2h.bias"),
    "x2h": ("x2h.weight", "h2h.weight", "x2h.bias", "h2h.bias"),
    "slashes": ("model/rnn/Wih", "model/rnn/Whh", "model/rnn/bih", "model/rnn/bhh"),
    "numpy": ("Wx", "Wh", "bx", "bh"),
    "layer": ("w_ih_l0", "w_hh_l0", "b_ih_l0", "b_hh_l0"),
}


def weights_of(module):
    return [getattr(module, f"{kind}_l0").detach() for kind in KINDS]


def only(state):
    [stack] = find_recurrent(state)
    assert not stack.refusal, stack.refusal
    return stack


def same_states(stack, module):
    inputs = torch.randn(2, 7, module.input_size)
    assert torch.allclose(to_module(stack)(inputs)[0], module(inputs)[0], atol=1e-6)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("cell", MODULES)
def test_other_names_and_layouts(cell, names, transposed):
    module = MODULES[cell](4, 6, batch_first=True)
    weights = [w.T.contiguous() if transposed and w.dim() == 2 else w for w in weights_of(module)]
    stack = only(dict(zip(NAMES[names], weights, strict=True)) | {"embedding.weight": torch.ones(9, 4)})
    same_states(stack, module)
    assert all(name in stack.taken for name in NAMES[names])
    # A square matrix doesn't say which way it lies: that of the inputs does.
    assert ("transposed" in stack.taken) == transposed
    assert ("in the order" in stack.taken) == (cell != "rnn")
    assert ("the state reset after its recurrent weights" in stack.taken) == (cell == "gru")


def test_square_matrices_of_an_rnn_are_said_to_be_of_either_kind():
    module = nn.RNN(6, 6, batch_first=True)
    stack = only(dict(zip(NAMES["numpy"], weights_of(module), strict=True)))
    same_states(stack, module)
    assert "as in W x: both are square, so the file may mean x W as well" in stack.taken


@pytest.mark.parametrize("cell", MODULES)
def test_one_bias_is_that_of_the_inputs(cell):
    module = MODULES[cell](4, 6, batch_first=True)
    nn.init.zeros_(module.bias_hh_l0)
    ih, hh, bias, _ = weights_of(module)
    for state in ({"w_ih": ih, "w_hh": hh, "b": bias}, {"weight_ih_l0": ih, "weight_hh_l0": hh, "bias_ih_l0": bias}):
        same_states(only(state), module)


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_kernels_are_keras(cell):
    module = MODULES[cell](4, 6, batch_first=True)
    nn.init.zeros_(module.bias_hh_l0)
    ih, hh, bias, _ = weights_of(module)
    stack = only({"a/kernel": ih.T, "a/recurrent_kernel": hh.T, "a/bias": bias, "dense/kernel": torch.ones(6, 2)})
    same_states(stack, module)
    assert stack.name == "a" and "Keras's order" in stack.taken


def test_a_grus_kernels_are_in_keras_order():
    module = nn.GRU(4, 6, batch_first=True)
    ih, hh, b_ih, b_hh = (torch.cat([w.chunk(3)[k] for k in (1, 0, 2)]) for w in weights_of(module))
    same_states(only({"kernel": ih.T, "recurrent_kernel": hh.T, "bias": torch.stack([b_ih, b_hh])}), module)
    [stack] = find_recurrent({"kernel": ih.T, "recurrent_kernel": hh.T, "bias": b_ih})
    assert "reset_after=False" in stack.refusal


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    "form", ["W_{}|U_{}|b_{}", "W_i{}|W_h{}|b_i{}", "W_{}.weight|U_{}.weight|W_{}.bias", "Wx{}|Wh{}|b{}"]
)
@pytest.mark.parametrize("cell, gates", [("lstm", "ifgo"), ("lstm", "ifco"), ("gru", "rzn"), ("gru", "rzh")])
def test_one_matrix_for_each_gate(cell, gates, form, transposed):
    module = MODULES[cell](4, 6, batch_first=True)
    nn.init.zeros_(module.bias_hh_l0)
    state = {}
    for pattern, weight in zip(form.split("|"), weights_of(module), strict=False):
        for gate, block in zip(gates, weight.chunk(len(gates)), strict=True):
            state["dec." + pattern.format(gate)] = block.t() if transposed else block
    stack = only(state)
    same_states(stack, module)
    assert stack.name == "dec"


def test_one_matrix_for_input_and_state_is_refused():
    [stack] = find_recurrent({f"W_{gate}.weight": torch.ones(6, 10) for gate in "ifco"})
    assert "W_i.weight, W_f.weight, W_c.weight, W_o.weight: one matrix for input and state together" in stack.refusal


@pytest.mark.parametrize("place", ["module.", ""])
def test_weight_drops_raw_weights_are_those_of_the_module(place):
    module = nn.LSTM(4, 6, batch_first=True)
    state = {f"rnns.0.{place}{name}": weight for name, weight in module.state_dict().items()}
    raw = state[f"rnns.0.{place}weight_hh_l0"]
    state[f"rnns.0.{place}weight_hh_l0"] = torch.zeros_like(raw)  # what dropout left of it
    stack = only({"rnns.0.weight_hh_l0_raw": raw} | state)
    same_states(stack, module)
    assert stack.name == "rnns.0" and "rnns.0.weight_hh_l0_raw is taken for weight_hh_l0" in stack.taken


@pytest.mark.parametrize(
    "ih, hh", [((18, 4), (18, 5)), ((4, 18), (18, 6)), ((18,), (18, 6)), ((12, 4), (12, 6)), ((18, 4), (0, 0))]
)
def test_shapes_of_no_cell_are_refused(ih, hh):
    [stack] = find_recurrent({"w_ih": torch.ones(ih), "w_hh": torch.ones(hh)})
    assert "w_ih for weight_ih" in stack.refusal and "expected" in stack.refusal


@pytest.mark.parametrize("cell, order", [("lstm", "iofg"), ("lstm", "fgio"), ("gru", "zrn"), ("rnn", "")])
@pytest.mark.parametrize("transposed", [False, True])
def test_tensors_of_any_name_are_taken_as_somebody_says(cell, order, transposed):
    torch.manual_seed(0)
    module = MODULES[cell](4, 6, batch_first=True)
    usual = TORCH_ORDER[cell]
    state = {"embedding": torch.ones(9, 4)}
    for name, weight in zip("abcd", weights_of(module), strict=True):
        blocks = dict(zip(usual, weight.chunk(len(usual)), strict=True))
        weight = torch.cat([blocks[gate] for gate in order or usual])
        state[name] = weight.T.contiguous() if transposed and weight.dim() == 2 else weight
    stack = take_layers(state, dict(zip(KINDS, "abcd", strict=True)), order)
    same_states(stack, module)
    assert "a for weight_ih, b for weight_hh, c for bias_ih, d for bias_hh" in stack.taken
    assert f"in the order {' '.join(order)}" in stack.taken or cell == "rnn"
    without = take_layers(state, {"weight_ih": "a", "weight_hh": "b"}, order)
    assert not without.bias


TAKEN = [
    ({"weight_ih": "a"}, "", "^weight_ih: expected weight_ih, weight_hh, maybe"),
    ({"weight_ih": "a", "weight_hh": "b", "weight_hr": "b"}, "", "weight_hr: expected"),
    ({"weight_ih": "a", "weight_hh": "z"}, "", "z: expected one of a, b, c, huge"),
    ({"weight_ih": "a", "weight_hh": "c"}, "", "expected two matrices"),
    ({"weight_ih": "a", "weight_hh": "b"}, "ifgo", "order=ifgo: expected the gates of GRU once each, as in rzn"),
    ({"weight_ih": "a", "weight_hh": "b", "bias_ih": "a"}, "", "bias_ih_l0 of shape"),
    ({"weight_ih": "huge", "weight_hh": "huge"}, "", "too large"),
]


@pytest.mark.parametrize("names, order, message", TAKEN)
def test_what_is_no_layer_is_not_taken_as_one(names, order, message):
    state = {
        "a": torch.ones(9, 2),
        "b": torch.ones(9, 3),
        "c": torch.ones(9),
        "huge": torch.ones(1).expand(10**7, 10**7),
    }
    with pytest.raises(UnusableError, match=message):
        take_layers(state, names, order)
