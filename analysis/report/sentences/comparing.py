"""What a comparison takes, how far it is, and how it was made, in words."""

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np

from analysis.comparison import Comparison, Fairness, Row
from analysis.experiment import SETTINGS
from analysis.report.sentences.estimate import describe_duration
from analysis.report.wording import format_ends, format_number, join_cells, join_words

EQUALLY = {
    "hidden_size": "All cells have the same hidden size and as many updates",
    "parameters": "All cells have equally many parameters, within 2 %, and as many updates",
}


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
    ]
    if any(row.solvable for row in comparison.rows):
        said.append("A seed that does not solve it counts as taking more updates than it was given.")
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
    scaled = " Numbers are scaled: what is trained on has mean 0 and variance 1." if task == "series" else ""
    return (
        f"Task {task}: {_count(len(rows), 'setting')} × {seeds}. The {rows[0].metric_name} is measured on sequences "
        f"that no training saw; guessing gets {format_ends(row.chance for row in rows)}, {solved}.{scaled}"
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


def fairness_sentence(fairness: Fairness) -> str:
    """Say what was equal, which learning rates were taken, and what was left out."""
    return " ".join([f"{_equal_terms(fairness)}.", *_rate_sentences(fairness), *_left_out_sentences(fairness)])


def _rate_sentences(fairness: Fairness) -> Iterator[str]:
    """Say where the learning rates come from."""
    rates = [f"{format_number(rate)} for the {cell.upper()}" for cell, rate in fairness.learning_rates.items()]
    if fairness.offered:
        lengths = join_words([str(length) for length in fairness.pilot_lengths])
        how = (
            f"from {join_words([format_number(rate) for rate in fairness.offered])}, on {fairness.pilot_seeds} seeds "
            f"that aren't counted, at length {lengths}"
        )
        if fairness.settled:
            yield f"Each cell's learning rate was chosen {how}: {join_words(rates)}."
        else:
            yield f"Each cell's learning rate is being chosen {how}."
    elif len({*fairness.learning_rates.values()}) == 1:
        yield f"One learning rate for all: {format_number(next(iter(fairness.learning_rates.values())))}."


def _left_out_sentences(fairness: Fairness) -> Iterator[str]:
    if fairness.left_out:
        yield f"Left out: {'; '.join(fairness.left_out)}."


def _equal_terms(fairness: Fairness) -> str:
    """Say what all cells have the same of, and how nearly."""
    if fairness.equal != "time":
        return EQUALLY[fairness.equal]
    if np.isnan(fairness.time_spread):
        return "All cells are to train for the same time, which is measured first"
    within = f"within {max(1, ceil(round(100 * fairness.time_spread, 6)))} %, by what an update of each takes alone"
    same = f"All cells train for the same time, {within}"
    if not fairness.capped:
        return same
    most = f"{SETTINGS['steps'].high:,.0f}"
    return f"{same}; but none may make more than {most} updates, so some train for less: {join_words(fairness.capped)}"


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


def nothing_yet(under_way: bool) -> str:
    """Say that there is no result to show, and what to do."""
    return (
        "No result yet: they are drawn here as they come, once learning rates are chosen where that is asked for."
        if under_way
        else "Nothing of this is trained yet. Press Compare: results are drawn here as they come."
    )


def horizon_sentence(comparison: Comparison) -> str:
    """Say what the picture of horizons shows, and how many settings it rests on."""
    found = comparison.correlations["before"]
    solvable = all(row.solvable for row in comparison.rows)
    success = (
        "how many of its seeds solve the task, with Wilson's 95 % interval"
        if solvable
        else "how far its median metric is from chance, on the way to perfect"
    )
    line = "; the dashed line parts best those that learn from those that don't" if comparison.thresholds else ""
    within = (
        " At equal length: ranks within each length, with the p of shuffling settings (Taylor 1987)."
        if "length" in comparison.axes
        else ""
    )
    return (
        f"Each mark is a setting, {_count(found.settings, 'setting')} in all: how much of its sequence 1 % of the "
        f"gradient comes back through, and {success}. ρ is Spearman's rank correlation with a bootstrap "
        f"interval{line}.{within}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
