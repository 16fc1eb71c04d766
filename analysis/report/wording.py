"""Numbers of results in words, such as "≥ 29 time steps". Whole sentences are in `report.sentences`."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from analysis.experiment import SETTINGS, TEXTS, Experiment
from analysis.language import translate as _
from analysis.language import translate_count
from analysis.results import THRESHOLD, Decay, Memory, Run
from analysis.sources import data_name

FITS = 0.9  # the smallest r² with which one rate describes a curve
RAISED = str.maketrans("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
PER_CENT = "\u00a0%"  # no line ends before the sign
WHOLE = ", the whole sequence"
UNCUT = ", all that truncation leaves"


def describe_experiment(experiment: Experiment) -> str:
    """Return an experiment's cell, task and length, and settings that differ: "LSTM, recall 30, Hidden size 8"."""
    named_first = ("cell", "task", "length", "text_file", "data_file")
    changed = [
        f"{setting.label} {getattr(experiment, name)}"
        for name, setting in SETTINGS.items()
        if name not in named_first and getattr(experiment, name) != setting.default
    ]
    text = f", {TEXTS.get(experiment.text_file, 'a text of its own')}" if experiment.text_file else ""
    data = f", {data_name(experiment)}" if experiment.data_file else ""
    return ", ".join([f"{experiment.cell.upper()}, {experiment.task} {experiment.task_length}{text}{data}", *changed])


def format_setting(value: str | float | None) -> str:
    """Write a setting's value: 0.005, "chrono", "unset" for None."""
    if value is None:
        return "unset"
    return f"{value:g}" if isinstance(value, float) else str(value)


def format_number(value: float) -> str:
    """Write a number with three significant digits.

    >>> format_number(0.012345), format_number(1234567.0), format_number(29.0), format_number(float("inf"))
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


def raise_power(number: str) -> str:
    """Write the power of ten of a number that `format_number` wrote as people do.

    >>> raise_power("1.2e−10"), raise_power("1e6"), raise_power("29")
    ('1.2 × 10⁻¹⁰', '10⁶', '29')
    """
    digits, e, power = number.partition("e")
    if not e:
        return number
    ten = f"10{power.translate(RAISED)}"
    return {"1": ten, "−1": f"−{ten}"}.get(digits, f"{digits} × {ten}")


def format_percent(share: float) -> str:
    """Write a share as a percentage: 0.01 as "1 %"."""
    return f"{format_number(100 * share)} %"


def format_share(share: float) -> str:
    """Write a share as a percentage, with a space at which no line ends."""
    return format_percent(share).replace(" %", PER_CENT)


def join_words(words: Sequence[str], last: str = "and") -> str:
    """Join words: "RNN, LSTM and GRU"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def join_cells(cells: Sequence[str]) -> str:
    """Join the names of cells: "RNN, LSTM and GRU"."""
    return join_words([cell.upper() for cell in cells])


def the_cells(cells: Sequence[str]) -> str:
    """Join the names of cells with articles: "the RNN", "the LSTM and the GRU"."""
    return join_words([f"the {cell.upper()}" for cell in cells])


def format_steps(count: float) -> str:
    """Write a number of time steps: "1 time step", "7 time steps"."""
    number = format_number(count)
    return translate_count("{count} time step", "{count} time steps", 1 if number == "1" else 2).format(count=number)


def describe_horizon(decay: Decay) -> str:
    """Return a horizon: "7", "≥ 29, the whole sequence", "≥ 4, all that truncation leaves", "not measurable"."""
    return format_horizon(decay) + ("" if not decay.censored else WHOLE if decay.cut is None else UNCUT)


def format_horizon(decay: Decay) -> str:
    """Return a horizon's number alone: "7", "≥ 29", "not measurable"."""
    if np.isnan(decay.horizon):
        return "not measurable"
    return ("≥ " if decay.censored else "") + format_number(decay.horizon)


def gradient_grows(decay: Decay) -> bool:
    """Return whether the gradient at the largest distance is larger than at distance 0, in three digits."""
    return bool(decay.relative[decay.furthest] >= 1.005)


def describe_reach(decay: Decay) -> str:
    """Return a horizon in a few words: "7 time steps", "≥ 29 time steps"; or "grows ×1.1e6" where the gradient does."""
    if np.isnan(decay.horizon):
        return "not measurable"
    if not decay.censored:
        return format_steps(decay.horizon)
    return (
        f"grows ×{format_number(decay.relative[decay.furthest])}"
        if gradient_grows(decay)
        else f"≥ {format_steps(decay.horizon)}"
    )


def name_states(phases: Mapping[str, str]) -> dict[str, str]:
    """Return each cell's state, untrained or trained, given its phase; an empty dict where all cells share one."""
    if set(phases.values()) in ({"before"}, {"after"}):
        return {}
    return {cell: {"before": "untrained", "after": "trained"}.get(phase, phase) for cell, phase in phases.items()}


def cell_with_state(cell: str, states: Mapping[str, str]) -> str:
    """Return a cell's name, with its state where there is one: "LSTM (untrained)"."""
    return cell.upper() + (f" ({states[cell]})" if cell in states else "")


def describe_horizon_range(decay: Decay) -> str:
    """Return a horizon with its range over seeds, as `format_horizon_range`, or with its reason where all agree."""
    numbers = format_horizon_range(decay)
    return describe_horizon(decay) if numbers == format_horizon(decay) else numbers


def format_horizon_range(decay: Decay) -> str:
    """Return a horizon with its range over seeds in numbers alone: "7 (6–9)", "15 (14 to ≥ 29)", "≥ 29"."""
    horizons = decay.horizons[np.isfinite(decay.horizons)]
    if not len(horizons) or horizons.min() == horizons.max():
        return format_horizon(decay)
    low, high = format_number(horizons.min()), format_number(horizons.max())
    seeds = f"{low} to ≥ {high}" if horizons.max() == decay.furthest else f"{low}–{high}"
    return f"{format_horizon(decay)} ({seeds})"


def describe_late_horizons(run: Run) -> str:
    """Return between which horizons a training went to and fro in the last fifth of its updates: "9–14 time steps"."""
    late = [s.decay for s in run.snapshots if s.step >= 0.8 * run.experiment.steps and np.isfinite(s.decay.horizon)]
    if not late:
        return "not measurable"
    low, high = min(decay.horizon for decay in late), max(late, key=lambda decay: decay.horizon)
    end = ("≥ " if high.censored else "") + format_steps(high.horizon)
    return end if low == high.horizon else f"{format_number(low)} to {end}"


def threshold_suffix(decay: Decay) -> str:
    """Return " at 5 %" for a horizon at another threshold than the default, else ""."""
    return "" if decay.threshold == THRESHOLD else f" at {format_percent(decay.threshold)}"


def describe_rate(decay: Decay) -> str:
    """Return the share of the gradient that is left one time step further back, if one rate describes the curve."""
    if np.isnan(decay.rate):
        return "not measurable"
    if decay.rate > 0 and gradient_grows(decay):
        return f"grows ×{format_number(decay.relative[decay.furthest])}"
    if decay.r_squared < FITS:
        return "no single rate"
    return f"×{format_number(decay.factor)} kept per time step ({format_number(decay.rate)} nats)"


def describe_half_life(decay: Decay) -> str:
    """Return the time steps after which half of the gradient is left, if one rate describes the curve."""
    never = np.isinf(decay.half_life)
    halved = (decay.relative < 0.5).any()
    if np.isnan(decay.half_life) or (halved if never else decay.r_squared < FITS):
        return "–"
    return "never halves" if never else format_steps(decay.half_life)


def why_unmeasured(decay: Decay) -> str:
    """Return the reason why a decay has no horizon."""
    return "the states or gradients leave the finite range" if decay.excluded else "it is zero"


def format_range(values: np.ndarray | Sequence[float | None]) -> str:
    """Write a median with its range over seeds, of the values that are finite: "0.34 (0.21–0.39)"."""
    numbers = np.array(values, float)  # None becomes NaN
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return "–"
    low, high = format_number(finite.min()), format_number(finite.max())
    return format_number(np.median(finite)) + (f" ({low}–{high})" if low != high else "")


def format_ends(values: Iterable[float]) -> str:
    """Write what a quantity is in several settings, from the smallest to the largest: "0.25", "0.19 to 0.69"."""
    numbers = [*values]
    low, high = format_number(min(numbers)), format_number(max(numbers))
    return low if low == high else f"{low} to {high}"


def describe_span(memory: Memory) -> str:
    """Return the memory span with its range over seeds: "29 time steps", "2 time steps (none to 21)"."""
    spans = memory.spans[np.isfinite(memory.values).all(axis=1)]
    known = spans[np.isfinite(spans)]
    if not len(spans):
        return _("not measurable")
    if not len(known) and np.isnan(memory.span):
        return _("none")
    median = _("none") if np.isnan(memory.span) else format_steps(memory.span)
    if not len(known) or (spans == known[0]).all():
        return median
    ends = {"low": format_number(known.min()), "high": format_number(known.max())}
    over_seeds = "{low}–{high}" if len(known) == len(spans) else _("none to {high}")
    return f"{median} ({over_seeds.format(**ends)})"


def count_diverged(count: int, seeds: int) -> str:
    """Return how many of a run's models diverged: "1 of 4 models diverged"."""
    return f"{count} of {seeds} model{'' if seeds == 1 else 's'} diverged"


def describe_factor_range(decay: Decay) -> str:
    """Return the range over seeds of the share kept per step, if one rate describes the curve: "×0.55–0.6"."""
    factors = np.exp(decay.rates[np.isfinite(decay.rates)])
    if not len(factors) or decay.r_squared < FITS:
        return "–"
    low, high = format_number(factors.min()), format_number(factors.max())
    return f"×{low}" + (f"–{high}" if low != high else "")


def format_p(p: float) -> str:
    """Return a probability with its sign: "= .14", "< .001".

    >>> format_p(1 / 7), format_p(1e-5), format_p(1.0)
    ('= .14', '< .001', '= 1')
    """
    if p < 0.001:
        return "< .001"
    return f"= {p:.2g}".replace("0.", ".", 1)
