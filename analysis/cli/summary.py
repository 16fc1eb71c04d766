"""Results as lines of text for the terminal."""

from math import exp

import numpy as np

from analysis.experiment import Experiment
from analysis.history.entry import Row
from analysis.reasons import Prediction
from analysis.report import wording
from analysis.report.sentences.theory import describe_predicted_rate
from analysis.report.sentences.training import is_no_forecast, repeating_clause
from analysis.results import Decay, Run, Watched


def describe_run(run: Run) -> str:
    """Describe a run: each model's metric and horizons, and their medians."""
    experiment, metric_name = run.experiment, run.metric_name
    guess = f"{metric_name} by chance {wording.format_number(run.chance)}{repeating_clause(run)}"
    lines = [f"{experiment_title(experiment)}, {guess}:"]
    failures = {failure.model: failure for failure in run.diverged}
    for model, metric in enumerate(run.metric):
        before, after = (_horizon_text(decay.horizons[model], decay) for decay in (run.before, run.after))
        horizons = f"horizon {before} before training, {after} after"
        if failure := failures.get(model):
            lines.append(f"seed {experiment.seed + model}: ended at update {failure.step}: {failure.reason}")
        else:
            lines.append(f"seed {experiment.seed + model}: {metric_name} {wording.format_number(metric)}, {horizons}")
    if len(failures) < experiment.seeds:
        lines.append(
            f"median (range): {metric_name} {wording.format_range(run.metric)}, "
            f"memory span {wording.describe_span(run.memory)}, "
            f"horizon {_horizon_range(run.before)} before training, {_horizon_range(run.after)} after"
        )
        if is_no_forecast(run):
            lines.append("The median forecasts no better than repeating the last value.")
        threshold = wording.format_percent(run.after.threshold)
        lines.append(f"The horizon is the number of time steps back to which {threshold} of the gradient is left.")
    return "\n".join(lines)


def describe_decay(what: str, decay: Decay) -> str:
    """Describe how far back a gradient reaches; `what` names the model that was measured."""
    share = wording.format_percent(decay.threshold)
    if np.isnan(decay.horizon):
        return f"{what}: the gradient could not be measured: {wording.why_unmeasured(decay)}."
    horizon = f"horizon {_horizon_range(decay)}, the time steps back to which {share} of the gradient is left"
    return f"{what}: {horizon}; {wording.describe_rate(decay)}."


def describe_prediction(prediction: Prediction) -> str:
    """Describe what theory predicts, in one line: its rate, as `describe_decay` gives the measured one, or why none."""
    number = wording.format_number
    if prediction.reason:
        predicted = f"Predicted: nothing, {prediction.reason}."
    else:
        predicted = f"Predicted: {describe_predicted_rate(prediction)}, by {prediction.name} ({prediction.assumption})."
    if np.isnan(prediction.bound):
        return predicted
    return f"{predicted} The largest singular value allows at most ×{number(exp(prediction.bound))} per time step."


def describe_row(row: Row) -> str:
    """Describe a run of the history in one line: its settings, its progress and its metric."""
    learned = [metric for metric in row.metric or () if metric is not None]
    result = ""
    if learned:
        result += f", {row.metric_name} {wording.format_number(float(np.median(learned)))}"
    if learned and row.chance is not None:
        result += f" by chance {wording.format_number(row.chance)}"
    if row.diverged:
        result += f", {wording.count_diverged(row.diverged, row.experiment.seeds)}"
    reason = f" ({row.reason})" if row.reason else ""
    step = f"update {row.step}/{row.experiment.steps}"
    return f"{_entry(row.id, row)}{experiment_title(row.experiment)}, {step}, {row.status}{result}{reason}"


def describe_watched(id: str, model: Watched) -> str:
    """Describe a model that was watched in a user's own training loop, in one line."""
    decays = [snapshot.decay for snapshot in model.snapshots]
    horizons = f", horizon {_horizon_range(decays[0])} first, {_horizon_range(decays[-1])} last" if decays else ""
    return f"{_entry(id, model)}{model.cell.upper()}, watched, pass {model.backwards}{horizons}"


def experiment_title(experiment: Experiment) -> str:
    """Return an experiment's cell, task and length."""
    return f"{experiment.cell.upper()}, {experiment.task}, length {experiment.task_length}"


def _entry(id: str, kept: Row | Watched) -> str:
    """Return the start of a line on a run or watched model: its id, when it was made, its name."""
    return f"{id}  {kept.created[:16]}  " + (f"{kept.name}: " if kept.name else "")


def _horizon_range(decay: Decay) -> str:
    """Return the horizon of the median curve, with the range over seeds."""
    if np.isnan(decay.horizon):
        return _horizon_text(decay.horizon, decay)
    low, high = (_horizon_text(end, decay) for end in (np.nanmin(decay.horizons), np.nanmax(decay.horizons)))
    return _horizon_text(decay.horizon, decay) + (f" ({low} to {high})" if low != high else "")


def _horizon_text(horizon: float, decay: Decay) -> str:
    """Return a horizon in words; one at the end of the sequence is only a lower bound."""
    if np.isnan(horizon):
        return "not measurable"
    number = wording.format_number(horizon)
    return f"at least {number}" if horizon == decay.furthest else number
