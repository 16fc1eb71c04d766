"""watch(module): decay, saturation and bounds of a module while the user's own loop trains it."""

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import register_multi_grad_hook

from analysis.engine.layer import Memory
from analysis.engine.recording import Layout, Module, State, cell_name, run_forward
from analysis.engine.unroll import one_thread
from analysis.history.database import StoreError
from analysis.history.entry import NAME_LENGTH
from analysis.history.store import Store
from analysis.measures.bounds import activation_bounds
from analysis.measures.decay import gradient_decay
from analysis.measures.gates import gate_saturation
from analysis.results import Snapshot, Watched, versions

UNKNOWN = np.array([np.nan])
MOST = 200  # snapshots that are kept at most
Gradients = Sequence[Tensor | None]  # by what a call returned: output, h_n and an LSTM's c_n; None where unused


def watch(module: Module, every: int = 100, *, samples: int = 8, dtype: torch.dtype = torch.float64) -> "Watch":
    """Measure a module while the user's own loop trains it: one batch in `every` backward passes.

    The loop isn't affected: its results, gradients, modes and random numbers are those without `watch`.

    Each call of the module whose output gets a gradient counts as one backward pass. So a loss that reads two calls
    counts twice, and truncated backpropagation once per window. Calls in eval mode, calls without gradients, and a
    second pass over the same graph are not counted. `history` is a list of snapshots, which the figures draw; in them,
    loss, metric and clipped share are unknown and NaN. Beyond 200 snapshots, every second one but the first is
    dropped, and `every` doubles. `save` keeps the history with the runs, where the page Runs shows it.

    The gradient is exact, from the loss's own ∂ℓ/∂output, ∂ℓ/∂h_n and ∂ℓ/∂c_n of that batch. Where the loss reads
    several steps, only the gradient from the last of them is measured: the gradients from several steps would overlap.
    Dropout between layers is left out. What can't be measured is counted in `skipped` with the reason: a packed
    batch, or a call on a single step, as in a loop over steps, where a gradient has no distance.

    Args:
        module: nn.RNN, nn.LSTM or nn.GRU, a part of the model or all of it.
        every: how many backward passes there are from one measurement to the next.
        samples: how many sequences of the batch are measured, from its first on; fewer take less time.
        dtype: the precision of the measurement, torch.float64 or torch.float32.

    Raises:
        TypeError, ValueError: as `record`, for a module it doesn't take; ValueError for n or samples below 1.

    >>> lstm = nn.LSTM(3, 8)
    >>> with watch(lstm, every=2) as watched:
    ...     for _ in range(4):  # your own loop
    ...         lstm(torch.randn(20, 5, 3))[0][-1].sum().backward()
    >>> id = watched.save("my LSTM")  # or in the loop, after every epoch: this replaces what was saved before
    >>> [snapshot.step for snapshot in watched.history]
    [2, 4]
    """
    for name, value in (("every", every), ("samples", samples)):
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name}={value!r}: expected a whole number from 1 on")
    one_step = torch.zeros(1, 1, getattr(module, "input_size", 1))
    run_forward([module], one_step, None, dtype)  # raises for a module that can't be recorded
    return Watch(module, int(every), int(samples), dtype)


class Watch:
    """Measures every n-th backward pass through a module, until it is closed; see `watch`."""

    history: list[Snapshot]
    backwards: int  # backward passes so far
    skipped: dict[str, int]  # how many backward passes couldn't be measured, by the reason

    def __init__(self, module: Module, every: int, samples: int, dtype: torch.dtype) -> None:
        self.history, self.backwards, self.skipped = [], 0, {}
        self.every, self.samples, self.dtype = every, samples, dtype
        self._empty = Watched(
            name="",
            cell=cell_name(module),
            activation=getattr(module, "nonlinearity", "tanh"),
            input_size=module.input_size,
            hidden_size=module.hidden_size,
            layers=module.num_layers,
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
            backwards=0,
            snapshots=(),
            skipped={},
            versions=versions(),
        )
        self._saved: str | None = None  # the id of what was saved
        self._name = ""  # the name of the last save; the page may have changed it since
        self._hook = module.register_forward_hook(self._after_forward, with_kwargs=True)

    def close(self) -> None:
        """Stop measuring and remove the hook from the module; the history stays."""
        self._hook.remove()
        self.every = 0

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

    def _after_forward(self, module: Module, args: tuple, kwargs: dict[str, Any], result: tuple) -> None:
        """Register a hook that counts or measures a call once the gradients of its outputs are known."""
        if not module.training:
            return
        returned = _returned_tensors(module, result)
        if not any(part.requires_grad for part in returned):
            return
        call = dict(zip(("input", "hx"), args, strict=False)) | kwargs
        # These are no copies. They are dropped after the first backward pass: this frees the inputs, and a second
        # pass over the same graph is not counted.
        waiting = [(_detached(call["input"]), _detached_state(call.get("hx")))]

        def after_backward(grads: Gradients) -> None:
            if waiting and self.every:
                self.backwards += 1
                if self.backwards % self.every == 0:
                    self._measure(module, *waiting[0], grads)
            waiting.clear()

        register_multi_grad_hook(returned, after_backward, mode="all")

    def _measure(self, module: Module, inputs: Tensor, state: State | None, grads: Gradients) -> None:
        """Add a snapshot of one call to the history, or count the call as skipped."""
        try:
            self.history.append(self._snapshot(module, inputs, state, grads))
        except Exception as error:  # training for hours must not end because a measurement failed
            self.skipped[str(error)] = self.skipped.get(str(error), 0) + 1
        if len(self.history) > MOST:
            self.every *= 2
            self.history[1:] = [snapshot for snapshot in self.history[1:] if snapshot.step % self.every == 0]

    def _snapshot(self, module: Module, inputs: Tensor, state: State | None, grads: Gradients) -> Snapshot:
        """Measure one call, given the gradients by what it returned; raise an exception where that can't be done."""
        if isinstance(inputs, Tensor) and inputs.dim() == 3:
            inputs, state, grads = _first_sequences(module, inputs, state, grads, self.samples)
        with one_thread(), torch.no_grad():
            unroll, top = run_forward([module], inputs, state, self.dtype)
            steps, output_grad, later = _last_share(grads, module, top)
            if steps == (0,):
                raise ValueError(
                    "the loss reads the first step of a call: a distance needs a whole sequence in one call"
                )
            unroll.backward(output_grad, later)
            tape = unroll.tape(steps, weight_grad=False)
            return Snapshot(
                step=self.backwards,
                loss=UNKNOWN,
                metric=UNKNOWN,
                clipped=UNKNOWN,
                decay=gradient_decay(tape),
                saturation=gate_saturation(tape),
                bounds=activation_bounds(tape),
            )


def _returned_tensors(module: Module, result: tuple) -> list[Tensor]:
    """Return output, h_n and an LSTM's c_n of what a call returned; of a packed output, its data."""
    output = result[0] if isinstance(result[0], Tensor) else result[0].data
    return [output, *(result[1] if isinstance(module, nn.LSTM) else result[1:])]


def _detached(inputs: Tensor) -> Tensor:
    """Return inputs without their graph. Packed ones are returned unchanged, and refused later."""
    return inputs.detach() if isinstance(inputs, Tensor) else inputs


def _detached_state(state: State | None) -> State | None:
    """Return an initial state without its graph."""
    if state is None or isinstance(state, Tensor):
        return None if state is None else state.detach()
    h, c = state
    return h.detach(), c.detach()


def _first_sequences(
    module: Module, inputs: Tensor, state: State | None, grads: Gradients, samples: int
) -> tuple[Tensor, State | None, Gradients]:
    """Return the first sequences of a batch, of its initial state, and of the gradients of what was returned."""
    axis = 0 if module.batch_first else 1
    count = min(samples, inputs.shape[axis])
    if isinstance(state, Tensor):
        state = state[:, :count]
    elif state is not None:
        h, c = state
        state = h[:, :count], c[:, :count]
    output_grad, *state_grads = grads
    first_grads = [None if output_grad is None else output_grad.narrow(axis, 0, count)]
    first_grads += [None if grad is None else grad.narrow(1, 0, count) for grad in state_grads]
    return inputs.narrow(axis, 0, count), state, first_grads


def _last_share(grads: Gradients, module: Module, top: Tensor) -> tuple[tuple[int, ...], Tensor, list[Memory]]:
    """Return the last step that the loss reads, ∂ℓ/∂output there alone (T, 1, H, B), and ∂ℓ/∂(final states)."""
    T, _, B, H = top.shape
    output_grad = top.new_zeros(T, B, H)
    if (grad := grads[0]) is not None:
        output_grad += Layout.of(module, grad).to_engine(grad.to(top))
    final = [None if grad is None else grad.to(top).reshape(-1, 1, B, H).mT for grad in grads[1:]]  # (L, 1, H, B)
    touched = output_grad.flatten(1).ne(0).any(1)
    touched[-1] |= any(grad is not None and bool(grad.ne(0).any()) for grad in final)
    steps = touched.nonzero().flatten().tolist()[-1:]
    share = torch.zeros_like(output_grad)
    share[steps] = output_grad[steps]
    later = [
        tuple(top.new_zeros(1, H, B) if grad is None else grad[k] for grad in final) for k in range(module.num_layers)
    ]
    return tuple(steps), share.unsqueeze(1).mT, later
