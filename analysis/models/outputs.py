"""Predictions of a whole model from the last time steps of its inputs, by its own forward pass."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from analysis.engine.modules import CELLS, unwrapped
from analysis.engine.recording import Layout, require_finite
from analysis.models.following import uncompiled
from analysis.models.whole import recurrent_layers, run_model
from analysis.models.windows import States, last_steps, states_of_others

ReplaceInput = Callable[[Tensor | PackedSequence], Tensor | PackedSequence]


class ModelWindows:
    """A whole model in eval mode and its inputs, of which it reads the last time steps; `unchanged` is around it.

    How many time steps and sequences there are is read from the calls of the recurrent layer that is called first.
    """

    lengths: Tensor  # (B,)
    reached: dict[str, States]  # by layer, in its own layout

    def __init__(self, model: object, inputs: Any) -> None:  # noqa: ANN401
        inner = unwrapped(model)
        assert isinstance(inner, nn.Module)
        self.model, self.args = inner.eval(), inputs if isinstance(inputs, tuple) else (inputs,)
        self._layers = recurrent_layers(inner, cells=True)
        self._ends: dict[str, States] = {}
        self._read: list[tuple[nn.Module, Tensor | PackedSequence]] = []  # by call of the layer that is called first
        self._start: dict[str, States] = {}  # what the layers' first calls begin with
        self._replace: ReplaceInput | None = None
        self.reached = {}
        for name, layer in self._layers.items():
            layer.register_forward_pre_hook(uncompiled(self._before(name)), with_kwargs=True)
            layer.register_forward_hook(uncompiled(self._after(name)))
        self.whole = self.run(self.args)
        if not self._read:
            raise ValueError("the model calls none of its recurrent layers on these inputs: expected one call or more")
        self.first, self.given = self._read[0]
        given = self.given if isinstance(self.given, Tensor) else self.given.data
        require_finite(given, f"inputs of {type(self.first).__name__}", "in its own layout")
        self.lengths, self.batch_first = self._sizes(self.given)
        lengths = [found for arg in self.args if (found := self._as_lengths(arg)) is not None]
        if lengths and (self.lengths == self.length).all():
            self.lengths = lengths[0]
        self.reached = {name: self._of_others(name, end) for name, end in self._ends.items()}

    @property
    def length(self) -> int:
        """The time steps of the longest sequence."""
        return int(self.lengths.max())

    def run(self, args: tuple, *, reached: bool = False, replace: ReplaceInput | None = None) -> Any:  # noqa: ANN401
        """Run the model; `replace` gets what the layer that is called first reads, and returns what it is to read."""
        self._start, self._ends, self._read, self._replace = self.reached if reached else {}, {}, [], replace
        return run_model(self.model, args)

    def predict(self, steps: int, reached: bool) -> np.ndarray:
        """Return the predictions from the last time steps, (B, P)."""
        with torch.no_grad():
            try:
                output = self.run(self.cut(steps), reached=reached)
            except Exception as error:
                error.add_note(f"raised by the model on the last {steps} of {self.length} time steps")
                raise
            return self.prediction(output, steps).double().cpu().numpy()

    def cut(self, steps: int) -> tuple:
        """Return the model's inputs with the last time steps alone.

        Raises:
            ValueError: where none has the time steps that the recurrent layer reads.
        """
        found = [self._cut(arg, steps) for arg in self.args]
        if all(cut is arg for cut, arg in zip(found, self.args, strict=True)):
            shapes = [tuple(arg.shape) if isinstance(arg, Tensor) else type(arg).__name__ for arg in self.args]
            raise ValueError(
                f"inputs of shape {', '.join(map(str, shapes))}: expected {self.length} time steps along the first or "
                f"second axis, as many as {type(self.first).__name__} reads; of other models, measure that layer itself"
            )
        return tuple(found)

    def time_axis(self, arg: object) -> int | None:
        """Return the axis of a tensor that is time, 0 or 1; None where there is none."""
        T, B = self.length, len(self.lengths)
        if not isinstance(arg, Tensor) or not arg.dim():
            return None
        if arg.dim() == 1:
            return 0 if B == 1 and len(arg) == T else None
        fits = [axis for axis in (0, 1) if arg.shape[axis] == T and (B == 1 or arg.shape[1 - axis] == B)]
        return (1 if self.batch_first else 0) if len(fits) == 2 else (fits[0] if fits else None)

    def prediction(self, output: Any, steps: int) -> Tensor:  # noqa: ANN401
        """Return a model's output at each sequence's last time step, (B, P).

        It is the output's first tensor. An axis is time where it is as long as the inputs, and not of another length
        for the whole inputs than for these.

        Raises:
            ValueError: where it isn't one prediction for each sequence.
        """
        B, lengths = len(self.lengths), self.lengths.clamp(max=steps)
        found, whole = first_tensor(output), first_tensor(self.whole)
        if isinstance(found, PackedSequence):
            found, whole = pad_packed_sequence(found)[0], pad_packed_sequence(whole)[0]
        if self._output_axis is not None and found.dim() > self._output_axis:
            by_time = found.movedim(self._output_axis, 0)
            found = by_time[lengths - 1, torch.arange(B)] if by_time.dim() > 1 and len(by_time[0]) == B else by_time[-1]
        if B == 1 and (not found.dim() or len(found) != 1):
            found = found.unsqueeze(0)
        if not found.dim() or len(found) != B or found.is_complex():
            raise ValueError(
                f"the model's output of shape {tuple(whole.shape)}: expected one for each of {B} sequences"
            )
        return found.reshape(B, -1)

    @property
    def _output_axis(self) -> int | None:
        """The axis of the output's first tensor that is time: its length changes with that of the inputs."""
        if not hasattr(self, "_axis"):
            whole, T = first_tensor(self.whole), self.length
            self._axis: int | None = 0 if isinstance(whole, PackedSequence) else None
            if isinstance(whole, Tensor) and T > 1:
                with torch.no_grad():
                    shorter = first_tensor(self.run(self.cut(T - 1)))
                axes = [a for a in range(min(2, whole.dim())) if whole.shape[a] != shorter.shape[a]]
                self._axis = axes[0] if axes else None
        return self._axis

    def _sizes(self, given: Tensor | PackedSequence) -> tuple[Tensor, bool]:
        """Return the sequences' lengths, (B,), by the calls of the first layer, and whether it takes batches first."""
        if isinstance(given, PackedSequence):
            return pad_packed_sequence(given)[1], bool(self.first.batch_first)
        if isinstance(self.first, nn.RNNCellBase):
            return torch.full((given.shape[0] if given.dim() == 2 else 1,), len(self._read)), True
        layout = Layout.of(self.first, given)  # type: ignore[arg-type]
        T, B = layout.to_engine(given).shape[:2]
        return torch.full((B,), T * len(self._read)), layout.batch_first

    def _as_lengths(self, arg: object) -> Tensor | None:
        """Return an argument that says how long each sequence is, as whole numbers (B,); None for another one."""
        if not isinstance(arg, Tensor | np.ndarray | list):
            return None
        try:
            found = torch.as_tensor(arg)
        except (ValueError, TypeError, RuntimeError):
            return None
        whole = not found.is_floating_point() and not found.is_complex() and found.dtype != torch.bool
        if found.shape != self.lengths.shape or not whole or found.min() < 1 or found.max() != self.length:
            return None
        return None if self.time_axis(arg) is not None else found.cpu().long()

    def _cut(self, arg: Any, steps: int) -> Any:  # noqa: ANN401
        """Return an argument of the model for the last time steps; itself where it has none."""
        if isinstance(arg, PackedSequence):
            padded, lengths = pad_packed_sequence(arg)
            kept = lengths.clamp(max=steps)
            return pack_padded_sequence(
                last_steps(padded, lengths, steps), kept, enforce_sorted=arg.sorted_indices is None
            )
        if self._as_lengths(arg) is not None:
            return arg.clamp(max=steps) if isinstance(arg, Tensor) else [min(int(n), steps) for n in arg]
        axis = self.time_axis(arg)
        if axis is None:
            return arg
        by_time = arg.movedim(axis, 0)
        if arg.dim() == 1:
            return by_time[-steps:]
        return last_steps(by_time, self.lengths, steps).movedim(0, axis)

    def _before(self, name: str) -> Callable[..., Any]:
        """Return the hook before a layer: it gives its first call the state and the inputs that are wanted."""

        def hook(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
            given: dict[str, Any] = dict(zip(("input", "hx"), args, strict=False)) | kwargs
            if name not in self._ends and name in self._start and _is_zero(given.get("hx")):
                parts = self._start[name]
                given["hx"] = parts if isinstance(module, nn.LSTM | nn.LSTMCell) else parts[0]
            if not self._read or self._read[0][0] is module:
                if self._replace is not None:
                    given["input"] = self._replace(given["input"])
                self._read.append((module, given["input"]))
            return (given.pop("input"),), given

        return hook

    def _after(self, name: str) -> Callable[..., None]:
        """Return the hook after a layer: it keeps the state in which the layer ends."""

        def hook(module: nn.Module, args: tuple, result: Any) -> None:  # noqa: ANN401
            end = result if isinstance(module, nn.RNNCellBase) else result[1]
            self._ends[name] = tuple(part.detach() for part in ([end] if isinstance(end, Tensor) else end))

        return hook

    def _of_others(self, name: str, end: States) -> States:
        """Return for each sequence the state in which the one before it ended."""
        layer = self._layers[name]
        if isinstance(layer, tuple(CELLS)) or end[0].dim() == 2:
            return tuple(part.roll(1, 0) if part.shape[0] == len(self.lengths) else part for part in end)
        return states_of_others(end, tuple(map(torch.zeros_like, end)), layer.bidirectional)


def require_of_layer(**given: object) -> None:
    """Raise a ValueError for what was given for a whole model, and can only be given for a layer itself."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name}: given for a whole model, expected for a recurrent layer itself alone")


def _is_zero(state: Any) -> bool:  # noqa: ANN401
    """Return whether a layer is called without a state, or with zeros."""
    parts = [] if state is None else [state] if isinstance(state, Tensor) else list(state)
    return not any(bool(part.any()) for part in parts)


def first_tensor(output: Any) -> Any:  # noqa: ANN401
    """Return the first tensor of an output, or packed sequence; an output may be a tuple, list or mapping of some.

    Raises:
        ValueError: where there is none.
    """
    while not isinstance(output, Tensor | PackedSequence):
        if isinstance(output, Mapping):
            output = list(output.values())
        if not isinstance(output, tuple | list) or not output:
            raise ValueError(f"the model returned {type(output).__name__}: expected a tensor, or some with one first")
        output = output[0]
    return output
