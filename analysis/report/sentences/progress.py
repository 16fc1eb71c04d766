"""A sentence about a run that is queued or in training."""

from collections.abc import Sequence

from analysis.experiment import Experiment
from analysis.report.wording import describe_horizon_range, format_number, format_range
from analysis.results import Snapshot


def progress_sentence(
    experiment: Experiment, status: str, snapshots: Sequence[Snapshot], chance: float, metric_name: str
) -> str:
    """Describe how far a run has come, with the metric and horizon of its last snapshot.

    `status` is that of the run in the history; `chance` is what guessing gets by the metric.
    """
    cell = experiment.cell.upper()
    if not snapshots:
        return f"{cell}: {'waits for a free core' if status == 'queued' else status}."
    last = snapshots[-1]
    metric = f"{metric_name} {format_range(last.metric)} on training batches"
    return (
        f"{cell} after {last.step} of {experiment.steps} updates: {metric}, chance {format_number(chance)}; "
        f"horizon {describe_horizon_range(last.decay)}."
    )
