"""Recognise recurrent weights under other names than torch's, and give them torch's names, layout and gate order.

Shapes decide: a recurrent matrix has H and 1, 3 or 4 times H as its sizes. The order of gates isn't in a file: it is
taken as torch has it, or as Keras has it where the names are Keras's. What was taken for what is returned in words.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from analysis.files.errors import UnusableError, one_line
from analysis.models.layouts import CELLS, TORCH_ORDER, Found, from_keras, reorder

TORCH = re.compile(r".*(weight|bias)_[ih]h(_l\d+)?(_reverse)?")
RAW = re.compile(r"(?P<prefix>.*?)(?P<name>weight_hh_l\d+)_raw")  # weight drop, of AWD-LSTM and fastai
START, END = r"(?P<prefix>(?:.*[./_])?)", r"(?:_?l?(?P<layer>\d{1,3}))?"
OTHER = {
    "recurrent_kernel": "recurrent_kernel",
    "kernel": "kernel",
    "weight_hh": r"w(?:eights?)?_?hh?(?:\.weight)?|(?:h2h|hh|linear_hh|hidden2hidden)\.weight",
    "weight_ih": r"w(?:eights?)?_?(?:[ix]h|x)(?:\.weight)?|(?:i2h|x2h|[ix]h|linear_ih|input2hidden)\.weight",
    "bias_hh": r"b(?:ias)?_?hh|(?:w_?hh|h2h|hh|linear_hh|hidden2hidden)\.bias",
    "bias_ih": r"b(?:ias)?_?(?:[ix]h|x)|(?:w_?[ix]h|i2h|x2h|[ix]h|linear_ih|input2hidden)\.bias",
    "bias": r"b|bias|b_?h",
}
PATTERNS = {part: re.compile(f"{START}(?:{names}){END}", re.IGNORECASE) for part, names in OTHER.items()}
GATE = re.compile(
    r"(?P<prefix>(?:.*[./_])?)(?P<kind>w_?[ixh]?|u_?|b_?[ixh]?)(?P<gate>[ifgcorznh])(?P<of>\.weight|\.bias|)",
    re.IGNORECASE,
)
GATES = {"lstm": ("i", "f", "cg", "o"), "gru": ("r", "z", "nh")}  # names of gates in torch's order
ORDERS = {"rnn": "", "gru": ", gates in the order r z n", "lstm": ", gates in the order i f g o"}
RESET = ", the state reset after its recurrent weights as in torch, which the file doesn't say"
Parts = dict[str, str]  # by part of a layer, the name of its tensor in the file


def to_torch_names(state: Mapping[str, Tensor]) -> Found:
    """Return the tensors with recurrent weights under torch's names; all others stay as they are."""
    found = Found(dict(state))
    _undo_weight_drop(found)
    _take_gates(found)
    layers: dict[tuple[str, int], Parts] = {}
    for name, tensor in found.tensors.items():
        if "optim" in name or TORCH.fullmatch(name) or not tensor.is_floating_point():
            continue
        for part, pattern in PATTERNS.items():
            if match := pattern.fullmatch(name):
                layers.setdefault((match["prefix"], int(match["layer"] or 0)), {}).setdefault(part, name)
                break
    for (prefix, layer), parts in layers.items():
        if {"kernel", "recurrent_kernel"} <= parts.keys() or {"weight_ih", "weight_hh"} <= parts.keys():
            _take(found, prefix, layer, parts)
    return found


def take_as(tensors: Mapping[str, Tensor], names: Mapping[str, str], order: str) -> Found:
    """Return one layer of the tensors that somebody says are its parts, with the gates in an order.

    Args:
        tensors: by part: weight_ih, weight_hh, and where there are some bias_ih, bias_hh.
        names: the tensors' names in the file, by part.
        order: the letters of the gates, as in "ifgo" or "zrn"; empty for torch's own.

    Raises:
        UnusableError: for shapes that don't fit, and an order of other gates than the layer's.
    """
    weights, words = _of_matrices(tensors)
    rows, H = weights["weight_hh"].shape
    cell = CELLS[rows // H]
    if sorted(order) not in ([], sorted(TORCH_ORDER[cell])):
        raise UnusableError(f"order={order}: expected the gates of {cell.upper()} once each, as in {TORCH_ORDER[cell]}")
    if order:
        weights = {part: reorder(weight, cell, order) for part, weight in weights.items()}
        words = words.replace(ORDERS[cell], f", gates in the order {' '.join(order)}")
    found = Found()
    found.add("", weights)
    found.taken[""] = f"taken is {', '.join(f'{one_line(name, 60)} for {part}' for part, name in names.items())}{words}"
    return found


def _undo_weight_drop(found: Found) -> None:
    """Put the weights that AWD-LSTM keeps beside a module in the place of those that it drops out."""
    for name in list(found.tensors):
        if match := RAW.fullmatch(name):
            inner = f"{match['prefix']}module."
            within = any(other.startswith(f"{inner}weight_ih") for other in found.tensors)
            place = f"{inner if within else match['prefix']}{match['name']}"
            found.tensors[place] = found.tensors.pop(name)
            found.taken[place.removesuffix(match["name"]).rstrip(".")] = (
                f"{one_line(name, 60)} is taken for {match['name']}"
            )


def _take(found: Found, prefix: str, layer: int, parts: Parts) -> None:
    """Replace the tensors of one layer by torch's, or say why it can't be read."""
    tensors = {part: found.tensors.pop(name) for part, name in parts.items()}
    prefix = prefix.rstrip("./_")
    said = ", ".join(f"{one_line(name, 60)} for {part}" for part, name in parts.items())
    try:
        if "kernel" in tensors:
            weights, order = _of_kernels(tensors), ", gates in Keras's order"
        else:
            weights, order = _of_matrices(tensors)
    except UnusableError as error:
        found.refused[prefix] = f"{said}: {error}"
        return
    found.add(prefix, weights, layer)
    found.taken[prefix] = "; ".join(filter(None, [found.taken.get(prefix, ""), f"taken is {said}{order}"]))


def _of_kernels(parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a layer's weights from Keras's."""
    return from_keras(parts["kernel"], parts["recurrent_kernel"], parts.get("bias"))


def _of_matrices(parts: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Return a layer's weights, (g H, ·) or transposed (·, g H), as torch has them, and what that took, in words."""
    hh, ih = parts["weight_hh"], parts["weight_ih"]
    if hh.dim() != 2 or ih.dim() != 2 or not hh.numel():
        raise UnusableError(f"shapes {tuple(ih.shape)} and {tuple(hh.shape)}: expected two matrices")
    H, R = sorted(hh.shape)
    if R % H or R // H not in CELLS or R not in ih.shape:
        raise UnusableError(f"shapes {tuple(ih.shape)} and {tuple(hh.shape)}: expected (g H, D), (g H, H), g = 1, 3, 4")
    transposed = hh.shape[0] != R or ih.shape[0] != R
    if transposed:
        hh, ih = hh.T.contiguous(), ih.T.contiguous()
    if hh.shape[0] != R or ih.shape[0] != R:
        raise UnusableError(f"shapes {tuple(ih.shape)} and {tuple(hh.shape)}: expected both with the gates on one axis")
    weights = {"weight_ih": ih, "weight_hh": hh}
    biases = {part: parts[part].flatten() for part in ("bias_ih", "bias_hh") if part in parts}
    free = [part for part in ("bias_ih", "bias_hh") if part not in biases]
    if "bias" in parts and free:
        biases[free[0]] = parts["bias"].flatten()
    one = len(biases) == 1
    if one:
        [(part, bias)] = biases.items()
        biases = {"bias_ih": torch.zeros_like(bias), "bias_hh": torch.zeros_like(bias)} | {part: bias}
    words = ORDERS[CELLS[R // H]] + ", transposed" * transposed + ", the other bias 0" * one
    words += RESET * (R == 3 * H)
    words += ", as in W x: both are square, so the file may mean x W as well" * (ih.shape == (H, H))
    return weights | biases, words


def _take_gates(found: Found) -> None:
    """Join weights of a cell that has one matrix for each gate: W_i, W_f, W_g, W_o beside U_i, …."""
    groups: dict[str, dict[str, str]] = {}
    for name in found.tensors:
        if "optim" not in name and (match := GATE.fullmatch(name)):
            kind = match["kind"].lower().replace("_", "")
            kind += ".bias" if match["of"] == ".bias" else ""
            groups.setdefault(match["prefix"], {})[f"{kind} {match['gate'].lower()}"] = name
    for prefix, names in groups.items():
        for cell, gates in GATES.items():
            inputs = _row(names, ("wi", "wx", "w"), gates)
            recurrent = _row(names, ("wh", "u"), gates)
            if inputs and recurrent:
                biases = {
                    "bias_ih": _row(names, ("bi", "bx", "wi.bias", "wx.bias", "w.bias", "b"), gates),
                    "bias_hh": _row(names, ("bh", "wh.bias", "u.bias"), gates),
                }
                _join(found, prefix, {"weight_ih": inputs, "weight_hh": recurrent} | biases)
                break
            if inputs and cell == "lstm":
                said = ", ".join(one_line(name, 40) for name in inputs)
                found.refused[prefix.rstrip("./_")] = (
                    f"{said}: one matrix for input and state together, whose order the file doesn't say; expected two"
                )


def _row(names: Mapping[str, str], kinds: tuple[str, ...], gates: tuple[str, ...]) -> list[str]:
    """Return the names of the tensors of all gates of one kind; none unless all are there."""
    for kind in kinds:
        row = [names[f"{kind} {sign}"] for gate in gates for sign in gate if f"{kind} {sign}" in names]
        if len(row) == len(gates):
            return row
    return []


def _join(found: Found, prefix: str, rows: Mapping[str, list[str]]) -> None:
    """Put the tensors of gates one below the other, and take these for a layer."""
    tensors = {part: [found.tensors[name] for name in row] for part, row in rows.items() if row}
    if any(len({tensor.shape for tensor in row}) > 1 for row in tensors.values()):
        return
    H = tensors["weight_hh"][0].shape[-1]
    if tensors["weight_ih"][0].shape[0] != H:  # (D, H) of x W in place of (H, D) of W x
        tensors = {part: [tensor.t() for tensor in row] for part, row in tensors.items()}
    parts: Parts = {}
    for part, row in tensors.items():
        parts[part] = " + ".join(rows[part])
        for name in rows[part]:
            found.tensors.pop(name)
        found.tensors[parts[part]] = torch.cat(row)
    _take(found, prefix, 0, parts)
