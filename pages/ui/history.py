"""The runs that are ticked on the page Runs: which they are, what each says, what is drawn of them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

import plotly.graph_objects as go
import streamlit as st

from analysis.figures import comparison
from analysis.history.database import StoreError
from analysis.history.entry import Progress, Row
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.progress import progress_sentence
from analysis.report.sentences.runs import gone_sentence, runs_list
from analysis.report.sentences.training import training_sentence
from analysis.report.wording import describe_experiment
from analysis.results import Run
from pages.ui import layout, session, sidebar, training

RUN, CHOSEN = "run", "chosen"  # in the URL: one whose settings to take over, those to look at


def open_run() -> None:
    """Set every widget as the run in the URL says, before they are drawn: a drawn widget ignores the URL."""
    if RUN in st.query_params:
        with suppress(StoreError):
            experiment = training.jobs().row(st.query_params[RUN]).experiment
            if sidebar.fits(experiment):
                sidebar.take_over(experiment)
        del st.query_params[RUN]


def chosen_rows(every: Mapping[str, Row]) -> list[Row]:
    """Return the runs ticked, in this session or at first in the URL, and write their ids into the URL.

    Say how many of them are gone, until another one is ticked.
    """
    ids = session.CHOSEN.get()
    here = [id for id in ids if id in every]
    if here:
        st.query_params[CHOSEN] = here
    elif CHOSEN in st.query_params:
        del st.query_params[CHOSEN]
    if gone := len(ids) - len(here):
        st.warning(gone_sentence(gone), icon=":material/link_off:")
    return [every[id] for id in here]


def run_title(row: Row) -> str:
    """Return a run's name: the user's, else its settings."""
    return row.name or describe_experiment(row.experiment)


def rows_by_label(rows: Sequence[Row]) -> dict[str, Row]:
    """Return runs by a label that no other run has: the title, with the id where titles are equal."""
    titles = [run_title(row) for row in rows]
    return {
        f"{title} · {row.id}" if titles.count(title) > 1 else title: row
        for title, row in zip(titles, rows, strict=True)
    }


def load_runs(rows: Sequence[Row]) -> dict[str, Run | Progress]:
    """Return runs by label, as results or as far as they have come; show what can't be read, and leave it out."""
    runs: dict[str, Run | Progress] = {}
    training.forget_others(row.id for row in rows)
    for label, row in rows_by_label(rows).items():
        try:
            runs[label] = training.load(row.id) if row.status == "finished" else training.follow(row.id)
        except StoreError as error:
            st.error(escape_markdown(error))
    return {label: run for label, run in runs.items() if run.snapshots}


def draw_runs(rows: Sequence[Row], runs: Mapping[str, Run | Progress]) -> dict[str, go.Figure]:
    """Return the pictures of runs by name; where all are finished, the server draws them once."""
    drawings = {"decay": comparison.decay, "timeline": comparison.timeline}
    if any(isinstance(run, Run) for run in runs.values()):
        drawings["memory"] = comparison.memory
    if not all(isinstance(run, Run) for run in runs.values()):
        return {name: draw(runs) for name, draw in drawings.items()}
    subject = f"{[row.id for row in rows]} {list(runs)}"
    return {name: layout.kept(f"runs {name} {subject}", partial(draw, runs)) for name, draw in drawings.items()}


def runs_sentences(runs: Mapping[str, Run | Progress]) -> str:
    """Return of each run how far it can be taught and what it answers, and in which the gradient reaches farthest."""
    sentences = {}
    for label, run in runs.items():
        cell = run.experiment.cell
        if isinstance(run, Run):
            sentence = training_sentence(cell, run)
        else:
            sentence = progress_sentence(run.experiment, run.row.status, run.snapshots, run.chance, run.metric_name)
        sentences[label] = sentence.removeprefix(cell.upper()).lstrip(":, ")  # the label names the cell
    tasks = {(run.experiment.task, run.experiment.task_length) for run in runs.values()}
    return runs_list(sentences, comparison.decays(runs), alike=len(tasks) == 1)
