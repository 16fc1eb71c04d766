"""ONNX nodes that read one another are one stack, and give the states that ONNX's own evaluator computes."""

import numpy as np
import pytest
import torch

from analysis.models.layers import read_recurrent, to_module
from tests.models.test_onnx import GATES

onnx = pytest.importorskip("onnx")
T, B, D, H = 7, 2, 3, 4
BETWEEN = {  # by directions, how exporters lead one node's outputs to the next
    "squeeze": (1, [("Squeeze", [1], {})]),
    "squeeze, dropout": (1, [("Squeeze", [1], {}), ("Dropout", None, {})]),
    "reshape of one": (1, [("Transpose", None, {"perm": [0, 2, 1, 3]}), ("Reshape", [0, 0, -1], {})]),
    "reshape of both": (2, [("Transpose", None, {"perm": [0, 2, 1, 3]}), ("Reshape", [0, 0, -1], {})]),
    "identity": (2, [("Identity", None, {}), ("Transpose", None, {"perm": [0, 2, 1, 3]}),
                     ("Reshape", [T, B, 2 * H], {})]),
}  # fmt: skip


def weights_of(kind, directions, inputs, seed, units=H):
    chance, g = np.random.default_rng(seed), GATES[kind]
    shapes = (directions, g * units, inputs), (directions, g * units, units), (directions, 2 * g * units)
    return [chance.normal(size=shape).astype("f4") * 0.5 for shape in shapes]


def recurrent(kind, name, reads, writes, directions, units=H, **attributes):
    linear = {"linear_before_reset": 1} if kind == "GRU" else {}
    return onnx.helper.make_node(
        kind, [reads, *(f"{name}.{part}" for part in "WRB")], [writes], name=name, hidden_size=units,
        direction=("forward", "bidirectional")[directions - 1], **linear, **attributes,
    )  # fmt: skip


def model(nodes, weights, outputs=("y",), **constants):
    """A model of nodes, with weights by their names and constants."""
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    tensors = {f"{name}.{part}": own for name, parts in weights.items() for part, own in zip("WRB", parts, strict=True)}
    tensors |= {name: np.array(numbers, np.int64) for name, numbers in constants.items()}
    made = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", floats, ["T", "B", D])],
        [helper.make_tensor_value_info(name, floats, None) for name in outputs],
        [onnx.numpy_helper.from_array(tensor, name) for name, tensor in tensors.items()],
    )  # fmt: skip
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def stacked(kind, layers, between, directions):
    """A model of layers that read one another, and their weights by name."""
    nodes, weights, constants, reads = [], {}, {}, "x"
    for k in range(layers):
        name = f"/rnn/{kind}" + f"_{k}" * bool(k)
        weights[name] = weights_of(kind, directions, D if k == 0 else H * directions, k)
        nodes.append(recurrent(kind, name, reads, reads := f"y{k}", directions))
        for j, (op, numbers, attributes) in enumerate(between if k < layers - 1 else []):
            given = [reads] if numbers is None else [reads, f"c{k}{j}"]
            constants |= {} if numbers is None else {f"c{k}{j}": numbers}
            nodes.append(onnx.helper.make_node(op, given, [reads := f"{op}{k}{j}"], **attributes))
    return model(nodes, weights, [reads], **constants), weights


def by_evaluator(kind, weights, x):
    """The top layer's states (T, B, directions · H), each direction of each layer by ONNX's evaluator."""
    for parts in weights.values():
        sides = []
        for k in range(len(parts[0])):
            one = model([recurrent(kind, "n", "x", "y", 1)], {"n": [part[k : k + 1] for part in parts]})
            one.graph.input[0].type.tensor_type.shape.dim[2].dim_value = x.shape[2]
            [states] = pytest.importorskip("onnx.reference").ReferenceEvaluator(one).run(None, {"x": x[:: 1 - 2 * k]})
            sides.append(states[:, 0][:: 1 - 2 * k])
        x = np.concatenate(sides, -1)
    return x


@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("way", BETWEEN)
@pytest.mark.parametrize("kind", GATES)
def test_nodes_that_read_one_another_are_a_stack(kind, way, layers):
    directions, between = BETWEEN[way]
    whole, weights = stacked(kind, layers, between, directions)
    stack, *others = read_recurrent(whole.SerializeToString(), "a.onnx")
    assert stack.layers == layers and len(others) == directions - 1 and f"_{layers - 1} is its layer" in stack.taken
    x = np.random.default_rng(9).normal(size=(T, B, D)).astype("f4")
    wanted = by_evaluator(kind, weights, x)
    if directions == 1:  # the evaluator runs the graph itself
        [own] = pytest.importorskip("onnx.reference").ReferenceEvaluator(whole).run(None, {"x": x})
        assert np.allclose(own[:, 0], wanted, atol=1e-5)
    found = to_module(stack)(torch.from_numpy(x).transpose(0, 1))[0].detach()
    assert np.allclose(found.transpose(0, 1), wanted, atol=1e-5)


SEPARATE = {
    "other units": (5, [("Squeeze", [1], {})]),
    "time for sequences": (H, [("Squeeze", [1], {}), ("Transpose", None, {"perm": [1, 0, 2]})]),
    "a nonlinearity": (H, [("Squeeze", [1], {}), ("Relu", None, {})]),
    "dropout that trains": (H, [("Squeeze", [1], {}), ("Dropout", [0], {})]),
    "a squeeze of another axis": (H, [("Squeeze", [2], {})]),
}


@pytest.mark.parametrize("case", SEPARATE)
def test_what_torch_does_not_stack_stays_apart(case):
    units, between = SEPARATE[case]
    nodes, reads = [recurrent("LSTM", "a", "x", "y0", 1)], "y0"
    for k, (op, numbers, attributes) in enumerate(between):
        given = [reads] if numbers is None else [reads, *[""] * (op == "Dropout"), f"c{k}"]
        nodes.append(onnx.helper.make_node(op, given, [reads := f"m{k}"], **attributes))
    nodes.append(recurrent("LSTM", "b", reads, "y", 1, units))
    weights = {"a": weights_of("LSTM", 1, D, 0), "b": weights_of("LSTM", 1, H, 1, units)}
    constants = {f"c{k}": numbers for k, (_, numbers, _) in enumerate(between) if numbers is not None}
    stacks = read_recurrent(model(nodes, weights, **constants).SerializeToString(), "a.onnx")
    assert [(stack.name, stack.layers) for stack in stacks] == [("a", 1), ("b", 1)]


def test_outputs_that_two_nodes_read_are_of_no_stack():
    squeeze = onnx.helper.make_node("Squeeze", ["y0", "c"], ["m"])
    nodes = [recurrent("GRU", "a", "x", "y0", 1), squeeze]
    nodes += [recurrent("GRU", name, "m", f"y.{name}", 1) for name in "bc"]
    weights = {name: weights_of("GRU", 1, D if name == "a" else H, k) for k, name in enumerate("abc")}
    stacks = read_recurrent(model(nodes, weights, ["y.b", "y.c"], c=[1]).SerializeToString(), "a.onnx")
    assert [stack.name for stack in stacks] == ["a", "b", "c"]


def test_nodes_of_one_name_are_told_apart():
    nodes = [recurrent("GRU", "a", "x", name, 1) for name in ("y", "z")]
    stacks = read_recurrent(model(nodes, {"a": weights_of("GRU", 1, D, 0)}, "yz").SerializeToString(), "a.onnx")
    assert [stack.name for stack in stacks] == ["a", "a.1"]
