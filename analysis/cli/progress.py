"""The bar of a sweep: how many updates are made, and how long the others take."""

import time
from collections.abc import Callable, Iterable, Mapping

from analysis.cli.output import print_note, show_progress
from analysis.cli.summary import experiment_title
from analysis.experiment import SETTINGS, Experiment
from analysis.jobs.outcome import Failed
from analysis.jobs.sweep import expected_seconds
from analysis.report.sentences.estimate import describe_duration
from analysis.results import Run

BAR = 20  # characters


class Progress:
    """The bar. What an update takes is estimated for each training, and corrected by how fast these go.

    Args:
        experiments: all that is to be trained; their learning rates may be others.
        seconds: returns how long a training is expected to take.
    """

    def __init__(
        self, experiments: Iterable[Experiment], seconds: Callable[[Experiment], float] = expected_seconds
    ) -> None:
        self._weights: dict[Experiment, float] = {}  # seconds of an update
        self._runs = self._updates = self._ended = 0
        self._work, self._there = 0.0, 0.0  # expected seconds of all; of what was trained before
        for experiment in map(_alike, experiments):
            if experiment not in self._weights:
                self._weights[experiment] = seconds(experiment) / experiment.steps
            self._runs += 1
            self._updates += experiment.steps
            self._work += self._weights[experiment] * experiment.steps
        self._made: dict[Experiment, int] = {}  # updates
        self._began = time.monotonic()
        self._show()

    def follow(self, steps: Mapping[Experiment, int]) -> None:
        """Show how many updates the trainings under way have made."""
        for experiment, step in steps.items():
            if experiment not in self._made:  # its checkpoint
                self._there += self._weigh(experiment, step)
        self._made |= steps
        self._show()

    def count(self, result: Run | Failed) -> None:
        """Count a result; print a note where there is none."""
        experiment = result.experiment
        if experiment not in self._made:  # it was in the history
            self._there += self._weigh(experiment, experiment.steps)
        self._made[experiment] = experiment.steps
        self._ended += 1
        if isinstance(result, Failed):
            print_note(f"{experiment_title(experiment)}: {result.reason}")
        self._show()

    def _weigh(self, experiment: Experiment, step: int) -> float:
        """Return how many seconds so many updates of an experiment are expected to take."""
        return step * self._weights.get(_alike(experiment), 0.0)

    def _show(self) -> None:
        made = sum(self._made.values())
        share = min(1.0, made / self._updates)
        filled = int(BAR * share)
        line = f"{'█' * filled}{'░' * (BAR - filled)} {made:,} of {self._updates:,} updates"
        show_progress(f"{line}, {self._ended} of {self._runs} trainings{self._left()}")

    def _left(self) -> str:
        """Return how long the others take, by the pace so far; nothing before there is one."""
        done = sum(self._weigh(experiment, step) for experiment, step in self._made.items())
        trained, left = done - self._there, self._work - done
        if trained <= 0 or self._ended >= self._runs:
            return ""
        return f", about {describe_duration(left * (time.monotonic() - self._began) / trained)} left"


def _alike(experiment: Experiment) -> Experiment:
    """Return an experiment without its learning rate, which is chosen on the way and changes no duration."""
    return experiment.replace(learning_rate=SETTINGS["learning_rate"].default)
