"""A network and data from files: the recurrent layers in a state dict, as modules that `record` takes.

It trusts nothing that it reads; what can't be used is an UnusableError. The parsing is in `files`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Generator, Tensor, nn

from analysis.engine.cells import LAYERS
from analysis.engine.recording import Module, record, unit_vector
from analysis.measures.bounds import activation_bounds
from analysis.measures.decay import carry_decay, gradient_decay
from analysis.measures.gates import gate_saturation
from analysis.models.files import UnusableError, one_line, read_array, read_weights
from analysis.models.limits import (
    LARGEST_VARIANCE,
    NONLINEARITIES,
    RANDOM_SEED,
    RANDOM_SEQUENCES,
    RANDOM_STEPS,
    RANDOM_VARIANCE,
    SEQUENCES,
    STEPS,
)
from analysis.results import Measured, Tape, Watched

KINDS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELL_BY_ROWS = {1: "rnn", 3: "gru", 4: "lstm"}  # rows of weight_hh by columns
WRAPPERS = ("module", "_orig_mod", "state_dict", "model_state_dict")  # DataParallel, torch.compile, checkpoints
PARAMETER = re.compile(
    r"(?P<prefix>.*?)(?:parametrizations\.)?(?P<part>weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)"
    r"(?:_l(?P<layer>\d{1,3}))?(?P<reverse>_reverse)?(?P<more>_g|_v|_orig|_mask|\.original\d?)?"
)
WEIGHT_NORM = {"_g": "_v", ".original0": ".original1"}  # length and direction
FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)

MOST_PARAMETERS = 20_000_000
MOST_LAYERS, MOST_STACKS = 64, 200
NUMBERS = 20_000_000  # that a recording may keep
CORNER, ALIKE = 100, 0.8  # of inputs, to compare neighbours; how much more alike they have to be
MULTIPLY_ADDS = 3e9  # forward: some seconds on one core


@dataclass(frozen=True, eq=False)
class Found:
    """Recurrent layers that stand on one another in a state dict."""

    name: str  # where they are, without the names of what wraps a model; empty at the top
    cell: str = "?"  # rnn, lstm, gru
    input_size: int = 0
    hidden_size: int = 0
    layers: int = 0
    bias: bool = False
    weights: Mapping[str, Tensor] = field(default_factory=dict, repr=False)  # by torch's parameter names
    part: str = ""  # what of them is measured, where it isn't all
    refusal: str = ""  # why they can't be measured

    @property
    def label(self) -> str:
        """One line for a list: "encoder.lstm: LSTM, 8 inputs, 32 units, 2 layers"."""
        where = one_line(self.name) or "at the top"
        if self.refusal:
            return f"{where}: {self.refusal}"
        bias = "" if self.bias else ", no bias"
        part = f"; measured is {self.part}" if self.part else ""
        return f"{where}: {describe_sizes(self)}{bias}{part}"


def describe_sizes(of: Found | Watched) -> str:
    """Name recurrent layers by what they are: "LSTM, 8 inputs, 32 units, 2 layers"."""
    counts = {"input": of.input_size, "unit": of.hidden_size, "layer": of.layers}
    return ", ".join([of.cell.upper(), *(_counted(count, what) for what, count in counts.items())])


def read_recurrent(data: bytes, name: str) -> list[Found]:
    """Find the recurrent layers in a file that `read_weights` takes.

    Raises:
        UnusableError: where it can't be read, or there are none.
    """
    state = read_weights(data, name)
    try:
        return find_recurrent(state)
    except UnusableError as error:
        raise UnusableError(f"{name}: {error}") from error


def find_recurrent(state: Mapping[str, Tensor]) -> list[Found]:
    """Find every stack of recurrent layers by the names and shapes of torch's parameters; other entries don't matter.

    The cell follows from the rows of `weight_hh`: 1, 3 or 4 times its columns are an RNN, GRU or LSTM. What a state
    dict doesn't say is an RNN's nonlinearity, and whether a class of one's own computes something else from weights
    of these shapes. Of bidirectional layers it is the first one's forward direction, which nothing else feeds. Layers
    with projections, pruned, with missing or broken weights are returned too, with a `refusal`.

    Raises:
        UnusableError: where there is none.

    >>> [found] = find_recurrent({"encoder." + name: w for name, w in nn.GRU(3, 5, 2).state_dict().items()})
    >>> found.label
    'encoder: GRU, 3 inputs, 5 units, 2 layers'
    """
    stacks: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        if match := PARAMETER.fullmatch(name):
            stacks.setdefault(match["prefix"], {})[name.removeprefix(match["prefix"])] = tensor
    stacks = {prefix: parts for prefix, parts in stacks.items() if any("weight_hh" in part for part in parts)}
    if not stacks:
        some = f" ({', '.join(map(one_line, list(state)[:3]))}, …)" if state else ""
        raise UnusableError(
            f"no recurrent layer among {len(state):,} tensors{some}: expected names such as weight_ih_l0, weight_hh_l0"
        )
    if len(stacks) > MOST_STACKS:
        raise UnusableError(f"{len(stacks):,} recurrent layers: expected at most {MOST_STACKS}")
    names = {prefix: ".".join(p for p in prefix.split(".") if p and p not in WRAPPERS) for prefix in stacks}
    taken = list(names.values())
    return [
        _stack(names[prefix] if taken.count(names[prefix]) == 1 else prefix.rstrip("."), parts)
        for prefix, parts in stacks.items()
    ]


def _stack(name: str, parts: Mapping[str, Tensor]) -> Found:
    try:
        return _described(name, parts)
    except UnusableError as error:
        return Found(name, refusal=str(error))


def _described(name: str, parts: Mapping[str, Tensor]) -> Found:
    if sum(tensor.numel() for tensor in parts.values()) > MOST_PARAMETERS:
        raise UnusableError(f"too large: expected at most {MOST_PARAMETERS:,} parameters")
    parts, part = _forward(parts)
    weights: dict[str, Tensor] = {}
    layers = set()
    for key, tensor in _without_weight_norm(parts).items():
        match = PARAMETER.fullmatch(key)
        if match["part"] == "weight_hr":
            raise UnusableError("with projections (weight_hr), not supported: expected proj_size=0")
        if match["more"]:
            raise UnusableError(f"{key} is made by pruning or the like: expected plain weights, after its removal")
        layer = int(match["layer"] or 0)
        if f"{match['part']}_l{layer}" in weights:
            raise UnusableError(f"{key} is there twice, with and without _l0: expected one")
        layers.add(layer)
        weights[f"{match['part']}_l{layer}"] = _checked(key, tensor)
    L = max(layers, default=0) + 1
    bias = any(key.startswith("bias") for key in weights)
    expected = [f"{part}_l{k}" for k in range(min(L, MOST_LAYERS + 1)) for part in _parts(bias)]
    if L > MOST_LAYERS or (missing := [key for key in expected if key not in weights]):
        lacks = f"more than {MOST_LAYERS} layers" if L > MOST_LAYERS else f"{missing[0]} is missing"
        raise UnusableError(f"{lacks}: expected weights, and both biases or none, for layers from 0 on")
    rows, H = _shape(weights["weight_hh_l0"], "weight_hh_l0")
    cell = CELL_BY_ROWS.get(rows // H) if rows % H == 0 else None
    if cell is None:
        raise UnusableError(f"weight_hh_l0 of shape {(rows, H)}: expected 1, 3 or 4 times as many rows as columns")
    D = _shape(weights["weight_ih_l0"], "weight_ih_l0")[1]
    for key in expected:
        columns = H if "hh" in key or not key.endswith("_l0") else D
        shape = (rows, columns) if key.startswith("weight") else (rows,)
        if tuple(weights[key].shape) != shape:
            raise UnusableError(f"{key} of shape {tuple(weights[key].shape)}: expected {shape}")
        if not weights[key].isfinite().all():
            raise UnusableError(f"{key} holds NaN or infinite numbers: expected finite ones")
    return Found(name, cell, D, H, L, bias, {key: weights[key] for key in expected}, part)


def _forward(parts: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], str]:
    """Leave of bidirectional layers what reads the inputs in their order, and nothing else; say what that is."""
    matches = {key: PARAMETER.fullmatch(key) for key in parts}
    if not any(match["reverse"] for match in matches.values()):
        return parts, ""
    first = {key for key, match in matches.items() if not int(match["layer"] or 0)}
    said = "the forward direction alone" + ", of the first layer" * (first != parts.keys())
    return {key: parts[key] for key in parts if key in first and not matches[key]["reverse"]}, said


def _without_weight_norm(parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Compute the weights that weight norm keeps in two parts: w = g v / ‖v‖ (Salimans & Kingma 2016)."""
    plain = dict(parts)
    for key in parts:
        length = PARAMETER.fullmatch(key)["more"]
        stem = key.removesuffix(length or "")
        direction = stem + WEIGHT_NORM.get(length, "")
        name = stem.removeprefix("parametrizations.")
        if length not in WEIGHT_NORM or direction not in parts or name in parts:
            continue
        g, v = _checked(key, plain.pop(key)), _checked(direction, plain.pop(direction))
        rows, columns = _shape(v, direction)
        if g.shape not in ((), (rows, 1), (1, columns)):
            raise UnusableError(f"{key} of shape {tuple(g.shape)}: expected a length per row of {(rows, columns)}")
        axes = [axis for axis in (0, 1) if not g.dim() or g.shape[axis] == 1]  # one length holds for all along these
        v, dtype = v.double(), v.dtype
        plain[name] = (v * (g.double() / v.norm(dim=axes, keepdim=True))).to(dtype)
    return plain


def _parts(bias: bool) -> tuple[str, ...]:
    return ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if bias else 2]


def _checked(key: str, tensor: Tensor) -> Tensor:
    if tensor.dtype not in FLOATS or tensor.layout != torch.strided or tensor.device.type != "cpu":
        kind = str(tensor.dtype if tensor.layout == torch.strided else tensor.layout).removeprefix("torch.")
        raise UnusableError(f"{key} is of {kind}: expected float16, bfloat16, float32 or float64")
    return tensor


def _shape(weight: Tensor, key: str) -> tuple[int, int]:
    if weight.dim() != 2 or not weight.numel():
        raise UnusableError(f"{key} of shape {tuple(weight.shape)}: expected two axes with something in them")
    return tuple(weight.shape)


def to_module(found: Found, nonlinearity: str = "tanh") -> Module:
    """Build the nn.RNN, nn.LSTM or nn.GRU of what was found, with batch_first; it draws no random numbers.

    Args:
        found: from `find_recurrent`.
        nonlinearity: tanh or relu, of an RNN: a state dict doesn't say.

    Raises:
        UnusableError: for what was found but refused.
    """
    if found.refusal:
        raise UnusableError(found.label)
    if nonlinearity not in NONLINEARITIES:
        raise UnusableError(f"nonlinearity={nonlinearity!r}: expected tanh or relu")
    double = any(weight.dtype == torch.float64 for weight in found.weights.values())
    options = {"nonlinearity": nonlinearity} if found.cell == "rnn" else {}
    module = KINDS[found.cell](
        found.input_size, found.hidden_size, found.layers, bias=found.bias, batch_first=True,
        device="meta", dtype=torch.float64 if double else torch.float32, **options,
    ).to_empty(device="cpu")  # fmt: skip
    module.load_state_dict(dict(found.weights))
    return module


def read_inputs(data: bytes, name: str, found: Found) -> np.ndarray:
    """Read inputs of two axes (T, D), or three whose last is D, from `.npy`, `.npz` or `.csv`, for `fit_inputs`.

    Raises:
        UnusableError: for anything else.
    """
    D = found.input_size

    def fits(shape: tuple[int, ...]) -> bool:
        return len(shape) in (2, 3) and shape[-1] == D

    inputs = read_array(data, name, fits)
    if not fits(inputs.shape):
        raise UnusableError(f"{name} of shape {inputs.shape}: expected (T, {D}), (N, T, {D}) or (T, N, {D})")
    return inputs


def describe_inputs(inputs: np.ndarray, time_first: bool = False) -> tuple[str, str]:
    """Say how inputs are read: "16 sequences of 40 steps, 3 inputs"; and where the other order is likelier, so.

    Steps that follow one another are more alike than sequences; where neither is, nothing is likelier.

    >>> describe_inputs(np.cumsum(np.random.default_rng(0).normal(size=(40, 16, 3)), axis=0))
    ('40 sequences of 16 steps, 3 inputs', '16 sequences of 40 steps')
    """
    whole = _sequences_first(inputs, time_first)
    N, T, D = whole.shape
    said = f"{_counted(N, 'sequence')} of {_counted(T, 'step')}"
    corner = np.array(whole[:CORNER, :CORNER, :CORNER], float)
    with np.errstate(over="ignore", invalid="ignore"):
        unlike = [np.square(np.diff(corner, axis=axis)).mean() if corner.shape[axis] > 1 else np.inf for axis in (0, 1)]
    swapped = unlike[0] < ALIKE * unlike[1]
    other = f"{_counted(T, 'sequence')} of {_counted(N, 'step')}"
    return f"{said}, {_counted(D, 'input')}", other if inputs.ndim == 3 and N > 1 and swapped else ""


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _sequences_first(inputs: np.ndarray | Tensor, time_first: bool) -> np.ndarray | Tensor:
    """(N, T, D), of whatever order."""
    if inputs.ndim == 2:
        return inputs[None]
    return inputs.swapaxes(0, 1) if time_first else inputs


def fit_inputs(found: Found, inputs: np.ndarray | Tensor, time_first: bool = False) -> tuple[Tensor, str]:
    """Return inputs (N, T, D) as float64, cut to what a recording may take, and a line that says what was cut.

    Of long sequences the last steps stay, of many sequences the first.

    Args:
        found: the layers that are to read them.
        inputs: (T, D), one sequence; (N, T, D).
        time_first: those of three axes are (T, N, D).

    Raises:
        UnusableError: for a single step, and numbers beyond float64.
    """
    whole = _sequences_first(inputs, time_first)
    N, T, D = whole.shape
    if T < 2:
        raise UnusableError(f"{_counted(N, 'sequence')} of one step: expected at least 2 steps, a distance needs them")
    H, rows = found.hidden_size, len(LAYERS[found.cell].blocks)
    sizes = [D] + [H] * (found.layers - 1)
    numbers = sum(2 * (H + size) + 2 * rows * H + 4 * H for size in sizes)
    work = sum(rows * H * (H + size) for size in sizes)
    steps = max(2, min(T, STEPS, NUMBERS // numbers, int(MULTIPLY_ADDS / work)))
    count = max(1, min(N, SEQUENCES, NUMBERS // numbers // steps, int(MULTIPLY_ADDS / work / steps)))
    cut = [f"of {T:,} steps the last {steps:,}"] * (steps < T)
    cut += [f"of {N:,} sequences the first {count:,}"] * (count < N)
    chosen = whole[:count, T - steps :]
    if isinstance(chosen, Tensor):
        chosen = chosen.double().numpy(force=True)
    with np.errstate(over="ignore"):
        used = torch.from_numpy(np.array(chosen, np.float64))
    if not used.isfinite().all():
        raise UnusableError("inputs beyond float64: expected finite numbers")
    return used, f"Used are {' and '.join(cut)}." if cut else ""


def random_inputs(
    found: Found,
    steps: int = RANDOM_STEPS,
    count: int = RANDOM_SEQUENCES,
    variance: float = RANDOM_VARIANCE,
    seed: int = RANDOM_SEED,
) -> Tensor:
    """Draw normal inputs (N, T, D) of a variance.

    Raises:
        UnusableError: for sizes that are not from 2 steps and 1 sequence up, another variance than 0 to 1e6, or
            another seed than torch takes.
    """
    if not (2 <= steps <= STEPS and 1 <= count <= SEQUENCES):
        raise UnusableError(f"{steps} steps, {count} sequences: expected 2 to {STEPS}, 1 to {SEQUENCES}")
    if not 0 <= variance <= LARGEST_VARIANCE:
        raise UnusableError(f"variance={variance}: expected 0 to {LARGEST_VARIANCE:g}")
    if not 0 <= seed < 2**63:
        raise UnusableError(f"seed={seed}: expected a whole number from 0 to 2^63 - 1")
    shape, generator = (count, steps, found.input_size), Generator().manual_seed(seed)
    return variance**0.5 * torch.randn(shape, generator=generator, dtype=torch.float64)


def measure_module(module: Module, inputs: Tensor, threshold: float = 0.01) -> tuple[Measured, Tape]:
    """Record a module and measure what there is to measure: decays with the carry, gates, bounds of its top layer.

    The loss is `record`'s own: the last output projected on one fixed random direction.
    """
    tape = record(module, inputs)
    top = tape.hidden[:, -1, -1]  # (S, B, H)
    decays = {of: gradient_decay(tape, of, threshold=threshold) for of in ("memory", "hidden", "input", "weights")}
    if tape.gates:
        decays["carry"] = carry_decay(tape, threshold=threshold)
    with np.errstate(invalid="ignore", over="ignore"):
        loss = (top @ unit_vector(top.shape[-1], 0).numpy()).mean(-1)
    return Measured(loss, decays, gate_saturation(tape), activation_bounds(tape)), tape
