"""Sentences on how long trainings take and how far they are."""

from collections.abc import Mapping, Sequence

from analysis.report.wording import join_cells


def describe_duration(seconds: float) -> str:
    """Write a duration roughly: 8 s, 40 s, 3 min, 2 h."""
    if seconds < 90:
        return f"{max(1, round(seconds, -1 if seconds > 20 else None)):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def cost_sentence(cells: int, seeds: int, seconds: float, before: int) -> str:
    """Say what some trainings take: "3 cells × 4 seeds, about 10 s"; `before` is how many runs are under way."""
    what = f"{cells} cell{'s' * (cells > 1)} × {seeds} seed{'s' * (seeds > 1)}, about {describe_duration(seconds)}"
    return what + (f", after {before} other run{'s' * (before > 1)}" if before else "")


def starting_line(seconds: float) -> str:
    """Say that trainings wait for the workers to start, and until when the last of them ends."""
    return f"The workers are starting, about {describe_duration(seconds)} left"


def progress_line(updates: Mapping[str, int], waiting: Sequence[str], whole: int, seconds: float) -> str:
    """Say how far trainings are, and how long they still take.

    Args:
        updates: how many each cell that trains has made.
        waiting: the cells whose training waits.
        whole: how many updates each makes in all.
        seconds: until the last of them ends.
    """
    left = f"about {describe_duration(seconds)}"
    at = ", ".join(f"{cell.upper()} {count}" for cell, count in updates.items())
    waits = f"wait{'s' * (len(waiting) == 1)} for a free core"
    if not waiting:
        return f"{at} of {whole} updates, {left} left"
    if not at:
        return f"{join_cells(waiting)} {waits}, {left} left"
    return f"{at} of {whole} updates; {join_cells(waiting)} {waits}, {left} left"
