"""The table of runs: its columns, its filter, and which runs are ticked in it."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache, partial

import streamlit as st

from analysis.history.database import StoreError
from analysis.history.entry import Row
from analysis.report.sentences.estimate import describe_duration
from analysis.report.wording import describe_experiment, format_horizon_range, format_number, format_range
from pages.ui import session, training
from pages.ui.run_actions import IMPORTED

LONG = 12  # runs in sight; from more on the table scrolls
HEAD_HEIGHT, RUN_HEIGHT = 37, 66  # pixels in the table, where text is wrapped from 65 on


def matching_rows(rows: Sequence[Row], words: str) -> list[Row]:
    """Return the runs in whose name, settings or status every word occurs, or whose id it is."""
    texts = {row.id: f"{row.name} {describe_experiment(row.experiment)} {_status(row)}".lower() for row in rows}
    return [row for row in rows if all(word in texts[row.id] or word == row.id for word in words.lower().split())]


def show_table(rows: Sequence[Row]) -> None:
    """Show runs, one per line; keep the ids of those ticked in the session.

    Streamlit keeps ticks by line number. So where the lines change, or an import ticks a run, the table gets a new
    key, and starts with the ticks of the session.
    """
    ids = [row.id for row in rows]
    key = f"history {hash((*ids, session.IMPORTED.get()))}"
    columns = {name: [value(row) for row in rows] for name, value in COLUMNS.items()}
    st.dataframe(
        {name: values for name, values in columns.items() if name != "Note" or any(values)},
        key=key, on_select=partial(_keep_ticks, key, ids), selection_mode="multi-row", hide_index=True,
        height=HEAD_HEIGHT + RUN_HEIGHT * max(1, min(len(rows), LONG)), row_height=RUN_HEIGHT,
        selection_default={"selection": {"rows": _first_ticks(key, ids)}},
        column_config={
            "Run": st.column_config.TextColumn(width=94),
            "Horizon": st.column_config.TextColumn(width=108, help=HORIZON),
            "Answers": st.column_config.TextColumn(width=108, help=ANSWERS),
            "By chance": st.column_config.TextColumn(width=72, help="What guessing gets, by the same metric."),
            "Status": st.column_config.TextColumn(width=78, help=IMPORTED),
            "Took": st.column_config.TextColumn(width=54),
            "Settings": st.column_config.TextColumn(width=171, help="Task, length, and what isn't at its default."),
            "When": st.column_config.DatetimeColumn(
                width=98, format="D MMM, HH:mm", timezone=st.context.timezone
            ),
        },
        alt="Every run that is kept",
    )  # fmt: skip
    if session.TICKED.pop():
        st.rerun()  # the rest of the page shows the runs ticked


def _first_ticks(key: str, ids: Sequence[str]) -> list[int]:
    """Return the lines ticked when the table of this key was first drawn.

    They stay the same while it is shown: Streamlit takes a table with other first ticks for a new one, and loses the
    visitor's click.
    """
    first_ticks = session.FIRST_TICKS.get()
    if key not in first_ticks or key not in st.session_state:
        chosen = session.CHOSEN.get()
        first_ticks.clear()
        first_ticks[key] = [line for line, run_id in enumerate(ids) if run_id in chosen]
    return first_ticks[key]


def _keep_ticks(key: str, ids: Sequence[str]) -> None:
    """Keep the runs ticked in the table, and those that the filter hides; a callback."""
    ticked = [ids[line] for line in st.session_state[key].selection.rows]
    hidden = {row.id for row in training.jobs().rows()} - set(ids)
    session.CHOSEN.set(ticked + [run_id for run_id in session.CHOSEN.get() if run_id in hidden])
    session.TICKED.set(True)


def _status(row: Row) -> str:
    status = row.status if row.status == "finished" else f"{row.status}, {row.step} of {row.experiment.steps}"
    status += ", all diverged" if row.diverged == row.experiment.seeds else ""
    return f"{status}, imported" if row.imported else status


def _answers(row: Row) -> str:
    if not row.metric:
        return "–"
    return f"{row.metric_name} {format_range(row.metric)}"  # kinds that can't be compared stand in one column


def _horizon(row: Row) -> str:
    with suppress(StoreError):
        return _horizons(row.id) if row.metric else "–"
    return "–"


@lru_cache(maxsize=5000)  # for all visitors; Streamlit's own cache takes longer to find an entry
def _horizons(id: str) -> str:
    """Return how far back the gradient reached before and after, with ranges over seeds, which the row doesn't hold."""
    run = training.jobs().load(id, snapshots=False)
    return f"{format_horizon_range(run.before)} → {format_horizon_range(run.after)}"


ANSWERS = (
    "The test after training, by the metric named first: the median over seeds, and in brackets its range. "
    "Accuracy: higher is better. All others: lower is better."
)
HORIZON = (
    "How many time steps back 1 % of the gradient is left, before → after training: the median over seeds, and in "
    "brackets its range. ≥: as far back as the sequence goes, perhaps further."
)
COLUMNS = {  # those that a phone has room for first
    "Run": lambda row: row.name or describe_experiment(row.experiment).partition(", ")[0],
    "Answers": _answers,
    "By chance": lambda row: format_number(row.chance) if row.metric else "–",
    "Horizon": _horizon,
    "Settings": lambda row: (
        describe_experiment(row.experiment) if row.name else describe_experiment(row.experiment).partition(", ")[2]
    ),
    "Status": _status,
    "When": lambda row: datetime.fromisoformat(row.created),
    "Took": lambda row: describe_duration(row.seconds) if row.seconds else "–",
    "Note": lambda row: row.reason or row.unsaved or (f"{row.diverged} models stopped" if row.diverged else ""),
}
