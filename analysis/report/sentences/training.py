"""Sentences on trained cells: what each learned and how far back it reaches, and which did best."""

from collections.abc import Mapping

import numpy as np

from analysis.experiment import higher_is_better
from analysis.report.wording import (
    count_diverged,
    describe_horizon_range,
    describe_span,
    format_number,
    format_percent,
    format_range,
    join_cells,
    threshold_suffix,
)
from analysis.results import Decay, Run

LEARNED = 0.05  # of the way from chance to perfect; a model below it stayed at chance


def stayed_at_chance(run: Run) -> bool:
    """Return whether no model of a run got a twentieth of the way from chance to perfect."""
    sign, perfect = (1, 1.0) if higher_is_better(run.metric_name) else (-1, 0.0)
    return not (sign * (run.metric - run.chance) > LEARNED * abs(perfect - run.chance)).any()


def _diverged_models(run: Run) -> str:
    """Return how many models of a run diverged, in words; "" where none did."""
    count = int((~np.isfinite(run.metric)).sum())
    return count_diverged(count, len(run.metric)) if count else ""


def compare_cells(runs: Mapping[str, Run]) -> str:
    """Name the cell with the best metric, if no model diverged and its range over seeds overlaps no other's."""
    ranges = {cell: run.metric[np.isfinite(run.metric)] for cell, run in runs.items()}
    metrics = {cell: values for cell, values in ranges.items() if len(values)}
    diverged = "".join(
        f" {cell.upper()}: {_diverged_models(run)}." for cell, run in runs.items() if _diverged_models(run)
    )
    if len(metrics) < 2:
        return f"No comparison.{diverged}" if diverged and len(runs) > 1 else ""
    run = next(iter(runs.values()))
    if all(stayed_at_chance(runs[cell]) for cell in metrics):
        return f"No clear winner: all stayed at chance.{diverged}"
    if diverged:
        return f"No clear winner.{diverged}"
    sign = 1 if higher_is_better(run.metric_name) else -1
    ordered = sorted(metrics, key=lambda cell: -sign * np.median(metrics[cell]))
    best = ordered[0]
    tied = [c for c in ordered if (sign * metrics[c]).max() >= (sign * metrics[best]).min()]
    models = f"{run.experiment.seeds} seed{'' if run.experiment.seeds == 1 else 's'} each"
    if len(tied) == 1 and run.experiment.seeds > 1:
        return (
            f"{best.upper()} did best here: its {models.split()[0]} seeds all beat those of {join_cells(ordered[1:])}."
        )
    if len(tied) == 1:
        return f"{best.upper()} did best here, but one seed each says little: train more."
    behind = [cell for cell in ordered if cell not in tied]
    tail = f"; {join_cells(behind)} {'lies' if len(behind) == 1 else 'lie'} behind" if behind else ""
    all_overlap = min(metrics[cell].max() for cell in tied) >= max(metrics[cell].min() for cell in tied)
    whose = "" if all_overlap else f" that of {best.upper()}"
    return f"No clear winner between {join_cells(tied)}, whose ranges over seeds overlap{whose} ({models}){tail}."


def training_sentence(cell: str, run: Run, before: Decay | None = None, after: Decay | None = None) -> str:
    """Describe a trained cell by its metric, its horizon and its memory span.

    `before` and `after` are the run's decays with the horizons of another threshold.
    """
    diverged = _diverged_models(run)
    if not np.isfinite(run.metric).any():
        return f"{cell.upper()}: {diverged}."
    before, after = before or run.before, after or run.after
    metric = f"{run.metric_name} {format_range(run.metric)}, chance {format_number(run.chance)}"
    was, now = describe_horizon_range(before), describe_horizon_range(after)
    went = f"stayed at {now}" if was == now else f"went from {was} to {now}"
    ends = f"memory span {describe_span(run.memory)}" + (f"; {diverged}" if diverged else "")
    return f"{cell.upper()}: {metric}; the horizon{threshold_suffix(after)} {went}; {ends}."


def explain_horizon_and_span(run: Run, threshold: float) -> str:
    """Explain what horizon and memory span are, and how the memory span can be the larger one."""
    share = format_percent(threshold)
    span = {
        "symbol": "the distance up to which answers are better than midway between chance and the best",
        "window": "how many steps before the last it must see to answer better than midway between chance and its best",
    }[run.memory.kind]
    return (
        f"Horizon: steps back to which {share} of the gradient is left now. Memory span: {span}. Memory can "
        f"reach further: less than {share} still teaches, and what was learned while more came back stays."
    )
