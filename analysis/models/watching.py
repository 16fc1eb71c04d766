"""watch(module): decay, saturation and bounds of a module while the user's own loop trains it."""

from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from numbers import Integral
from operator import is_
from pathlib import Path
from typing import Any, Self, cast
from weakref import ref

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from analysis.engine.recording import DIRECTIONS, Module, State, cell_name
from analysis.history.database import StoreError
from analysis.history.entry import NAME_LENGTH
from analysis.history.store import Store
from analysis.models.calls import Call, require_recordable, returned_tensors
from analysis.models.following import depends_on, follow
from analysis.models.passes import Pass, snapshot
from analysis.models.plain import layer_of
from analysis.models.whole import is_whole, recurrent_layers
from analysis.results import Snapshot, Watched, versions

MOST = 200  # snapshots that are kept at most
LOOKED_AT = 3  # calls of a loop whose inputs are looked at: whether they depend on the loop's own answers
AGAIN = "a second backward pass through one call, whose gradients add to what was measured of the first, was left out"


def watch(
    module: nn.Module, every: int = 100, *, samples: int = 8, direction: str = "forward",
    dtype: torch.dtype = torch.float64,
) -> "Watch | ModelWatch":  # fmt: skip
    """Measure a module while the user's own loop trains it: one batch in `every` backward passes.

    Of a whole model each recurrent layer is watched, with `history` a dict by layer; else it is a list. The loop isn't
    affected, and what it saves or copies of its model holds nothing of Goldfish.

    Each call of the module whose output gets a gradient counts as one backward pass. So a loss that reads two calls
    counts twice, truncated backpropagation once per window, and a loop of calls on one time step, each with the state
    of the one before, once. Not counted are calls in eval mode, without gradients, or of `module.forward` itself. A
    history is a list of snapshots, which figures draw; in them, loss, metric and clipped share are unknown and NaN.
    Beyond 200 snapshots, every second one but the first is dropped, and `every` doubles. `save` keeps the history with
    the runs, where the page Runs shows it.

    The gradient is exact, from the loss's own ∂ℓ/∂output, ∂ℓ/∂h_n and ∂ℓ/∂c_n of that batch, with the weights that the
    call used. Where the loss reads several time steps, only the gradient from the last of them is measured, in the
    sequences where it reads that one: the gradients from several would overlap. The decay is that of the highest layer
    that the loss reads, in one `direction`. Dropout between layers is left out. `gradient` is the norm of the whole
    batch's gradient by the layer's weights, before clipping. What can't be measured is counted in `skipped` with the
    reason, as a call on one time step alone, a loop that reads its own answers, or a second pass through a call.

    Args:
        module: nn.RNN, nn.LSTM, nn.GRU or one of their cells, or a model that holds some.
        every: how many backward passes there are from one measurement to the next.
        samples: how many sequences of the batch are measured at most, the first that the loss reads.
        direction: forward, or backward, whose distances count from a sequence's start; of a whole model, its
            bidirectional layers alone are then watched. Scalars have ".backward" after the layer's name.
        dtype: the precision of the measurement, torch.float64 or torch.float32.

    Raises:
        TypeError, ValueError: as `record`, for a module it doesn't take; for n or samples below 1.

    >>> lstm = nn.LSTM(3, 8)
    >>> with watch(lstm, every=2) as watched:
    ...     for _ in range(4):  # your own loop
    ...         lstm(torch.randn(20, 5, 3))[0][-1].sum().backward()
    >>> id = watched.save("my LSTM")  # or in the loop, after every epoch: this replaces what was saved before
    >>> [snapshot.step for snapshot in watched.history], next(iter(watched.scalars()))  # as of wandb.log(…scalars())
    ([2, 4], 'goldfish/lstm.l0/horizon')
    """
    _require_counts(every=every, samples=samples)
    layers = _layers_of(module, direction)
    if module in layers.values():
        require_recordable(module, dtype)
        return Watch(module, int(every), int(samples), dtype, direction=direction)
    _require_one_recordable(layers.values(), dtype)
    return ModelWatch(layers, int(every), int(samples), dtype, direction)


def _require_counts(**counts: object) -> None:
    """Raise a ValueError for what is no whole number from 1 on."""
    for name, value in counts.items():
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name}={value!r}: expected a whole number from 1 on")


def _layers_of(module: nn.Module, direction: str) -> dict[str, nn.Module]:
    """Return a whole model's layers that read in a direction, by name; or a layer itself."""
    layers = recurrent_layers(module, cells=True) if is_whole(module, cells=True) else {"": module}
    if direction not in DIRECTIONS:
        raise ValueError(f"direction={direction!r}: expected {' or '.join(DIRECTIONS)}")
    if direction == "backward":
        layers = {name: layer for name, layer in layers.items() if getattr(layer, "bidirectional", False)}
    if not layers:
        raise ValueError("direction='backward': it reads forward alone, expected bidirectional=True in a layer")
    return layers


def _require_one_recordable(layers: Iterable[nn.Module], dtype: torch.dtype) -> None:
    """Raise the first layer's error where none can be recorded; what keeps some is counted as they are skipped."""
    errors: list[Exception] = []
    for layer in layers:
        try:
            require_recordable(layer, dtype)
        except (TypeError, ValueError) as error:
            errors.append(error)
        else:
            return
    raise errors[0]


class Watch:
    """Measures every n-th backward pass through a module, until it is closed; see `watch`."""

    history: list[Snapshot]
    backwards: int  # backward passes so far
    skipped: dict[str, int]  # how many backward passes couldn't be measured, by the reason

    def __init__(
        self,
        module: nn.Module,
        every: int,
        samples: int,
        dtype: torch.dtype,
        part: str = "",
        direction: str = "forward",
    ) -> None:
        layer = layer_of(module)
        self.direction = direction
        self.part = (part or cell_name(layer)) + ".backward" * (direction == "backward")
        self._cell = None if layer is module else layer  # a cell's; a layer itself isn't kept alive
        self.history, self.backwards, self.skipped = [], 0, {}
        self.every, self.samples, self.dtype = every, samples, dtype
        self._empty = Watched(
            name="",
            cell=cell_name(layer),
            activation=getattr(layer, "nonlinearity", "tanh"),
            input_size=layer.input_size,
            hidden_size=layer.hidden_size,
            layers=layer.num_layers,
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
            backwards=0,
            snapshots=(),
            skipped={},
            versions=versions(),
        )
        self._saved: str | None = None  # the id of what was saved
        self._name = ""  # the name of the last save; the page may have changed it since
        self._last: ref[Pass] | None = None  # the pass of the last call, and the state that the call handed on
        self._handed: list[ref[Tensor]] = []
        self._returned: list[ref[Tensor]] = []  # all that the last call returned
        self._stop = follow(module, self._after_call)

    def close(self) -> None:
        """Stop measuring; the history stays."""
        self._stop()
        self.every = 0

    def scalars(self) -> dict[str, float]:
        """Return the last snapshot's numbers by name, as `Snapshot.scalars`; none before the first."""
        return self.history[-1].scalars() if self.history else {}

    def result(self, name: str = "") -> Watched:
        """Return all that was measured so far, under a name."""
        return replace(
            self._empty,
            name=name.strip()[:NAME_LENGTH],
            backwards=self.backwards,
            snapshots=tuple(self.history),
            skipped=dict(self.skipped),
        )

    def save(self, name: str = "", store: Path | str | None = None) -> str:
        """Save what was measured so far in the history of runs; this replaces what this watch saved before.

        Args:
            name: shown on the page Runs. Where it is the same as last time, a new name given on the page stays.
            store: a history's file, in place of `GOLDFISH_STORE` or the one in the user's data.

        Returns:
            The watched model's id in the history.

        Raises:
            StoreError: where the history can't be written; what was measured stays in `history`.
        """
        result = self.result(name)
        with closing(Store(store)) as history:
            if self._saved and name == self._name:
                with suppress(StoreError):
                    result = replace(result, name=history.load_watched(self._saved).name)
            saved = history.keep_watched(result, self._saved)
        self._saved, self._name = saved, name
        return saved

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _after_call(self, module: nn.Module, args: tuple, kwargs: dict[str, Any], result: Any) -> None:  # noqa: ANN401
        """Wait for the gradients of a call that trains, to count it or measure it."""
        if not module.training:
            return
        try:
            returned = returned_tensors(module, result)
            if any(part is not None and part.requires_grad for part in returned):
                call = Call.of(module, args, kwargs, self._cell or cast(Module, module))
                given = dict(zip(("input", "hx"), args, strict=False)) | kwargs
                self._pass_of(call, given["input"], given.get("hx")).add(call, returned)
                self._handed = [ref(part) for part in returned[1:] if part is not None]
                self._returned = [ref(part) for part in returned if part is not None]
        except Exception as error:  # as in _measure
            self._skip(str(error))

    def _pass_of(self, call: Call, inputs: Tensor | PackedSequence, state: State | None) -> Pass:
        """Return the pass of the call before, where this one goes on with its state for a time step; else a new one."""
        parts = [state] if isinstance(state, Tensor) else list(state or ())
        before = self._last() if self._last else None
        goes_on = call.one_step and bool(parts) and all(map(is_, parts, [each() for each in self._handed]))
        if before is not None and goes_on and not before.gone and before.calls[0].one_step:
            if len(before.calls) <= LOOKED_AT and not before.own_answers:
                before.own_answers = depends_on(
                    inputs, [part for each in self._returned if (part := each()) is not None]
                )
            return before
        new = Pass(self._begin, self._measure, self._again, self._cell is None)
        self._last = ref(new)
        return new

    def _begin(self) -> int:
        """Count a backward pass; return its number if it is to be measured, else 0."""
        if not self.every:
            return 0
        self.backwards += 1
        return 0 if self.backwards % self.every else self.backwards

    def _measure(self, gone: Pass) -> None:
        """Add a snapshot of one call to the history, or count the call as skipped."""
        try:
            self.history.append(replace(snapshot(gone, self.samples, self.dtype, self.direction), name=self.part))
        except Exception as error:  # training for hours must not end because a measurement failed
            self._skip(str(error))
        if len(self.history) > MOST:
            self.every *= 2
            self.history[1:] = [snapshot for snapshot in self.history[1:] if snapshot.step % self.every == 0]

    def _again(self) -> None:
        """Count a further pass through a call that was measured."""
        if self.every:
            self._skip(AGAIN)

    def _skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


class ModelWatch:
    """Watches every recurrent layer of a model, each by itself, until it is closed; see `watch`."""

    layers: dict[str, Watch]  # by the layer's name in the model, such as "encoder.rnn"

    def __init__(
        self, layers: Mapping[str, nn.Module], every: int, samples: int, dtype: torch.dtype, direction: str = "forward"
    ) -> None:
        self.layers = {name: Watch(layer, every, samples, dtype, name, direction) for name, layer in layers.items()}

    @property
    def history(self) -> dict[str, list[Snapshot]]:
        """The snapshots of each layer."""
        return {name: watched.history for name, watched in self.layers.items()}

    @property
    def backwards(self) -> dict[str, int]:
        """How many backward passes went through each layer so far."""
        return {name: watched.backwards for name, watched in self.layers.items()}

    @property
    def skipped(self) -> dict[str, dict[str, int]]:
        """How many backward passes of each layer couldn't be measured, by the reason."""
        return {name: dict(watched.skipped) for name, watched in self.layers.items()}

    def close(self) -> None:
        """Stop measuring; the histories stay."""
        for watched in self.layers.values():
            watched.close()

    def scalars(self) -> dict[str, float]:
        """Return each layer's numbers of its last snapshot by name, as `Snapshot.scalars`."""
        return {name: value for watched in self.layers.values() for name, value in watched.scalars().items()}

    def result(self, name: str = "") -> dict[str, Watched]:
        """Return all that was measured so far, by layer; each has the model's name and its own."""
        return {part: watched.result(_joined(name, watched.part)) for part, watched in self.layers.items()}

    def save(self, name: str = "", store: Path | str | None = None) -> dict[str, str]:
        """Save each layer by itself, as `Watch.save`, under the model's name and its own; return the ids by layer."""
        return {part: watched.save(_joined(name, watched.part), store) for part, watched in self.layers.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _joined(name: str, part: str) -> str:
    """Return a model's name, cut to leave room, with a layer's: "my model, encoder.rnn"."""
    name, part = name.strip(), part[-NAME_LENGTH:]
    room = NAME_LENGTH - len(part) - 2
    return f"{name[:room]}, {part}" if name and room > 0 else part
