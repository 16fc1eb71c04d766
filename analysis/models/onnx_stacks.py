"""Which recurrent nodes of an ONNX graph read the one below: the way between them only reorders axes."""

from collections.abc import Mapping
from typing import Any

RECURRENT = ("LSTM", "GRU", "RNN")
LONGEST_WAY, MOST_AXES = 16, 8  # nodes between two recurrent ones, axes of a shape

Axes = tuple[str, ...]  # T time, N directions, B sequences, H units, and F what a node reads: N and H in one


def lower_nodes(onnx: Any, graph: Any, constants: Mapping[str, Any]) -> dict[int, int]:  # noqa: ANN401
    """Return for each recurrent node whose inputs are the outputs of another recurrent one the place of that one.

    Places count the graph's nodes. Left out is what more than one recurrent node reads, and what a way changes
    otherwise than by the order of its axes.

    Args:
        onnx: the package, which may not be installed.
        graph: of a model.
        constants: tensors of the graph that stand in the file, by name.
    """
    makers = {name: place for place, node in enumerate(graph.node) for name in node.output if name}
    lower: dict[int, int] = {}
    for place, node in enumerate(graph.node):
        if node.op_type in RECURRENT and (way := _way_down(graph, makers, node)):
            below, *between = way[::-1]
            if _reads(onnx, graph.node[below], [graph.node[k] for k in between], node, constants):
                lower[place] = below
    read = list(lower.values())
    return {place: below for place, below in lower.items() if read.count(below) == 1}


def _way_down(graph: Any, makers: Mapping[str, int], node: Any) -> list[int]:  # noqa: ANN401
    """Return the places of the nodes from a node's inputs down to the next recurrent one; none where there is none."""
    way: list[int] = []
    name = node.input[0] if node.input else ""
    while name in makers and len(way) < LONGEST_WAY:
        way.append(makers[name])
        below = graph.node[way[-1]]
        if below.op_type in RECURRENT:
            return way if below.output[0] == name else []
        name = below.input[0] if below.input else ""
    return []


def _reads(onnx: Any, below: Any, between: list[Any], above: Any, constants: Mapping[str, Any]) -> bool:  # noqa: ANN401
    """Return whether a node reads every time step of the one below, with its directions one after the other."""
    own, upper = attributes_of(onnx, below), attributes_of(onnx, above)
    directions = 1 + (own.get("direction", b"forward") == b"bidirectional")
    lengths = [node.input[4] if len(node.input) > 4 else "" for node in (below, above)]
    if lengths[0] != lengths[1]:
        return False
    axes: Axes | None = ("B", "T", "N", "H") if own.get("layout") else ("T", "N", "B", "H")
    for node in between:
        if axes is None:
            return False
        axes = _axes_after(onnx, node, axes, directions, own.get("hidden_size", 0), constants)
    if axes and axes[-1] == "H" and directions == 1:
        axes = (*axes[:-1], "F")
    return axes == (("B", "T", "F") if upper.get("layout") else ("T", "B", "F"))


def _axes_after(
    onnx: Any,  # noqa: ANN401
    node: Any,  # noqa: ANN401
    axes: Axes,
    directions: int,
    H: int,
    constants: Mapping[str, Any],
) -> Axes | None:
    """Return the axes after a node; None where it does more than to reorder them."""
    match node.op_type:
        case "Identity":
            return axes
        case "Dropout":
            return axes if len(node.input) < 3 or not node.input[2] else None  # a third says whether it trains
        case "Transpose":
            order = attributes_of(onnx, node).get("perm", [*range(len(axes))][::-1])
            return tuple(axes[k] for k in order) if sorted(order) == [*range(len(axes))] else None
        case "Squeeze":
            wanted = attributes_of(onnx, node).get("axes") or _numbers(onnx, node, constants)
            gone = [axes[k] for k in wanted or [] if -len(axes) <= k < len(axes)]
            return tuple(axis for axis in axes if axis != "N") if gone == ["N"] and directions == 1 else None
        case "Reshape":
            return _axes_reshaped(axes, _numbers(onnx, node, constants) or [], directions, H)
    return None


def _axes_reshaped(axes: Axes, shape: list[int], directions: int, H: int) -> Axes | None:
    """Return the axes after a reshape that joins directions and units, or drops a lone direction; else None."""
    if len(shape) != 3 or len(axes) != 4 or shape[-1] not in (-1, directions * H):
        return None
    if axes[2:] == ("N", "H"):
        after: Axes = (*axes[:2], "F")
    elif directions == 1 and axes[-1] == "H":
        after = (*(axis for axis in axes[:3] if axis != "N"), "F")
    else:
        return None
    kept = all(axes[k] == after[k] for k, size in enumerate(shape[:2]) if size == 0)  # 0 keeps the size at its place
    return after if kept else None


def attributes_of(onnx: Any, node: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a node's attributes by name."""
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def _numbers(onnx: Any, node: Any, constants: Mapping[str, Any]) -> list[int] | None:  # noqa: ANN401
    """Return the whole numbers that are a node's second input; None where they don't stand in the file."""
    tensor = constants.get(node.input[1]) if len(node.input) > 1 else None
    whole = onnx.TensorProto.INT64
    if tensor is None or tensor.data_type != whole or tensor.data_location or list(tensor.dims) > [MOST_AXES]:
        return None
    return [int(number) for number in onnx.numpy_helper.to_array(tensor).ravel()]
