"""What would make it remember, and at which price, in words."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.experiment import SETTINGS
from analysis.reasons import Advice, Trial, Value
from analysis.report.wording import (
    format_horizon,
    format_number,
    format_percent,
    format_range,
    format_steps,
    join_words,
    the_cells,
)
from analysis.results import THRESHOLD, finite_median

DEARER, CHEAPER = 2.0, 0.5  # times the present price: what is worth saying
CUT_ADVICE = (
    "Truncated: a horizon ends with the last window, and the price counts what the weights do in that window alone, as "
    "training does."
)
Metrics = Mapping[str, Mapping[Value, Sequence[float | None]]]  # by setting and value: a run's metric, per seed


def describe_value(value: Value) -> str:
    """Return a setting's value: "unset", "chrono", "1.5"."""
    return "unset" if value is None else value if isinstance(value, str) else f"{value:g}".replace("-", "−")


def describe_change(setting: str, value: Value) -> str:
    """Return a setting with a value in words: "forget bias 3"."""
    return f"{SETTINGS[setting].label.lower()} {describe_value(value)}"


def describe_trial(trial: Trial) -> str:
    """Return a trial's horizon in a few words: "8", "≥ 29", "explodes ×1e6", "is not measurable"."""
    if not np.isfinite(trial.decay.horizon):
        return "is not measurable"
    if trial.explodes:
        return f"explodes ×{format_number(trial.left)}"
    return format_horizon(trial.decay)


def best_sentence(advices: Mapping[str, Advice]) -> str:
    """Name the single change with which each cell's gradient reaches furthest before training, with the horizon.

    Of those that reach as far, it is the one at the lowest price.
    """
    changes: dict[str, list[str]] = {}
    for cell, advice in advices.items():
        if advice.best:
            setting, value = advice.best
            reach, now = describe_trial(advice.trials[setting][value]), describe_trial(advice.now)
            horizon = np.isfinite(advice.now.decay.horizon) and not advice.now.explodes
            than = f" instead of {now}" if horizon else f"; now the gradient {now}"
            change = f"{describe_change(setting, value)} (horizon {reach}{than})"
            changes.setdefault(change, []).append(cell)
    whole = [
        cell for cell, advice in advices.items() if not advice.best and advice.now.counts and _reaches_all(advice.now)
    ]
    none = [cell for cell, advice in advices.items() if not advice.best and cell not in whole]
    said = []
    if changes:
        parts = [f"in {the_cells(cells)} {change}" for change, cells in changes.items()]
        share = format_percent(THRESHOLD)
        said.append(
            f"Before training, the one change with which {share} of the gradient reaches furthest back: "
            f"{join_words(parts)}."
        )
    if whole:
        cut = next(iter(advices.values())).now.decay.cut is not None
        reach = "as far as truncation lets it already" if cut else "over the whole sequence already: try a longer one"
        said.append(f"In {the_cells(whole)} the gradient reaches {reach}.")
    if none:
        said.append(f"In {the_cells(none)} no single change tried here reaches further.")
    return " ".join(said)


def _reaches_all(trial: Trial) -> bool:
    """Return whether the gradient reaches the furthest distance, or the end of the last window it is cut to."""
    return bool(trial.decay.horizon == trial.decay.furthest)


def advice_sentence(cell: str, advice: Advice, metrics: Metrics) -> str:
    """Say what a cell's best change leaves of the gradient, what it costs, and whether a run with it learned better.

    It is "" where there is no best change.
    """
    if advice.best is None:
        return ""
    setting, value = advice.best
    trial = advice.trials[setting][value]
    than = f" instead of {_share(advice.now.left)}" if np.isfinite(advice.now.left) else ""
    far, now = trial.decay.furthest, advice.now.decay.furthest
    at = "at the furthest distance" if far == now else f"{format_steps(far)} back"
    than += f", {format_steps(now)} back" * bool(far != now and than)
    change = describe_change(setting, value)
    said = [f"{cell.upper()}: {change} leaves {_share(trial.left)} of the gradient {at}{than}."]
    said += [price_sentence(advice, trial), _learned(advice, metrics)]
    return " ".join(filter(None, said))


def _share(left: float) -> str:
    """Return what is left of the gradient: "4.97 %", or "×6.19" where it grew."""
    return format_percent(left) if left < 1 else f"×{format_number(left)}"


def price_sentence(advice: Advice, trial: Trial) -> str:
    """Say how much more, or less, the last memory state moves with the recurrent weights than now; "" if about as much.

    The longer a network remembers, the more it moves with its weights (Zucchet & Orvieto 2024).
    """
    times = _times(advice, trial)
    ratio = format_number(times)
    if times >= DEARER:
        moves = f"its last memory state moves ×{ratio} as much with the recurrent weights"
        return f"The price: {moves}, which makes it harder to train (Zucchet and Orvieto 2024)."
    if times <= CHEAPER:
        return f"Its last memory state then moves only ×{ratio} as much with the recurrent weights."
    return ""


def _times(advice: Advice, trial: Trial) -> float:
    """Return a trial's price divided by the present one; NaN where that isn't known."""
    price, present = (float(finite_median(each.price)) for each in (trial, advice.now))
    return price / present if present > 0 and np.isfinite(price) else np.nan


def _learned(advice: Advice, metrics: Metrics) -> str:
    """Compare the runs of the best change and of the present settings; "" where one of them is missing."""
    assert advice.best is not None, "there is a best change"
    setting, value = advice.best
    runs = metrics.get(setting, {})
    now = next((each for each, trial in advice.trials[setting].items() if trial is advice.now), None)
    if value not in runs or now not in runs:
        return ""
    return f"Trained, it got {format_range(runs[value])} instead of {format_range(runs[now])}."


def _price(trial: Trial) -> str:
    return "price " + format_number(float(finite_median(trial.price)))


def trial_lines(advice: Advice) -> list[str]:
    """Return a line for each setting: its values with their horizons and prices."""
    lines = []
    for setting, by_value in advice.trials.items():
        parts = [
            f"{describe_value(value)}{' (now)' * (trial is advice.now)} → {describe_trial(trial)}, {_price(trial)}"
            for value, trial in by_value.items()
        ]
        lines.append(f"{SETTINGS[setting].label.lower()}: {'; '.join(parts)}")
    return lines
