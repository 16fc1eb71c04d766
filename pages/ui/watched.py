"""Models that were watched in loops of one's own: their table, pictures and dialogs on the history page."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import streamlit as st

from analysis.figures import bounds, decay, gates, timeline
from analysis.history.database import StoreError
from analysis.history.entry import NAME_LENGTH
from analysis.history.store import Store
from analysis.models.layers import describe_sizes
from analysis.report.markdown import escape_markdown
from analysis.report.tables import csv_table
from analysis.report.wording import WHOLE, describe_horizon
from analysis.results import Watched
from pages.ui import export, layout
from pages.ui.gates import ENDS

Line = dict[str, Any]  # of the table, by column


def section(store: Store | None) -> bool:
    """Draw all that is known of watched models; say whether there are any."""
    try:
        saved = store.watched() if store else {}
    except StoreError as error:
        st.error(escape_markdown(error))
        return False
    if not saved:
        return False
    st.subheader("Watched in loops of your own", anchor=False)
    st.caption("Tick one to see how far back its passes could teach it, and why.")
    lines: dict[str, Line] = {}
    damaged = set()
    for id, when in saved.items():
        try:
            lines[id] = _line(store, id, when)
        except StoreError as error:
            lines[id] = _told(None)
            damaged.add(id)
            st.error(escape_markdown(error))
    id = _table(lines)
    model = _load(store, id, saved[id]) if id and id not in damaged else None
    with st.container(horizontal=True):
        if st.button("Rename", icon=":material/edit:", key="rename_watched", disabled=not model):
            _rename(store, id, model)
        if st.button("Delete", icon=":material/delete:", key="delete_watched", disabled=not id):
            _delete(store, id, title(model))
    if model:
        _look(model)
    return True


@st.cache_data(max_entries=5000, show_spinner=False)
def _line(_store: Store, id: str, saved: str) -> Line:
    return _told(_store.load_watched(id))


@st.cache_resource(max_entries=4, show_spinner=False)
def _load(_store: Store, id: str, saved: str) -> Watched:
    return _store.load_watched(id)


def _told(model: Watched | None) -> Line:
    """Return what the table says of a model, or of a damaged one."""
    return {name: of(model) for name, of in COLUMNS.items()}


def title(model: Watched | None) -> str:
    """Name a model: as the user did, else by its sizes."""
    if model is None:
        return "damaged"
    return model.name or describe_sizes(model)


def _horizons(model: Watched | None) -> str:
    if model is None or not model.snapshots:
        return "–"
    return " → ".join(describe_horizon(model.snapshots[k].decay).removesuffix(WHOLE) for k in (0, -1))


COLUMNS = {
    "Model": title,
    "Horizon": _horizons,  # before what a phone has no room for
    "Cell": lambda model: model.cell.upper() if model else "–",
    "Backward passes": lambda model: model.backwards if model else None,
    "When": lambda model: datetime.fromisoformat(model.created) if model else None,
}


def _table(lines: Mapping[str, Line]) -> str:
    """Show the models by id, one per line; return the id of the one that is ticked, or nothing."""
    ids = list(lines)
    shown = st.dataframe(
        {name: [line[name] for line in lines.values()] for name in COLUMNS},
        key=f"watched {hash(tuple(ids))}", on_select="rerun", selection_mode="single-row", hide_index=True,
        column_config={
            "When": st.column_config.DatetimeColumn(format="D MMM, HH:mm", timezone=st.context.timezone),
            "Model": st.column_config.TextColumn(width="medium"),
        },
        alt="Every watched model that is kept",
    )  # fmt: skip
    return next((ids[k] for k in shown.selection.rows if k < len(ids)), "")


def _look(model: Watched) -> None:
    """Draw a model from its first snapshot to its last."""
    for reason, count in model.skipped.items():
        st.caption(f"Not measured: {count} pass{'es' * (count > 1)}, {escape_markdown(reason)}.")
    if not model.snapshots:
        st.info("Nothing was measured yet.")
        return
    first, last, cell = model.snapshots[0], model.snapshots[-1], model.cell
    before = {cell: first} if first is not last else {}
    drawn = {
        "horizon": timeline.timeline({cell: model}, height=280),
        "gradient": decay.decay({cell: last.decay}, before={cell: each.decay for cell, each in before.items()}),
        "hidden-state": bounds.sizes({model.activation: last.bounds}),
    }
    if cell == "lstm":
        drawn["cell-state"] = bounds.sizes({model.activation: last.bounds}, "cell")
    if last.saturation:
        drawn["gates"] = gates.histograms(
            {cell: last.saturation}, {cell: each.saturation for cell, each in before.items()}
        )
    for figure in drawn.values():
        figure.for_each_trace(lambda trace: trace.update(name=f"pass {first.step}"), {"name": "before training"})
    layout.chart(drawn["horizon"], "watched-horizon", "Horizon by backward pass")
    st.caption("How far back that pass could teach it, on its own batch. What the model answers isn't known here.")
    layout.chart(drawn["gradient"], "watched-gradient", "Gradient left against distance, first pass and last")
    details = [name for name in ("gates", "hidden-state", "cell-state") if name in drawn]
    for name, tab in zip(details, st.tabs([name.replace("-", " ").capitalize() for name in details]), strict=True):
        with tab:
            layout.chart(drawn[name], f"watched-{name}", f"{name.replace('-', ' ').capitalize()} at the last pass")
            if name == "gates":
                st.caption(ENDS + (f" The arrow leads from pass {first.step} to pass {last.step}." if before else ""))
    export.row("watched", drawn, {}, tables(model), commands=())


def tables(model: Watched) -> dict[str, Callable[[], str]]:
    """Return the horizon by pass, with what explains it, and all curves, as CSV to be written when asked for."""
    snapshots = model.snapshots
    through = {
        "cell": model.cell, "pass": [each.step for each in snapshots],
        "horizon": [each.decay.horizon for each in snapshots], "factor": [each.decay.factor for each in snapshots],
        "largest_hidden": [each.bounds.hidden[-1].max() for each in snapshots],
    }  # fmt: skip
    for gate in snapshots[0].saturation:
        left, right = zip(*(each.saturation[gate].ends for each in snapshots), strict=True)
        through |= {f"{gate}_left": left, f"{gate}_right": right}
    curves = [
        {"cell": model.cell, "pass": each.step}
        | {column: getattr(each.decay, column) for column in ("distance", "norm", "relative", "low", "high")}
        for each in snapshots
    ]
    return {"horizon": partial(csv_table, through), "gradient": partial(csv_table, *curves)}


def _do(change: Callable[..., None], *arguments: str) -> None:
    """Change the history and draw the page anew; what can't be done is said in the dialog."""
    try:
        change(*arguments)
    except StoreError as error:
        st.error(escape_markdown(error))
        return
    st.rerun()


@st.dialog("Rename")
def _rename(store: Store, id: str, model: Watched) -> None:
    with st.form("rename_watched", border=False):  # where Enter saves too
        name = st.text_input("Name", model.name, max_chars=NAME_LENGTH)
        saved = st.form_submit_button("Save", type="primary")
    if saved:
        _do(store.rename_watched, id, name)


@st.dialog("Delete?")
def _delete(store: Store, id: str, name: str) -> None:
    st.markdown(f"- {escape_markdown(name)}\n\nWhat was measured is lost.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", key="really_watched"):
            _do(store.delete_watched, id)
        if st.button("Keep"):
            st.rerun()
