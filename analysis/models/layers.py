"""Find the recurrent layers in a state dict, and build modules of them that `record` takes.

A state dict may come from anywhere: what can't be used raises an UnusableError. `files` reads it from bytes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from analysis.engine.layer import PARAMETERS
from analysis.engine.recording import MODULES, Module
from analysis.files.errors import UnusableError, one_line
from analysis.models.files import read_layers
from analysis.models.layouts import Found
from analysis.models.limits import NONLINEARITIES
from analysis.models.names import take_as, to_torch_names
from analysis.results import Watched

CELL_BY_ROWS = {1: "rnn", 3: "gru", 4: "lstm"}  # rows of weight_hh by columns
WRAPPERS = ("module", "_orig_mod", "state_dict", "model_state_dict", "model_state")  # around a model, or a state dict
PARAMETER = re.compile(
    r"(?P<prefix>.*?)(?:parametrizations\.)?(?P<part>weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)"
    r"(?:_l(?P<layer>\d{1,3}))?(?P<reverse>_reverse)?(?P<more>_g|_v|_orig|_mask|\.original\d?)?"
)
PROJECTION, SUFFIXES = "weight_hr", ("", "_reverse")  # of a parameter's name
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
    projection: int = 0  # units that the hidden state is projected to; 0 without a projection
    both: bool = False  # whether both directions are run, since upper layers read both; `backward` is which is measured
    taken: str = ""  # what was taken for what, where the file has other names or another layout than torch's
    nonlinearity: str = ""  # of an RNN, tanh or relu, where the file says it
    others: tuple[str, ...] = ()  # the model's other modules with weights, which aren't used: embedding, head

    @property
    def label(self) -> str:
        """Return one line for a list: "encoder.lstm: LSTM, 8 inputs, 32 units, 2 layers"."""
        where = one_line(self.name) or "at the top"
        if self.refusal:
            return f"{where}: {self.refusal}"
        bias = "" if self.bias else ", no bias"
        projected = f", projected to {self.projection}" if self.projection else ""
        part = f"; measured is {self.part}" if self.part else ""
        return f"{where}: {describe_sizes(self)}{projected}{bias}{part}"

    @property
    def direction(self) -> str:
        """Which direction of the module to measure."""
        return "backward" if self.backward and self.both else "forward"

    @property
    def plain(self) -> bool:
        """Whether the module has one direction and no projection."""
        return not self.both and not self.projection


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
    these shapes. Bidirectional layers give two stacks, one for each direction that can be measured: of one layer, that
    direction alone, which reads nothing but the inputs; of several, both. The backward one has ".backward" in its name.
    Layers that are pruned, or with missing or broken weights, are returned with a `refusal`.

    Raises:
        UnusableError: where there is none.

    >>> [stack] = find_recurrent({"encoder." + name: w for name, w in nn.GRU(3, 5, 2).state_dict().items()})
    >>> stack.label
    'encoder: GRU, 3 inputs, 5 units, 2 layers'
    """
    return _stacks(to_torch_names(state))


def take_layers(state: Mapping[str, Tensor], names: Mapping[str, str], order: str = "") -> RecurrentStack:
    """Return one layer of the tensors of a state dict that are named for its parts, whatever they are called.

    Args:
        state: from `files.read_weights`.
        names: of the tensors by part: weight_ih, weight_hh, maybe bias_ih, bias_hh; a bias that isn't named is 0.
        order: the letters of the gates in the file, as in "iofg" or "zrn"; empty for torch's own.

    Raises:
        UnusableError: for names that aren't there, a part too few, and what isn't a layer's.
    """
    if not {"weight_ih", "weight_hh"} <= names.keys() <= set(PARAMETERS):
        raise UnusableError(f"{', '.join(names) or 'nothing'}: expected weight_ih, weight_hh, maybe bias_ih, bias_hh")
    if missing := [name for name in names.values() if name not in state]:
        raise UnusableError(f"{missing[0]}: expected one of {', '.join(map(one_line, list(state)[:9]))}")
    if sum(state[name].numel() for name in names.values()) > MOST_PARAMETERS:
        raise UnusableError(f"too large: expected at most {MOST_PARAMETERS:,} parameters")
    [stack] = _stacks(take_as({part: _checked(name, state[name]) for part, name in names.items()}, names, order))
    if stack.refusal:
        raise UnusableError(stack.refusal)
    return stack


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
            own = prefix.rstrip(".")
            usable.append(
                replace(stack, taken=found.taken.get(own, ""), nonlinearity=found.nonlinearities.get(own, ""))
            )
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
    both = len(_directions(parts)) == 2 and any(_layer(key) for key in parts)
    parts, part = _one_direction(parts, backward, both)
    weights, layers = _weights_by_name(_without_weight_norm(parts))
    endings = [f"_l{k}{suffix}" for k in range(min(layers, MOST_LAYERS + 1)) for suffix in SUFFIXES[: 1 + both]]
    _add_the_other_bias(weights, endings)
    bias, projected = (any(key.startswith(kind) for key in weights) for kind in ("bias", PROJECTION))
    expected = [f"{part}{ending}" for ending in endings for part in _parts(bias, projected)]
    missing = [key for key in expected if key not in weights]
    if layers > MOST_LAYERS or missing:
        lacks = f"more than {MOST_LAYERS} layers" if layers > MOST_LAYERS else f"{missing[0]} is missing"
        raise UnusableError(f"{lacks}: expected weights, and both biases or none, for layers from 0 on")
    rows, P = _shape(weights["weight_hh_l0"], "weight_hh_l0")
    H = _shape(weights[f"{PROJECTION}_l0"], f"{PROJECTION}_l0")[1] if projected else P
    cell = CELL_BY_ROWS.get(rows // H) if rows % H == 0 else None
    if cell is None or (projected and (cell != "lstm" or P >= H)):
        several = f"4 times {H}, below {H} columns" if projected else "1, 3 or 4 times as many rows as columns"
        raise UnusableError(f"weight_hh_l0 of shape {(rows, P)}: expected {several}")
    D = _shape(weights["weight_ih_l0"], "weight_ih_l0")[1]
    for key in expected:
        columns = P if "hh" in key else D if "_l0" in key else P * (1 + both)
        shape = (P, H) if key.startswith(PROJECTION) else (rows, columns) if key.startswith("weight") else (rows,)
        _require_shape(key, weights[key], shape)
    kept = {key: weights[key] for key in expected}
    return RecurrentStack(name, cell, D, H, layers, bias, kept, part, projection=P * projected, both=both)


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
        if match["more"]:
            raise UnusableError(f"{key} is made by pruning or the like: expected plain weights, after its removal")
        name = f"{match['part']}_l{_layer(key)}{match['reverse'] or ''}"
        if name in weights:
            raise UnusableError(f"{key} is there twice, with and without _l0: expected one")
        weights[name] = _checked(key, tensor)
    return weights, max(map(_layer, weights), default=0) + 1


def _add_the_other_bias(weights: dict[str, Tensor], endings: list[str]) -> None:
    """Add a bias of 0 to each layer, where all layers have the same one of torch's two."""
    for one, other in (("bias_ih", "bias_hh"), ("bias_hh", "bias_ih")):
        names = [f"{one}{ending}" for ending in endings]
        if all(name in weights for name in names) and not any(key.startswith(other) for key in weights):
            weights |= {name.replace(one, other): torch.zeros_like(weights[name]) for name in names}


def _require_shape(key: str, weight: Tensor, shape: tuple[int, ...]) -> None:
    """Raise an UnusableError for a weight of another shape, or one that isn't finite."""
    if tuple(weight.shape) != shape:
        raise UnusableError(f"{key} of shape {tuple(weight.shape)}: expected {shape}")
    if not weight.isfinite().all():
        raise UnusableError(f"{key} holds NaN or infinite numbers: expected finite ones")


def _one_direction(parts: Mapping[str, Tensor], backward: bool, both: bool) -> tuple[Mapping[str, Tensor], str]:
    """Return the parameters of one direction by forward names, and a text on it; all where it is alone.

    Layers above the first read both directions: where there are some, the parameters of both are kept.
    """
    name = "backward" if backward else "forward"
    if both:
        return parts, f"the {name} direction; both are run"
    if True not in _directions(parts):
        return parts, ""
    own = [key for key in parts if bool(_match(key)["reverse"]) == backward]
    return {key.replace("_reverse", ""): parts[key] for key in own}, f"the {name} direction alone"


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


def _parts(bias: bool, projected: bool) -> tuple[str, ...]:
    """Return the beginnings of torch's names of a layer's parameters, with or without biases and a projection."""
    return (*(PARAMETERS if bias else PARAMETERS[:2]), *[PROJECTION] * projected)


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


def to_module(stack: RecurrentStack, nonlinearity: str = "") -> Module:
    """Build the nn.RNN, nn.LSTM or nn.GRU with these weights and batch_first, without drawing random numbers.

    Args:
        stack: from `find_recurrent`.
        nonlinearity: of an RNN, tanh or relu; empty for what the file says, or else tanh.

    Raises:
        UnusableError: for a stack with a refusal, and another nonlinearity.
    """
    if stack.refusal:
        raise UnusableError(stack.label)
    nonlinearity = nonlinearity or stack.nonlinearity or "tanh"
    if nonlinearity not in NONLINEARITIES:
        raise UnusableError(f"nonlinearity={nonlinearity!r}: expected tanh or relu")
    double = any(weight.dtype == torch.float64 for weight in stack.weights.values())
    options: dict[str, Any] = {"nonlinearity": nonlinearity} if stack.cell == "rnn" else {}
    options |= {"proj_size": stack.projection} if stack.projection else {}  # which torch's RNN and GRU refuse
    module = MODULES[stack.cell](
        stack.input_size, stack.hidden_size, stack.layers, bias=stack.bias, batch_first=True,
        bidirectional=stack.both, device="meta", dtype=torch.float64 if double else torch.float32, **options,
    ).to_empty(device="cpu")  # fmt: skip
    module.load_state_dict(dict(stack.weights))
    return module
