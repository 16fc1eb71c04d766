"""What can be done with runs: the buttons, their dialogs, and the import."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from analysis.history.bundle import bundle, unbundle
from analysis.history.database import StoreError
from analysis.history.entry import NAME_LENGTH, Row
from analysis.jobs.pool import QueueFullError
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.runs import imported_sentence
from analysis.report.wording import describe_experiment, join_words
from pages.ui import session, sidebar, training
from pages.ui.history import RUN, run_title

MEGABYTES = 100  # of a file to import
IMPORTED = "An imported run is here for looking and comparing: Train trains anew."


def show_actions(rows: Sequence[Row]) -> None:
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
            "Export", data=partial(export_runs, [row.id for row in rows]),
            file_name=f"goldfish-{one.id if one else f'{len(rows)}-runs'}.zip",
            on_click="ignore", icon=":material/download:", key="export", disabled=not rows,
            help="As one file, which Import reads." if rows else "Tick a run for this.",
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
    for refusal in session.REFUSALS.pop():
        st.error(escape_markdown(refusal))
    if notice := session.IMPORT_NOTICE.pop():
        st.info(notice)


def mention_chosen(rows: Sequence[Row], hidden: Sequence[Row]) -> None:
    """Show why runs that are ticked failed or were interrupted, and which of them the filter hides."""
    for row in rows:
        if row.reason:
            training.show_reason(escape_markdown(run_title(row)), row)
    if hidden:
        st.caption(
            f"Ticked too, but hidden by the filter: {join_words([escape_markdown(run_title(row)) for row in hidden])}."
        )


def export_runs(ids: Sequence[str]) -> bytes:
    """Return one run as the file that it is alone, several as a ZIP of such files."""
    files = {f"goldfish-{run_id}": training.jobs().export(run_id) for run_id in ids}
    return bundle(files) if len(files) > 1 else files.popitem()[1]


def _resume(run_id: str) -> None:
    training.jobs().resume(run_id)


def _rename_run(run_id: str, name: str) -> None:
    training.jobs().rename(run_id, name)


def _each(do: Callable[[str], None], rows: Sequence[Row]) -> None:
    """Do something with every run; keep why it can't be done with one, to show it on the page."""
    for row in rows:
        try:
            do(row.id)
        except (StoreError, QueueFullError) as error:
            session.REFUSALS.get().append(str(error))


@st.dialog("Rename")
def _rename(row: Row) -> None:
    with st.form("rename", border=False):  # where Enter saves too
        name = st.text_input("Name", row.name, max_chars=NAME_LENGTH, placeholder=describe_experiment(row.experiment))
        saved = st.form_submit_button("Save", type="primary")
    if saved:
        _each(partial(_rename_run, name=name), [row])
        st.rerun()


@st.dialog("Delete?")
def _delete(rows: Sequence[Row]) -> None:
    st.markdown("\n".join(f"- {escape_markdown(run_title(row))}" for row in rows))
    st.markdown("What was trained is lost.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", key="really"):
            _each(training.jobs().delete, rows)
            session.CHOSEN.set([run_id for run_id in session.CHOSEN.get() if run_id not in {row.id for row in rows}])
            st.rerun()
        if st.button("Keep"):
            st.rerun()


def show_import() -> None:
    """Ask for exported runs and take them into the history."""
    with st.popover("Import", icon=":material/upload:"):
        # Any kind of file, so that this page says what is wrong with it.
        file = st.file_uploader("A file that Export has written", key="import", max_upload_size=MEGABYTES)
        st.caption(IMPORTED)
        if file is None or file.file_id == session.IMPORTED.get():
            return
        here = {row.id for row in training.jobs().rows()}
        try:
            ids = [training.jobs().import_(data) for data in unbundle(file.getvalue())]
        except StoreError as error:
            st.error(
                f"{escape_markdown(f'{file.name}: {error}')}. Expected is the file that Export on this page writes."
            )
            return
    rows = [training.jobs().row(run_id) for run_id in ids]
    notice = imported_sentence([run_title(row) for row in rows], len(here.intersection(ids)))
    session.IMPORT_NOTICE.set(notice + (f" {IMPORTED}" if any(row.imported for row in rows) else ""))
    session.IMPORTED.set(file.file_id)
    session.CHOSEN.set(ids)
    st.rerun()
