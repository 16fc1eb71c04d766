"""Find the recurrent nodes of an ONNX graph, whose weights stand in the file. Nothing in it is run."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from analysis.files.errors import UnusableError, one_line
from analysis.models.hdf5 import require_package
from analysis.models.layouts import RESET_BEFORE, TORCH_ORDER, Found, from_onnx
from analysis.models.onnx_stacks import attributes_of, lower_nodes

MOST_NODES = 20_000
FLOATS = (1, 10, 11)  # float32, float16, float64
ACTIVATIONS = {"lstm": (["Sigmoid", "Tanh", "Tanh"],), "gru": (["Sigmoid", "Tanh"],), "rnn": (["Tanh"], ["Relu"])}

Weights = Mapping[str, Any]  # tensors of the format, by name


def read_onnx(data: bytes) -> Found:
    """Read the LSTM, GRU and RNN nodes of a model; those that torch doesn't compute are refused by name."""
    require_package("onnx")
    import onnx

    graph = onnx.load_model_from_string(data).graph
    if len(graph.node) > MOST_NODES:
        raise UnusableError(f"{len(graph.node):,} nodes: expected {MOST_NODES:,} at most")
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and len(node.attribute) == 1 and node.attribute[0].HasField("t"):
            weights[node.output[0]] = node.attribute[0].t
    nodes = {
        place: node
        for place, node in enumerate(graph.node)
        if node.op_type.lower() in TORCH_ORDER and node.domain in ("", "ai.onnx")
    }
    found, lower = Found(), lower_nodes(onnx, graph, weights)
    names: dict[int, str] = {}  # of the stack that a node is in, by the node's place
    for k, (place, node) in enumerate(nodes.items()):
        name = _name(node.name, node.op_type, k if len(nodes) > 1 else None)
        names[place] = name = f"{name}.{k}" if name in names.values() else name
        try:
            for reverse, parts in _directions(onnx, node, weights):
                found.add(name, parts, reverse=reverse)
            found.taken[name] = f"ONNX's {node.op_type}, with its order of gates"
            relu = attributes_of(onnx, node).get("activations", [b""])[:1] == [b"Relu"]
            found.nonlinearities[name] = "relu" if relu else "tanh"
            found.taken[name] += "; its nonlinearity is relu" * relu
            if place in lower and found.put_above(names.get(lower[place], ""), name):
                names[place] = names[lower[place]]
        except UnusableError as error:
            found.refused[name] = str(error)
    return found


def _name(name: str, kind: str, number: int | None) -> str:
    """Return a node's name with dots: "/encoder/lstm/LSTM" is "encoder.lstm"; empty for the only one without a name."""
    parts = [part for part in name.split("/") if part]
    if parts[-1:] == [kind]:
        parts.pop()
    return ".".join(parts) or ("" if number is None else f"{kind.lower()}_{number}")


def _directions(onnx: Any, node: Any, weights: Weights) -> list[tuple[bool, dict[str, Tensor]]]:  # noqa: ANN401
    """Return for each direction of a node whether it is backward, and its weights."""
    cell, attributes = node.op_type.lower(), attributes_of(onnx, node)
    direction = attributes.get("direction", b"forward").decode()
    _require_torchs(cell, attributes, node)
    if direction == "reverse":
        raise UnusableError("direction=reverse alone: expected forward or bidirectional")
    W, R, B = (_tensor(onnx, node, k, weights) for k in (1, 2, 3))
    N, g = 1 + (direction == "bidirectional"), len(TORCH_ORDER[cell])
    H = R.shape[-1] if R is not None else 0
    if W is None or R is None or W.dim() != 3 or tuple(R.shape) != (N, g * H, H) or W.shape[:2] != R.shape[:2] or not H:
        raise UnusableError("weights of other shapes: expected (directions, g H, D) and (directions, g H, H)")
    if B is not None and tuple(B.shape) != (N, 2 * g * H):
        raise UnusableError(f"B of shape {tuple(B.shape)}: expected {(N, 2 * g * H)}")
    return [(bool(k), from_onnx(cell, W[k], R[k], None if B is None else B[k])) for k in range(N)]


def _require_torchs(cell: str, attributes: Mapping[str, Any], node: Any) -> None:  # noqa: ANN401
    """Raise an UnusableError for a node that computes something else than torch's layers."""
    if cell == "gru" and not attributes.get("linear_before_reset", 0):
        raise UnusableError(RESET_BEFORE.format("linear_before_reset=0", "linear_before_reset=1"))
    if attributes.get("clip") or attributes.get("input_forget") or (len(node.input) > 7 and node.input[7]):
        raise UnusableError("with clip, input_forget or peepholes: expected none of them")
    named = [name.decode() for name in attributes.get("activations", [])]
    expected = [names * times for names in ACTIVATIONS[cell] for times in (1, 2)]
    if named and named not in expected:
        raise UnusableError(f"activations {one_line(', '.join(named), 60)}: expected {', '.join(expected[0])}")


def _tensor(onnx: Any, node: Any, place: int, weights: Weights) -> Tensor | None:  # noqa: ANN401
    """Return the tensor that a node has as an input, None where it has none there."""
    name = node.input[place] if len(node.input) > place else ""
    if not name:
        return None
    if name not in weights:
        raise UnusableError(f"{one_line(name, 60)} is computed in the graph: expected weights in the file")
    tensor = weights[name]
    if tensor.data_location or tensor.external_data:
        raise UnusableError(
            f"{one_line(name, 60)} lies in another file, which is never opened: expected it in the model"
        )
    if tensor.data_type not in FLOATS or len(tensor.dims) > 3:
        raise UnusableError(f"{one_line(name, 60)}: expected float16, float32 or float64 of three axes at most")
    return torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy())
