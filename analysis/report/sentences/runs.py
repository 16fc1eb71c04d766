"""Several runs side by side, in words."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.report.markdown import escape_markdown
from analysis.report.wording import format_percent, format_steps, join_words
from analysis.results import Decay


def count_sentence(shown: int, every: int, chosen: int) -> str:
    """Count the runs in the table and those ticked: "12 runs, 2 chosen", "3 of 12 runs".

    Args:
        shown: runs that the filter leaves.
        every: all runs.
        chosen: runs that are ticked.
    """
    runs = "1 run" if every == 1 else f"{every:,} runs"
    return (runs if shown == every else f"{shown:,} of {runs}") + (f", {chosen:,} chosen" if chosen else "")


def gone_sentence(count: int) -> str:
    """Say how many runs that are asked for are not there."""
    if count == 1:
        return "One chosen run is not here: it was deleted, or the link is wrong. It is left out."
    return f"{count:,} chosen runs are not here: they were deleted, or the link is wrong. They are left out."


def imported_sentence(titles: Sequence[str], known: int) -> str:
    """Say what was imported, and what was here already; all of it is ticked in the table.

    Args:
        titles: names of all runs in the file.
        known: how many of them were here already.
    """
    new = len(titles) - known
    if len(titles) == 1:
        return f"{escape_markdown(titles[0])} {'is here already' if known else 'was imported'}: it is ticked below."
    parts = [f"{new} run{'s were' if new > 1 else ' was'} imported"] if new else []
    parts += [f"{known} {'are' if known > 1 else 'is'} here already"] if known else []
    return f"{' and '.join(parts)}: they are ticked below."


def runs_list(sentences: Mapping[str, str], decays: Mapping[str, Decay], alike: bool = True) -> str:
    """Return a Markdown list of runs by label, and below it the `farthest_sentence`.

    Args:
        sentences: a sentence on each run, by label.
        decays: each run's latest decay.
        alike: whether task and length of all are the same; else their horizons are not compared.
    """
    lines = [f"- **{escape_markdown(label)}**: {sentence}" for label, sentence in sentences.items()]
    compared = farthest_sentence(decays) if alike else "Tasks or lengths differ, so horizons don't compare."
    return "\n".join([*lines, "", compared])


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
