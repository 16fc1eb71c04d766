"""Frozen results that say why a gradient decays: theory, spectra, matrices, updates, and each step's own part."""

from dataclasses import dataclass, field

import numpy as np

from analysis.experiment import Experiment
from analysis.results import Decay, Result, axes, finite_median

Value = str | int | float | None  # of a setting
ROUNDING = 1e-9
EXPLODES = 10.0  # times as large as at distance 0: a gradient that grows by more over a sequence is no help


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
    cut: int | None = None  # distance from which truncated backpropagation leaves no gradient; None = it cuts none

    @property
    def gradient(self) -> np.ndarray:
        """The tiny change as far back as training's gradient reaches, (N,); NaN from where truncation cuts it."""
        return self.tiny if self.cut is None else np.where(self.distance < self.cut, self.tiny, np.nan)


@dataclass(frozen=True, eq=False)
class Spectrum(Result):
    """Lyapunov exponents of S models, n of each, the largest first, in nats per time step.

    Tiny changes of the state grow, or shrink where it is negative, at these rates, each in a direction of its own.
    """

    exponents: np.ndarray = field(metadata=axes("S N"))  # mean over time steps and sequences of ln |R_ii|
    per_step: np.ndarray = field(metadata=axes("S N"))  # standard deviation over time steps and sequences; NaN at -inf

    @property
    def median(self) -> np.ndarray:
        """The median over models whose states stay finite, (N,): -inf counts; NaN where there is no such model."""
        known = self.exponents[~np.isnan(self.exponents).any(1)]
        return np.median(known, 0) if len(known) else np.full(self.exponents.shape[1], np.nan)


@dataclass(frozen=True, eq=False)
class GradientMatrix(Result):
    """How much of the gradient of each time step's loss is left at each earlier memory state, in one model.

    The loss of a time step is that of the answer given there. What is left by distance is there of S models, this one
    first.
    """

    first: int  # number of the first of T time steps: above 0 where only the last ones of a sequence are measured
    # [t, s] median over sequences of ‖∂ℓ_t/∂m_s‖ / ‖∂ℓ_t/∂m_t‖; 0 where s > t
    relative: np.ndarray = field(metadata=axes("T T"))
    lefts: np.ndarray = field(metadata=axes("S T"))  # by distance: the geometric mean of a diagonal

    @property
    def left(self) -> np.ndarray:
        """What is left by distance, (T,): the median over models that are finite there."""
        return finite_median(self.lefts.T)

    @property
    def positions(self) -> np.ndarray:
        """The time steps of rows and columns, (T,)."""
        return np.arange(self.first, self.first + len(self.relative))


@dataclass(frozen=True, eq=False)
class UpdateShares(Result):
    """What each time step adds to the gradient of the recurrent weights, as a share of the whole, in S models.

    A share is the part along the whole gradient, ⟨G_t, G⟩ / ‖G‖²: together they are 1. A step that works against the
    whole has a share below 0.
    """

    shares: np.ndarray = field(metadata=axes("S T"))  # by distance from the last time step

    @property
    def cumulated(self) -> np.ndarray:
        """Share of all time steps up to a distance, (S, T)."""
        return np.cumsum(self.shares, axis=1)

    @property
    def half(self) -> np.ndarray:
        """How many of the last time steps it takes until at least half of the update is there and stays, (S,)."""
        return _steps_to_half(self.cumulated)

    @property
    def median_half(self) -> int | None:
        """The same of the median over models; None where it can't be measured."""
        found = _steps_to_half(finite_median(self.cumulated.T)[None])[0]
        return int(found) if np.isfinite(found) else None


def _steps_to_half(cumulated: np.ndarray) -> np.ndarray:
    """Return for curves (N, T) how many steps it takes to reach a half for good, (N,); NaN where they end below."""
    stays = np.logical_and.accumulate((cumulated >= 0.5)[:, ::-1], axis=1)
    return np.where(stays[:, 0], cumulated.shape[1] - stays.sum(1) + 1.0, np.nan)


@dataclass(frozen=True, eq=False)
class SingularValues(Result):
    """By how much a gradient changes on its way over k time steps, by its direction, in one model.

    The singular values of ∂(memory state)_T/∂(memory state)_{T-k}, the largest first.
    """

    distance: np.ndarray = field(metadata=axes("D", whole=True))
    values: np.ndarray = field(metadata=axes("D H"))  # median over sequences
    cut: int | None = None  # distance from which truncated backpropagation leaves no gradient; None = it cuts none


@dataclass(frozen=True, eq=False)
class StepFactors(Result):
    """What one time step leaves of the gradient by the memory state, ‖g_{t-1}‖ / ‖g_t‖, in one sequence and model.

    It is the product of two parts: ‖a_t‖ / ‖g_t‖, where a_t is what comes back through the gate that keeps (without
    one, through the activation), and ‖g_{t-1}‖ / ‖a_t‖, which the recurrent weights make of it.
    """

    through: str  # what the first part is of: "forget gate", "update gate", "tanh"
    step: np.ndarray = field(metadata=axes("N", whole=True))  # t, the earliest first
    whole: np.ndarray = field(metadata=axes("N"))  # NaN where a gradient is zero or below floating point
    gates: np.ndarray = field(metadata=axes("N"))
    weights: np.ndarray = field(metadata=axes("N"))
    reads: dict[str, np.ndarray]  # steps at which it reads what is to be remembered, and the cue
    cut: int | None = None  # distance from which truncated backpropagation leaves no gradient; None = it cuts none

    @property
    def lost(self) -> int | None:
        """The index of the step at which most is lost; None where none can be measured."""
        return None if np.isnan(self.whole).all() else int(np.nanargmin(self.whole))

    @property
    def loses(self) -> bool:
        """Whether any step leaves less than all of the gradient, beyond rounding."""
        return self.lost is not None and bool(self.whole[self.lost] < 1 - ROUNDING)

    @property
    def furthest(self) -> int:
        """The earliest time step to which anything of the gradient comes back that can be measured."""
        return int(self.step[np.argmax(~np.isnan(self.whole))]) - 1


@dataclass(frozen=True, eq=False)
class Trial(Result):
    """How far back untrained models reach with certain settings, and at which price."""

    experiment: Experiment
    decay: Decay  # of the memory state
    price: np.ndarray = field(metadata=axes("S"))  # root mean square of ∂(last memory state)/∂(recurrent weights)

    @property
    def left(self) -> float:
        """What is left of the gradient at the furthest distance."""
        return float(self.decay.relative[self.decay.furthest])

    @property
    def explodes(self) -> bool:
        """Whether the gradient is more than EXPLODES times as large at the furthest distance as at distance 0."""
        return self.left > EXPLODES

    @property
    def counts(self) -> bool:
        """Whether it can be advised: every model was measured, and the gradient doesn't explode."""
        return bool(np.isfinite(self.decay.horizon)) and not self.explodes and not self.decay.excluded


@dataclass(frozen=True, eq=False)
class Advice(Result):
    """What one cell's untrained horizon would be with one setting changed at a time."""

    now: Trial
    trials: dict[str, dict[Value, Trial]]  # by setting, by value, in order; with the present value among them

    @property
    def best(self) -> tuple[str, Value] | None:
        """The one change with the longest horizon; None where no change reaches further than now.

        Of those that reach the same distance, the one at the lowest price. A longer task is no way to remember, and a
        gradient that explodes is no help.
        """
        needed = self.now.decay.horizon if self.now.counts else -1.0
        further = {
            (setting, value): (trial.decay.horizon, -float(np.nan_to_num(finite_median(trial.price), nan=np.inf)))
            for setting, by_value in self.trials.items()
            for value, trial in by_value.items()
            if setting != "length" and trial.counts and trial.decay.horizon > needed
        }
        return max(further, key=further.__getitem__, default=None)
