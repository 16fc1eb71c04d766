"""What came out of a comparison: its rows, the contests between them, and what the horizon foretold. Trains nothing."""

from dataclasses import dataclass, field
from math import nan

import numpy as np

from analysis.experiment import Experiment, higher_is_better
from analysis.plan import Plan
from analysis.results import Result, axes, finite_median

PHASES = ("before", "after")  # training
FEWEST_SEEDS = 4  # each, with which an exact test of two samples can be clear
FEWEST_RANKED = 6  # settings from which a rank correlation may be clear
FEWEST_SHUFFLED = 5  # settings whose shuffling can show anything: of four, one order of twelve is as clear by chance
LEVEL = 0.05  # a difference that chance gives more rarely is clear


@dataclass(frozen=True, eq=False)
class Row(Result):
    """One setting of a comparison, with S seeds. What isn't known, or isn't there yet, is NaN.

    A model that diverged has no metric, and hasn't solved the task.
    """

    experiment: Experiment
    status: str  # finished or diverged, as of a run; failed; missing where there is no result yet
    metric: np.ndarray = field(metadata=axes("S"))
    metric_name: str
    chance: float
    repeating: float  # in forecasts the metric of repeating the last value; NaN in other tasks
    solved_from: float  # metric from which the task counts as solved; NaN where there is no such value
    solved: np.ndarray  # (S,) of booleans
    solved_low: float  # Wilson's interval of the share of seeds that solve it, 95 %
    solved_high: float
    horizon_before: float  # time steps, median over seeds
    horizon_after: float
    span: float  # of memory, time steps
    steps_to_solve: np.ndarray = field(metadata=axes("S"))  # updates; NaN where unsolved
    median_steps: float  # Kaplan and Meier's, unsolved seeds censored; infinite where fewer than half solve it
    seconds: float  # of the training, all seeds together
    ms_per_step: float  # of one update, all seeds together
    parameters: int  # of one model
    multiply_adds: int  # of one model, for one time step of one sequence
    reason: str = ""  # why it failed

    @property
    def finished(self) -> bool:
        """Whether it has been trained to the end."""
        return self.status in ("finished", "diverged")

    @property
    def solvable(self) -> bool:
        """Whether its task counts as solved from some metric on."""
        return bool(np.isfinite(self.solved_from))

    @property
    def share(self) -> float:
        """The share of its seeds that solve the task; NaN where that isn't known."""
        return float(self.solved.mean()) if self.finished and self.solvable else nan

    @property
    def gain(self) -> float:
        """How far its median metric is from chance, as a share of the way to perfect.

        NaN if all models diverged, and where chance is perfect already.
        """
        way = (1.0 if higher_is_better(self.metric_name) else 0.0) - self.chance
        return float((finite_median(self.metric) - self.chance) / way) if way else nan

    @property
    def furthest(self) -> int:
        """The furthest distance of its sequences, in time steps: as long as a horizon can be."""
        return self.experiment.task_length - 1


@dataclass(frozen=True)
class Fairness:
    """On which terms a comparison was made."""

    equal: str  # one of EQUAL
    settled: bool  # whether the learning rates are chosen; until then nothing is counted
    learning_rates: dict[str, float]  # by cell; empty until they are settled, and where they are an axis
    offered: tuple[float, ...]  # learning rates that each cell's was chosen from; empty: one for all
    pilot_seeds: int  # on which they were chosen, and which aren't counted; 0 where they weren't
    pilot_lengths: tuple[int, ...]  # of the sequences on which they were chosen
    measured_alone: bool  # whether ms per update was measured while nothing else was trained
    left_out: tuple[str, ...]  # of the grid, and why
    time_spread: float  # of equal times, the longest compared with the shortest, less 1; NaN of others
    capped: tuple[str, ...]  # who trains for less than the equal time, as updates are limited, and for how much of it


@dataclass(frozen=True)
class Contest:
    """Two settings that differ in one setting alone, `axis`; the one that did better comes first."""

    axis: str
    rows: tuple[int, int]  # their places in the comparison
    by: str  # how they were told apart: solved, updates, seconds or metric; chance: both only guess
    p: float  # of that difference, by chance: Fisher's, Gehan's or Mann and Whitney's exact test
    overlap: bool  # whether the intervals overlap: Wilson's, or the medians': of up to 8 seeds their range
    seeds: float  # each, with which what was seen would settle it; infinite: over 100; NaN: not known

    @property
    def clear(self) -> bool:
        """Whether the first won: the intervals lie apart, and chance is below one in twenty."""
        return self.by != "chance" and not self.overlap and self.p < LEVEL


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of horizon and success over settings, with a bootstrap interval of 95 %.

    The interval of few settings is too narrow: of fewer than six, chance puts too many on one side of 0.
    """

    rho: float
    low: float
    high: float
    settings: int  # over which it was computed
    within: "WithinLengths"  # the same with the length kept fixed

    @property
    def sign(self) -> int:
        """1 where success surely goes with a longer horizon, -1 with a shorter one, 0 where that isn't clear."""
        if self.settings < FEWEST_RANKED:
            return 0
        return int(self.low > 0) - int(self.high < 0)

    @property
    def predicts(self) -> bool:
        """Whether success surely goes with a longer horizon; where lengths differ, also with the length kept fixed."""
        one_length = self.within.lengths + len(self.within.silent) == 1
        return self.sign > 0 and (one_length or self.within.sign > 0)


@dataclass(frozen=True)
class WithinLengths:
    """Spearman's rank correlation of horizon and success among settings of the same length (Taylor 1987).

    Longer sequences are harder, and the same horizon is less of them: over all lengths both would go together even if
    the horizon told nothing. Here ranks are taken within each length. A setting does alike at several lengths, so p is
    that of shuffling settings with their results at all lengths together: they are the independent cases.
    """

    rho: float  # NaN where no length tells anything
    p: float  # that chance gives as much, of either sign
    settings: int  # apart from length, that were shuffled
    lengths: int  # that tell something
    silent: tuple[str, ...]  # lengths at which all settings have the same horizon, or the same success

    @property
    def enough(self) -> bool:
        """Whether there are settings enough that any order of them could be more than chance."""
        return self.settings >= FEWEST_SHUFFLED and self.lengths > 0

    @property
    def sign(self) -> int:
        """1 where success surely goes with a longer horizon, -1 with a shorter one, 0 where that isn't clear."""
        return int(np.sign(self.rho)) if self.enough and self.p < LEVEL else 0


@dataclass(frozen=True)
class Threshold:
    """The horizon that best parts the settings which learn the task from those which don't.

    It is there where the horizon predicts success, and parts settings well enough. It was chosen on the settings that
    it is tested on. Horizons are shares of the furthest distance.
    """

    share: float  # settings with at least this horizon are above
    horizon: float  # the same in time steps; NaN where lengths differ
    furthest: float  # distance, in time steps; NaN where lengths differ
    below: int  # settings
    below_solved: int  # of these, in any seed
    above: int
    above_solved: int  # of these, in every seed
    quality: float  # Youden's: 1 parts them without a mistake, 0 is as good as guessing


@dataclass(frozen=True, eq=False)
class Comparison(Result):
    """What came out of a comparison, as far as it has got."""

    plan: Plan
    rows: tuple[Row, ...]  # one for each of the plan's experiments, in their order
    fairness: Fairness
    correlations: dict[str, Correlation]  # by "before" and "after": of the horizon at start, and after training
    thresholds: dict[str, Threshold]  # the same; without those that part nothing
    contests: tuple[Contest, ...]
    verdicts: tuple[str, ...] = ()

    @property
    def axes(self) -> tuple[str, ...]:
        """The settings that have several values."""
        return tuple(self.plan.axes)

    @property
    def finished(self) -> tuple[Row, ...]:
        """The rows that have been trained to the end."""
        return tuple(row for row in self.rows if row.finished)
