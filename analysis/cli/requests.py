"""What a command was asked to measure, and where to write it: checked before any work is done."""

from collections.abc import Mapping
from typing import Any

from analysis.cli.arguments import experiment_from
from analysis.cli.output import writable_targets
from analysis.engine.cost import require_memory
from analysis.experiment import Experiment
from analysis.sources import with_own_length
from analysis.tasks.registry import build_task


def read_request(arguments: Mapping[str, Any], *, training: bool = False) -> tuple[Experiment, dict[str, str]]:
    """Return the experiment that is asked for, and the output file of each format.

    Raises:
        ValueError, ModuleNotFoundError: for a setting that isn't accepted, a file that can't be read or written, and
            an experiment that needs more memory than this machine has.
    """
    experiment = with_own_length(experiment_from(arguments))
    targets = writable_targets(arguments)
    require_memory(experiment, build_task(experiment), training=training)
    return experiment, targets
