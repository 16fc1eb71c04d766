"""What the history page shows and does: its table, its dialogs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

import numpy as np
import streamlit as st

from analysis.figures import comparison
from analysis.history.database import StoreError
from analysis.history.entry import NAME_LENGTH, Progress, Row
from analysis.jobs.pool import QueueFullError
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.decay import training_sentence
from analysis.report.sentences.progress import progress_sentence
from analysis.report.tables import csv_table as table_csv
from analysis.report.wording import (
    WHOLE,
    describe_experiment,
    describe_horizon_range,
    format_number,
    format_percent,
    format_range,
    format_steps,
    join_words,
)
from analysis.results import Run, finite_median
from pages.ui import sidebar, training

RUN, CHOSEN = "run", "chosen"  # in the URL: one whose settings to take over, those to look at
LONG = 5  # runs in sight; from more on the table scrolls
HEAD_HEIGHT, RUN_HEIGHT = 37, 66  # pixels in the table, where text is wrapped from 65 on
MEGABYTES = 100  # of an imported run
IMPORTED = "An imported run is here for looking and comparing: Train trains anew."


def open_run() -> None:
    """Set every widget as the run in the URL says, before they are drawn: those there already ignore the URL."""
    if RUN in st.query_params:
        with suppress(StoreError):
            experiment = training.jobs().row(st.query_params[RUN]).experiment
            if sidebar.fits(experiment):
                sidebar.take_over(experiment)
        del st.query_params[RUN]


def chosen() -> list[str]:
    """Return the ids of the runs ticked, in this session or as the URL says; the URL then says so."""
    ids = st.session_state.setdefault("chosen", st.query_params.get_all(CHOSEN))
    if ids:
        st.query_params[CHOSEN] = ids
    elif CHOSEN in st.query_params:
        del st.query_params[CHOSEN]
    return ids


def title(row: Row) -> str:
    """Name a run: as the user did, else by its settings."""
    return row.name or describe_experiment(row.experiment)


def labelled(rows: Sequence[Row]) -> dict[str, Row]:
    """Give each run a label of its own."""
    titles = [title(row) for row in rows]
    return {
        f"{said} · {row.id}" if titles.count(said) > 1 else said: row for said, row in zip(titles, rows, strict=True)
    }


def looks(rows: Sequence[Row]) -> dict[str, Run | Progress]:
    """Return runs by label, a result or how far it has come; what can't be read is said, and left out."""
    found = {}
    training.forget_others(row.id for row in rows)
    for label, row in labelled(rows).items():
        try:
            found[label] = training.load(row.id) if row.status == "finished" else training.follow(row.id)
        except StoreError as error:
            st.error(escape_markdown(error))
    return {label: run for label, run in found.items() if run.snapshots}


def said(runs: Mapping[str, Run | Progress]) -> str:
    """Say of each run how far it can be taught and what it answers, and of several which reaches farthest."""
    lines = []
    for label, run in runs.items():
        cell = run.experiment.cell
        if isinstance(run, Run):
            told = training_sentence(cell, run)
        else:
            told = progress_sentence(run.experiment, run.row.status, run.snapshots, run.chance)
        lines.append(f"- {escape_markdown(label)}: {told.removeprefix(cell.upper()).lstrip(': ')}")
    return "\n".join([*lines, "", sentence(runs)])


def sentence(runs: Mapping[str, Run | Progress]) -> str:
    """Say in which of the runs the gradient reaches farthest back, and in which least far, where that is known."""
    decays = comparison.decays(runs)
    horizons = [decay.horizon for decay in decays.values()]
    least, most = min(horizons, default=np.nan), max(horizons, default=np.nan)
    if len(runs) < 2 or not np.isfinite(horizons).all():
        return ""
    if any(decay.censored and decay.horizon < most for decay in decays.values()):
        return ""  # it may reach farther than the others: its sequence is too short to tell

    def those(horizon: float) -> str:
        return join_words(
            [f"“{escape_markdown(label)}”" for label, decay in decays.items() if decay.horizon == horizon]
        )

    share = format_percent(next(iter(decays.values())).threshold)
    end = ("at least " if any(decay.censored for decay in decays.values()) else "") + format_steps(most)
    if least == most:
        return f"In all of them {share} of the gradient is left just as far back: {end}."
    far, near = ([d.horizons for d in decays.values() if d.horizon == horizon] for horizon in (most, least))
    overlap = np.nanmin(np.concatenate(far)) <= np.nanmax(np.concatenate(near))
    return (
        f"{share} of the gradient is left farthest back, {end}, in {those(most)}; "
        f"least far, {format_steps(least)}, in {those(least)}{'; their ranges over seeds overlap' if overlap else ''}."
    )


def tables(runs: Mapping[str, Run | Progress]) -> dict[str, Callable[[], str]]:
    """Return what the pictures show as CSV to be written when asked for."""
    decays = comparison.decays(runs)
    curves = [{"run": label, "distance": d.distance, "relative": d.relative} for label, d in decays.items()]
    through = [
        {"run": label, "step": [each.step for each in run.snapshots]}
        | {"horizon": [each.decay.horizon for each in run.snapshots]}
        | {run.metric_name: [finite_median(each.metric) for each in run.snapshots]}
        for label, run in runs.items()
    ]
    answers = [
        {"run": label, "distance": run.memory.distance, run.metric_name: run.memory.value}
        for label, run in runs.items()
        if isinstance(run, Run)
    ]
    named = {"decay": curves, "timeline": through, "memory": answers}
    return {name: partial(table_csv, *blocks) for name, blocks in named.items() if blocks}


def matching(rows: Sequence[Row], words: str) -> list[Row]:
    """Return the runs in whose name, settings or status every word occurs, or whose id it is."""

    def text(row: Row) -> str:
        return f"{row.name} {describe_experiment(row.experiment)} {_status(row)}".lower()

    return [row for row in rows if all(word in text(row) or word == row.id for word in words.lower().split())]


def table(rows: Sequence[Row]) -> None:
    """Show runs, one per line, and keep the ids of those ticked in the session's `chosen`."""
    chosen = st.session_state["chosen"]
    ids = [row.id for row in rows]
    # Lines that move take no tick along, nor does an import tick a line: another table, ticked anew.
    key = f"history {hash((*ids, st.session_state.get('imported')))}"

    at_first = st.session_state.setdefault("ticks_at_first", {})  # it must stay: a table told anew forgets a click
    if key not in at_first or key not in st.session_state:
        at_first.clear()
        at_first[key] = [k for k, id in enumerate(ids) if id in chosen]

    def tick() -> None:
        ticked = [ids[k] for k in st.session_state[key].selection.rows]
        st.session_state["chosen"] = ticked + [id for id in chosen if id not in ids]
        st.session_state["ticked"] = True

    columns = {name: [of(row) for row in rows] for name, of in COLUMNS.items()}
    st.dataframe(
        {name: told for name, told in columns.items() if name != "Note" or any(told)},
        key=key, on_select=tick, selection_mode="multi-row", hide_index=True,
        height=HEAD_HEIGHT + RUN_HEIGHT * max(1, min(len(rows), LONG)), row_height=RUN_HEIGHT,
        selection_default={"selection": {"rows": at_first[key]}},
        column_config={
            "Run": st.column_config.TextColumn(width=100),
            "Horizon": st.column_config.TextColumn(width=108, help=HORIZON),
            "Answers": st.column_config.TextColumn(width=108, help=ANSWERS),
            "By chance": st.column_config.TextColumn(width=78, help="What guessing gets."),
            "Status": st.column_config.TextColumn(width=84, help=IMPORTED),
            "Took": st.column_config.TextColumn(width=62),
            "Settings": st.column_config.TextColumn(width=145, help="Task, length, and what isn't at its default."),
            "When": st.column_config.DatetimeColumn(
                width=98, format="D MMM, HH:mm", timezone=st.context.timezone
            ),
        },
        alt="Every run that is kept",
    )  # fmt: skip
    if st.session_state.pop("ticked", False):
        st.rerun()  # the rest of the page follows


def _status(row: Row) -> str:
    said = row.status if row.status == "finished" else f"{row.status}, {row.step} of {row.experiment.steps}"
    said += ", all diverged" if row.diverged == row.experiment.seeds else ""
    return f"{said}, imported" if row.imported else said


def _answers(row: Row) -> str:
    if not row.metric:
        return "–"
    return f"{row.metric_name} {format_range(np.array(row.metric, float))}"


def _horizon(row: Row) -> str:
    with suppress(StoreError):
        return _horizons(row.id) if row.metric else "–"
    return "–"


@st.cache_data(max_entries=5000, show_spinner=False)
def _horizons(id: str) -> str:
    """Say how far back the gradient reached before and after, with ranges over seeds, which the row doesn't hold."""
    run = training.jobs().load(id, snapshots=False)
    said = f"{describe_horizon_range(run.before)} → {describe_horizon_range(run.after)}"
    return said.replace(WHOLE, "")


ANSWERS = "What the trained models answer on a test: the median over seeds, and in brackets its range."
HORIZON = (
    "The steps back to which 1 % of the gradient is left, before → after training: the median over seeds, and in "
    "brackets its range. ≥: to the first step of the sequence, the gradient may reach further."
)
COLUMNS = {  # those that a phone has room for first
    "Run": lambda row: row.name or describe_experiment(row.experiment).partition(", ")[0],
    "Horizon": _horizon,
    "Answers": _answers,
    "By chance": lambda row: format_number(row.chance) if row.metric else "–",
    "Settings": lambda row: (
        describe_experiment(row.experiment) if row.name else describe_experiment(row.experiment).partition(", ")[2]
    ),
    "Status": _status,
    "When": lambda row: datetime.fromisoformat(row.created),
    "Took": lambda row: training.duration(row.seconds) if row.seconds else "–",
    "Note": lambda row: row.reason or row.unsaved or (f"{row.diverged} models stopped" if row.diverged else ""),
}


def actions(rows: Sequence[Row]) -> None:
    """Draw a button for everything that can be done with the runs chosen."""
    one = rows[0] if len(rows) == 1 else None
    not_one = None if one else "Tick one run for this."
    live = [row for row in rows if row.live]
    stopped = [row for row in rows if not row.live and row.status != "finished"]
    usable = one and sidebar.fits(one.experiment)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            "pages/measure/decay.py", label="Use its settings", icon=":material/tune:", disabled=not usable,
            query_params={RUN: one.id} if one else None,
            help=not_one or ("Set the sidebar as in this run." if usable else "The sidebar does not go as far."),
        )  # fmt: skip
        if st.button("Rename", icon=":material/edit:", key="rename", disabled=not one, help=not_one):
            _rename(one)
        st.download_button(
            "Export", data=lambda: training.jobs().export(one.id), file_name=f"goldfish-{one.id if one else ''}.zip",
            on_click="ignore", icon=":material/download:", key="export", disabled=not one,
            help=not_one or "As one file.",
        )  # fmt: skip
        if live:
            st.button(
                "Cancel", icon=":material/stop:", key="cancel", on_click=_each, args=(training.jobs().cancel, live)
            )
        elif stopped:
            st.button("Resume", icon=":material/play_arrow:", key="resume", on_click=_each, args=(_resume, stopped))
        why_not = "Cancel what trains first." if live else None if rows else "Tick a run for this."
        if st.button("Delete", icon=":material/delete:", key="delete", disabled=bool(why_not), help=why_not):
            _delete(rows)
    for refusal in st.session_state.pop("refusals", ()):
        st.error(escape_markdown(refusal))
    if said := st.session_state.pop("taken_in", ""):
        st.info(said)


def mention(rows: Sequence[Row], hidden: Sequence[Row]) -> None:
    """Say why runs that are ticked failed or were interrupted, and which the filter keeps out of sight."""
    for row in rows:
        if row.reason:
            training.say_why(escape_markdown(title(row)), row)
    if hidden:
        st.caption(
            f"Ticked too, but hidden by the filter: {join_words([escape_markdown(title(row)) for row in hidden])}."
        )


def _resume(id: str) -> None:
    training.jobs().resume(id)


def _each(do: Callable[[str], None], rows: Sequence[Row]) -> None:
    """Do something with every run; what can't be done is said on the page."""
    for row in rows:
        try:
            do(row.id)
        except (StoreError, QueueFullError) as error:
            st.session_state.setdefault("refusals", []).append(str(error))


@st.dialog("Rename")
def _rename(row: Row) -> None:
    with st.form("rename", border=False):  # where Enter saves too
        name = st.text_input("Name", row.name, max_chars=NAME_LENGTH, placeholder=describe_experiment(row.experiment))
        saved = st.form_submit_button("Save", type="primary")
    if saved:
        _each(lambda id: training.jobs().rename(id, name), [row])
        st.rerun()


@st.dialog("Delete?")
def _delete(rows: Sequence[Row]) -> None:
    st.markdown("\n".join(f"- {escape_markdown(title(row))}" for row in rows))
    st.markdown("What was trained is lost.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", key="really"):
            _each(training.jobs().delete, rows)
            st.rerun()
        if st.button("Keep"):
            st.rerun()


def take_in() -> None:
    """Ask for an exported run and take it into the history."""
    with st.popover("Import", icon=":material/upload:"):
        # Any kind of file, so that this page says what is wrong with it.
        file = st.file_uploader("A run that was exported", key="import", max_upload_size=MEGABYTES)
        st.caption(IMPORTED)
        if file is None or file.file_id == st.session_state.get("imported"):
            return
        here = {row.id for row in training.jobs().rows()}
        try:
            id = training.jobs().import_(file.getvalue())
        except StoreError as error:
            st.error(
                f"{escape_markdown(f'{file.name}: {error}')}. Expected is the file that Export on this page writes."
            )
            return
    row = training.jobs().row(id)
    known = "is here already" if id in here else "was imported"
    st.session_state["taken_in"] = f"{escape_markdown(title(row))} {known}: it is ticked below." + (
        f" {IMPORTED}" if row.imported else ""
    )
    st.session_state["imported"], st.session_state["chosen"] = file.file_id, [id]
    st.rerun()
