"""Numbers in words: what a result says, and nothing that this run didn't measure."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.config import SETTINGS, Experiment
from analysis.results import Decay, Memory, Run
from analysis.tasks import higher_is_better
from analysis.weights import KEEP_GATE

FITS = 0.9  # r² from which one rate describes a curve
THRESHOLD = 0.01  # of the gradient, unless another is named
WHOLE = ", the whole sequence"
LEARNED = 0.05  # of the way from chance to perfect: less is chance


def described(experiment: Experiment) -> str:
    """Name an experiment by its cell, its task, and what isn't at its default: "LSTM, recall; Hidden size 8"."""
    told = ("cell", "task", "length", "text_file")
    changed = [
        f"{setting.metadata['label']} {getattr(experiment, name)}"
        for name, setting in SETTINGS.items()
        if name not in told and getattr(experiment, name) != setting.default
    ]
    text = ", a text of its own" if experiment.text_file else ""
    return f"{experiment.cell.upper()}, {experiment.task} {experiment.task_length}{text}" + "".join(
        f", {each}" for each in changed
    )


def number(value: float) -> str:
    """Write a number with three significant digits.

    >>> number(0.012345), number(1234567.0), number(29.0), number(float("inf"))
    ('0.0123', '1.23e6', '29', '∞')
    """
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"  # -0 too
    if 1e-3 <= abs(value) < 1e5:
        digits = f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"
        return digits.replace("-", "−")
    mantissa, exponent = f"{value:.2e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def percent(share: float) -> str:
    """Write a share as a percentage: 0.01 as "1 %"."""
    return f"{number(100 * share)} %"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Join words: "RNN, LSTM and GRU"."""
    return " ".join(filter(None, [", ".join(words[:-1]), last * (len(words) > 1), *words[-1:]]))


def steps(count: float) -> str:
    """Write a number of steps: "1 step", "7 steps"."""
    return f"{number(count)} step" + ("" if number(count) == "1" else "s")


def horizon(decay: Decay) -> str:
    """Say how far back the threshold's share of the gradient is left."""
    if np.isnan(decay.horizon):
        return "not measurable"
    return f"≥ {number(decay.horizon)}{WHOLE}" if decay.censored else number(decay.horizon)


def grows(decay: Decay) -> bool:
    """Whether the gradient that comes back from the whole sequence is larger than at its end, in three digits."""
    return bool(decay.relative[-1] >= 1.005)


def reach(decay: Decay) -> str:
    """Say briefly how far back the threshold's share is left: "7 steps", "≥ 29 steps"; or "grows ×1.1e6"."""
    if np.isnan(decay.horizon):
        return "not measurable"
    if not decay.censored:
        return steps(decay.horizon)
    return f"grows ×{number(decay.relative[-1])}" if grows(decay) else f"≥ {steps(decay.horizon)}"


def states(phases: Mapping[str, str]) -> dict[str, str]:
    """Say of which state each cell is shown, where they are not all untrained, or all trained."""
    if set(phases.values()) in ({"before"}, {"after"}):
        return {}
    return {cell: {"before": "untrained", "after": "trained"}.get(phase, phase) for cell, phase in phases.items()}


def called(cell: str, states: Mapping[str, str]) -> str:
    """Name a cell, with its state where there is one: "LSTM (untrained)"."""
    return cell.upper() + (f" ({states[cell]})" if cell in states else "")


def horizon_over_seeds(decay: Decay) -> str:
    """Say how far back the threshold's share is left, with the range over seeds: "7 (6–9)", "15 (14 to ≥ 29)"."""
    said, found = horizon(decay), decay.horizons[np.isfinite(decay.horizons)]
    if not len(found) or found.min() == found.max():
        return said
    low, high = number(found.min()), number(found.max())
    over = f"{low} to ≥ {high}" if found.max() == decay.furthest else f"{low}–{high}"
    return f"{said.removesuffix(WHOLE)} ({over})"


def at_threshold(decay: Decay) -> str:
    """Name the threshold of a horizon where it isn't the usual one: " at 5 %"."""
    return "" if decay.threshold == THRESHOLD else f" at {percent(decay.threshold)}"


def rate(decay: Decay) -> str:
    """Say what is left of the gradient from one step to the one before, if one rate describes it."""
    if np.isnan(decay.rate):
        return "not measurable"
    if decay.rate > 0 and grows(decay):
        return f"grows ×{number(decay.relative[-1])}"
    if decay.r_squared < FITS:
        return "no single rate"
    return f"×{number(decay.factor)} kept per step ({number(decay.rate)} nats)"


def half_life(decay: Decay) -> str:
    """Say after how many steps half of the gradient is left, if one rate describes it."""
    never = np.isinf(decay.half_life)
    halved = (decay.relative < 0.5).any()
    if np.isnan(decay.half_life) or (halved if never else decay.r_squared < FITS):
        return "–"
    return "never halves" if never else steps(decay.half_life)


def untrained(decays: Mapping[str, Decay]) -> str:
    """Say how far back the gradient of untrained cells reaches, in which it grows, and where there is none."""
    growing = {cell: decay for cell, decay in decays.items() if grows(decay)}
    parts = _reached({cell: decay for cell, decay in decays.items() if cell not in growing})
    said = []
    if parts:
        said.append(f"Untrained, {percent(next(iter(decays.values())).threshold)} of the gradient is left {parts}.")
    for cell, decay in growing.items():
        what = "it" if said else "the gradient"
        over = steps(decay.distance[-1])
        said.append(f"In the {cell.upper()} {what} grows ×{number(decay.relative[-1])} over {over}.")
    missing: dict[str, list[str]] = {}
    for cell, decay in decays.items():
        if np.isnan(decay.horizon):
            missing.setdefault(why_unmeasured(decay), []).append(cell)
    said += [f"In {_the(cells)} no gradient can be measured: {why}." for why, cells in missing.items()]
    return " ".join(said)


def why_unmeasured(decay: Decay) -> str:
    """Say why a decay has no horizon."""
    return "the states or gradients leave the finite range" if decay.excluded else "it is zero"


def _reached(decays: Mapping[str, Decay]) -> str:
    """Say per horizon which cells reach it: "7 steps back in the RNN, 8 in LSTM and GRU"."""
    cells: dict[float, list[str]] = {}
    for cell, decay in decays.items():
        if not np.isnan(decay.horizon):
            cells.setdefault(decay.horizon, []).append(cell)
    parts = []
    for reach in sorted(cells):
        whole = bool(decays[cells[reach][0]].censored)
        unit = "" if parts else " step back" if reach == 1 else " steps back"
        least = "at least " if whole else ""
        parts.append(f"{least}{number(reach)}{unit} in {_the(cells[reach])}" + WHOLE * whole)
    return ", ".join(parts)


def carried(cell: str, decay: Decay, carry: Decay, states: Mapping[str, str] | None = None) -> str:
    """Say how the gate alone compares with the gradient at the largest distance; sizes of two, no parts of one."""
    with np.errstate(over="ignore"):
        share = carry.relative[-1] / decay.relative[-1] if decay.relative[-1] > 0 else np.nan
    if not np.isfinite(share):
        return ""
    gate, distance = KEEP_GATE[cell], decay.distance[-1]
    would = f"at distance {distance} the {gate} gate alone would bring {number(share)} times what comes in fact"
    return f"{called(cell, states or {})}: {would}."


def half_within(weights: Decay) -> float:
    """Return over how many last steps half of the summed sizes of what each adds is reached; NaN if none is finite.

    The size at a distance is the median over models and sequences. What steps add may cancel, so that this is no half
    of the update itself.
    """
    with np.errstate(over="ignore"):
        total = np.cumsum(weights.norm)
    return float(np.argmax(total >= total[-1] / 2) + 1) if np.isfinite(total[-1]) and total[-1] > 0 else np.nan


def update(decays: Mapping[str, Decay], states: Mapping[str, str] | None = None) -> str:
    """Say from how many last steps half of what steps add to the recurrent weights comes, by size."""
    parts = [
        f"{called(cell, states or {})} {number(half_within(decay))}"
        for cell, decay in decays.items()
        if not np.isnan(half_within(decay))
    ]
    if not parts:
        return ""
    return (
        "Half of what the steps add to the recurrent weights (their sizes summed) comes from the last steps alone: "
        f"{', '.join(parts)}."
    )


def spread(values: np.ndarray) -> str:
    """Write a median with its range over seeds: "0.34 (0.21–0.39)"."""
    values = values[np.isfinite(values)]
    if not len(values):
        return "–"
    low, high = number(values.min()), number(values.max())
    return number(np.median(values)) + (f" ({low}–{high})" if low != high else "")


def span(memory: Memory) -> str:
    """Say how far back the answers depend on the input."""
    return "none measured" if np.isnan(memory.span) else steps(memory.span)


def stayed_at_chance(run: Run) -> bool:
    """Whether no model of a run got a twentieth of the way from chance to perfect."""
    sign, perfect = (1, 1.0) if higher_is_better(run.metric_name) else (-1, 0.0)
    return not (sign * (run.metric - run.chance) > LEARNED * abs(perfect - run.chance)).any()


def _dead(run: Run) -> str:
    """Say how many models of a run diverged; nothing where none did."""
    count = int((~np.isfinite(run.metric)).sum())
    return models_diverged(count, len(run.metric)) if count else ""


def models_diverged(count: int, seeds: int) -> str:
    """Say how many of so many models diverged."""
    return f"{count} of {seeds} model{'s' * (seeds != 1)} diverged"


def which_cell(runs: Mapping[str, Run]) -> str:
    """Compare runs by their metric over seeds: a winner only where ranges don't overlap and no model diverged."""
    ranges = {cell: run.metric[np.isfinite(run.metric)] for cell, run in runs.items()}
    alive = {cell: values for cell, values in ranges.items() if len(values)}
    dead = "".join(f" {cell.upper()}: {_dead(run)}." for cell, run in runs.items() if _dead(run))
    if len(alive) < 2:
        return f"No comparison.{dead}" if dead and len(runs) > 1 else ""
    run = next(iter(runs.values()))
    if all(stayed_at_chance(runs[cell]) for cell in alive):
        return f"No clear winner: all stayed at chance.{dead}"
    if dead:
        return f"No clear winner.{dead}"
    sign = 1 if higher_is_better(run.metric_name) else -1
    ordered = sorted(alive, key=lambda cell: -sign * np.median(alive[cell]))
    best = ordered[0]
    tied = [c for c in ordered if (sign * alive[c]).max() >= (sign * alive[best]).min()]
    models = f"{run.experiment.seeds} seed{'s' * (run.experiment.seeds != 1)} each"
    if len(tied) == 1 and run.experiment.seeds > 1:
        return f"{best.upper()} did best here: its {models.split()[0]} seeds all beat those of {_names(ordered[1:])}."
    if len(tied) == 1:
        return f"{best.upper()} did best here, but one seed each says little: train more."
    behind = [cell for cell in ordered if cell not in tied]
    tail = f"; {_names(behind)} {'lies' if len(behind) == 1 else 'lie'} behind" if behind else ""
    all_overlap = min(alive[cell].max() for cell in tied) >= max(alive[cell].min() for cell in tied)
    whose = "" if all_overlap else f" that of {best.upper()}"
    return f"No clear winner between {_names(tied)}, whose ranges over seeds overlap{whose} ({models}){tail}."


def _names(cells: Sequence[str]) -> str:
    return listed([cell.upper() for cell in cells])


def _the(cells: Sequence[str]) -> str:
    return _names(cells) if len(cells) > 1 else f"the {_names(cells)}"


def remembered(cell: str, run: Run, before: Decay | None = None, after: Decay | None = None) -> str:
    """Say what a trained cell can be taught and what it answers, never the one without the other.

    `before` and `after` are the run's decays with the horizons of another threshold.
    """
    dead = _dead(run)
    if not np.isfinite(run.metric).any():
        return f"{cell.upper()}: {dead}."
    before, after = before or run.before, after or run.after
    metric = f"{run.metric_name} {spread(run.metric)}, chance {number(run.chance)}"
    was, now = horizon_over_seeds(before), horizon_over_seeds(after)
    went = f"stayed at {now}" if was == now else f"went from {was} to {now}"
    ends = f"memory span {span(run.memory)}" + (f"; {dead}" if dead else "")
    return f"{cell.upper()}: {metric}; the horizon{at_threshold(after)} {went}; {ends}."


def taught_and_remembered(run: Run, threshold: float) -> str:
    """Explain horizon and memory span, and how the second can be the larger one."""
    share = percent(threshold)
    span = {
        "symbol": "the distance up to which answers are better than midway between chance and the best",
        "window": "how many steps before the last it must see to answer better than midway between chance and its best",
    }[run.memory.kind]
    return (
        f"Horizon: steps back to which {share} of the gradient is left now. Memory span: {span}. Memory can "
        f"reach further: less than {share} still teaches, and what was learned while more came back stays."
    )


def kept_over_seeds(decay: Decay) -> str:
    """Write the range over seeds of what is kept per step, where one rate describes the curve: "×0.55–0.6"."""
    factors = np.exp(decay.rates[np.isfinite(decay.rates)])
    if not len(factors) or decay.r_squared < FITS:
        return "–"
    low, high = number(factors.min()), number(factors.max())
    return f"×{low}" + (f"–{high}" if low != high else "")
