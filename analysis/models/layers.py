"""Find the recurrent layers in a state dict, and build modules of them that `record` takes.

A state dict may come from anywhere: what can't be used raises an UnusableError. `files` reads it from bytes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from analysis.engine.layer import PARAMETERS
from analysis.engine.recording import MODULES, Module
from analysis.files.errors import UnusableError, one_line
from analysis.models.files import read_layers
from analysis.models.layouts import Found
from analysis.models.limits import NONLINEARITIES
from analysis.models.names import to_torch_names
from analysis.results import Watched

CELL_BY_ROWS = {1: "rnn", 3: "gru", 4: "lstm"}  # rows of weight_hh by columns
WRAPPERS = ("module", "_orig_mod", "state_dict", "model_state_dict", "model_state")  # around a model, or a state dict
PARAMETER = re.compile(
    r"(?P<prefix>.*?)(?:parametrizations\.)?(?P<part>weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)"
    r"(?:_l(?P<layer>\d{1,3}))?(?P<reverse>_reverse)?(?P<more>_g|_v|_orig|_mask|\.original\d?)?"
)
WEIGHT_NORM = {"_g": "_v", ".original0": ".original1"}  # length and direction
FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)

MOST_PARAMETERS = 20_000_000
MOST_LAYERS, MOST_STACKS = 64, 200


@dataclass(frozen=True, eq=False)
class RecurrentStack:
    """Recurrent layers of a state dict, each of which reads the one below, and their weights."""

    name: str  # the prefix of their parameters, without the names of what wraps a model; empty at the top
    cell: str = "?"  # rnn, lstm, gru
    input_size: int = 0
    hidden_size: int = 0
    layers: int = 0
    bias: bool = False
    weights: Mapping[str, Tensor] = field(default_factory=dict, repr=False)  # by torch's parameter names
    part: str = ""  # in words, the part that is measured; empty where all is
    refusal: str = ""  # why they can't be measured; empty where they can
    backward: bool = False  # whether they read inputs from their end to their start
    taken: str = ""  # what was taken for what, where the file has other names or another layout than torch's
    others: tuple[str, ...] = ()  # the model's other modules with weights, which aren't used: embedding, head

    @property
    def label(self) -> str:
        """Return one line for a list: "encoder.lstm: LSTM, 8 inputs, 32 units, 2 layers"."""
        where = one_line(self.name) or "at the top"
        if self.refusal:
            return f"{where}: {self.refusal}"
        bias = "" if self.bias else ", no bias"
        part = f"; measured is {self.part}" if self.part else ""
        return f"{where}: {describe_sizes(self)}{bias}{part}"


def describe_sizes(of: RecurrentStack | Watched) -> str:
    """Return the cell and sizes of recurrent layers: "LSTM, 8 inputs, 32 units, 2 layers"."""
    counts = {"input": of.input_size, "unit": of.hidden_size, "layer": of.layers}
    return ", ".join([of.cell.upper(), *(count_of(count, what) for what, count in counts.items())])


def count_of(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is one: "1 step", "1,000 steps"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def read_recurrent(data: bytes, name: str) -> list[RecurrentStack]:
    """Find the recurrent layers in a file that `files.read_layers` takes.

    Raises:
        UnusableError: where it can't be read, or there are none.
    """
    found = read_layers(data, name)
    try:
        return _stacks(found)
    except UnusableError as error:
        raise UnusableError(f"{name}: {error}") from error


def find_recurrent(state: Mapping[str, Tensor]) -> list[RecurrentStack]:
    """Find every stack of recurrent layers by the names and shapes of torch's parameters; other entries don't matter.

    The cell follows from the rows of `weight_hh`: 1, 3 or 4 times its columns are an RNN, GRU or LSTM. A state dict
    doesn't hold an RNN's nonlinearity, nor whether a class of the user's own computes something else from weights of
    these shapes. Bidirectional layers give two stacks, a direction of the first layer each, which read nothing but the
    inputs; that of the backward direction has ".backward" in its name. Layers with projections, pruned, or with
    missing or broken weights are returned with a `refusal`.

    Raises:
        UnusableError: where there is none.

    >>> [stack] = find_recurrent({"encoder." + name: w for name, w in nn.GRU(3, 5, 2).state_dict().items()})
    >>> stack.label
    'encoder: GRU, 3 inputs, 5 units, 2 layers'
    """
    return _stacks(to_torch_names(state))


def _stacks(found: Found) -> list[RecurrentStack]:
    """Return the stacks of recurrent layers under torch's names; UnusableError where there is none."""
    state = found.tensors
    stacks: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        if match := PARAMETER.fullmatch(name):
            stacks.setdefault(match["prefix"], {})[name.removeprefix(match["prefix"])] = tensor
    stacks = {prefix: parts for prefix, parts in stacks.items() if any("weight_hh" in part for part in parts)}
    refused = [RecurrentStack(_without_wrappers(name), refusal=why) for name, why in found.refused.items()]
    if not stacks and not refused:
        some = f" ({', '.join(map(one_line, list(state)[:3]))}, …)" if state else ""
        raise UnusableError(
            f"no recurrent layer among {len(state):,} tensors{some}: expected names such as weight_ih_l0, weight_hh_l0"
        )
    if len(stacks) > MOST_STACKS:
        raise UnusableError(f"{len(stacks):,} recurrent layers: expected at most {MOST_STACKS}")
    names = {prefix: _without_wrappers(prefix) for prefix in stacks}
    labels, others = list(names.values()), _other_modules(state)
    usable = []
    for prefix, parts in stacks.items():
        name = names[prefix] if labels.count(names[prefix]) == 1 else prefix.rstrip(".")
        for backward in (False, True) if _directions(parts) == {False, True} else (False,):
            stack = _stack(f"{name}.backward".lstrip(".") if backward else name, parts, others, backward)
            usable.append(replace(stack, taken=found.taken.get(prefix.rstrip("."), "")))
    return usable + refused


def _other_modules(state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return the modules that hold a `weight` and are not recurrent, each once, in the order of the state dict."""
    modules = [name.removesuffix(".weight") for name in state if name.endswith(".weight")]
    return tuple(dict.fromkeys(_without_wrappers(module) for module in modules))


def _without_wrappers(prefix: str) -> str:
    """Return a module's name without the names of what wraps a model, nor dots at its ends."""
    return ".".join(part for part in prefix.split(".") if part and part not in WRAPPERS)


def _directions(parts: Mapping[str, Tensor]) -> set[bool]:
    """Return whether parameters are of the backward direction, of the forward one, or both."""
    return {bool(_match(key)["reverse"]) for key in parts}


def _stack(name: str, parts: Mapping[str, Tensor], others: tuple[str, ...], backward: bool) -> RecurrentStack:
    """Return the stack of these parameters, or one with the reason why it can't be measured."""
    try:
        return replace(_usable_stack(name, parts, backward), others=others, backward=backward)
    except UnusableError as error:
        return RecurrentStack(name, refusal=str(error))


def _usable_stack(name: str, parts: Mapping[str, Tensor], backward: bool) -> RecurrentStack:
    """Return the stack of these parameters, of one direction; UnusableError where it can't be measured."""
    if sum(tensor.numel() for tensor in parts.values()) > MOST_PARAMETERS:
        raise UnusableError(f"too large: expected at most {MOST_PARAMETERS:,} parameters")
    parts, part = _one_direction(parts, backward)
    weights, layers = _weights_by_name(_without_weight_norm(parts))
    _add_the_other_bias(weights, layers)
    bias = any(key.startswith("bias") for key in weights)
    expected = [f"{part}_l{k}" for k in range(min(layers, MOST_LAYERS + 1)) for part in _parts(bias)]
    missing = [key for key in expected if key not in weights]
    if layers > MOST_LAYERS or missing:
        lacks = f"more than {MOST_LAYERS} layers" if layers > MOST_LAYERS else f"{missing[0]} is missing"
        raise UnusableError(f"{lacks}: expected weights, and both biases or none, for layers from 0 on")
    rows, H = _shape(weights["weight_hh_l0"], "weight_hh_l0")
    cell = CELL_BY_ROWS.get(rows // H) if rows % H == 0 else None
    if cell is None:
        raise UnusableError(f"weight_hh_l0 of shape {(rows, H)}: expected 1, 3 or 4 times as many rows as columns")
    D = _shape(weights["weight_ih_l0"], "weight_ih_l0")[1]
    for key in expected:
        columns = H if "hh" in key or not key.endswith("_l0") else D
        _require_shape(key, weights[key], (rows, columns) if key.startswith("weight") else (rows,))
    return RecurrentStack(name, cell, D, H, layers, bias, {key: weights[key] for key in expected}, part)


def _match(key: str) -> re.Match[str]:
    """Return the parts of a parameter's name; `find_recurrent` has left out all other names."""
    match = PARAMETER.fullmatch(key)
    assert match, f"{key} is no recurrent layer's parameter"
    return match


def _layer(key: str) -> int:
    """Return a parameter's layer; it is 0 for a name without a number, as in nn.LSTMCell."""
    return int(_match(key)["layer"] or 0)


def _weights_by_name(parts: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], int]:
    """Return the weights by torch's names for layers from 0 on, and how many layers these are."""
    weights: dict[str, Tensor] = {}
    for key, tensor in parts.items():
        match = _match(key)
        if match["part"] == "weight_hr":
            raise UnusableError(
                "with projections (weight_hr), not supported here: expected proj_size=0; record takes the module"
            )
        if match["more"]:
            raise UnusableError(f"{key} is made by pruning or the like: expected plain weights, after its removal")
        name = f"{match['part']}_l{_layer(key)}"
        if name in weights:
            raise UnusableError(f"{key} is there twice, with and without _l0: expected one")
        weights[name] = _checked(key, tensor)
    return weights, max(map(_layer, weights), default=0) + 1


def _add_the_other_bias(weights: dict[str, Tensor], layers: int) -> None:
    """Add a bias of 0 to each layer, where all layers have the same one of torch's two."""
    for one, other in (("bias_ih", "bias_hh"), ("bias_hh", "bias_ih")):
        names = [f"{one}_l{k}" for k in range(min(layers, MOST_LAYERS))]
        if all(name in weights for name in names) and not any(key.startswith(other) for key in weights):
            weights |= {name.replace(one, other): torch.zeros_like(weights[name]) for name in names}


def _require_shape(key: str, weight: Tensor, shape: tuple[int, ...]) -> None:
    """Raise an UnusableError for a weight of another shape, or one that isn't finite."""
    if tuple(weight.shape) != shape:
        raise UnusableError(f"{key} of shape {tuple(weight.shape)}: expected {shape}")
    if not weight.isfinite().all():
        raise UnusableError(f"{key} holds NaN or infinite numbers: expected finite ones")


def _one_direction(parts: Mapping[str, Tensor], backward: bool) -> tuple[Mapping[str, Tensor], str]:
    """Return the parameters of one direction by forward names, and a text on it; all where it is alone.

    Layers above the first read both directions, so that they are left out.
    """
    if True not in _directions(parts):
        return parts, ""
    first = {key for key in parts if _layer(key) == 0}
    part = f"the {'backward' if backward else 'forward'} direction alone"
    part += "" if first == parts.keys() else ", of the first layer"
    own = [key for key in parts if key in first and bool(_match(key)["reverse"]) == backward]
    return {key.replace("_reverse", ""): parts[key] for key in own}, part


def _without_weight_norm(parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Compute the weights that weight norm keeps in two parts: w = g v / ‖v‖ (Salimans & Kingma 2016)."""
    plain = dict(parts)
    for key in parts:
        length = _match(key)["more"]
        if length not in WEIGHT_NORM:
            continue
        stem = key.removesuffix(length)
        direction, name = stem + WEIGHT_NORM[length], stem.removeprefix("parametrizations.")
        if direction not in parts or name in parts:
            continue
        g, v = _checked(key, plain.pop(key)), _checked(direction, plain.pop(direction))
        rows, columns = _shape(v, direction)
        if g.shape not in ((), (rows, 1), (1, columns)):
            raise UnusableError(f"{key} of shape {tuple(g.shape)}: expected a length per row of {(rows, columns)}")
        axes = [axis for axis in (0, 1) if not g.dim() or g.shape[axis] == 1]  # along these, a length is shared
        v, dtype = v.double(), v.dtype
        plain[name] = (v * (g.double() / v.norm(dim=axes, keepdim=True))).to(dtype)
    return plain


def _parts(bias: bool) -> tuple[str, ...]:
    """Return the beginnings of torch's names of a layer's parameters, with or without biases."""
    return PARAMETERS if bias else PARAMETERS[:2]


def _checked(key: str, tensor: Tensor) -> Tensor:
    """Return a parameter; UnusableError where it isn't an ordinary tensor of floats."""
    if tensor.dtype not in FLOATS or tensor.layout != torch.strided or tensor.device.type != "cpu":
        kind = str(tensor.dtype if tensor.layout == torch.strided else tensor.layout).removeprefix("torch.")
        raise UnusableError(f"{key} is of {kind}: expected float16, bfloat16, float32 or float64")
    return tensor


def _shape(weight: Tensor, key: str) -> tuple[int, int]:
    """Return a matrix's rows and columns; UnusableError for an empty one, or another number of axes."""
    if weight.dim() != 2 or not weight.numel():
        raise UnusableError(f"{key} of shape {tuple(weight.shape)}: expected two axes with something in them")
    rows, columns = weight.shape
    return rows, columns


def to_module(stack: RecurrentStack, nonlinearity: str = "tanh") -> Module:
    """Build the nn.RNN, nn.LSTM or nn.GRU with these weights and batch_first, without drawing random numbers.

    Args:
        stack: from `find_recurrent`.
        nonlinearity: of an RNN, tanh or relu; a state dict doesn't say which.

    Raises:
        UnusableError: for a stack with a refusal, and another nonlinearity.
    """
    if stack.refusal:
        raise UnusableError(stack.label)
    if nonlinearity not in NONLINEARITIES:
        raise UnusableError(f"nonlinearity={nonlinearity!r}: expected tanh or relu")
    double = any(weight.dtype == torch.float64 for weight in stack.weights.values())
    options = {"nonlinearity": nonlinearity} if stack.cell == "rnn" else {}
    module = MODULES[stack.cell](
        stack.input_size, stack.hidden_size, stack.layers, bias=stack.bias, batch_first=True,
        device="meta", dtype=torch.float64 if double else torch.float32, **options,
    ).to_empty(device="cpu")  # fmt: skip
    module.load_state_dict(dict(stack.weights))
    return module
