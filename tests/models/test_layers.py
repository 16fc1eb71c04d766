"""Recurrent layers in a state dict: stack whatever wraps them, built as they were, or refused with the reason."""

from itertools import product

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors
from torch import nn
from torch.nn.utils import prune

from analysis.files.errors import UnusableError
from analysis.models.files import read_weights
from analysis.models.inputs import fit_inputs
from analysis.models.layers import find_recurrent, read_recurrent, to_module
from tests.helpers.files import saved
from tests.helpers.modules import MODULES


def only(state):
    [stack] = find_recurrent(state)
    return stack


@pytest.mark.parametrize("cell, layers, bias", list(product(MODULES, (1, 3), (True, False))))
def test_every_variant_comes_back_as_it_was(cell, layers, bias):
    module = MODULES[cell](3, 5, layers, bias=bias, batch_first=True)
    for data, name in ((saved(module.state_dict()), "a.pt"), (save_safetensors(module.state_dict()), "a.safetensors")):
        stack = only(read_weights(data, name))
        assert (stack.cell, stack.input_size, stack.hidden_size, stack.layers, stack.bias) == (cell, 3, 5, layers, bias)
        assert (stack.name, stack.refusal, stack.others) == ("", "", ())
        inputs = torch.randn(2, 7, 3)
        assert torch.equal(to_module(stack)(inputs)[0], module(inputs)[0])


def test_the_caller_says_whether_an_rnn_is_relu():
    module, inputs = nn.RNN(3, 5, nonlinearity="relu", batch_first=True), torch.randn(2, 7, 3)
    stack = only(module.state_dict())
    assert torch.equal(to_module(stack, "relu")(inputs)[0], module(inputs)[0])
    with pytest.raises(UnusableError, match="nonlinearity='sin': expected tanh or relu"):
        to_module(stack, "sin")


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_cells_of_a_hand_written_loop(cell):
    module, inputs, state = cell(3, 5), torch.randn(1, 7, 3), None
    for x in inputs.unbind(1):
        state = module(x, state)
    last = state[0] if cell is nn.LSTMCell else state
    stack = only({f"decoder.cell.{name}": weight for name, weight in module.state_dict().items()})
    assert stack.name == "decoder.cell"
    assert torch.allclose(to_module(stack)(inputs)[0][:, -1], last, atol=1e-6)


class Tagger(nn.Module):
    """A model as people write them."""

    def __init__(self):
        super().__init__()
        self.embedding, self.norm = nn.Embedding(20, 8), nn.BatchNorm1d(8)
        self.blocks = nn.ModuleList([nn.ModuleDict({"rnn": nn.LSTM(8, 6, 2)}), nn.ModuleDict({"rnn": nn.GRU(6, 4)})])
        self.attention, self.head = nn.MultiheadAttention(4, 2), nn.Linear(4, 3)


WRAPPED = {
    "state dict": lambda model: model.state_dict(),
    "DataParallel": lambda model: nn.DataParallel(model).state_dict(),
    "torch.compile": lambda model: torch.compile(model).state_dict(),
    "both": lambda model: torch.compile(nn.DataParallel(model)).state_dict(),
    "parameters": lambda model: dict(model.named_parameters()),
    "checkpoint": lambda model: {
        "epoch": 3, "best": 0.5, "args": {"lr": 1e-3, "sizes": [1, (2, 3)], "name": None},
        "state_dict": nn.DataParallel(model).state_dict(),
        "optimizer": torch.optim.Adam(model.parameters()).state_dict(),
        "scheduler": torch.optim.lr_scheduler.MultiStepLR(torch.optim.SGD(model.parameters()), [3, 5]).state_dict(),
    },
    "half": lambda model: model.half().state_dict(),
    "bfloat16": lambda model: model.bfloat16().state_dict(),
    "float64": lambda model: model.double().state_dict(),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # from inside torch.compile
@pytest.mark.parametrize("wrapped", WRAPPED)
def test_state_dicts_of_real_training_code(wrapped):
    model = Tagger()
    lstm, gru = find_recurrent(read_weights(saved(WRAPPED[wrapped](model)), "model.pth"))
    assert lstm.label == "blocks.0.rnn: LSTM, 8 inputs, 6 units, 2 layers"
    assert gru.label == "blocks.1.rnn: GRU, 6 inputs, 4 units, 1 layer"
    assert lstm.others == gru.others == ("embedding", "norm", "attention.out_proj", "head")
    weight = to_module(gru).weight_hh_l0
    assert torch.equal(weight, model.blocks[1]["rnn"].weight_hh_l0.to(weight))


def test_stacks_whose_names_differ_by_a_wrapper_keep_their_full_names():
    state = {f"{p}{name}": w for p in ("module.a.", "a.") for name, w in nn.GRU(2, 3).state_dict().items()}
    assert [stack.name for stack in find_recurrent(state)] == ["module.a", "a"]


def without(module, *names, **more):
    return {name: w for name, w in module.state_dict().items() if name not in names} | more


def pruned():
    module = nn.GRU(2, 3)
    prune.l1_unstructured(module, "weight_hh_l0", 0.5)
    return module.state_dict()


REFUSED = {
    "backward alone": (
        lambda: {k: w for k, w in nn.LSTM(2, 3, bidirectional=True).state_dict().items() if "reverse" in k},
        "weight_ih_l0 is missing",
    ),
    "projections": (nn.LSTM(2, 4, proj_size=3).state_dict, r"projections \(weight_hr\), not supported"),
    "pruned": (pruned, "weight_hh_l0_orig is made by pruning"),
    "half of weight norm": (lambda: without(nn.GRU(2, 3), weight_hh_l1_g=torch.ones(9, 1)), "weight_hh_l1_g is made"),
    "lengths of another": (
        lambda: without(nn.GRU(2, 3), "weight_hh_l0", weight_hh_l0_g=torch.ones(3), weight_hh_l0_v=torch.ones(9, 3)),
        r"weight_hh_l0_g of shape \(3,\): expected a length per row of \(9, 3\)",
    ),
    "no direction": (
        lambda: without(
            nn.GRU(2, 3), "weight_hh_l0", weight_hh_l0_g=torch.ones(9, 1), weight_hh_l0_v=torch.zeros(9, 3)
        ),
        "weight_hh_l0 holds NaN",
    ),
    "weight norm, huge": (
        lambda: {"weight_hh_l0_g": torch.ones(1, 1), "weight_hh_l0_v": torch.ones(1).expand(10**7, 10**7)},
        "too large: expected at most 20,000,000",
    ),
    "one bias of a layer": (lambda: without(nn.GRU(2, 3, 2), "bias_hh_l0"), "bias_hh_l0 is missing"),
    "no input weights": (lambda: without(nn.GRU(2, 3), "weight_ih_l0"), "weight_ih_l0 is missing"),
    "no layer 1": (lambda: {k: w for k, w in nn.GRU(2, 3, 3).state_dict().items() if "l1" not in k}, "_l1 is missing"),
    "layer 999": (lambda: {"weight_hh_l999": torch.ones(3, 3)}, "more than 64 layers"),
    "2H rows": (lambda: {"weight_hh": torch.ones(6, 3), "weight_ih": torch.ones(6, 2)}, "expected 1, 3 or 4"),
    "wide layer": (lambda: without(nn.LSTM(2, 3, 2), weight_ih_l1=torch.ones(12, 6)), r"_l1 of shape \(12, 6\)"),
    "unlike": (lambda: without(nn.LSTM(2, 3), bias_ih_l0=torch.ones(9)), r"shape \(9,\): expected \(12,\)"),
    "flat": (lambda: without(nn.LSTM(2, 3), weight_hh_l0=torch.ones(36)), "expected two axes"),
    "empty": (lambda: without(nn.LSTM(2, 3), weight_hh_l0=torch.ones(0, 0)), "expected two axes"),
    "no inputs": (lambda: without(nn.LSTM(2, 3), weight_ih_l0=torch.ones(12, 0)), "expected two axes"),
    "twice": (lambda: without(nn.LSTM(2, 3), weight_hh=torch.ones(12, 3)), "there twice"),
    "NaN": (lambda: without(nn.RNN(2, 3), bias_hh_l0=torch.tensor([0, np.nan, 0])), "bias_hh_l0 holds NaN"),
    "infinite": (lambda: without(nn.RNN(2, 3), weight_ih_l0=torch.full((3, 2), np.inf)), "holds NaN or infinite"),
    "whole numbers": (lambda: without(nn.RNN(2, 3), weight_ih_l0=torch.ones(3, 2, dtype=torch.int8)), "is of int8"),
    "complex": (lambda: without(nn.RNN(2, 3), weight_ih_l0=torch.ones(3, 2, dtype=torch.complex64)), "is of complex64"),
    "sparse": (lambda: without(nn.RNN(2, 3), weight_hh_l0=torch.eye(3).to_sparse()), "is of sparse_coo"),
    "huge, of one number": (lambda: {"weight_hh": torch.ones(1).expand(10**7, 10**7), "weight_ih": torch.ones(3, 2)},
                            "too large: expected at most 20,000,000"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_layers_that_cannot_be_measured_are_listed_with_the_reason(case):
    make, message = REFUSED[case]
    stack = only(make())
    with pytest.raises(UnusableError, match=message):
        to_module(stack)
    assert stack.label.startswith("at the top: ")


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning")
@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
def test_weight_norm_is_read_as_torch_computes_it(norm, dim):
    module, inputs = nn.GRU(3, 5, 2, batch_first=True), torch.randn(2, 7, 3)
    for name in ("weight_hh_l0", "weight_ih_l1"):
        norm(module, name, dim)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3)  # so that lengths are no longer those of the directions
    state = read_weights(saved(module.state_dict()), "a.pt")
    assert any("weight_hh_l0_g" in name or "original0" in name for name in state)
    stack = only({f"encoder.{name}": weight for name, weight in state.items()})
    assert stack.label == "encoder: GRU, 3 inputs, 5 units, 2 layers"
    assert to_module(stack).weight_hh_l0.dtype == torch.float32
    assert torch.allclose(to_module(stack)(inputs)[0], module(inputs)[0], atol=1e-6)


@pytest.mark.parametrize("cell, layers", list(product(MODULES, (1, 2))))
def test_bidirectional_layers_give_both_directions_of_the_first_layer(cell, layers):
    module, inputs = MODULES[cell](3, 5, layers, batch_first=True, bidirectional=True), torch.randn(2, 7, 3)
    both = MODULES[cell](3, 5, batch_first=True, bidirectional=True)
    both.load_state_dict({name: w for name, w in module.state_dict().items() if "_l0" in name})
    forward, backward = find_recurrent(module.state_dict())
    more = "direction alone" + ", of the first layer" * (layers > 1)
    assert forward.label == f"at the top: {cell.upper()}, 3 inputs, 5 units, 1 layer; measured is the forward {more}"
    assert backward.label == f"backward: {cell.upper()}, 3 inputs, 5 units, 1 layer; measured is the backward {more}"
    for stack, units in ((forward, slice(5)), (backward, slice(5, None))):
        states = to_module(stack).double()(fit_inputs(stack, inputs)[0])[0]
        states = states.flip(1) if stack.backward else states
        assert torch.allclose(states.float(), both(inputs)[0][..., units], atol=1e-6)


def test_a_file_without_a_recurrent_layer_is_named():
    with pytest.raises(UnusableError, match=r"^a.pt: no recurrent layer among 2 tensors \(weight, bias, …\): expected"):
        read_recurrent(saved(nn.Linear(2, 3).state_dict()), "a.pt")


def test_a_state_dict_without_a_recurrent_layer_is_refused():
    with pytest.raises(UnusableError, match=r"no recurrent layer among 2 tensors \(weight, bias, …\): expected names"):
        find_recurrent(nn.Linear(2, 3).state_dict())
    with pytest.raises(UnusableError, match="no recurrent layer among 0 tensors"):
        find_recurrent({})
    with pytest.raises(UnusableError, match="300 recurrent layers: expected at most 200"):
        find_recurrent({f"{k}.weight_hh": torch.ones(1, 1) for k in range(300)})


def test_the_module_is_made_without_random_numbers():
    stack, before = only(nn.LSTM(2, 3).state_dict()), torch.random.get_rng_state()
    to_module(stack)
    assert torch.equal(torch.random.get_rng_state(), before)
