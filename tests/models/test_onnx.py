"""Nodes of ONNX graphs give the states that ONNX's own evaluator computes; all else is refused by name."""

import sys

import numpy as np
import pytest
import torch

from analysis.files.errors import UnusableError
from analysis.models.layers import read_recurrent, to_module

onnx = pytest.importorskip("onnx")

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def graph(kind, name="", directions=1, D=3, H=4, bias=True, hide=(), **attributes):
    """A model of one node, and its weights by name."""
    chance, g = np.random.default_rng(0), GATES[kind]
    shapes = {"W": (directions, g * H, D), "R": (directions, g * H, H)} | (
        {"B": (directions, 2 * g * H)} if bias else {}
    )
    weights = {part: chance.normal(size=shape).astype("f4") * 0.5 for part, shape in shapes.items()}
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node(
        kind, ["x", *weights], ["y"], name=name, hidden_size=H, direction=("forward", "bidirectional")[directions - 1],
        **attributes,
    )  # fmt: skip
    made = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", floats, ["T", "B", D])],
        [helper.make_tensor_value_info("y", floats, None)],
        [onnx.numpy_helper.from_array(weights[part], part) for part in weights if part not in hide],
    )  # fmt: skip
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def linear(kind):
    return {"linear_before_reset": 1} if kind == "GRU" else {}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", GATES)
def test_a_node_gives_the_evaluators_states(kind, bias):
    model = graph(kind, "/encoder/rnn/" + kind, bias=bias, **linear(kind))
    [stack] = read_recurrent(model.SerializeToString(), "a.onnx")
    assert stack.name == "encoder.rnn" and "ONNX's" in stack.taken
    inputs = torch.randn(2, 7, 3)
    reference = pytest.importorskip("onnx.reference").ReferenceEvaluator(model)
    [states] = reference.run(None, {"x": inputs.transpose(0, 1).numpy()})  # (T, 1, B, H)
    assert np.allclose(to_module(stack)(inputs)[0].detach(), states[:, 0].swapaxes(0, 1), atol=1e-5)


@pytest.mark.parametrize(
    "kind, attributes, message",
    [
        ("GRU", {}, "linear_before_reset=0"),
        ("LSTM", {"clip": 1.0}, "with clip"),
        ("LSTM", {"input_forget": 1}, "input_forget"),
        ("LSTM", {"activations": ["HardSigmoid", "Tanh", "Tanh"]}, "activations HardSigmoid"),
        ("RNN", {"activations": ["Affine"]}, "activations Affine: expected Tanh"),
        ("LSTM", {"hide": ("R",)}, "R is computed in the graph"),
    ],
)
def test_what_torch_doesn_t_compute_is_refused_by_name(kind, attributes, message):
    [stack] = read_recurrent(graph(kind, **attributes).SerializeToString(), "a.onnx")
    assert message in stack.refusal


def test_a_relu_is_said_and_run():
    model = graph("RNN", activations=["Relu"])
    [stack] = read_recurrent(model.SerializeToString(), "a.onnx")
    assert "its nonlinearity is relu" in stack.taken and stack.nonlinearity == "relu"
    module, weights = to_module(stack), {tensor.name: tensor for tensor in model.graph.initializer}
    inputs = torch.randn(1, 7, 3)
    W, R, B = (torch.from_numpy(onnx.numpy_helper.to_array(weights[name]).copy())[0] for name in "WRB")
    state = torch.zeros(4)
    for x in inputs[0]:
        state = torch.relu(W @ x + R @ state + B[:4] + B[4:])
    assert torch.allclose(module(inputs)[0][0, -1], state, atol=1e-6)


def test_weights_in_another_file_are_never_opened(tmp_path):
    model = graph("LSTM")
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, str(tmp_path / "secret"), 0, 0, len(tensor.raw_data))
    tensor.ClearField("raw_data")
    (tmp_path / "secret").write_bytes(bytes(192))
    [stack] = read_recurrent(model.SerializeToString(), "a.onnx")
    assert "lies in another file, which is never opened" in stack.refusal


def test_dimensions_that_lie_are_refused():
    model = graph("LSTM")
    model.graph.initializer[0].dims[1] = 10**12
    with pytest.raises(UnusableError, match=r"a.onnx can't be read"):
        read_recurrent(model.SerializeToString(), "a.onnx")


@pytest.mark.parametrize("name, package", [("a.onnx", "onnx"), ("a.h5", "h5py"), ("a.weights.h5", "h5py")])
def test_a_missing_package_is_named(name, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UnusableError, match=f"{name}: such files need {package}: pip install {package}"):
        read_recurrent(b"x", name)
