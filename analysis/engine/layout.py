"""The order of axes, and the form, in which a module takes inputs and returns outputs."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

Module = nn.RNN | nn.LSTM | nn.GRU


@dataclass(frozen=True)
class Layout:
    """The order of axes in which a module takes inputs and returns outputs; the engine's is (T, B, ·)."""

    batched: bool  # (T, B, ·) or (B, T, ·); else one sequence (T, ·)
    batch_first: bool  # (B, T, ·)
    packed: PackedSequence | None = None  # where inputs are packed: these

    @classmethod
    def of(cls, module: Module, inputs: Tensor | PackedSequence) -> Self:
        """Return the layout in which a module takes these inputs."""
        if isinstance(inputs, PackedSequence):
            return cls(True, False, inputs)
        batched = inputs.dim() == 3
        return cls(batched, batch_first=batched and getattr(module, "batch_first", False))

    @property
    def time_axis(self) -> int:
        """The axis of inputs and outputs that is time."""
        return 1 if self.batch_first else 0

    @property
    def axes(self) -> str:
        """What the axes of inputs are, as words."""
        if self.packed is not None:
            return "row of the packed data, input"
        if not self.batched:
            return "time step, input"
        return "sequence, time step, input" if self.batch_first else "time step, sequence, input"

    def to_engine(self, inputs: Tensor | PackedSequence) -> Tensor:
        """Return inputs, or outputs, as (T, B, ·); packed ones are padded with zeros."""
        if isinstance(inputs, PackedSequence):
            return pad_packed_sequence(inputs)[0]
        if not self.batched:
            return inputs.unsqueeze(1)
        return inputs.transpose(0, 1) if self.batch_first else inputs

    def from_engine(self, outputs: Tensor) -> Tensor | PackedSequence:
        """Return outputs (T, B, H) as the module itself would return them."""
        if self.packed is not None:
            data = outputs[self._packed_places()]
            return PackedSequence(data, *self.packed[1:])
        if not self.batched:
            return outputs.squeeze(1)
        return outputs.transpose(0, 1) if self.batch_first else outputs

    def _packed_places(self) -> tuple[Tensor, Tensor]:
        """Return the time step and the sample of each row of the packed data."""
        assert self.packed is not None
        sizes, order = self.packed.batch_sizes, self.packed.sorted_indices
        steps, places = (torch.arange(int(sizes[0])) < sizes.unsqueeze(1)).nonzero().unbind(1)
        return steps, places if order is None else order.cpu()[places]

    def state_shape(self, L: int, B: int, H: int) -> tuple[int, ...]:
        """Return the shape of h0 and c0, which is the same with and without batch_first."""
        return (L, B, H) if self.batched else (L, H)
