"""What a comparison takes, how far it is, and how it was made, in words."""

from collections.abc import Sequence

import numpy as np

from analysis.comparison import Comparison, Fairness, Row
from analysis.report.sentences.estimate import describe_duration
from analysis.report.sentences.verdicts import fairness_sentence
from analysis.report.wording import format_ends, format_number, join_cells, join_words


def cost_sentence(settings: int, seeds: int, tries: int, trained: int, seconds: float) -> str:
    """Say what a comparison takes: "9 settings × 4 seeds, about 3 min, including 9 short trainings …".

    Args:
        settings: how many are compared.
        seeds: of each.
        tries: trainings that choose learning rates.
        trained: how many trainings of both kinds are in the history.
        seconds: that the others take.
    """
    what = f"{_count(settings, 'setting')} × {_count(seeds, 'seed')}"
    chosen = f", including {_count(tries, 'short training')} to choose learning rates" if tries else ""
    there = f"; {trained} of {settings + tries} trainings are there already" if trained else ""
    return f"{what}, about {describe_duration(seconds)}{chosen}{there}."


def progress_line(done: int, whole: int, tries: int, seconds: float) -> str:
    """Say how far a comparison is: "7 of 18 trainings, about 2 min left"; `tries` choose learning rates."""
    now = f", learning rates first ({tries})" if done < tries else ""
    return f"{done} of {whole} trainings{now}, about {describe_duration(seconds)} left"


def method_sentences(comparison: Comparison) -> list[str]:
    """Say what was compared, and how."""
    fair = comparison.fairness
    by_task: dict[str, list[Row]] = {}
    for row in comparison.rows:
        by_task.setdefault(row.experiment.task, []).append(row)
    said = [
        *(_task_sentence(task, rows) for task, rows in by_task.items()),
        fairness_sentence(fair),
        "Milliseconds per update were measured "
        + ("one setting at a time, before the trainings." if fair.measured_alone else "while other trainings went on."),
        interval_sentence(comparison),
        "A seed that does not solve it counts as taking more updates than it was given.",
    ]
    said += _edge_sentences(fair)
    failed = [row for row in comparison.rows if row.status == "failed"]
    return said + ([f"{_count(len(failed), 'setting')} failed: {failed[0].reason}."] if failed else [])


def _task_sentence(task: str, rows: Sequence[Row]) -> str:
    """Say what was measured of one task; chance, and what counts as solved, may depend on the length."""
    counts = sorted({row.experiment.seeds for row in rows})
    seeds = f"{join_words([str(count) for count in counts])} seed{'s' * (counts != [1])}"
    solved = (
        f"at {format_ends(row.solved_from for row in rows)} or better it counts as solved"
        if rows[0].solvable
        else "nothing counts as solved"
    )
    return (
        f"Task {task}: {_count(len(rows), 'setting')} × {seeds}. The {rows[0].metric_name} is measured on sequences "
        f"that no training saw; guessing gets {format_ends(row.chance for row in rows)}, {solved}."
    )


def _edge_sentences(fair: Fairness) -> list[str]:
    """Warn where a cell's learning rate is the smallest or the largest of those offered."""
    said = []
    for which, rate in (("smallest", min), ("largest", max)):
        if cells := [cell for cell, own in fair.learning_rates.items() if fair.offered and own == rate(fair.offered)]:
            verb = "has" if len(cells) == 1 else "have"
            other = "smaller" if which == "smallest" else "larger"
            said.append(f"{join_cells(cells)} {verb} the {which} learning rate offered: a {other} one may do better.")
    return said


def interval_sentence(comparison: Comparison) -> str:
    """Say what bars and bands of the pictures by length are."""
    first = comparison.rows[0]
    share = "for the share that solves it, Wilson's 95 % interval; " if first.solvable else ""
    return f"Bars and bands: {share}for the {first.metric_name}, the lowest to the highest seed."


def preview_sentence(comparison: Comparison) -> str:
    """Say that what is shown was trained before the comparison, and on which terms."""
    rates = {row.experiment.learning_rate for row in comparison.finished}
    rate = f", with the learning rate {format_number(rates.pop())} for all" if len(rates) == 1 else ""
    return (
        f"Not yet a fair comparison: {len(comparison.finished)} of {len(comparison.rows)} settings, trained "
        f"before{rate}. Press Compare."
    )


def horizon_sentence(comparison: Comparison) -> str:
    """Say what the picture of horizons shows, and how many settings it rests on."""
    known = [row for row in comparison.finished if row.solvable and np.isfinite(row.horizon_before)]
    line = "; the dashed line parts best those that learn from those that don't" if comparison.thresholds else ""
    return (
        f"Each mark is a setting, {_count(len(known), 'setting')} in all: how much of its sequence 1 % of the gradient "
        "comes back through, and how many of its seeds solve the task, with Wilson's 95 % interval. ρ is Spearman's "
        f"rank correlation with a bootstrap interval{line}."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
