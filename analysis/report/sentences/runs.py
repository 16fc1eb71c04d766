"""Several runs side by side, in words."""

from collections.abc import Mapping

import numpy as np

from analysis.report.markdown import escape_markdown
from analysis.report.wording import format_percent, format_steps, join_words
from analysis.results import Decay


def runs_list(sentences: Mapping[str, str], decays: Mapping[str, Decay]) -> str:
    """Return a Markdown list of runs by label, and below it the `farthest_sentence`.

    Args:
        sentences: a sentence on each run, by label.
        decays: each run's latest decay.
    """
    lines = [f"- {escape_markdown(label)}: {sentence}" for label, sentence in sentences.items()]
    return "\n".join([*lines, "", farthest_sentence(decays)])


def farthest_sentence(decays: Mapping[str, Decay]) -> str:
    """Name the runs whose gradients reach farthest and least far back; "" where that isn't known."""
    horizons = [decay.horizon for decay in decays.values()]
    least, most = min(horizons, default=np.nan), max(horizons, default=np.nan)
    if len(decays) < 2 or not np.isfinite(horizons).all():
        return ""
    if any(decay.censored and decay.horizon < most for decay in decays.values()):
        return ""  # it may reach farther than the others: its sequence is too short to tell
    share = format_percent(next(iter(decays.values())).threshold)
    end = ("at least " if any(decay.censored for decay in decays.values()) else "") + format_steps(most)
    if least == most:
        return f"In all of them {share} of the gradient is left just as far back: {end}."
    far, near = ({label: d for label, d in decays.items() if d.horizon == horizon} for horizon in (most, least))
    lowest_far = np.nanmin(np.concatenate([decay.horizons for decay in far.values()]))
    overlap = lowest_far <= np.nanmax(np.concatenate([decay.horizons for decay in near.values()]))
    return (
        f"{share} of the gradient is left farthest back, {end}, in {_quote(far)}; "
        f"least far, {format_steps(least)}, in {_quote(near)}{'; their ranges over seeds overlap' if overlap else ''}."
    )


def _quote(labels: Mapping[str, Decay]) -> str:
    return join_words([f"“{escape_markdown(label)}”" for label in labels])
