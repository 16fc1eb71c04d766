"""How long trainings will take, computed without trying any; corrected by a training's own pace while it goes."""

import heapq
import os
from collections import deque
from collections.abc import Sequence

from analysis.engine.cost import require_memory
from analysis.engine.duration import answering_seconds, measuring_seconds, update_seconds
from analysis.engine.speed import machine_speed
from analysis.experiment import Experiment
from analysis.span import SAMPLES
from analysis.tasks.registry import build_task
from analysis.tasks.task import EVALUATED, MEASURED
from analysis.training.trainer import SNAPSHOT_SAMPLES

RECENT = 10.0  # seconds of training from which a run's pace is taken
PAGE = 0.7  # of a core that a page takes which shows trainings as they go
DISTANCES = 50  # at which memory is measured, where there are as many


class Forecast:
    """What is left of one training: by this machine's speed until it has made updates, then by its own recent pace.

    Raises ValueError if it needs more memory than there is or its text can't be used, ModuleNotFoundError if its task
    needs a library that isn't installed.
    """

    def __init__(self, experiment: Experiment) -> None:
        task, speed = build_task(experiment), machine_speed()
        require_memory(experiment, task, training=True)
        T, seeds = task.length, experiment.seeds
        self._experiment = experiment
        self._update = update_seconds(experiment, task, speed)
        self._snapshot = measuring_seconds(experiment, task, seeds, SNAPSHOT_SAMPLES, speed, whole=False)
        self._measure = measuring_seconds(experiment, task, seeds, MEASURED, speed, whole=True)
        if task.draw_at:
            memory = answering_seconds(experiment, task, SAMPLES, T, speed, every_step=False) * min(T, DISTANCES)
        else:  # a window of each length, or of some of them
            read = min(T * T / 2, max(DISTANCES**2 / 2, 9 * T))
            count = min(T, DISTANCES)
            memory = answering_seconds(experiment, task, 2 * SAMPLES, read / count, speed, every_step=False) * count
        evaluation = answering_seconds(experiment, task, EVALUATED, T, speed, every_step=task.every_step)
        self._ending = evaluation + self._measure + memory
        self._seen: deque[tuple[float, int]] = deque([(0.0, 0)])  # seconds of training and updates, as reported

    def seconds(self, step: int = 0, together: int = 1) -> float:
        """Return the seconds of a training that begins, or goes on after so many updates, one of so many at a time.

        Each has a core of its own, but the page that shows them needs one too.
        """
        cores = os.cpu_count() or 1
        slower = max(1.0, (min(together, cores) + PAGE) / cores)
        return slower * (self._measure + self._after(step))

    def _after(self, step: int) -> float:
        """Return the seconds from one update to the end, by this machine's speed."""
        left = self._experiment.steps - step
        return left * (self._update + self._snapshot / self._experiment.snapshot_every) + self._ending

    def seconds_left(self, step: int, seconds: float, together: int = 1) -> float:
        """Return the seconds that are left of a training which has made `step` updates in so many seconds.

        Call it as the training goes on: other work on the machine comes and goes, and the last seconds count alone.
        """
        if step < self._seen[-1][1]:  # it went back to its checkpoint
            self._seen = deque([(0.0, 0)])
        if step > self._seen[-1][1]:
            self._seen.append((seconds, step))
        while len(self._seen) > 2 and self._seen[1][0] <= seconds - RECENT:
            self._seen.popleft()
        (began, first), (ended, last) = self._seen[0], self._seen[-1]
        if last == first:
            return self.seconds(step, together)
        slower = (ended - began) / (self._after(first) - self._after(last))  # than on a core of its own
        return slower * self._after(step)


def estimate_ends(seconds: Sequence[float]) -> list[float]:
    """Return when each of several trainings ends, in the order in which workers take them: one worker for each core."""
    free = [0.0] * (os.cpu_count() or 1)  # when each worker is free again
    ends = []
    for duration in seconds:
        ends.append(free[0] + duration)
        heapq.heapreplace(free, ends[-1])
    return ends
