"""Sentences about runs that are still on their way."""

from collections.abc import Sequence

from analysis.experiment import METRICS, Experiment
from analysis.report.wording import describe_horizon_range, format_number, format_range
from analysis.results import Snapshot


def progress_sentence(experiment: Experiment, status: str, snapshots: Sequence[Snapshot], chance: float) -> str:
    """Say how far a run has come, and what metric and horizon its last snapshot shows.

    `status` is the run's in the history; `chance` is the metric that guessing gets.
    """
    cell = experiment.cell.upper()
    if not snapshots:
        return f"{cell}: {'waits for a free core' if status == 'queued' else status}."
    last = snapshots[-1]
    metric = f"{METRICS[experiment.task]} {format_range(last.metric)} on training batches"
    return (
        f"{cell} at step {last.step} of {experiment.steps}: {metric}, chance {format_number(chance)}; "
        f"horizon {describe_horizon_range(last.decay)}."
    )
