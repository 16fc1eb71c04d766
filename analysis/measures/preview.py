"""Previews: a quick measurement of an untrained experiment, on fewer models and sequences if it is large."""

from collections.abc import Collection
from functools import lru_cache

from analysis.engine.cost import count_cost
from analysis.engine.duration import measuring_seconds
from analysis.engine.initialization import Weights, initial_weights
from analysis.engine.speed import machine_speed
from analysis.experiment import SETTINGS, Experiment
from analysis.measures.meter import Meter
from analysis.tasks.registry import build_task
from analysis.tasks.task import MEASURED

BUDGET = 6e7  # multiply-adds forward of one cell: about 0.05 s on one core
FEWEST = 8  # sequences
SMALLER = {"hidden_size": (256, 128, 64, 32, 16, 8), "length": (500, 200, 100, 50, 20, 10)}  # values to offer
TRAINING_ONLY = ("batch_size", "steps", "learning_rate", "optimizer", "clip", "snapshot_every")


def without_training(experiment: Experiment) -> Experiment:
    """Return the experiment with the default of every setting that only training reads."""
    return experiment.replace(**{name: SETTINGS[name].default for name in TRAINING_ONLY})


def preview_sizes(experiment: Experiment) -> tuple[int, int]:
    """Return how many models a preview measures, and on how many sequences. ValueError if the task can't be built."""
    work = _count_work(experiment)
    models = max(1, min(experiment.seeds, int(BUDGET / work / FEWEST)))
    return models, max(FEWEST, min(MEASURED, int(BUDGET / work / models)))


def preview_seconds(experiment: Experiment) -> float:
    """Estimate the seconds that a preview takes. ValueError if the task can't be built."""
    models, samples = preview_sizes(experiment)
    return measuring_seconds(experiment, build_task(experiment), models, samples, machine_speed(), whole=True)


def quicker_settings(experiments: Collection[Experiment], seconds: float) -> dict[str, int]:
    """Return by setting the largest smaller value with which previews of all experiments take at most so long.

    A setting is left out where its task fixes it, or where no offered value is small enough.
    """
    found = {}
    for name, values in SMALLER.items():
        now = min(each.task_length if name == "length" else each.hidden_size for each in experiments)
        if any(each.task in SETTINGS[name].fixed for each in experiments):
            continue
        for value in values:
            changed = [each.replace(**{name: value}) for each in experiments]
            if value < now and sum(map(preview_seconds, changed)) <= seconds:
                found[name] = value
                break
    return found


def preview_meter(experiment: Experiment) -> tuple[Meter, Weights]:
    """Return a meter of the preview's models and sequences, and the weights with which the models start."""
    task = build_task(experiment)
    models, samples = preview_sizes(experiment)
    experiment = experiment.replace(seeds=models)
    weights, _ = initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)
    return Meter(experiment, task, task.measuring().of(slice(samples))), weights


@lru_cache(maxsize=1000)
def _count_work(experiment: Experiment) -> float:
    """Count the multiply-adds of one model that reads one sequence."""
    task = build_task(experiment)
    return count_cost(experiment, task)["multiply_adds"] * task.length
