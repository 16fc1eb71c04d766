"""What the command line says of results, in lines of text."""

import numpy as np

from analysis.experiment import Experiment
from analysis.history.entry import Row
from analysis.report import wording
from analysis.results import Decay, Run, Watched


def describe_run(run: Run) -> str:
    """Say per seed, and then of all, what was learned and how far the gradient reached."""
    experiment, metric_name = run.experiment, run.metric_name
    lines = [f"{experiment_title(experiment)}, {metric_name} by chance {wording.format_number(run.chance)}:"]
    ends = {failure.model: failure for failure in run.diverged}
    for k, metric in enumerate(run.metric):
        reaches = f"horizon {_one(run.before, k)} before training, {_one(run.after, k)} after"
        if k in ends:
            lines.append(f"seed {experiment.seed + k}: ended at step {ends[k].step}: {ends[k].reason}")
        else:
            lines.append(f"seed {experiment.seed + k}: {metric_name} {wording.format_number(metric)}, {reaches}")
    if len(ends) < experiment.seeds:
        lines.append(
            f"median (range): {metric_name} {wording.format_range(run.metric)}, "
            f"horizon {_reach(run.before)} before training, {_reach(run.after)} after"
        )
        threshold = wording.format_percent(run.after.threshold)
        lines.append(f"The horizon is the number of steps back to which {threshold} of the gradient is left.")
    return "\n".join(lines)


def describe_decay(what: str, decay: Decay) -> str:
    """Say of what was measured once how far the gradient reaches."""
    share = wording.format_percent(decay.threshold)
    if np.isnan(decay.horizon):
        return f"{what}: the gradient could not be measured: {wording.why_unmeasured(decay)}."
    reach = f"horizon {_reach(decay)}, the steps back to which {share} of the gradient is left"
    return f"{what}: {reach}; {wording.describe_rate(decay)}."


def describe_row(row: Row) -> str:
    """Say in one line what a run is and what came of it."""
    learned = [metric for metric in row.metric or () if metric is not None]
    found = f", {row.metric_name} {wording.format_number(float(np.median(learned)))}" if learned else ""
    found += f" by chance {wording.format_number(row.chance)}" if learned else ""
    found += f", {wording.count_diverged(row.diverged, row.experiment.seeds)}" if row.diverged else ""
    why = f" ({row.reason})" if row.reason else ""
    step = f"step {row.step}/{row.experiment.steps}"
    return f"{_kept(row.id, row)}{experiment_title(row.experiment)}, {step}, {row.status}{found}{why}"


def describe_watched(id: str, model: Watched) -> str:
    """Say in one line what a model is that was watched in a loop of someone's own."""
    decays = [snapshot.decay for snapshot in model.snapshots]
    reach = f", horizon {_reach(decays[0])} first, {_reach(decays[-1])} last" if decays else ""
    return f"{_kept(id, model)}{model.cell.upper()}, watched, pass {model.backwards}{reach}"


def experiment_title(experiment: Experiment) -> str:
    """Name an experiment by its cell, task and length."""
    return f"{experiment.cell.upper()}, {experiment.task}, length {experiment.task_length}"


def _kept(id: str, kept: Row | Watched) -> str:
    return f"{id}  {kept.created[:16]}  " + (f"{kept.name}: " if kept.name else "")


def _one(decay: Decay, model: int) -> str:
    return _steps(decay.horizons[model], decay)


def _reach(decay: Decay) -> str:
    """Write the horizon of the median with the range over seeds."""
    if np.isnan(decay.horizon):
        return _steps(decay.horizon, decay)
    low, high = (_steps(end, decay) for end in (np.nanmin(decay.horizons), np.nanmax(decay.horizons)))
    return _steps(decay.horizon, decay) + (f" ({low} to {high})" if low != high else "")


def _steps(horizon: float, decay: Decay) -> str:
    if np.isnan(horizon):
        return "not measurable"
    return "at least " * bool(horizon == decay.furthest) + wording.format_number(horizon)
