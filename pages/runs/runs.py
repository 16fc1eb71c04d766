"""Runs: every training that is kept, to look at again, compare, take away or delete."""

import plotly.graph_objects as go
import streamlit as st

from analysis.figures import comparison
from analysis.history.entry import Progress
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.runs import count_sentence
from analysis.report.tables import runs_tables
from analysis.results import Run
from pages.ui import export, history, layout, run_actions, runs_table, sidebar, training, watched

sidebar.show()  # nothing of it
jobs = training.jobs()
every = {row.id: row for row in jobs.rows()}
several = ", two or more to compare them" if len(every) > 1 else ""
layout.title("What has been trained?", f"Tick a run to see it{several}." if every else "")
if jobs.trouble:
    st.warning(
        f"The history can't be used, runs are kept in memory until the server stops: {escape_markdown(jobs.trouble)}"
    )
for what in jobs.damaged:
    st.warning(escape_markdown(what))
with st.container(horizontal=True, vertical_alignment="bottom"):
    words = st.text_input(
        "Filter", key="filter", bind="query-params", placeholder="lstm recall finished", width=320,
        help="Shows the runs in whose name, settings or status every word occurs.",
    )  # fmt: skip
    run_actions.show_import()
with st.container():
    chosen = history.chosen_rows(every)
if not every and watched.section(jobs.store):
    st.stop()
if not every:
    st.info("Nothing has been trained yet: press Train on the page below, or import a run that was exported.")
    st.page_link("pages/measure/decay.py", label="Gradient decay", icon=":material/trending_down:")
    st.stop()
ids = [row.id for row in runs_table.matching_rows(every.values(), words)]
live = [row.id for row in every.values() if row.live]
read = [every]  # for the first drawing; those that follow a training read anew
pictures: dict[str, go.Figure] = {}  # a download during a training takes the latest


def picture() -> dict[str, Run | Progress]:
    """Draw the table and the runs chosen, as far as they have come."""
    rows = read.pop() if read else {row.id: row for row in jobs.rows()}
    if rows.keys() != every.keys() or any(not rows[id].live for id in live):
        st.rerun()
    if ids:
        runs_table.show_table([rows[id] for id in ids])
    else:
        st.info("No run has all these words.")
    shown = history.load_runs([rows[row.id] for row in chosen])
    if not shown:
        return {}
    pictures.update(history.draw_runs(chosen, shown))
    layout.chart(pictures["decay"], "runs-decay", "Gradient left against distance, of each run", moves=bool(live))
    st.markdown(history.runs_sentences(shown))
    layout.chart(pictures["timeline"], "timeline", "Horizon and metric against updates, of each run", moves=bool(live))
    if "memory" in pictures:
        layout.chart(pictures["memory"], "memory", "What each run answers by distance")
    return shown


toolbar = st.container()
shown = st.fragment(picture, run_every=training.POLL if live else None)()
with toolbar:
    run_actions.show_actions(chosen)
    st.caption(count_sentence(len(ids), len(every), len(chosen)))
    run_actions.mention_chosen(chosen, hidden=[row for row in chosen if row.id not in ids])
if shown:
    experiments = {row.id: row.experiment for row in chosen}
    export.row("runs", pictures, experiments, runs_tables(shown, comparison.decays(shown)), trained=experiments)
watched.section(jobs.store)
