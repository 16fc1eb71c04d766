"""watch(module): decay, saturation and bounds of a module while someone's own loop trains it."""

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

from analysis.engine.recording import KINDS, Module, run_forward
from analysis.engine.unroll import one_thread
from analysis.history.database import StoreError
from analysis.history.entry import NAME_LENGTH
from analysis.history.store import Store
from analysis.measures.bounds import activation_bounds
from analysis.measures.decay import gradient_decay
from analysis.measures.gates import gate_saturation
from analysis.results import Snapshot, Watched, versions

UNKNOWN = np.array([np.nan])
MOST = 200  # snapshots that are kept
Later = list[tuple[Tensor, ...]]


def watch(module: Module, every: int = 100, *, samples: int = 8, dtype: torch.dtype = torch.float64) -> "Watch":
    """Measure a module while someone's own loop trains it: at every n-th backward pass, the batch that just ran.

    The loop stays as it is: results, gradients, modes and random numbers are those without it. Every call of the
    module whose output's gradient arrives is one pass: two for a loss that reads two calls, one per window of
    truncated backpropagation. Calls in eval mode or without gradients don't count, nor does a graph that goes back
    once more. `history` is a list of snapshots, which the figures draw; what Goldfish's own snapshots have besides,
    loss, metric and clipped share, is NaN. Of a long history every second snapshot goes, and n doubles. `save` keeps
    it with the runs, where the page Runs shows it.

    The gradient is exact, from the loss's own ∂ℓ/∂output, ∂ℓ/∂h_n and ∂ℓ/∂c_n of that batch. Where the loss reads
    several steps, decay is that of the last of them alone: the others' would overlap with it. Dropout between layers
    is left out. What can't be measured, such as a packed batch, is counted in `skipped` with the reason; so is a
    call on one step alone, as in a loop that goes step by step: its gradient has no distance.

    Args:
        module: nn.RNN, nn.LSTM or nn.GRU, a part of the model or all of it.
        every: n.
        samples: how many sequences of the batch are measured, the first; fewer take less time.
        dtype: what is computed in.

    Raises:
        TypeError, ValueError: as `record`, for a module it doesn't take; ValueError for n or samples below 1.

    >>> lstm = nn.LSTM(3, 8)
    >>> with watch(lstm, every=2) as watched:
    ...     for _ in range(4):  # the loop of one's own
    ...         lstm(torch.randn(20, 5, 3))[0][-1].sum().backward()
    >>> id = watched.save("my LSTM")  # or in the loop, after every epoch: it replaces what this watch saved before
    >>> [snapshot.step for snapshot in watched.history]
    [2, 4]
    """
    for name, value in (("every", every), ("samples", samples)):
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name}={value!r}: expected a whole number from 1 on")
    run_forward([module], torch.zeros(1, 1, getattr(module, "input_size", 1)), None, dtype)  # refuses what can't be
    return Watch(module, int(every), int(samples), dtype)


class Watch:
    """Measures every n-th backward pass through a module, until it is closed; see `watch`."""

    history: list[Snapshot]
    backwards: int  # passes seen so far
    skipped: dict[str, int]  # how many passes couldn't be measured, by the reason

    def __init__(self, module: Module, every: int, samples: int, dtype: torch.dtype) -> None:
        self.history, self.backwards, self.skipped = [], 0, {}
        self.every, self.samples, self.dtype = every, samples, dtype
        self._about = {
            "cell": next(name for kind, name in KINDS.items() if isinstance(module, kind)),
            "activation": getattr(module, "nonlinearity", "tanh"),
            "input_size": module.input_size,
            "hidden_size": module.hidden_size,
            "layers": module.num_layers,
            "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        self._saved: str | None = None  # under which id
        self._name = ""  # and under which name, unless it was renamed since
        self._hook = module.register_forward_hook(self._after_forward, with_kwargs=True)

    def close(self) -> None:
        """Leave the module as it was; the history stays."""
        self._hook.remove()
        self.every = 0

    def result(self, name: str = "") -> Watched:
        """Return all that was measured so far, under a name."""
        return Watched(
            name=name.strip()[:NAME_LENGTH],
            **self._about,
            backwards=self.backwards,
            snapshots=tuple(self.history),
            skipped=dict(self.skipped),
            versions=versions(),
        )

    def save(self, name: str = "", store: Path | str | None = None) -> str:
        """Keep what was measured so far in the history of runs, in place of what this watch saved before.

        Args:
            name: shown on the page Runs; the same as last time undoes no renaming there.
            store: another history than `GOLDFISH_STORE` or the one in the user's data.

        Returns:
            The id it has there.

        Raises:
            StoreError: where the history can't be written; what was measured stays in `history`.
        """
        result = self.result(name)
        with closing(Store(store)) as kept:
            if self._saved and name == self._name:
                with suppress(StoreError):
                    result = replace(result, name=kept.load_watched(self._saved).name)
            self._saved, self._name = kept.keep_watched(result, self._saved), name
        return self._saved

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _after_forward(self, module: Module, args: tuple, kwargs: dict[str, Any], result: tuple) -> None:
        """Wait for the gradients of what the module returned."""
        if not module.training:
            return
        parts = [result[0], *(result[1] if isinstance(module, nn.LSTM) else result[1:])]
        if not isinstance(parts[0], Tensor):  # packed
            parts[0] = parts[0].data
        if not any(part.requires_grad for part in parts):
            return
        read = dict(zip(("input", "hx"), args, strict=False)) | kwargs
        # No copies; what a call read is let go once it went back: the same graph going back again doesn't count.
        waiting = [(_detached(read["input"]), _detached(read.get("hx")))]

        def went_back(grads: tuple[Tensor | None, ...]) -> None:
            if waiting and self.every:
                self.backwards += 1
                if self.backwards % self.every == 0:
                    self._measure(module, *waiting[0], grads)
            waiting.clear()

        register_multi_grad_hook(parts, went_back, mode="all")

    def _measure(
        self,
        module: Module,
        inputs: Tensor,
        state: Tensor | tuple[Tensor, Tensor] | None,
        grads: tuple[Tensor | None, ...],
    ) -> None:
        """Take a snapshot from the gradients of output, h_n and c_n; what can't be measured is counted as skipped."""
        try:
            if isinstance(inputs, Tensor) and inputs.dim() == 3:
                axis = 0 if module.batch_first else 1
                inputs = inputs.narrow(axis, 0, min(self.samples, inputs.shape[axis]))
                state = _first(state, self.samples)
                grads = [
                    grad if grad is None else grad.narrow(axis if k == 0 else 1, 0, inputs.shape[axis])
                    for k, grad in enumerate(grads)
                ]
            with one_thread(), torch.no_grad():
                unroll, top = run_forward([module], inputs, state, self.dtype)
                steps, output_grad, later = _last_share(grads, module, top)
                if steps == (0,):
                    raise ValueError(
                        "the loss reads the first step of a call: a distance needs a whole sequence in one call"
                    )
                unroll.backward(output_grad, later)
                tape = unroll.tape(steps, weight_grad=False)
                self.history.append(
                    Snapshot(
                        step=self.backwards,
                        loss=UNKNOWN,
                        metric=UNKNOWN,
                        clipped=UNKNOWN,
                        decay=gradient_decay(tape),
                        saturation=gate_saturation(tape),
                        bounds=activation_bounds(tape),
                    )
                )
        except Exception as error:  # a loop that trained for hours doesn't end because of a picture
            self.skipped[str(error)] = self.skipped.get(str(error), 0) + 1
        if len(self.history) > MOST:
            self.every *= 2
            self.history[1:] = [each for each in self.history[1:] if each.step % self.every == 0]


def _detached(given: Tensor | Sequence[Tensor] | None) -> Tensor | Sequence[Tensor] | None:
    """Let go of the graph that tensors come from; what is packed stays as it is, to be refused."""
    if isinstance(given, Tensor):
        return given.detach()
    return tuple(part.detach() for part in given) if type(given) in (tuple, list) else given


def _first(state: Sequence[Tensor] | Tensor | None, count: int) -> Sequence[Tensor] | Tensor | None:
    """Return the state of the first sequences."""
    if state is None or isinstance(state, Tensor):
        return state if state is None else state[:, :count]
    return tuple(part[:, :count] for part in state)


def _last_share(grads: Sequence[Tensor | None], module: Module, top: Tensor) -> tuple[tuple[int, ...], Tensor, Later]:
    """Return the last step that the loss reads, ∂ℓ/∂output there alone (T, 1, H, B), and ∂ℓ/∂(final states)."""
    T, _, B, H = top.shape
    output_grad = top.new_zeros(T, B, H)
    if (grad := grads[0]) is not None:
        grad = grad.to(top)
        output_grad += grad.transpose(0, 1) if module.batch_first and grad.dim() == 3 else _batched(grad)
    final = [grad if grad is None else _batched(grad).to(top).reshape(-1, 1, B, H).mT for grad in grads[1:]]  # L 1 H B
    touched = output_grad.flatten(1).ne(0).any(1)
    touched[-1] |= any(grad is not None and bool(grad.ne(0).any()) for grad in final)
    steps = touched.nonzero().flatten().tolist()[-1:]
    share = torch.zeros_like(output_grad)
    share[steps] = output_grad[steps]
    later = [
        tuple(top.new_zeros(1, H, B) if grad is None else grad[k] for grad in final) for k in range(module.num_layers)
    ]
    return tuple(steps), share.unsqueeze(1).mT, later


def _batched(grad: Tensor) -> Tensor:
    """(·, B, H), also of a single sequence's (·, H)."""
    return grad if grad.dim() == 3 else grad.unsqueeze(1)
