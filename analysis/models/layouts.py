"""Recurrent weights in the layouts of Keras and ONNX, as torch has them.

torch stacks the gates of weights (g H, D) and biases (g H) in the order i f g o of an LSTM and r z n of a GRU, and
adds an input's and a recurrent bias.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from analysis.files.errors import UnusableError, one_line

ONNX_ORDER = {"lstm": "iofg", "gru": "zrn", "rnn": "h"}
KERAS_ORDER = {"lstm": "ifgo", "gru": "zrn", "rnn": "h"}
TORCH_ORDER = {"lstm": "ifgo", "gru": "rzn", "rnn": "h"}
CELLS = {1: "rnn", 3: "gru", 4: "lstm"}  # by the number of gates
ADDED = re.compile(r"(?P<part>\w+?)_l(?P<layer>\d+)(?P<side>|_reverse)")  # the name of a weight that was added
RESET_BEFORE = "a GRU that resets the state before its recurrent weights ({}), not torch's: expected {}"


@dataclass
class Found:
    """Tensors of a file under torch's names; by prefix what was taken for what, what can't be read and why, and more.

    `nonlinearities` are of the RNNs whose file says it.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    nonlinearities: dict[str, str] = field(default_factory=dict)

    def add(self, prefix: str, weights: Mapping[str, Tensor], layer: int = 0, reverse: bool = False) -> None:
        """Add the weights of one layer and direction."""
        ending = f"_l{layer}{'_reverse' * reverse}"
        self.tensors |= {f"{prefix}.{part}{ending}".lstrip("."): weight for part, weight in weights.items()}

    def put_above(self, lower: str, upper: str) -> bool:
        """Make a layer that was added the next one of the stack whose outputs it reads; return whether torch has such.

        torch's stacks have the same cell, units, biases and directions in all layers.
        """
        below, own = self._shapes(lower), self._shapes(upper)
        layers = 1 + max((layer for _, layer, _ in below), default=-1)
        like = {(part, side): shape for (part, layer, side), shape in below.items() if layer == layers - 1}
        columns = sum(shape[1] for (part, _), shape in like.items() if part == "weight_hh")
        wanted = {key: (shape[0], columns) if key[0] == "weight_ih" else shape for key, shape in like.items()}
        alike = self.nonlinearities.get(lower) == self.nonlinearities.get(upper)
        if not below or not alike or {(part, side): shape for (part, _, side), shape in own.items()} != wanted:
            return False
        for part, _, side in own:
            weight = self.tensors.pop(f"{upper}.{part}_l0{side}".lstrip("."))
            self.tensors[f"{lower}.{part}_l{layers}{side}".lstrip(".")] = weight
        self.taken.pop(upper, None)
        self.nonlinearities.pop(upper, None)
        self.taken[lower] += f"; {one_line(upper, 60)} is its layer {layers}"
        return True

    def _shapes(self, prefix: str) -> dict[tuple[str, int, str], tuple[int, ...]]:
        """Return the shapes of the weights that were added under a prefix, by part, layer, and "_reverse" or ""."""
        found = {}
        for name, weight in self.tensors.items():
            start, _, own = name.rpartition(".")
            if start == prefix and (match := ADDED.fullmatch(own)):
                found[match["part"], int(match["layer"]), match["side"]] = tuple(weight.shape)
        return found


def reorder(weight: Tensor, cell: str, order: str) -> Tensor:
    """Return a weight or bias, (g H, ·), with its gates in torch's order instead of another."""
    blocks = dict(zip(order, weight.chunk(len(order)), strict=True))
    return torch.cat([blocks[gate] for gate in TORCH_ORDER[cell]])


def from_keras(kernel: Tensor, recurrent: Tensor, bias: Tensor | None) -> dict[str, Tensor]:
    """Return the weights of a layer of Keras: kernel (D, g H), recurrent (H, g H), bias (g H) or (2, g H).

    Raises:
        UnusableError: for other shapes, and a GRU with reset_after=False.
    """
    if kernel.dim() != 2 or recurrent.dim() != 2 or not recurrent.numel() or kernel.shape[1] != recurrent.shape[1]:
        raise UnusableError(f"kernels of shapes {tuple(kernel.shape)} and {tuple(recurrent.shape)}: expected matrices")
    H, R = recurrent.shape
    cell = CELLS.get(R // H) if R % H == 0 else None
    if cell is None:
        raise UnusableError(f"recurrent_kernel of shape {(H, R)}: expected 1, 3 or 4 times as many columns as rows")
    weights = {"weight_ih": kernel.T, "weight_hh": recurrent.T}
    if bias is not None:
        if cell == "gru" and bias.dim() == 1:
            raise UnusableError(RESET_BEFORE.format("reset_after=False", "reset_after=True"))
        if tuple(bias.shape) not in ((R,), (2, R)):
            raise UnusableError(f"bias of shape {tuple(bias.shape)}: expected {(R,)} or {(2, R)}")
        weights["bias_ih"] = bias if bias.dim() == 1 else bias[0]
        weights["bias_hh"] = torch.zeros_like(bias) if bias.dim() == 1 else bias[1]
    return {part: reorder(weight, cell, KERAS_ORDER[cell]).contiguous() for part, weight in weights.items()}


def from_onnx(cell: str, weights: Tensor, recurrent: Tensor, bias: Tensor | None) -> dict[str, Tensor]:
    """Return the weights of one direction of an ONNX node: W (g H, D), R (g H, H), B (2 g H)."""
    parts = {"weight_ih": weights, "weight_hh": recurrent}
    if bias is not None:
        parts["bias_ih"], parts["bias_hh"] = bias.chunk(2)
    return {part: reorder(weight, cell, ONNX_ORDER[cell]).contiguous() for part, weight in parts.items()}
