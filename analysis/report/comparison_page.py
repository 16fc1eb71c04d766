"""A comparison as a table in words, and as one page of HTML that opens offline. Callers draw its pictures."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape

import numpy as np

from analysis.comparison import Comparison, Row
from analysis.experiment import SETTINGS, Experiment
from analysis.report.export import Figure, figure_blocks, html_page
from analysis.report.wording import format_ends, format_number, format_range, format_setting, join_words
from analysis.results import versions
from analysis.sources import FILE_SETTINGS

NAMED_FIRST = ("cell", "length")  # every row names these; the others where they differ
NOT_NAMED = ("task", *FILE_SETTINGS, "seed", "snapshot_every")
AGAIN = "Save this as grid.toml and run python -m analysis sweep grid.toml in Goldfish's folder."
STYLE = """pre { background: #f4f4f4; padding: 1em } .wide { overflow-x: auto }
table { border-collapse: collapse; font-size: 14px } li:first-child { font-size: 1.2em }
th, td { text-align: left; padding: .3em .8em .3em 0; border-bottom: 1px solid #ccc; white-space: nowrap }"""


def varying(experiments: Sequence[Experiment]) -> list[str]:
    """Return the settings in which experiments differ, besides cell and length."""
    every = [experiment.as_dict() for experiment in experiments]
    named = [name for name in SETTINGS if name not in (*NAMED_FIRST, *NOT_NAMED)]
    return [name for name in named if len({settings[name] for settings in every}) > 1]


def comparison_table(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the columns of a table of rows in words: the settings that differ, then what was measured."""
    if not rows:
        return {}
    settings: dict[str, Callable[[Row], str]] = {
        "Cell": lambda row: row.experiment.cell.upper(),
        "Length": lambda row: str(row.experiment.task_length),
    }
    if len({row.experiment.task for row in rows}) > 1:
        settings = {"Task": lambda row: row.experiment.task} | settings
    for name in varying([row.experiment for row in rows]):
        settings[SETTINGS[name].label] = partial(_describe_setting, name)
    columns = settings | _measured(rows)
    return {title: [write(row) for row in rows] for title, write in columns.items()}


def _describe_setting(name: str, row: Row) -> str:
    return format_setting(getattr(row.experiment, name))


def _measured(rows: Sequence[Row]) -> dict[str, Callable[[Row], str]]:
    """Return the columns of what was measured, and how a row fills each."""
    metrics = sorted({row.metric_name for row in rows})
    chance = f" (chance {format_ends(row.chance for row in rows)})" if len(metrics) == 1 else ""
    solved: dict[str, Callable[[Row], str]] = {
        "Solved by": lambda row: f"{int(row.solved.sum())} of {len(row.solved)} seeds" if row.solvable else "–",
        "Updates to solve": describe_steps,
    }
    return {
        **(solved if any(row.solvable for row in rows) else {}),
        join_words(metrics) + chance: lambda row: format_range(row.metric),
        "Horizon at start → after, time steps": lambda row: (
            f"{format_number(row.horizon_before)} → {format_number(row.horizon_after)}"
        ),
        "Memory span, time steps": lambda row: format_number(row.span),
        "ms per update": lambda row: format_number(row.ms_per_step),
        "Parameters": lambda row: f"{row.parameters:,.0f}",
        "Multiply-adds per time step": lambda row: f"{row.multiply_adds:,.0f}",
        "Seconds trained": lambda row: format_number(row.seconds),
        "Status": lambda row: row.status,
    }


def describe_steps(row: Row) -> str:
    """Write after how many updates the seeds solved the task; an unsolved one took more than all: "180–>500"."""
    if not row.solvable:
        return "–"
    solved = np.isfinite(row.steps_to_solve)
    if not solved.any():
        return f"> {row.experiment.steps}"
    low, high = row.steps_to_solve[solved].min(), row.steps_to_solve[solved].max()
    top = format_number(high) if solved.all() else f"> {row.experiment.steps}"
    return top if solved.all() and low == high else f"{format_number(low)} to {top}"


def comparison_html(comparison: Comparison, how: Sequence[str], figures: Mapping[str, Figure], grid: str) -> str:
    """Return a report of a comparison as one page, which opens without a network.

    Args:
        comparison: its verdicts head the page.
        how: sentences on what was compared, and how.
        figures: by name.
        grid: the grid file that runs it again.
    """
    tasks = sorted({row.experiment.task for row in comparison.rows})
    link = f"data:text/plain;base64,{b64encode(grid.encode()).decode()}"
    made = ", ".join(f"{name} {number}" for name, number in versions().items())
    blocks = [
        "\n".join(["<ul>", *(f"<li>{escape(verdict)}</li>" for verdict in comparison.verdicts), "</ul>"]),
        "<h2>What was compared, and how</h2>",
        *(f"<p>{escape(sentence)}</p>" for sentence in how),
        *figure_blocks(figures).values(),
        "<h2>Every setting</h2>",
        _html_table(comparison_table(comparison.rows)),
        "<h2>Run it again</h2>",
        f'<p>{AGAIN} <a download="grid.toml" href="{link}">Save grid.toml</a></p>',
        f"<pre>{escape(grid)}</pre>",
        f"<p>Made by Goldfish with {escape(made)}.</p>",
    ]
    return html_page(f"Which cell for {' and '.join(tasks)}?", blocks, STYLE)


def _html_table(columns: Mapping[str, Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in columns)
    lines = ["".join(f"<td>{escape(text)}</td>" for text in line) for line in zip(*columns.values(), strict=True)]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table><tr>{head}</tr>\n{body}</table></div>'
