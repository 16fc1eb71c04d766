"""Sentences on trained cells: what each learned and how far back it reaches, and which did best."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.experiment import GATED, higher_is_better
from analysis.report.wording import (
    count_diverged,
    describe_span,
    format_horizon,
    format_horizon_range,
    format_number,
    format_percent,
    format_range,
    join_cells,
    join_words,
    the_cells,
    threshold_suffix,
)
from analysis.results import Decay, Run
from analysis.span import had_in_training

LEARNED = 0.05  # of the way from chance to perfect; a model below it stayed at chance


def shipped_sentence(cells: Sequence[str], shown: int) -> str:
    """Say which cells came trained, of so many that a page shows, and that what follows is of a training anew.

    Return "" where no cell was.
    """
    if not cells:
        return ""
    came = "Came" if len(cells) == shown else f"{join_cells(cells)} came"
    return f"{came} trained. To train anew:"


def stayed_at_chance(run: Run) -> bool:
    """Return whether no model of a run got a twentieth of the way from chance to perfect."""
    return not _beyond_chance(run.metric, run).any()


def has_not_learned(run: Run) -> bool:
    """Return whether the median of a run's models got no such way; models that diverged don't count."""
    finite = run.metric[np.isfinite(run.metric)]
    return not len(finite) or not _beyond_chance(np.median(finite), run)


def _beyond_chance(metric: np.ndarray | np.floating, run: Run) -> np.ndarray | np.bool:
    """Return which metrics of a run's task are a twentieth of the way from chance to perfect, or more."""
    sign, perfect = (1, 1.0) if higher_is_better(run.metric_name) else (-1, 0.0)
    return sign * (metric - run.chance) > LEARNED * abs(perfect - run.chance)


def is_no_forecast(run: Run) -> bool:
    """Return whether the median of a run's models forecasts no better than repeating the last value."""
    return run.memory.repeating is not None and not np.nanmedian(run.metric) < run.memory.repeating


def repeating_clause(run: Run) -> str:
    """Return what repeating the last value gets, in forecasts: ", repeating the last value 0.21"; else ""."""
    return "" if run.memory.repeating is None else f", repeating the last value {format_number(run.memory.repeating)}"


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
    if all(stayed_at_chance(runs[cell]) for cell in metrics):
        return f"None has learned it yet: all stayed at chance.{diverged}"
    if diverged:
        return f"No clear winner.{diverged}"
    first = next(iter(runs.values()))
    ranking = _ranking(metrics, higher_is_better(first.metric_name))
    beaten = " None beats repeating the last value." if all(map(is_no_forecast, runs.values())) else ""
    return f"After {first.experiment.steps:,} updates {ranking}.{beaten}"


def rank_cells(metrics: Mapping[str, np.ndarray], higher: bool) -> tuple[list[str], list[str]]:
    """Rank cells by their metrics over seeds, and split them where a cell's best seed does worse than the best's worst.

    Returns:
        The best cell by the median and those whose range reaches its own, and those whose range doesn't; best first.
    """
    sign = 1 if higher else -1
    ordered = sorted(metrics, key=lambda cell: -sign * np.median(metrics[cell]))
    worst = (sign * metrics[ordered[0]]).min()
    tied = [cell for cell in ordered if (sign * metrics[cell]).max() >= worst]
    return tied, [cell for cell in ordered if cell not in tied]


def _ranking(metrics: Mapping[str, np.ndarray], higher: bool) -> str:
    """Name the best of several cells by their metrics over seeds, those as good as it, and those that did worse."""
    tied, worse = rank_cells(metrics, higher)
    best, seeds = tied[0], len(next(iter(metrics.values())))
    if len(tied) == 1 and seeds == 1:
        return f"the {best.upper()} did best, but one seed each says little"
    if len(tied) == 1:
        return f"the {best.upper()} did best: each of its {seeds} seeds beat every seed of {the_cells(worse)}"
    models = f"({seeds} seed{'s' * (seeds > 1)} each)"
    tail = f"; {the_cells(worse)} did worse" if worse else ""
    medians = [np.median(metrics[cell]) for cell in tied]
    if all(metrics[cell].min() <= min(medians) and max(medians) <= metrics[cell].max() for cell in tied):
        return f"{join_cells(tied)} did equally well {models}{tail}"
    return f"no clear winner: the seeds of {the_cells(tied[1:])} overlap those of the {best.upper()} {models}{tail}"


def start_sentence(runs: Mapping[str, Run]) -> str:
    """Describe how the cells started, which a comparison rests on besides the cells."""
    experiment = next(iter(runs.values())).experiment
    gated = next((run.experiment for run in runs.values() if run.experiment.cell in GATED), experiment)
    starts = [f"{gated.init} initialisation"] * (gated.init != "default")
    starts += [f"gain {format_number(gated.gain)}"] * (gated.gain != 1)
    starts += [f"forget bias {format_number(gated.forget_bias)}"] if gated.forget_bias is not None else []
    how = f"with {join_words(starts)}" if starts else "as torch starts them"
    return f"The cells started {how}; another start, or more updates, can rank them otherwise."


def training_sentence(cell: str, run: Run, before: Decay | None = None, after: Decay | None = None) -> str:
    """Describe a trained cell by its metric, its memory span and its horizon.

    `before` and `after` are the run's decays with the horizons of another threshold.
    """
    diverged = _diverged_models(run)
    if not np.isfinite(run.metric).any():
        return f"{cell.upper()}: {diverged}."
    before, after = before or run.before, after or run.after
    metric = f"{run.metric_name} {format_range(run.metric)}, chance {format_number(run.chance)}{repeating_clause(run)}"
    horizon = f"horizon{threshold_suffix(after)} {format_horizon_range(after)}, was {format_horizon(before)}"
    ends = f"; {diverged}" if diverged else ""
    return f"{cell.upper()}{failure_mark(run)}: {metric}; memory span {describe_span(run.memory)}; {horizon}{ends}."


def failure_mark(run: Run) -> str:
    """Return a mark for a cell that has not learned its task, whose horizon would look like memory; else ""."""
    if has_not_learned(run):
        return ", not learned yet"
    if is_no_forecast(run):
        return ", beaten by repeating"
    sign, perfect = (1, 1.0) if higher_is_better(run.metric_name) else (-1, 0.0)
    # In prose nobody knows what comes next, and of someone's own data how much can be known.
    can_be_perfect = run.experiment.task not in ("text", "words", "series")
    wrong = sign * (np.nanmedian(run.metric) - (run.chance + perfect) / 2) < 0
    return ", mostly wrong" if can_be_perfect and wrong else ""


def explain_horizon_and_span(run: Run, threshold: float) -> str:
    """Explain what horizon and memory span are, and what the open marks of a memory's picture are."""
    of_data = run.experiment.task == "series" and run.metric_name == "mse"
    unit = "Mse: in variances of the data it was trained on. " if of_data else ""
    span = {
        "symbol": "the furthest distance of its training at which its accuracy is above halfway from chance to 1",
        "window": "the time steps before the last that it must see to answer better than midway between chance and its "
        "best",
    }[run.memory.kind]
    open_marks = {
        "symbol": "distances that its training never had: they don't count",
        "window": "it starts in the middle of a sequence, as never in its training: it may depend on fewer",
    }[run.memory.kind]
    return (
        f"{unit}Horizon: how far back a small change can still be taught now ({format_percent(threshold)} of the "
        f"gradient is left). Memory span: how far back its answers depend on what it read, {span}. "
        "The two can differ: Memory beyond the gradient, under Why, shows how."
        + ("" if had_in_training(run.memory).all() else f" Open marks: {open_marks}.")
    )


def time_columns_sentence(names: Sequence[str]) -> str:
    """Warn of columns of someone's own series that count evenly: "YEAR counts evenly, as a time does: …"."""
    one = len(names) == 1
    counts, them = (
        ("counts evenly, as a time does, and is", "it") if one else ("count evenly, as times do, and are", "them")
    )
    return f"{join_words(names)} {counts} forecast too: name only the others in Columns to leave {them} out."
