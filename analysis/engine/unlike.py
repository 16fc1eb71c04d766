"""Sequences of unlike lengths, padded at their end: what counts is at each one's own last step.

Padding is read too, but comes after all that counts: no gradient comes from there.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from analysis.results import Tape


def last_states(states: Tensor, lengths: Tensor | None, before: Tensor | None = None, start: int = 0) -> Tensor:
    """Return the states (S, H, B) after each sequence's own last step.

    Args:
        states: (T, S, H, B), of the steps from `start`.
        lengths: (B,), or (S, B) where each model reads sequences of its own; None = all end with the last step.
        before: what this function returned for the steps before `start`.
        start: the first step, in a sequence that is run in pieces.
    """
    if lengths is None:
        return states[-1]
    at = _by_state(lengths, states[0]) - 1 - start
    found = states.gather(0, at.clamp(0, len(states) - 1).unsqueeze(0))[0]
    return found if before is None else torch.where(at >= 0, found, before)


def at_last_steps(gradient: Tensor, lengths: Tensor | None, T: int) -> Tensor:
    """Return a gradient (S, H, B) of `last_states` as one of all T steps, (T, S, H, B); as it is without lengths."""
    if lengths is None:
        return gradient
    steps = (_by_state(lengths, gradient) - 1).unsqueeze(0)
    return gradient.new_zeros(T, *gradient.shape).scatter_(0, steps, gradient.unsqueeze(0))


def without_padding(tape: Tape, lengths: Tensor) -> Tape:
    """Return the tape of sequences of these lengths (B,), each with a loss on its own last step; NaN in the padding."""
    own, T = lengths.numpy(), tape.hidden.shape[2]
    steps = np.arange(T)[:, None]
    inside = (steps < own)[..., None]  # (T, B, 1)

    def masked(states: np.ndarray) -> np.ndarray:
        return np.where(inside, states, np.nan)

    return replace(
        tape,
        hidden=masked(tape.hidden),
        hidden_grad=masked(tape.hidden_grad),
        cell=None if tape.cell is None else masked(tape.cell),
        cell_grad=None if tape.cell_grad is None else masked(tape.cell_grad),
        input_grad=masked(tape.input_grad),
        gates={name: masked(gate) for name, gate in tape.gates.items()},
        lengths=own,
        reads=steps == own - 1,
    )


def _by_state(lengths: Tensor, states: Tensor) -> Tensor:
    """Return lengths (B,) or (S, B) for every unit, as states (S, H, B) are."""
    return lengths.unsqueeze(-2).expand(states.shape)
