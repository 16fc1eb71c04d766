"""Models that were watched in loops of one's own: their table, pictures and dialogs on the history page."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import streamlit as st

from analysis.figures import bounds, decay, gates, timeline
from analysis.history.database import StoreError
from analysis.history.entry import NAME_LENGTH
from analysis.history.store import Store
from analysis.models.layers import describe_sizes
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.gates import ENDS
from analysis.report.sentences.watched import pass_sentence
from analysis.report.tables import watched_tables
from analysis.report.wording import format_horizon
from analysis.results import Watched
from pages.ui import export, layout

Line = dict[str, Any]  # of the table, by column


def section(store: Store | None) -> bool:
    """Draw the table of watched models, and the one that is ticked; return whether there are any."""
    try:
        saved = store.watched() if store else {}
    except StoreError as error:
        st.error(escape_markdown(error))
        return False
    if not saved:
        return False
    st.header("Watched in loops of your own", anchor=False)
    st.caption("Tick one to see how far back its passes could teach it, and why.")
    lines: dict[str, Line] = {}
    damaged = set()
    for model_id, when in saved.items():
        try:
            lines[model_id] = _line(store, model_id, when)
        except StoreError as error:
            lines[model_id] = _cells(None)
            damaged.add(model_id)
            st.error(escape_markdown(error))
    model_id = _table(lines)
    model = _load(store, model_id, saved[model_id]) if model_id and model_id not in damaged else None
    with st.container(horizontal=True):
        if st.button("Rename", icon=":material/edit:", key="rename_watched", disabled=not model):
            _rename(store, model_id, model)
        if st.button("Delete", icon=":material/delete:", key="delete_watched", disabled=not model_id):
            _delete(store, model_id, model_title(model))
    if model:
        _show(model)
    return True


@st.cache_data(max_entries=5000, show_spinner=False)
def _line(_store: Store, model_id: str, saved: str) -> Line:
    return _cells(_store.load_watched(model_id))


@st.cache_resource(max_entries=4, show_spinner=False)
def _load(_store: Store, model_id: str, saved: str) -> Watched:
    return _store.load_watched(model_id)


def _cells(model: Watched | None) -> Line:
    """Return a model's line of the table; None is a damaged one."""
    return {name: value(model) for name, value in COLUMNS.items()}


def model_title(model: Watched | None) -> str:
    """Return a model's name: the user's, else its sizes."""
    if model is None:
        return "damaged"
    return model.name or describe_sizes(model)


def _horizons(model: Watched | None) -> str:
    if model is None or not model.snapshots:
        return "–"
    return " → ".join(format_horizon(model.snapshots[k].decay) for k in (0, -1))


COLUMNS = {
    "Model": model_title,
    "Horizon": _horizons,  # before what a phone has no room for
    "Cell": lambda model: model.cell.upper() if model else "–",
    "Backward passes": lambda model: model.backwards if model else None,
    "When": lambda model: datetime.fromisoformat(model.created) if model else None,
}


def _table(lines: Mapping[str, Line]) -> str:
    """Show the models by id, one per line; return the id of the one that is ticked, or nothing."""
    ids = list(lines)
    table = st.dataframe(
        {name: [line[name] for line in lines.values()] for name in COLUMNS},
        key=f"watched {hash(tuple(ids))}", on_select="rerun", selection_mode="single-row", hide_index=True,
        column_config={
            "When": st.column_config.DatetimeColumn(format="D MMM, HH:mm", timezone=st.context.timezone),
            "Model": st.column_config.TextColumn(width="medium"),
        },
        alt="Every watched model that is kept",
    )  # fmt: skip
    return next((ids[k] for k in table.selection.rows if k < len(ids)), "")


def _show(model: Watched) -> None:
    """Draw a model from its first snapshot to its last."""
    for reason, count in model.skipped.items():
        st.caption(f"Not measured: {count} pass{'es' if count > 1 else ''}, {escape_markdown(reason)}.")
    if not model.snapshots:
        st.info("Nothing was measured yet.")
        return
    first, last, cell = model.snapshots[0], model.snapshots[-1], model.cell
    before = {cell: first} if first is not last else {}
    pictures = {
        "horizon": timeline.timeline({cell: model}, height=280),
        "gradient": decay.decay(
            {cell: last.decay},
            before={cell: snapshot.decay for cell, snapshot in before.items()},
            before_name=f"pass {first.step}",
        ),
        "hidden-state": bounds.sizes({model.activation: last.bounds}),
    }
    if cell == "lstm":
        pictures["cell-state"] = bounds.sizes({model.activation: last.bounds}, "cell")
    if last.saturation:
        pictures["gates"] = gates.histograms(
            {cell: last.saturation},
            {cell: snapshot.saturation for cell, snapshot in before.items()},
            before_name=f"pass {first.step}",
        )
    layout.chart(pictures["horizon"], "watched-horizon", "Horizon by backward pass")
    st.caption("How far back that pass could teach it, on its own batch. What the model answers isn't known here.")
    layout.chart(pictures["gradient"], "watched-gradient", "Gradient left against distance, first pass and last")
    if sentence := pass_sentence(last):
        st.caption(sentence)
    details = [name for name in ("gates", "hidden-state", "cell-state") if name in pictures]
    for name, tab in zip(details, st.tabs([name.replace("-", " ").capitalize() for name in details]), strict=True):
        with tab:
            layout.chart(pictures[name], f"watched-{name}", f"{name.replace('-', ' ').capitalize()} at the last pass")
            if name == "gates":
                st.caption(ENDS + (f" The arrow leads from pass {first.step} to pass {last.step}." if before else ""))
    export.row("watched", pictures, {}, watched_tables(model), commands=())


def _change(change: Callable[..., None], *arguments: str) -> None:
    """Change the history and draw the page anew; show in the dialog what can't be done."""
    try:
        change(*arguments)
    except StoreError as error:
        st.error(escape_markdown(error))
        return
    st.rerun()


@st.dialog("Rename")
def _rename(store: Store, model_id: str, model: Watched) -> None:
    with st.form("rename_watched", border=False):  # where Enter saves too
        name = st.text_input("Name", model.name, max_chars=NAME_LENGTH)
        saved = st.form_submit_button("Save", type="primary")
    if saved:
        _change(store.rename_watched, model_id, name)


@st.dialog("Delete?")
def _delete(store: Store, model_id: str, name: str) -> None:
    st.markdown(f"- {escape_markdown(name)}\n\nWhat was measured is lost.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", key="really_watched"):
            _change(store.delete_watched, model_id)
        if st.button("Keep"):
            st.rerun()
