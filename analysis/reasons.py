"""Frozen results that say why a gradient decays: what theory predicts, and the spectrum of a network's Jacobians."""

from dataclasses import dataclass, field

import numpy as np

from analysis.results import Result, axes


@dataclass(frozen=True, eq=False)
class Prediction(Result):
    """What theory says about the memory state's gradient in wide untrained networks, at T distances.

    Where there is no theory, `reason` says why, the arrays are empty and the rate is NaN; a bound may still hold.
    """

    name: str  # of the theory, in words; empty where there is none
    assumption: str  # what it takes for granted, in words
    distance: np.ndarray = field(metadata=axes("T", whole=True))
    mean_square: np.ndarray = field(metadata=axes("T"))  # E‖g_k‖² / ‖g_0‖²
    relative: np.ndarray = field(metadata=axes("T"))  # its root, to lay over `Decay.relative`; in range for longer
    rate: float  # nats per time step of the norm: the slope of ln relative, fitted as `Decay.rate` is
    bound: float  # nats per time step which no gradient's growth exceeds on average; NaN where there is no such bound
    reason: str | None = None  # why there is no prediction


@dataclass(frozen=True, eq=False)
class Change(Result):
    """What comes of it at the end of a sequence when one input, at N distances before the last, is another one.

    Moves are those of the last memory state, as a share of its own size: median over models and sequences, low and
    high the 5th and 95th percentile. A tiny change is an infinitely small part of the real one, scaled up again: the
    gradient along it. Where the network is linear both are the same.
    """

    what: str  # that is changed, in words: "symbol", "word", "input"
    distance: np.ndarray = field(metadata=axes("N", whole=True))
    state: np.ndarray = field(metadata=axes("N"))
    state_low: np.ndarray = field(metadata=axes("N"))
    state_high: np.ndarray = field(metadata=axes("N"))
    tiny: np.ndarray = field(metadata=axes("N"))
    tiny_low: np.ndarray = field(metadata=axes("N"))
    tiny_high: np.ndarray = field(metadata=axes("N"))
    classes: bool  # whether answers are classes; `answer` is then the share that are others, else their mean distance
    answer: np.ndarray = field(metadata=axes("N"))  # median over models
    right: np.ndarray = field(metadata=axes("N"))  # share answered right, both of them; NaN where that isn't known
    chance: float  # of being right; NaN where that isn't known


@dataclass(frozen=True, eq=False)
class Spectrum(Result):
    """Lyapunov exponents of S models, n of each, the largest first, in nats per time step.

    Tiny changes of the state grow, or shrink where it is negative, at these rates, each in a direction of its own.
    """

    exponents: np.ndarray = field(metadata=axes("S N"))  # mean over time steps and sequences of ln |R_ii|
    per_step: np.ndarray = field(metadata=axes("S N"))  # standard deviation over time steps and sequences; NaN at -inf
