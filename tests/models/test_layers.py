import io
import os
import pickle
import random
import struct
import subprocess
import sys
import zipfile
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors
from torch import nn
from torch.nn.utils import prune

from analysis import gradient_decay, gradient_matrix, record
from analysis.measures.memory import output_memory
from analysis.models.errors import UnusableError, one_line
from analysis.models.files import read_array, read_weights
from analysis.models.inputs import describe_inputs, fit_inputs, random_inputs, read_inputs
from analysis.models.layers import RecurrentStack, find_recurrent, read_recurrent, to_module
from analysis.models.limits import LARGEST, STEPS
from analysis.models.measuring import measure_module

KINDS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
MUTATIONS = int(os.environ.get("GOLDFISH_MUTATIONS", 400))  # of each file
GROWS_AT_MOST = 100 * 2**20  # bytes, whatever a file says


def saved(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def only(state):
    [found] = find_recurrent(state)
    return found


# What is found


@pytest.mark.parametrize("cell, layers, bias", list(product(KINDS, (1, 3), (True, False))))
def test_every_variant_comes_back_as_it_was(cell, layers, bias):
    module = KINDS[cell](3, 5, layers, bias=bias, batch_first=True)
    for data, name in ((saved(module.state_dict()), "a.pt"), (save_safetensors(module.state_dict()), "a.safetensors")):
        found = only(read_weights(data, name))
        assert (found.cell, found.input_size, found.hidden_size, found.layers, found.bias) == (cell, 3, 5, layers, bias)
        assert (found.name, found.refusal) == ("", "")
        inputs = torch.randn(2, 7, 3)
        assert torch.equal(to_module(found)(inputs)[0], module(inputs)[0])


def test_an_rnn_may_be_relu_which_its_weights_dont_say():
    module, inputs = nn.RNN(3, 5, nonlinearity="relu", batch_first=True), torch.randn(2, 7, 3)
    found = only(module.state_dict())
    assert torch.equal(to_module(found, "relu")(inputs)[0], module(inputs)[0])
    with pytest.raises(UnusableError, match="nonlinearity='sin': expected tanh or relu"):
        to_module(found, "sin")


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_cells_of_a_loop_of_ones_own(cell):
    module, inputs, state = cell(3, 5), torch.randn(1, 7, 3), None
    for x in inputs.unbind(1):
        state = module(x, state)
    last = state[0] if cell is nn.LSTMCell else state
    found = only({f"decoder.cell.{name}": weight for name, weight in module.state_dict().items()})
    assert found.name == "decoder.cell"
    assert torch.allclose(to_module(found)(inputs)[0][:, -1], last, atol=1e-6)


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
    weight = to_module(gru).weight_hh_l0
    assert torch.equal(weight, model.blocks[1]["rnn"].weight_hh_l0.to(weight))


def test_a_file_written_by_code_that_knows_nothing_of_goldfish(tmp_path):
    script = "import torch; torch.manual_seed(0); torch.save(torch.nn.LSTM(3, 9).state_dict(), 'lstm.pt')"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    torch.manual_seed(0)
    same, inputs = nn.LSTM(3, 9), torch.randn(4, 30, 3)
    module = to_module(only(read_weights((tmp_path / "lstm.pt").read_bytes(), "lstm.pt")))
    measured, tape = measure_module(module, inputs)
    by_hand = record(same, inputs.transpose(0, 1))
    assert tape == by_hand
    assert measured.decay == gradient_decay(by_hand)


def test_two_that_differ_by_a_wrapper_alone_keep_their_full_names():
    state = {f"{p}{name}": w for p in ("module.a.", "a.") for name, w in nn.GRU(2, 3).state_dict().items()}
    assert [found.name for found in find_recurrent(state)] == ["module.a", "a"]


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
    "one bias": (lambda: without(nn.GRU(2, 3), "bias_hh_l0"), "bias_hh_l0 is missing"),
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
def test_what_cant_be_measured_is_found_and_refused(case):
    make, message = REFUSED[case]
    found = only(make())
    with pytest.raises(UnusableError, match=message):
        to_module(found)
    assert found.label.startswith("at the top: ")


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
    found = only({f"encoder.{name}": weight for name, weight in state.items()})
    assert found.label == "encoder: GRU, 3 inputs, 5 units, 2 layers"
    assert to_module(found).weight_hh_l0.dtype == torch.float32
    assert torch.allclose(to_module(found)(inputs)[0], module(inputs)[0], atol=1e-6)


@pytest.mark.parametrize("cell, layers", list(product(KINDS, (1, 2))))
def test_of_bidirectional_layers_the_forward_direction_of_the_first(cell, layers):
    module, inputs = KINDS[cell](3, 5, layers, batch_first=True, bidirectional=True), torch.randn(2, 7, 3)
    found = only(module.state_dict())
    part = "the forward direction alone" + ", of the first layer" * (layers > 1)
    assert found.label == f"at the top: {cell.upper()}, 3 inputs, 5 units, 1 layer; measured is {part}"
    both = KINDS[cell](3, 5, batch_first=True, bidirectional=True)
    both.load_state_dict({name: w for name, w in module.state_dict().items() if "_l0" in name})
    assert torch.allclose(to_module(found)(inputs)[0], both(inputs)[0][..., :5], atol=1e-6)


def test_a_file_without_a_recurrent_layer_is_named():
    with pytest.raises(UnusableError, match=r"^a.pt: no recurrent layer among 2 tensors \(weight, bias, …\): expected"):
        read_recurrent(saved(nn.Linear(2, 3).state_dict()), "a.pt")


def test_nothing_recurrent():
    with pytest.raises(UnusableError, match=r"no recurrent layer among 2 tensors \(weight, bias, …\): expected names"):
        find_recurrent(nn.Linear(2, 3).state_dict())
    with pytest.raises(UnusableError, match="no recurrent layer among 0 tensors"):
        find_recurrent({})
    with pytest.raises(UnusableError, match="300 recurrent layers: expected at most 200"):
        find_recurrent({f"{k}.weight_hh": torch.ones(1, 1) for k in range(300)})


def test_the_module_is_made_without_random_numbers():
    found, before = only(nn.LSTM(2, 3).state_dict()), torch.random.get_rng_state()
    to_module(found)
    assert torch.equal(torch.random.get_rng_state(), before)


# Files that don't hold what they should


class Attack:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def with_pickle(content):
    """An archive of torch.save with another pickle in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(nn.RNN(2, 3).state_dict()))) as old, zipfile.ZipFile(file, "w") as new:
        for member in old.infolist():
            new.writestr(member.filename, content if member.filename.endswith("data.pkl") else old.read(member))
    return file.getvalue()


def packed(members, kind=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def hash_bomb():
    """A dict whose key is a tuple of itself 60 times over: its hash would take longer than there is time."""
    tuples = b")q\x00" + b"".join(b"h%ch%c\x86q%c" % (k, k, k + 1) for k in range(60))
    return b"\x80\x02}" + tuples + b"K\x01s."


def copies():
    """An OrderedDict copied again and again."""
    pairs = b"](" + b"".join(b"M%sK\x01\x86" % struct.pack("<H", k) for k in range(30_000)) + b"eq\x00"
    return b"\x80\x02]" + pairs + b"ccollections\nOrderedDict\nq\x01" + b"h\x01h\x00\x85R" * 100_000 + b"."


def overlapping():
    """An archive whose directory names the same MiB of zeros 20,000 times over."""
    whole = packed([("a/data.pkl", b"\x80\x02}."), ("a/data/0", bytes(2**20))], zipfile.ZIP_STORED)
    start = whole.index(b"PK\x01\x02", whole.index(b"PK\x01\x02") + 1)
    entry = whole[start : whole.index(b"PK\x05\x06")]
    many = b"".join(entry.replace(b"a/data/0", b"a/%06d" % k) for k in range(15_000))
    first = whole.index(b"PK\x01\x02")
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 15_001, 15_001, len(many) + start - first, first, 0)
    return whole[:start] + many + tail


def lying(array, shape):
    """An .npy whose header promises another shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": array.dtype.str, "fortran_order": False, "shape": shape})
    return file.getvalue() + array.tobytes()


def scripted():
    file = io.BytesIO()
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), file)
    return file.getvalue()


def legacy():
    file = io.BytesIO()
    torch.save(nn.RNN(2, 3).state_dict(), file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def safetensors(header):
    return struct.pack("<Q", len(header)) + header


ZEROS = bytes(300 * 2**20)
BYTEARRAY = b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R."  # of 2 GiB
DEEP = b"\x80\x02" + b"}K\x01" * 50_000 + b"}" + b"s" * 50_000 + b"."
NAN = np.where(np.arange(27).reshape(9, 3) == 14, np.nan, 1)
WEIGHTS = {
    "nothing": ("a.pt", lambda: b"", "an empty file"),
    "another kind": ("a.h5", lambda: b"x", r"a.h5: expected a file ending in .safetensors, .pt, .pth"),
    "text": ("a.pt", lambda: b"hello" * 100, "no archive of torch.save"),
    "plain pickle": ("a.pt", lambda: pickle.dumps(Attack(os.system, ("true",))), "no archive of torch.save"),
    "legacy": ("a.pth", legacy, "expected one written by torch 1.6 or newer"),
    "whole module": ("a.pt", lambda: saved(nn.GRU(2, 3)), "torch.nn.modules.rnn.GRU: expected tensors alone"),
    "TorchScript": ("a.pt", scripted, "it refers to|compressed|data.pkl"),
    "list": ("a.pt", lambda: saved([torch.ones(2)]), "it holds a list: expected a dict"),
    "tensor": ("a.pt", lambda: saved(torch.ones(2)), "it holds a Tensor: expected a dict"),
    "any zip": ("a.pt", lambda: packed([("a.txt", "a")]), "0 data.pkl: expected one"),
    "two pickles": ("a.pt", lambda: packed([("a/data.pkl", "a"), ("b/data.pkl", "a")]), "2 data.pkl: expected one"),
    "compressed": ("a.pt", lambda: packed([("a/data.pkl", "a")]), "is compressed"),
    "zip bomb": ("a.pt", lambda: packed([("a/data.pkl", ZEROS)]), "300.0 MiB: expected at most 100 MiB"),
    "nested zip bomb": ("a.pt", lambda: packed([("a/data.pkl", packed([("b", ZEROS)]))]), "is compressed"),
    "overlapping": ("a.pt", overlapping, "expected at most 100 MiB"),
    "many entries": ("a.pt", lambda: packed([(str(k), "") for k in range(20_001)], 0), "too many entries"),
    "too large": ("a.pt", lambda: bytes(LARGEST + 1), "a file of 100.0 MiB: expected at most 100 MiB"),
    "long pickle": ("a.pt", lambda: with_pickle(b"\x80\x02}" + b"0}" * 2**21), "a pickle of 4.0 MiB"),
    "bytearray bomb": ("a.pt", lambda: with_pickle(BYTEARRAY), "bytearray"),
    "hash bomb": ("a.pt", lambda: with_pickle(hash_bomb()), "more than 500,000 values"),
    "copy bomb": ("a.pt", lambda: with_pickle(copies()), "more than 500,000 values"),
    "deep": ("a.pt", lambda: with_pickle(DEEP), "nested too deep"),
    "long name": ("a.pt", lambda: saved({"a" * 2000: torch.ones(1)}), "a name of 2,000 characters"),
    "surrogate": ("a.pt", lambda: with_pickle(b"\x80\x02cos\n\xed\xa0\x80\n."), "can't be read|refers to"),
    "short": ("a.safetensors", lambda: b"abc", "3 bytes: expected a safetensors file"),
    "long header": ("a.safetensors", lambda: struct.pack("<Q", 2**60) + b"x", "expected at most 2 MiB"),
    "no JSON": ("a.safetensors", lambda: safetensors(b"{]"), "can't be read"),
    "header lies": ("a.safetensors", lambda: safetensors(
        b'{"weight_hh":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'), "can't be read"),
}  # fmt: skip
DATA = {
    "nothing": ("x.npy", lambda: b"", "an empty file"),
    "another kind": ("x.txt", lambda: b"1", "expected a file ending in .npy, .npz, .csv"),
    "random": ("x.npy", lambda: random.Random(0).randbytes(999), "can't be read"),
    "objects": ("x.npy", lambda: npy(np.array([{}, []], object), allow_pickle=True), "Python objects, which is never"),
    "objects in npz": ("x.npz", lambda: npz(a=np.array([[{}, 1, 2]], object)), "Python objects, which is never"),
    "records": ("x.npy", lambda: npy(np.zeros(3, [("a", "f4")])), "expected real numbers"),
    "complex": ("x.npy", lambda: npy(np.zeros((4, 3), complex)), "complex128: expected real numbers"),
    "words": ("x.npy", lambda: npy(np.array([["a", "b", "c"]])), "expected real numbers"),
    "dates": ("x.npy", lambda: npy(np.zeros((4, 3), "M8[s]")), "expected real numbers"),
    "empty": ("x.npy", lambda: npy(np.zeros((0, 3))), r"an empty array of shape \(0, 3\)"),
    "one number": ("x.npy", lambda: npy(np.float64(3)), r"\(\): expected \(T, 3\), \(N, T, 3\) or \(T, N, 3\)"),
    "row": ("x.npy", lambda: npy(np.zeros(3)), r"of shape \(3,\): expected"),
    "wrong D": ("x.npy", lambda: npy(np.zeros((9, 4))), r"of shape \(9, 4\): expected \(T, 3\)"),
    "four axes": ("x.npy", lambda: npy(np.zeros((1, 2, 9, 3))), "expected"),
    "NaN": ("x.npy", lambda: npy(NAN), r"nan at \(4, 2\): expected finite"),
    "infinite": ("x.npy", lambda: npy(np.full((9, 3), -np.inf)), r"-inf at \(0, 0\)"),
    "lies": ("x.npy", lambda: lying(np.zeros(3), (10**12, 3)), "expected as many as its header says"),
    "lies below zero": ("x.npy", lambda: lying(np.zeros(3), (-1, -3)), "expected|can't be read"),
    "truncated": ("x.npy", lambda: npy(np.zeros((9, 3)))[:-5], "expected as many"),
    "zip bomb": ("x.npz", lambda: packed([("a.npy", ZEROS)]), "300.0 MiB: expected at most 100 MiB"),
    "bzip2": ("x.npz", lambda: packed([("a.npy", npy(np.zeros((9, 3))))], zipfile.ZIP_BZIP2), "packed in another way"),
    "no arrays": ("x.npz", lambda: packed([("a.txt", "a")]), "an archive without arrays"),
    "two that fit": ("x.npz", lambda: npz(a=np.zeros((9, 3)), b=np.zeros((8, 3))), r"2 of its arrays fit \(a \(9"),
    "none that fits": ("x.npz", lambda: npz(a=np.zeros((9, 2)), b=np.zeros(3)), "0 of its arrays fit"),
    "words in CSV": ("x.csv", lambda: b"a,b,c\n1,2,3\n1,two,3\n", "x.csv: row 3, column 2 is 'two': expected"),
    "gap in CSV": ("x.csv", lambda: b"1,2,3\n1,,3\n", "row 2, column 2 is empty: expected a number"),
    "uneven CSV": ("x.csv", lambda: b"1,2,3\n1,2\n", "row 2 has 2 columns: expected 3"),
    "NaN in CSV": ("x.csv", lambda: b"1,2,3\n1,nan,3\n", r"nan at \(1, 1\): expected finite"),
    "header alone": ("x.csv", lambda: b"a,b,c\n", "no row of numbers"),
    "binary CSV": ("x.csv", lambda: b"1,2\0,3\n", "binary content"),
    "Latin CSV": ("x.csv", lambda: "é,b,c".encode("latin-1"), "can't be read"),
    "long CSV": ("x.csv", lambda: b"1,2,3\n" * 4_000_000, "a CSV of 22.9 MiB: expected at most 20 MiB"),
    "long field": ("x.csv", lambda: b"1" * 200_000, "can't be read"),
}  # fmt: skip
FOR = RecurrentStack("", "lstm", 3, 4, 1, True)


@pytest.mark.parametrize("case", WEIGHTS)
def test_unusable_weights(case):
    name, make, message = WEIGHTS[case]
    with pytest.raises(UnusableError, match=message) as caught:
        find_recurrent(read_weights(make(), name))
    assert str(caught.value) == one_line(str(caught.value), 400)
    assert name in str(caught.value)


@pytest.mark.parametrize("case", DATA)
def test_unusable_data(case):
    name, make, message = DATA[case]
    with pytest.raises(UnusableError, match=message) as caught:
        read_inputs(make(), name, FOR)
    assert "\n" not in str(caught.value)


def attacks(marker):
    command = f"open({str(marker)!r}, 'w').close()"
    for call in ((os.system, (f"touch {marker}",)), (exec, (command,)), (subprocess.run, (["touch", str(marker)],))):
        for protocol in (2, 4):
            yield pickle.dumps({"weight_hh": Attack(*call)}, protocol)
    yield b"cos\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR."
    yield b"(S'touch " + str(marker).encode() + b"'\nios\nsystem\n."


def test_nothing_in_a_file_is_executed(tmp_path):
    marker = tmp_path / "executed"
    pickle.loads(next(attacks(marker)))
    assert marker.exists()  # the attack works where it isn't refused
    marker.unlink()
    for attack in attacks(marker):
        for data, name in (
            (with_pickle(attack), "a.pt"), (attack, "a.pth"), (safetensors(attack), "a.safetensors"),
            (npy(np.array([Attack(os.system, (f"touch {marker}",))], object), allow_pickle=True), "x.npy"),
            (npz(a=np.array([Attack(os.system, (f"touch {marker}",))], object)), "x.npz"),
            (lying(np.zeros(3), (3,)) + attack, "x.npy"),
        ):  # fmt: skip
            with pytest.raises(UnusableError):
                (read_weights if name.startswith("a.") else read_array)(data, name)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="asks Linux for the peak")
def test_memory_is_bounded_whatever_a_file_says():
    """Every unusable file once, in a process of its own that has seen none of them."""
    code = """
from pathlib import Path
from tests.models import test_layers as t
def peak():
    return next(int(l.split()[1]) for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmHWM"))
worst = 0
for cases, read in ((t.WEIGHTS, t.read_weights), (t.DATA, t.read_array)):
    for case, (name, make, _) in cases.items():
        data = make()
        Path("/proc/self/clear_refs").write_text("5")
        before = peak()
        try:
            read(data, name)
        except t.UnusableError:
            pass
        worst = max(worst, peak() - before)
print(worst * 1024)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert int(run.stdout) < GROWS_AT_MOST


# Files with something changed in them


def targets():
    torch.manual_seed(0)
    state = {"a." + name: weight for name, weight in nn.LSTM(3, 4).state_dict().items()}
    inputs = np.random.default_rng(0).normal(size=(2, 9, 3))
    rows = "\n".join(",".join(f"{number:.3f}" for number in row) for row in inputs[0])
    return {
        "a.pt": saved({"epoch": 1, "model": state}),
        "a.safetensors": save_safetensors(state),
        "a.pth": saved(
            nn.utils.parametrizations.weight_norm(nn.GRU(3, 4, bidirectional=True), "weight_hh_l0").state_dict()
        ),
        "x.npy": npy(inputs),
        "x.npz": npz(x=inputs, y=np.zeros(3)),
        "x.csv": f"a,b,c\n{rows}\n".encode(),
    }


def mutated(data, chance):
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        # The interesting bytes stand at both ends: headers and directories.
        at = min(
            int(chance.choice((chance.random(), chance.random() ** 4, 1 - chance.random() ** 4)) * len(data)),
            len(data) - 1,
        )
        match chance.randrange(6):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                data[at] ^= 1 << chance.randrange(8)
            case 2:
                data[at : at + chance.randrange(1, 40)] = b""
            case 3:
                data[at:at] = chance.randbytes(chance.randrange(1, 20))
            case 4:
                data[at : at + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"-1e9", b"nan "))
            case 5:
                data = data[:at] if chance.random() < 0.3 else data[:at] + data[at // 2 :]
        if not data:
            break
    return bytes(data)


@pytest.mark.parametrize("name", targets())
def test_mutated_files_are_read_or_refused(name):
    original, chance, used = targets()[name], random.Random(name), 0
    for _ in range(MUTATIONS):
        data = mutated(original, chance)
        try:
            if name.startswith("a."):
                for found in find_recurrent(read_weights(data, name)):
                    module = to_module(found)
                    record(module, fit_inputs(found, random_inputs(found, 3, 1))[0])
                    used += 1
            else:
                array = read_inputs(data, name, FOR)
                for time_first in (False, True):
                    describe_inputs(array, time_first)
                    fit_inputs(FOR, array, time_first)
                used += 1
        except UnusableError as error:
            assert "\n" not in str(error) and str(error)
    assert 0 < used < MUTATIONS


@pytest.mark.parametrize("name", targets())
def test_truncated_files_are_refused(name):
    original = targets()[name]
    for end in range(0, len(original) - 1, max(1, len(original) // 100)):
        try:
            if name.startswith("a."):
                read_weights(original[:end], name)
            else:
                read_inputs(original[:end], name, FOR)
        except UnusableError:
            continue
        assert name == "x.csv"  # which may end after any number


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.safetensors", "x.npy", "x.npz", "x.csv"])
def test_random_bytes_are_refused(name):
    chance, starts = (
        random.Random(0),
        (b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00v\x00", b"\x80\x02}", struct.pack("<Q", 50)),
    )
    for k in range(200):
        with pytest.raises(UnusableError):
            read = read_weights if name.startswith("a.") else read_array
            read(starts[k % len(starts)] + b"\xff" + chance.randbytes(chance.randrange(200)), name)


# Data


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8", "i8", "u1", "?", "f16"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_kind_of_number(dtype, order):
    array = np.array(np.arange(54).reshape(2, 9, 3), dtype, order=order)
    for data, name in ((npy(array), "x.npy"), (npz(x=array), "x.npz"), (npz(other=np.zeros(2), x=array), "x.npz")):
        inputs, said = fit_inputs(FOR, read_inputs(data, name, FOR))
        assert inputs.dtype == torch.float64
        assert np.array_equal(inputs, array.astype(float))
        assert said == ""


@pytest.mark.parametrize(
    "text", ["1,2,3\n4,5,6\n", "\ufeffa,b,c\n1,2,3\n4,5,6", "1;2;3\r\n4;5;6\r\n\r\n", "1\t2\t3\n4\t5\t6"]
)
def test_csv_of_several_kinds(text):
    inputs, _ = fit_inputs(FOR, read_inputs(text.encode(), "x.csv", FOR))
    assert inputs.tolist() == [[[1, 2, 3], [4, 5, 6]]]


SMOOTH = np.cumsum(np.random.default_rng(0).normal(size=(16, 40, 3)), axis=1)  # N, T, D
NOISE = np.random.default_rng(0).normal(size=(16, 40, 3))
READ = [
    (SMOOTH, False, "16 sequences of 40 steps, 3 inputs", ""),
    (SMOOTH, True, "40 sequences of 16 steps, 3 inputs", "16 sequences of 40 steps"),
    (SMOOTH.swapaxes(0, 1), False, "40 sequences of 16 steps, 3 inputs", "16 sequences of 40 steps"),
    (SMOOTH.swapaxes(0, 1), True, "16 sequences of 40 steps, 3 inputs", ""),
    (SMOOTH[:, :5], False, "16 sequences of 5 steps, 3 inputs", ""),
    (NOISE, False, "16 sequences of 40 steps, 3 inputs", ""),
    (NOISE, True, "40 sequences of 16 steps, 3 inputs", ""),  # many short sequences are usual
    (
        np.eye(3)[np.random.default_rng(0).integers(0, 3, (1000, 50))],
        False,
        "1,000 sequences of 50 steps, 3 inputs",
        "",
    ),
    (np.zeros((500, 50, 3)), False, "500 sequences of 50 steps, 3 inputs", ""),
    (NOISE[0], True, "1 sequence of 40 steps, 3 inputs", ""),
    (NOISE[:, :1, :1], False, "16 sequences of 1 step, 1 input", "1 sequence of 16 steps"),
    (np.zeros((1, 1, 1), "?"), False, "1 sequence of 1 step, 1 input", ""),
    (
        np.full((9, 2, 3), 1e308) * np.array([-1, 1])[:, None],
        False,
        "9 sequences of 2 steps, 3 inputs",
        "2 sequences of 9 steps",
    ),
]


@pytest.mark.parametrize("array, time_first, said, likelier", READ)
def test_what_was_read_is_said_and_the_likelier_order(array, time_first, said, likelier):
    assert describe_inputs(array, time_first) == (said, likelier)


@pytest.mark.parametrize("array", [SMOOTH, SMOOTH[0], torch.from_numpy(SMOOTH)])
def test_time_may_come_first(array):
    inputs, _ = fit_inputs(FOR, array.swapaxes(0, 1) if array.ndim == 3 else array, time_first=True)
    assert np.array_equal(inputs, SMOOTH[: len(inputs)])


def test_one_step_has_no_distance():
    steps = read_inputs(npy(np.zeros((5, 1, 3))), "x.npy", FOR)
    with pytest.raises(UnusableError, match="5 sequences of one step: expected at least 2 steps"):
        fit_inputs(FOR, steps)
    assert fit_inputs(FOR, steps, time_first=True)[0].shape == (1, 5, 3)


def test_ten_million_steps_are_cut_and_said():
    found = RecurrentStack("", "gru", 1, 4, 1, True)
    steps = np.zeros((10_000_000, 1), "f4")
    steps[-STEPS:] = 1
    inputs, said = fit_inputs(found, read_inputs(npy(steps), "x.npy", found))
    assert inputs.shape == (1, STEPS, 1) and inputs.min() == 1
    assert said == "Used are of 10,000,000 steps the last 1,000."
    inputs, said = fit_inputs(found, np.zeros((500, 2, 1)))
    assert inputs.shape == (64, 2, 1)
    assert said == "Used are of 500 sequences the first 64."


def test_large_layers_get_less_data():
    found = RecurrentStack("", "lstm", 1000, 1000, 2, True)
    inputs, said = fit_inputs(found, np.zeros((3, 500, 1000), "f4"))
    assert inputs.shape[1] < 250 and len(inputs) == 1
    assert "steps the last" in said and "sequences the first 1" in said


def test_inputs_that_float64_cant_hold():
    with pytest.raises(UnusableError, match="inputs beyond float64"), np.errstate(over="ignore"):
        fit_inputs(
            FOR,
            np.full((5, 3), 1e4000, np.longdouble) if np.longdouble(1e300) ** 2 < np.inf else np.full((5, 3), np.inf),
        )


def test_random_inputs():
    found = RecurrentStack("", "rnn", 50, 4, 1, True)
    inputs = random_inputs(found, 200, 16, 9.0)
    assert inputs.shape == (16, 200, 50)
    assert inputs.var().item() == pytest.approx(9, rel=0.02)
    assert torch.equal(inputs, random_inputs(found, 200, 16, 9.0))
    assert not random_inputs(found, 5, 1, 0.0).any()
    for wrong in ({"steps": 1}, {"count": 0}, {"steps": 10**7}, {"variance": -1}, {"variance": np.nan}):
        with pytest.raises(UnusableError, match="expected"):
            random_inputs(found, **wrong)


# Measured


@pytest.mark.parametrize("cell, layers", list(product(KINDS, (1, 2))))
def test_output_memory_by_hand(cell, layers):
    module, inputs = KINDS[cell](3, 6, layers, batch_first=True).double(), torch.randn(5, 12, 3, dtype=torch.float64)
    memory = output_memory(module, inputs)
    whole = module(inputs)[0][:, -1]
    assert memory.distance.tolist() == list(range(12))
    for k in range(12):
        away = module(inputs[:, 11 - k :])[0][:, -1] - whole
        by_hand = np.median((away.norm(dim=1) / whole.norm(dim=1)).detach())
        assert memory.value[k] == pytest.approx(by_hand, abs=1e-12)
    assert memory.value[-1] == 0
    assert memory.span == np.flatnonzero([1, *(memory.value >= 0.5)])[-1]
    time_first = KINDS[cell](3, 6, layers).double()
    time_first.load_state_dict(module.state_dict())
    assert output_memory(time_first, inputs.transpose(0, 1)) == memory


def test_output_memory_of_nothing_and_of_too_much():
    silent = nn.RNN(3, 4, bias=False, batch_first=True)
    assert np.isnan(output_memory(silent, torch.zeros(2, 5, 3)).value).all()
    wild = nn.RNN(1, 2, nonlinearity="relu", batch_first=True)
    nn.init.constant_(wild.weight_hh_l0, 1e6)
    assert np.isnan(output_memory(wild, torch.ones(2, 100, 1)).span)
    assert len(output_memory(nn.RNN(1, 2), torch.ones(300, 1)).distance) < 61


def test_what_is_beyond_the_finite_range_is_measured_without_a_warning():
    found = only({"weight_hh": torch.full((2, 2), 1e30), "weight_ih": torch.full((2, 1), 1e30)})
    module = to_module(found, "relu")
    measured, _ = measure_module(module, torch.ones(2, 30, 1))
    assert measured.bounds.overflow_step is not None
    assert np.isnan(measured.decay.horizon)
    gradient_matrix(module, torch.ones(2, 30, 1))
