"""Sentences on decays and trainings: how far back a gradient reaches, which cell did best."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.experiment import KEEP_GATE, higher_is_better
from analysis.report.wording import (
    WHOLE,
    cell_with_state,
    count_diverged,
    describe_horizon_range,
    describe_span,
    format_number,
    format_percent,
    format_range,
    format_steps,
    gradient_grows,
    join_words,
    threshold_suffix,
    why_unmeasured,
)
from analysis.results import Decay, Run

LEARNED = 0.05  # of the way from chance to perfect; a model below it stayed at chance


def untrained_sentence(decays: Mapping[str, Decay]) -> str:
    """Describe how far back untrained cells' gradients reach, which grow, and which can't be measured."""
    growing = {cell: decay for cell, decay in decays.items() if gradient_grows(decay)}
    parts = _reached({cell: decay for cell, decay in decays.items() if cell not in growing})
    sentences = []
    if parts:
        sentences.append(
            f"Untrained, {format_percent(next(iter(decays.values())).threshold)} of the gradient is left {parts}."
        )
    for cell, decay in growing.items():
        what = "it" if sentences else "the gradient"
        over = format_steps(decay.distance[-1])
        sentences.append(f"In the {cell.upper()} {what} grows ×{format_number(decay.relative[-1])} over {over}.")
    missing: dict[str, list[str]] = {}
    for cell, decay in decays.items():
        if np.isnan(decay.horizon):
            missing.setdefault(why_unmeasured(decay), []).append(cell)
    sentences += [f"In {_the(cells)} no gradient can be measured: {why}." for why, cells in missing.items()]
    return " ".join(sentences)


def _reached(decays: Mapping[str, Decay]) -> str:
    """List the cells by horizon: "7 steps back in the RNN, 8 in LSTM and GRU"."""
    cells: dict[float, list[str]] = {}
    for cell, decay in decays.items():
        if not np.isnan(decay.horizon):
            cells.setdefault(decay.horizon, []).append(cell)
    parts: list[str] = []
    for reach in sorted(cells):
        whole = bool(decays[cells[reach][0]].censored)
        unit = "" if parts else " step back" if reach == 1 else " steps back"
        least, end = ("at least ", WHOLE) if whole else ("", "")
        parts.append(f"{least}{format_number(reach)}{unit} in {_the(cells[reach])}{end}")
    return ", ".join(parts)


def carry_sentence(cell: str, decay: Decay, carry: Decay, states: Mapping[str, str] | None = None) -> str:
    """Compare the gradient through the gate alone with the whole gradient, at the largest distance.

    The ratio of the two sizes is not a share: it may be larger than 1.
    """
    with np.errstate(over="ignore"):
        share = carry.relative[-1] / decay.relative[-1] if decay.relative[-1] > 0 else np.nan
    if not np.isfinite(share):
        return ""
    gate, distance = KEEP_GATE[cell], decay.distance[-1]
    would = f"at distance {distance} the {gate} gate alone would bring {format_number(share)} times what comes in fact"
    return f"{cell_with_state(cell, states or {})}: {would}."


def half_update_steps(weights: Decay) -> float:
    """Return how many of the last steps add half of what all steps add to the weights, by size; NaN if not finite.

    The size at a distance is the median over models and sequences, and sizes are summed. What steps add may cancel
    out, so this is not half of the update itself.
    """
    with np.errstate(over="ignore"):
        total = np.cumsum(weights.norm)
    return float(np.argmax(total >= total[-1] / 2) + 1) if np.isfinite(total[-1]) and total[-1] > 0 else np.nan


def update_sentence(decays: Mapping[str, Decay], states: Mapping[str, str] | None = None) -> str:
    """Describe how many of the last steps add half of what all steps add to the recurrent weights, by size."""
    parts = [
        f"{cell_with_state(cell, states or {})} {format_number(half_update_steps(decay))}"
        for cell, decay in decays.items()
        if not np.isnan(half_update_steps(decay))
    ]
    if not parts:
        return ""
    return (
        "Half of what the steps add to the recurrent weights (their sizes summed) comes from the last steps alone: "
        f"{', '.join(parts)}."
    )


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
        return f"{best.upper()} did best here: its {models.split()[0]} seeds all beat those of {_names(ordered[1:])}."
    if len(tied) == 1:
        return f"{best.upper()} did best here, but one seed each says little: train more."
    behind = [cell for cell in ordered if cell not in tied]
    tail = f"; {_names(behind)} {'lies' if len(behind) == 1 else 'lie'} behind" if behind else ""
    all_overlap = min(metrics[cell].max() for cell in tied) >= max(metrics[cell].min() for cell in tied)
    whose = "" if all_overlap else f" that of {best.upper()}"
    return f"No clear winner between {_names(tied)}, whose ranges over seeds overlap{whose} ({models}){tail}."


def _names(cells: Sequence[str]) -> str:
    """Return "LSTM and GRU"."""
    return join_words([cell.upper() for cell in cells])


def _the(cells: Sequence[str]) -> str:
    """Return "the RNN" for one cell, "LSTM and GRU" for several."""
    return _names(cells) if len(cells) > 1 else f"the {_names(cells)}"


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
