"""Predictions of recurrent layers from the last time steps of their inputs, with their own forward pass in float64."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from analysis.engine.batch import Batch, Inputs, Numbers, read_batch
from analysis.engine.modules import plain_modules
from analysis.engine.recording import DIRECTIONS, Module, State, require_finite
from analysis.models.plain import plain_layer, weights_used

States = tuple[Tensor, ...]  # h, and of an LSTM c, in a layer's own layout (L · directions, B, H)


@dataclass(frozen=True)
class LayerWindows:
    """Layers alike in shape, and sequences, of which they read the last time steps in the order of one direction.

    The prediction is what that direction of the top layer says after the last of them.
    """

    modules: Sequence[Module]
    batch: Batch
    start: Sequence[States]  # by module: before the first time step
    reached: Sequence[States]  # the same, from a state that the module reached itself
    backward: bool

    @classmethod
    def of(
        cls,
        module_or_modules: nn.Module | Sequence[nn.Module],
        inputs: Inputs,
        state: State | None,
        lengths: Numbers | None,
        direction: str,
    ) -> Self:
        """Return the windows of layers as `record` takes them.

        Raises:
            TypeError, ValueError: as `record`.
        """
        modules = [_in_float64(module) for module in plain_modules(module_or_modules)]
        first = modules[0]
        if direction not in DIRECTIONS:
            raise ValueError(f"direction={direction!r}: expected {' or '.join(DIRECTIONS)}")
        backward = direction == "backward"
        if backward and not first.bidirectional:
            raise ValueError("direction='backward': this module reads forward alone, expected bidirectional=True")
        batch = read_batch(plain_modules(module_or_modules)[0], inputs, lengths, None, torch.float64)
        require_finite(batch.given(), "inputs", batch.layout.axes)
        given = _states(state, first, batch)
        start = [given] * len(modules)
        found = cls(modules, batch, start, start, backward)
        ends = [found.run(k, batch.x, batch.lengths, given)[1] for k in range(len(modules))]
        reached = [states_of_others(end, given, first.bidirectional, backward) for end in ends]
        return cls(modules, batch, start, reached, backward)

    def run(self, k: int, x: Tensor, lengths: Tensor, state: States) -> tuple[Tensor, States]:
        """Run the k-th module over inputs (T, B, D); return what the direction says at its end, (B, P), and states."""
        module, B = self.modules[k], x.shape[1]
        even = bool((lengths == len(x)).all())
        given = x if even else pack_padded_sequence(x, lengths, enforce_sorted=False)
        output, end = module(given, state if isinstance(module, nn.LSTM) else state[0])
        if not even:
            output = pad_packed_sequence(output)[0]
        P = output.shape[-1] // (1 + module.bidirectional)
        last = output[0, :, P:] if self.backward else output[lengths - 1, torch.arange(B), :P]
        return last, end if isinstance(module, nn.LSTM) else (end,)

    def predict(self, steps: int, reached: bool) -> np.ndarray:
        """Return all modules' predictions from the last time steps that the direction reads, (S · B, P)."""
        x, lengths = self._cut(steps)
        states = self.reached if reached else self.start
        return torch.cat([self.run(k, x, lengths, state)[0] for k, state in enumerate(states)]).numpy()

    def _cut(self, steps: int) -> tuple[Tensor, Tensor]:
        """Return the inputs' last time steps, of the backward direction their first, and the lengths that are left."""
        lengths = self.batch.lengths.clamp(max=steps)
        if self.backward:
            return self.batch.x[:steps], lengths
        return last_steps(self.batch.x, self.batch.lengths, steps), lengths


def last_steps(x: Tensor, lengths: Tensor, steps: int) -> Tensor:
    """Return the last time steps of sequences (T, B, ...) of these lengths, each followed by what repeats its last."""
    if (lengths == len(x)).all():
        return x[-steps:]
    kept = lengths.clamp(max=steps)
    places = (lengths - kept) + torch.minimum(torch.arange(int(kept.max())).unsqueeze(1), kept - 1)
    return x[places.to(x.device), torch.arange(len(lengths), device=x.device)]


def states_of_others(end: States, start: States, bidirectional: bool, backward: bool = False) -> States:
    """Return for each sequence the state in which the one before it ended; of a lone sequence its own.

    Args:
        end: states after the whole sequences, (L · directions, B, H).
        start: states before them, kept for the other direction, which begins where no window is cut.
        bidirectional: whether every second state is of the backward direction.
        backward: whether windows are cut for that direction.
    """
    rolled = tuple(part.roll(1, 1) for part in end)
    if not bidirectional:
        return rolled
    mixed = tuple(part.clone() for part in start)
    for own, other in zip(mixed, rolled, strict=True):
        own[int(backward) :: 2] = other[int(backward) :: 2]
    return mixed


def _in_float64(module: Module) -> Module:
    """Return a layer of torch's own kind with the same weights, in float64 on the CPU, which takes (T, B, D)."""
    layer = plain_layer(module, [weight.detach().to("cpu", torch.float64) for weight in weights_used(module)])
    layer.batch_first = False
    return layer


def _states(state: State | None, module: Module, batch: Batch) -> States:
    """Return an initial state as a layer takes it with an axis for the batch; zero where none is given.

    Raises:
        ValueError: for another number of tensors, and other shapes.
    """
    L, B = module.num_layers * (1 + module.bidirectional), len(batch.lengths)
    units = [module.proj_size or module.hidden_size, module.hidden_size][: 1 + isinstance(module, nn.LSTM)]
    shapes = [(L, B, H) for H in units]
    if state is None:
        return tuple(torch.zeros(shape, dtype=torch.float64) for shape in shapes)
    given = [torch.as_tensor(part) for part in (state if isinstance(state, tuple | list) else [state])]
    axis = 0 if batch.layout.batched else 1  # a cell's state has no axis of layers, a lone sequence's none of the batch
    parts = [part.detach().to("cpu", torch.float64) for part in given]
    parts = [part.unsqueeze(axis) if part.dim() == 2 else part for part in parts]
    if [tuple(part.shape) for part in parts] != shapes:
        found = ", ".join(str(tuple(part.shape)) for part in given)
        raise ValueError(f"state of shape {found}: expected {' and '.join(map(str, shapes))}")
    return tuple(parts)
