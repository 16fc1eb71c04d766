"""Layers that Keras saved give the states that Keras computes; links and other computations are refused."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
import torch

from analysis.files.errors import UnusableError
from analysis.models.layers import read_recurrent, to_module

h5py = pytest.importorskip("h5py")


def by_keras():
    os.environ["KERAS_BACKEND"] = "torch"
    return pytest.importorskip("keras")


def hdf5(fill):
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        fill(opened)
    return file.getvalue()


def simple(**more):
    """An .h5 of one GRU of 3 inputs and 4 units."""

    def fill(file):
        for name, shape in {"kernel:0": (3, 12), "recurrent_kernel:0": (4, 12), "bias:0": (2, 12)}.items():
            file.create_dataset(f"gru/gru_cell/{name}", data=np.full(shape, 0.1, "f4"), **more)

    return hdf5(fill)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", ["keras", "weights.h5", "h5"])
@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_what_keras_saves_gives_its_states(kind, ending, tmp_path):
    keras = by_keras()
    layer = getattr(keras.layers, kind)(5, return_sequences=True, bias_initializer="random_normal", name="mine")
    model = keras.Sequential([keras.Input((None, 3)), layer, keras.layers.Dense(2, name="head")])
    path = tmp_path / f"a.{ending}"
    (model.save_weights if "weights" in ending else model.save)(path)
    [stack] = read_recurrent(path.read_bytes(), path.name)
    assert (stack.name, stack.others) == ("mine", ("head",)) and "Keras's" in stack.taken
    inputs = torch.randn(2, 7, 3)
    assert np.allclose(to_module(stack)(inputs)[0].detach(), layer(inputs).detach(), atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_a_relu_of_keras_is_run(tmp_path):
    keras = by_keras()
    layer = keras.layers.SimpleRNN(5, activation="relu", return_sequences=True)
    path = tmp_path / "a.keras"
    keras.Sequential([keras.Input((None, 3)), layer]).save(path)
    [stack] = read_recurrent(path.read_bytes(), path.name)
    inputs = torch.randn(2, 7, 3)
    assert stack.nonlinearity == "relu"
    assert np.allclose(to_module(stack)(inputs)[0].detach(), layer(inputs).detach(), atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", ["keras", "weights.h5", "h5"])
def test_bidirectional_layers_of_keras_are_read(ending, tmp_path):
    keras = by_keras()
    layer = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True), name="both")
    model = keras.Sequential([keras.Input((None, 3)), layer])
    path = tmp_path / f"a.{ending}"
    (model.save_weights if "weights" in ending else model.save)(path)
    stack = read_recurrent(path.read_bytes(), path.name)[0]
    inputs = torch.randn(2, 7, 3)
    assert stack.name == "both"
    assert np.allclose(to_module(stack)(inputs)[0].detach(), layer(inputs).detach()[..., :4], atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "both", "functional", "ending"),
    [("LSTM", False, False, "keras"), ("GRU", True, False, "h5"), ("LSTM", True, True, "keras")],
)
def test_layers_that_read_one_another_are_a_stack(kind, both, functional, ending, tmp_path):
    keras = by_keras()
    made = [getattr(keras.layers, kind)(4, return_sequences=True, bias_initializer="random_normal") for _ in range(2)]
    layers = [keras.layers.Bidirectional(layer) for layer in made] if both else made
    last = getattr(keras.layers, kind)(5, name="other")
    chain = [layers[0], keras.layers.Dropout(0.5), layers[1], last]
    model = keras.Sequential([keras.Input((None, 3)), *chain])
    if functional:
        given = read = keras.Input((None, 3))
        for layer in chain:
            read = layer(read)
        model = keras.Model(given, read)
    path = tmp_path / f"a.{ending}"
    model.save(path)
    stacks = read_recurrent(path.read_bytes(), path.name)
    assert [stack.layers for stack in stacks] == [2] * (1 + both) + [1] and "is its layer 1" in stacks[0].taken
    inputs = torch.randn(2, 7, 3)
    states = to_module(stacks[0])(inputs)[0].detach()
    assert np.allclose(states, layers[1](layers[0](inputs)).detach(), atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("settings", [{"return_sequences": False}, {"go_backwards": True}])
def test_layers_that_read_less_or_from_the_end_stay_apart(settings, tmp_path):
    keras = by_keras()
    lower = keras.layers.GRU(4, **({"return_sequences": True} | settings))
    between = [] if lower.return_sequences else [keras.layers.RepeatVector(3)]
    path = tmp_path / "a.keras"
    keras.Sequential([keras.Input((6, 3)), lower, *between, keras.layers.GRU(4)]).save(path)
    assert [stack.layers for stack in read_recurrent(path.read_bytes(), path.name)] == [1, 1]


def test_of_a_gru_without_a_bias_the_file_does_not_say_when_it_resets():
    def fill(file):
        for name, shape in {"kernel:0": (3, 12), "recurrent_kernel:0": (4, 12)}.items():
            file.create_dataset(f"gru/gru_cell/{name}", data=np.full(shape, 0.1, "f4"))

    [stack] = read_recurrent(hdf5(fill), "a.h5")
    assert "reset after its recurrent weights as in torch, which the file doesn't say" in stack.taken
    [biased] = read_recurrent(simple(), "a.h5")
    assert "reset after" not in biased.taken


def test_an_hdf5_file_of_torchs_names_is_read():
    module = torch.nn.LSTM(3, 4, batch_first=True)

    def fill(file):
        for name, weight in module.state_dict().items():
            file.create_dataset(f"encoder/{name}", data=weight.numpy())

    [stack] = read_recurrent(hdf5(fill), "a.h5")
    inputs = torch.randn(2, 7, 3)
    assert stack.name == "encoder"
    assert torch.allclose(to_module(stack)(inputs)[0], module(inputs)[0], atol=1e-6)


def archive(config, weights=None):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        opened.writestr("config.json", json.dumps(config))
        opened.writestr("model.weights.h5", weights or simple())
    return file.getvalue()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"reset_after": False}, "reset_after=False"),
        ({"activation": "relu", "recurrent_activation": "sigmoid"}, "activation=relu: expected tanh"),
        ({"recurrent_activation": "hard_sigmoid"}, "recurrent_activation=hard_sigmoid: expected sigmoid"),
    ],
)
def test_other_computations_are_refused_by_name(settings, message):
    config = {"config": {"layers": [{"class_name": "GRU", "config": {"name": "gru"} | settings}]}}
    [stack] = read_recurrent(archive(config), "a.keras")
    assert message in stack.refusal


def test_one_bias_of_a_gru_is_refused():
    def fill(file):
        for name, shape in {"kernel:0": (3, 12), "recurrent_kernel:0": (4, 12), "bias:0": (12,)}.items():
            file.create_dataset(f"gru/{name}", data=np.zeros(shape))

    [stack] = read_recurrent(hdf5(fill), "a.h5")
    assert "reset_after=False" in stack.refusal


def test_settings_nested_without_end_are_refused():
    deep = {}
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(UnusableError, match=r"a.keras: settings nested too deep"):
        read_recurrent(archive(deep), "a.keras")


def external(tmp_path):
    other = tmp_path / "other.h5"
    other.write_bytes(simple())
    return hdf5(lambda file: file.__setitem__("gru", h5py.ExternalLink(str(other), "gru")))


def soft(tmp_path):
    return hdf5(lambda file: file.__setitem__("gru", h5py.SoftLink("/elsewhere")))


def stored_outside(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(1000))

    def fill(file):
        file.create_dataset("gru/kernel", (3, 12), "f4", external=[(str(secret), 0, 144)])
        file.create_dataset("gru/recurrent_kernel", (4, 12), "f4")

    return hdf5(fill)


def virtual(tmp_path):
    other = tmp_path / "other.h5"
    other.write_bytes(simple())

    def fill(file):
        layout = h5py.VirtualLayout((3, 12), "f4")
        layout[:] = h5py.VirtualSource(str(other), "gru/gru_cell/kernel:0", (3, 12))
        file.create_virtual_dataset("gru/kernel", layout)
        file.create_dataset("gru/recurrent_kernel", (4, 12), "f4")

    return hdf5(fill)


def huge(tmp_path):
    return hdf5(lambda file: file.create_dataset("gru/kernel", (10**6, 10**6), "f4", chunks=(100, 100)))


def huge_pieces(tmp_path):
    def fill(file):
        file.create_dataset("gru/kernel", (3, 12), "f4", maxshape=(None, None), chunks=(10**4, 10**4))
        file.create_dataset("gru/recurrent_kernel", (4, 12), "f4")

    return hdf5(fill)


def cycle(tmp_path):
    return hdf5(lambda file: file.create_group("a").__setitem__("again", file["/"]))


@pytest.mark.parametrize(
    "make, message",
    [
        (external, "gru is a link, which is never followed"),
        (soft, "gru is a link, which is never followed"),
        (stored_outside, "lies in another file"),
        (virtual, "lies in another file"),
        (huge, "expected at most 100 MiB"),
        (huge_pieces, "pieces of shape"),
        (cycle, "nested too deep"),
        (lambda _: hdf5(lambda file: None), "no recurrent layer among 0 tensors"),
        (lambda _: b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5 can't read it"),
    ],
)
def test_what_points_elsewhere_or_is_too_large_is_refused(make, message, tmp_path):
    try:
        [stack] = read_recurrent(make(tmp_path), "a.h5")
    except UnusableError as error:
        assert message in str(error) and "a.h5" in str(error)
    else:
        assert message in stack.refusal


def test_compressed_arrays_are_read():
    [stack] = read_recurrent(simple(compression="gzip", shuffle=True, fletcher32=True), "a.h5")
    assert stack.label == "gru: GRU, 3 inputs, 4 units, 1 layer"
