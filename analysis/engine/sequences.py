"""Sequences of unlike lengths, which may begin anew inside: cut into segments, run in groups of like lengths."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from analysis.engine.directions import Directions
from analysis.engine.layer import Memory
from analysis.results import Tape

STEP_COST = 16  # a time step of one more group costs about as much as that many sequences in it
WORTH = 0.15  # share of its cost that a group must save by a cut, since joining groups takes time too


class Segments(NamedTuple):
    """N stretches of samples, each run by itself: it starts from the zero state, or from the sample's initial one."""

    samples: Tensor  # (N,) which sample each is of
    starts: Tensor  # (N,) its first time step
    lengths: Tensor  # (N,) how many time steps it has

    def steps(self) -> Tensor:
        """Return each segment's time steps in its sample, (T, N); padding repeats the last one."""
        return self.starts + torch.minimum(torch.arange(int(self.lengths.max())).unsqueeze(1), self.lengths - 1)

    def inside(self) -> Tensor:
        """Return what is no padding, (T, N) of booleans."""
        return torch.arange(int(self.lengths.max())).unsqueeze(1) < self.lengths

    def part(self, which: Tensor) -> "Segments":
        """Return the segments at these indices."""
        return Segments(*(values[which] for values in self))


def segments_of(lengths: Tensor, begins: Tensor) -> Segments:
    """Cut samples of these lengths (B,) before each step at which `begins` (T, B) is true."""
    first = begins & (torch.arange(len(begins)).unsqueeze(1) < lengths)
    first[0] = True
    samples, starts = first.T.nonzero().unbind(1)  # in the order of samples, then of time
    last = torch.ones(len(samples), dtype=torch.bool)
    last[:-1] = samples[1:] != samples[:-1]
    stops = torch.where(last, lengths[samples], starts.roll(-1))
    return Segments(samples, starts, stops - starts)


def like_lengths(lengths: Tensor) -> list[Tensor]:
    """Return the indices of sequences by group: padding to a group's longest costs less than another group would."""
    order = lengths.argsort(descending=True)

    def cut(group: Tensor) -> list[Tensor]:
        own, N = lengths[group], len(group)
        saved = (own[0] - own[1:]) * torch.arange(N - 1, 0, -1) - own[1:] * STEP_COST  # by cutting before each
        if N == 1 or saved.max() < WORTH * own[0] * (N + STEP_COST):
            return [group.sort().values]
        at = int(saved.argmax()) + 1
        return cut(group[:at]) + cut(group[at:])

    return cut(order)


class Sequences:
    """Layers of S models over B samples, each up to its own length, in one direction or both."""

    def __init__(
        self, cell: str, activation: str, weights: Mapping[str, Tensor], lengths: Tensor, begins: Tensor
    ) -> None:
        self.lengths, self.begins = lengths, begins
        segments = segments_of(lengths, begins)
        self.groups = [segments.part(which) for which in like_lengths(segments.lengths)]
        self.runs = [Directions(cell, activation, weights, group.lengths) for group in self.groups]

    def start(self, state: Sequence[Memory]) -> None:
        """Set the state before the first step that is read, by layer and direction, (S, ·, B) each part."""
        for group, run in zip(self.groups, self.runs, strict=True):
            starts = (group.starts == 0) & ~self.begins[0, group.samples]
            ends = group.starts + group.lengths == self.lengths[group.samples]
            for k, parts in enumerate(state):
                layer, direction = divmod(k, run.count)
                first = ends if direction else starts  # the segments that this direction reads first
                run.start(layer, direction, tuple(part[:, :, group.samples] * first for part in parts))

    @torch.inference_mode()
    def forward(self, inputs: Tensor, top: int | None = None) -> Tensor:
        """Run over inputs (T, B, D); return the top layer's states, (T, S, directions·P, B), zero in padding.

        Where one direction of the `top` layer is named, the other isn't run there.
        """
        read = inputs.mT.unsqueeze(1)  # (T, 1, D, B)
        tops = [run.forward(_take(read, group), top) for group, run in zip(self.groups, self.runs, strict=True)]
        return self._joined(tops, self.groups, 0.0)

    @torch.inference_mode()
    def backward(self, output_grad: Tensor) -> None:
        """Propagate ∂ℓ/∂(top layer's states), (T, S, directions·P, B), zero in padding, back through all."""
        for group, run in zip(self.groups, self.runs, strict=True):
            run.backward(_take(output_grad, group, 0.0))

    @torch.inference_mode()
    def tape(self, direction: int) -> Tape:
        """Return what one direction recorded, in the order in which it reads; NaN after a sample's last step."""
        tapes = [run.tape(direction) for run in self.runs]
        groups = [_reversed(group, self.lengths) for group in self.groups] if direction else self.groups
        first = tapes[0]

        def joined(arrays: list[np.ndarray], time: int = 2) -> np.ndarray:
            """Return the groups' arrays, whose axes `time` and `time` + 1 are steps and segments, as one of samples."""
            ends = (time, time + 1), (0, -1)
            parts = [torch.from_numpy(array).movedim(*ends) for array in arrays]
            return self._joined(parts, groups, torch.nan).movedim(*ends[::-1]).numpy()

        cells = [tape.cell for tape in tapes if tape.cell is not None]
        cell_grads = [tape.cell_grad for tape in tapes if tape.cell_grad is not None]
        return replace(
            first,
            hidden=joined([tape.hidden for tape in tapes]),
            hidden_grad=joined([tape.hidden_grad for tape in tapes]),
            cell=joined(cells) if cells else None,
            cell_grad=joined(cell_grads) if cell_grads else None,
            weight_grad=joined([tape.weight_grad for tape in tapes]),
            input_grad=joined([tape.input_grad for tape in tapes], 1),
            gates={name: joined([tape.gates[name] for tape in tapes]) for name in first.gates},
            lengths=self.lengths.numpy().copy(),
            begins=_begins(groups, *self.begins.shape),
        )

    def _joined(self, parts: list[Tensor], groups: list[Segments], padding: float) -> Tensor:
        """Return what each group has, (T, ·, N), as (T, ·, B) of samples; `padding` after a sample's last step.

        Where one group holds all samples, its part is returned itself.
        """
        T, B = self.begins.shape
        if len(parts) == 1 and parts[0].shape[0] == T and not groups[0].starts.any():
            return _padded(parts[0], groups[0], padding)
        whole = parts[0].new_full((T, *parts[0].shape[1:-1], B), padding)
        for part, group in zip(parts, groups, strict=True):
            if group.starts.any():
                inside = group.inside()
                places = group.steps()[inside], group.samples.expand(inside.shape)[inside]
                whole.movedim(-1, 1)[places] = part.movedim(-1, 1)[inside]
            else:
                whole[: len(part)].index_copy_(-1, group.samples, _padded(part, group, padding))
        return whole


def _padded(part: Tensor, group: Segments, padding: float) -> Tensor:
    """Overwrite the padding of a group's (T, ·, N); return it."""
    if (group.lengths == len(part)).all():
        return part
    outside = ~group.inside()
    return part.masked_fill_(outside.view(len(part), *[1] * (part.dim() - 2), -1), padding)


def _take(steps: Tensor, group: Segments, padding: float | None = None) -> Tensor:
    """Return a group's part (T, ·, N) of (T, ·, B); padding is as there, or where segments start inside, `padding`."""
    if not group.starts.any():
        part = steps[: int(group.lengths.max())]
        return part if len(group.samples) == steps.shape[-1] else part.index_select(-1, group.samples)
    part = steps.movedim(-1, 1)[group.steps(), group.samples].movedim(1, -1)
    return part if padding is None else _padded(part, group, padding)


def _begins(groups: list[Segments], T: int, B: int) -> np.ndarray | None:
    """Return where segments begin inside their samples, (T, B) of booleans; None where none does."""
    begins = np.zeros((T, B), bool)
    for group in groups:
        begins[group.starts.numpy(), group.samples.numpy()] = True
    begins[0] = False
    return begins if begins.any() else None


def _reversed(segments: Segments, lengths: Tensor) -> Segments:
    """Return where segments lie in samples of these lengths (B,) that are read from their ends."""
    starts = lengths[segments.samples] - segments.starts - segments.lengths
    return segments._replace(starts=starts)
