"""A batch as the engine reads it: inputs (T, B, D), how long each sample is, and where sequences begin anew."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from analysis.engine.layout import Layout, Module

Inputs = Tensor | np.ndarray | PackedSequence
Numbers = Tensor | np.ndarray | list


@dataclass(frozen=True, eq=False)
class Batch:
    """B samples of at most T time steps; inputs are zero after a sample's last step."""

    layout: Layout
    x: Tensor  # (T, B, D)
    lengths: Tensor  # (B,)
    begins: Tensor  # (T, B) of booleans: where the state starts over before it reads the input

    @property
    def even(self) -> bool:
        """Whether all samples have T time steps and none begins anew."""
        return bool((self.lengths == len(self.x)).all()) and not bool(self.begins.any())

    @property
    def inside(self) -> Tensor:
        """What is no padding, (T, B) of booleans."""
        return torch.arange(len(self.x)).unsqueeze(1) < self.lengths

    def given(self) -> Tensor:
        """Return inputs in the layout in which they were given."""
        given = self.layout.from_engine(self.x)
        return given.data if isinstance(given, PackedSequence) else given

    def flip(self, steps: Tensor) -> Tensor:
        """Return (T, B) with the steps of each sample in reverse order; what lies after its last step is the last's."""
        T, B = self.begins.shape
        order = torch.clamp(self.lengths - 1 - torch.arange(T).unsqueeze(1), min=0)
        return steps[order, torch.arange(B)]


def read_batch(
    module: Module, inputs: Inputs, lengths: Numbers | None, resets: Numbers | None, dtype: torch.dtype
) -> Batch:
    """Return a batch of inputs as `record` takes them, in a dtype, on the CPU.

    Raises:
        ValueError: for other shapes, and lengths beside packed inputs.
    """
    inputs = to_tensor(inputs)
    layout = Layout.of(module, inputs)
    values = inputs.data if isinstance(inputs, PackedSequence) else inputs
    axes = "batch, time" if module.batch_first else "time, batch"
    dims = (2,) if layout.packed is not None else (2, 3)
    if values.dim() not in dims or values.shape[-1] != module.input_size or not values.numel():
        some = "" if values.numel() else ", one of each at least"
        raise ValueError(f"inputs of shape {tuple(values.shape)}: expected ({axes}, {module.input_size}){some}")
    x = layout.to_engine(inputs).detach().to("cpu", dtype)
    T, B, _ = x.shape
    if layout.packed is not None:
        if lengths is not None:
            raise ValueError("lengths beside packed inputs: expected None, these hold their own")
        lengths = pad_packed_sequence(layout.packed)[1]
    own = torch.full((B,), T) if lengths is None else _checked_lengths(lengths, T, B)
    begins = torch.zeros(T, B, dtype=torch.bool) if resets is None else _checked_resets(resets, T, B, layout)
    batch = Batch(layout, x, own, begins)
    return batch if (own == T).all() else Batch(layout, torch.where(batch.inside.unsqueeze(-1), x, 0), own, begins)


def to_tensor(inputs: Any) -> Tensor | PackedSequence:  # noqa: ANN401
    """Return inputs, an array as a tensor; ValueError for what holds no numbers, and other kinds."""
    if isinstance(inputs, np.ndarray):
        if inputs.dtype.kind not in "biuf":
            raise ValueError(f"inputs of {inputs.dtype}: expected numbers; inputs.astype(float) converts them")
        return torch.from_numpy(np.ascontiguousarray(inputs if inputs.dtype.isnative else inputs.astype(float)))
    if isinstance(inputs, Tensor | PackedSequence):
        return inputs
    raise ValueError(
        f"inputs={type(inputs).__name__}: expected a tensor, an array or a PackedSequence; "
        "torch.as_tensor(inputs) makes a tensor"
    )


def _checked_lengths(lengths: Numbers, T: int, B: int) -> Tensor:
    """Return lengths (B,) as whole numbers; ValueError where they aren't from 1 to T."""
    found = torch.as_tensor(lengths).detach().cpu()
    if found.shape != (B,) or found.is_floating_point() or found.dtype == torch.bool:
        raise ValueError(
            f"lengths of shape {tuple(found.shape)} in {found.dtype}: "
            f"expected whole numbers ({B},), one for each sequence"
        )
    if found.min() < 1 or found.max() > T:
        raise ValueError(f"lengths from {found.min()} to {found.max()}: expected 1 to {T}, the inputs' time steps")
    return found.long()


def _checked_resets(resets: Numbers, T: int, B: int, layout: Layout) -> Tensor:
    """Return resets (T, B) as booleans; ValueError for another shape."""
    found = torch.as_tensor(resets).detach().cpu()
    if not layout.batched and found.shape == (T,):
        found = found.unsqueeze(1)
    if found.shape != (T, B):
        raise ValueError(
            f"resets of shape {tuple(found.shape)}: expected {(T, B)}, (time, batch) even with batch_first"
        )
    return found.ne(0)
