"""Previews: a quick measurement of an untrained experiment, on fewer models and sequences if it is large."""

from functools import lru_cache

from analysis.engine.cost import count_cost
from analysis.engine.initialization import Weights, initial_weights
from analysis.experiment import SETTINGS, Experiment
from analysis.measures.meter import Meter
from analysis.tasks.registry import build_task
from analysis.tasks.task import MEASURED, Batch

BUDGET = 6e7  # multiply-adds forward of one cell: about 0.05 s on one core
FEWEST = 8  # sequences
SPEED = 3e8  # forward multiply-adds per second in a large preview, which runs forward and back
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
    return _count_work(experiment) * models * samples / SPEED


def preview_meter(experiment: Experiment) -> tuple[Meter, Weights]:
    """Return a meter of the preview's models and sequences, and the weights with which the models start."""
    task = build_task(experiment)
    models, samples = preview_sizes(experiment)
    experiment = experiment.replace(seeds=models)
    weights, _ = initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)
    batch = task.measuring()
    batch = Batch(batch.inputs[:, :samples], batch.targets[..., :samples])
    return Meter(experiment, task, batch), weights


@lru_cache(maxsize=1000)
def _count_work(experiment: Experiment) -> float:
    """Count the multiply-adds of one model that reads one sequence."""
    task = build_task(experiment)
    return count_cost(experiment, task)["multiply_adds"] * task.length
