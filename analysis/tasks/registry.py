"""Build an experiment's task by its name.

A new task is a builder, an entry in `BUILDERS`, and its defaults in analysis/experiment.py (DEFAULT_LENGTH, METRICS,
TASK_HELP). Where it has steps to be remembered, `steps_read` in analysis/measures/gates.py names them.
"""

from collections.abc import Callable

from analysis.experiment import Experiment
from analysis.tasks.digits import build_digits
from analysis.tasks.series import build_series
from analysis.tasks.symbolic import build_adding, build_copy, build_order, build_recall
from analysis.tasks.task import Task
from analysis.tasks.text import build_text, build_words


def build_task(experiment: Experiment) -> Task:
    """Build the task of an experiment.

    Raises ValueError for a text or data that can't be used, ModuleNotFoundError for digits without scikit-learn.
    """
    return BUILDERS[experiment.task](experiment)


BUILDERS: dict[str, Callable[[Experiment], Task]] = {
    "recall": build_recall,
    "adding": build_adding,
    "order": build_order,
    "copy": build_copy,
    "text": build_text,
    "words": build_words,
    "digits": build_digits,
    "series": build_series,
}
