"""weights_in_force(module): the bias and the recurrent weights that a layer really computes with."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from analysis.answers import InForce
from analysis.engine.modules import plain_modules
from analysis.engine.recording import DIRECTIONS, Module, cell_name
from analysis.engine.unroll import one_thread
from analysis.experiment import KEEP_GATE
from analysis.models.whole import chosen_layer, is_whole

BLOCKS = {
    "rnn": ("state",),
    "lstm": ("input", "forget", "candidate", "output"),
    "gru": ("reset", "update", "candidate"),
}


def weights_in_force(
    module_or_model: nn.Module | Sequence[nn.Module], *, part: str | None = None, direction: str = "forward"
) -> InForce:
    """Return the bias of the gate that keeps, and gain and eigenvalues of the recurrent weights of each gate.

    Args:
        module_or_model: as `record` takes it; weights of weight norm, pruning and the like as they are computed now.
        part: the layer's name in a whole model, where it has several.
        direction: which one of a bidirectional layer.

    Raises:
        TypeError, ValueError: as `record`, and for weights that are not finite.

    >>> lstm = nn.LSTM(3, 8)
    >>> for bias in (lstm.bias_ih_l0, lstm.bias_hh_l0):  # as many recipes do
    ...     _ = bias.data[8:16].fill_(1)
    >>> float(weights_in_force(lstm).bias.mean())
    2.0
    """
    if is_whole(module_or_model, cells=True):
        _, module_or_model = chosen_layer(module_or_model, part)
    elif part is not None:
        raise ValueError(f"part={part!r}: it names a layer in a whole model, expected None for a layer itself")
    modules = plain_modules(module_or_model)
    first = modules[0]
    if direction not in DIRECTIONS or (direction == "backward" and not first.bidirectional):
        raise ValueError(f"direction={direction!r}: expected forward, or backward of a bidirectional layer")
    suffix = "_reverse" if direction == "backward" else ""
    cell = cell_name(first)
    gate = KEEP_GATE.get(cell)
    with one_thread(), torch.no_grad():  # with torch's own algebra: numpy's takes all cores
        matrices = torch.stack(
            [torch.stack([_recurrent(module, f"l{k}{suffix}") for k in range(first.num_layers)]) for module in modules]
        )  # (S, L, G, P, P)
        biases = [_gate_biases(modules, kind, suffix, cell, gate) for kind in ("bias_ih", "bias_hh")]
        if not matrices.isfinite().all() or not all(np.isfinite(bias).all() for bias in biases):
            raise ValueError("weights: some are not finite, expected finite ones")
        singular = torch.linalg.svdvals(matrices)[..., 0].numpy()
        values = torch.view_as_real(torch.linalg.eigvals(matrices)).numpy()
    blocks = BLOCKS[cell]
    gain = {block: singular[:, :, place] for place, block in enumerate(blocks)}
    eigenvalues = {block: values[:, :, place] for place, block in enumerate(blocks)}
    return InForce(cell, gate, biases[0], biases[1], gain, eigenvalues)


def _recurrent(module: Module, layer: str) -> torch.Tensor:
    """Return a layer's recurrent weights by gate, (G, P, P): with a projection, the product of both matrices."""
    weight = getattr(module, f"weight_hh_{layer}").detach().double().cpu()
    blocks = weight.unflatten(0, (-1, module.hidden_size))  # (G, H, P)
    if module.proj_size:
        blocks = getattr(module, f"weight_hr_{layer}").detach().double().cpu() @ blocks
    return blocks


def _gate_biases(modules: Sequence[Module], kind: str, suffix: str, cell: str, gate: str | None) -> np.ndarray:
    """Return one of the two biases of the gate that keeps, (S, L, H); zero where layers have none."""
    first = modules[0]
    shape = len(modules), first.num_layers, first.hidden_size if gate else 0
    if gate is None or not first.bias:
        return np.zeros(shape)
    place = BLOCKS[cell].index(gate)
    return np.stack(
        [
            [getattr(module, f"{kind}_l{k}{suffix}").detach().double().cpu().unflatten(0, (-1, shape[2]))[place].numpy()
             for k in range(shape[1])]
            for module in modules
        ]
    )  # fmt: skip
