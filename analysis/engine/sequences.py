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

STEP_COST = 16  # a time step of a group costs about as much as that many more sequences in it


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
    order = lengths.argsort(descending=True, stable=True)

    def cut(group: Tensor) -> list[Tensor]:
        own, N = lengths[group], len(group)
        saved = (own[0] - own[1:]) * torch.arange(N - 1, 0, -1) - own[1:] * STEP_COST  # by cutting before each
        if N == 1 or saved.max() <= 0:
            return [group]
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

    def forward(self, inputs: Tensor) -> Tensor:
        """Run over inputs (T, B, D); return the top layer's states, (T, S, directions·P, B), zero in padding."""
        tops = [
            run.forward(inputs[group.steps(), group.samples].mT.unsqueeze(1)).permute(0, 3, 1, 2)  # (T, N, S, ·)
            for group, run in zip(self.groups, self.runs, strict=True)
        ]
        output = tops[0].new_zeros(*inputs.shape[:2], *tops[0].shape[2:])
        for group, top in zip(self.groups, tops, strict=True):
            output[_places(group)] = top[group.inside()]
        return output.permute(0, 2, 3, 1)

    def backward(self, output_grad: Tensor) -> None:
        """Propagate ∂ℓ/∂(top layer's states), (T, S, directions·P, B), back through all steps and layers."""
        by_sample = output_grad.permute(0, 3, 1, 2)
        for group, run in zip(self.groups, self.runs, strict=True):
            grad = by_sample[group.steps(), group.samples] * group.inside()[..., None, None]  # (T, N, S, ·)
            run.backward(grad.permute(0, 2, 3, 1))

    def tape(self, direction: int) -> Tape:
        """Return what one direction recorded, in the order in which it reads; NaN after a sample's last step."""
        tapes = [run.tape(direction) for run in self.runs]
        groups = [_reversed(group, self.lengths) for group in self.groups] if direction else self.groups
        T, B = self.begins.shape

        def joined(arrays: list[np.ndarray], time: int) -> np.ndarray:
            """Return the groups' arrays, whose axes `time` and `time` + 1 are steps and segments, as one of samples."""
            parts = [np.moveaxis(array, (time, time + 1), (0, 1)) for array in arrays]
            whole = np.full((T, B, *parts[0].shape[2:]), np.nan, parts[0].dtype)
            for part, group in zip(parts, groups, strict=True):
                steps, samples = _places(group)
                whole[steps.numpy(), samples.numpy()] = part[group.inside().numpy()]
            return np.moveaxis(whole, (0, 1), (time, time + 1))

        first = tapes[0]
        cells = [tape.cell for tape in tapes if tape.cell is not None]
        cell_grads = [tape.cell_grad for tape in tapes if tape.cell_grad is not None]
        return replace(
            first,
            hidden=joined([tape.hidden for tape in tapes], 2),
            hidden_grad=joined([tape.hidden_grad for tape in tapes], 2),
            cell=joined(cells, 2) if cells else None,
            cell_grad=joined(cell_grads, 2) if cell_grads else None,
            weight_grad=joined([tape.weight_grad for tape in tapes], 2),
            input_grad=joined([tape.input_grad for tape in tapes], 1),
            gates={name: joined([tape.gates[name] for tape in tapes], 2) for name in first.gates},
            lengths=self.lengths.numpy().copy(),
            begins=_begins(groups, T, B),
        )


def _begins(groups: list[Segments], T: int, B: int) -> np.ndarray | None:
    """Return where segments begin inside their samples, (T, B) of booleans; None where none does."""
    begins = np.zeros((T, B), bool)
    for group in groups:
        begins[group.starts.numpy(), group.samples.numpy()] = True
    begins[0] = False
    return begins if begins.any() else None


def _places(group: Segments) -> tuple[Tensor, Tensor]:
    """Return the time step and the sample of each step of the segments that is no padding."""
    inside = group.inside()
    return group.steps()[inside], group.samples.expand(inside.shape)[inside]


def _reversed(segments: Segments, lengths: Tensor) -> Segments:
    """Return where segments lie in samples of these lengths (B,) that are read from their ends."""
    starts = lengths[segments.samples] - segments.starts - segments.lengths
    return segments._replace(starts=starts)
