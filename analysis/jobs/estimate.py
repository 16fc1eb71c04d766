"""How long trainings will take, estimated by trying a few steps of them."""

import heapq
import os
import time
from collections.abc import Callable, Sequence

from analysis.engine.cost import count_cost, require_memory
from analysis.engine.unroll import one_thread
from analysis.experiment import Experiment
from analysis.tasks.registry import build_task
from analysis.tasks.task import Task
from analysis.training.trainer import Trainer

TRIED = 5e8  # largest number of multiply-adds in the step that is timed
SHORTEST = 20  # smallest number of time steps of its sequences
SNAPSHOTS_AROUND = 80  # measuring before and after a training takes as long as this many snapshots
TRIES = 3


def estimate_all(seconds: Sequence[float]) -> float:
    """Return the seconds until the last of several trainings ends, with one worker for each core."""
    free = [0.0] * (os.cpu_count() or 1)  # when each worker is free again
    for duration in seconds:
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def estimate_training(experiment: Experiment) -> float:
    """Estimate the seconds of a training from a step and a snapshot of it, or of a smaller one where it is large.

    Raises ValueError if it needs more memory than there is or its text can't be used, ModuleNotFoundError if its task
    needs a library that isn't installed.
    """
    task = build_task(experiment)
    require_memory(experiment, task, training=True)
    small = _smaller(experiment, task)
    trainer = Trainer(small, build_task(small))

    def measure() -> None:
        trainer.snapshot_meter.measure(trainer.weights, of=("memory",))

    larger = task.length / trainer.task.length * experiment.seeds / small.seeds
    step = _shortest_time(trainer.advance) * larger * experiment.batch_size / small.batch_size
    snapshots = experiment.steps / experiment.snapshot_every + SNAPSHOTS_AROUND
    return experiment.steps * step + snapshots * _shortest_time(measure) * larger


def _smaller(experiment: Experiment, task: Task) -> Experiment:
    """Return an experiment whose step takes at most about `TRIED` multiply-adds.

    A step of a few models takes about as long as one of many, so the length is cut first.
    """
    per_input = 3 * count_cost(experiment, task)["multiply_adds"]  # forward, and twice that back
    length, whole = experiment.length, experiment.task_length
    if experiment.task != "digits":
        length = min(whole, max(SHORTEST, int(TRIED / per_input / experiment.seeds / experiment.batch_size)))
    batch = max(1, min(experiment.batch_size, int(TRIED / per_input / (length or whole) / experiment.seeds)))
    models = max(1, min(experiment.seeds, int(TRIED / per_input / (length or whole) / batch)))
    return experiment.replace(length=length, seeds=models, batch_size=batch)


def _shortest_time(work: Callable[[], object]) -> float:
    """Return the CPU seconds of the fastest of three calls; the first one also allocates buffers."""

    def time_once() -> float:
        start = time.thread_time()
        with one_thread():
            work()
        return time.thread_time() - start

    return min(time_once() for _ in range(TRIES))
