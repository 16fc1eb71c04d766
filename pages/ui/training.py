"""Training on a page: the buttons, what a training costs, how far it is, and the finished runs.

Workers train; a page only asks how far they are. The same settings are the same run for every visitor.
"""

import gc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis.experiment import Experiment
from analysis.history.database import NoRunError, StoreError
from analysis.history.entry import Progress, Row
from analysis.jobs.estimate import estimate_all, estimate_training
from analysis.jobs.pool import Jobs, QueueFullError
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.training import stayed_at_chance
from analysis.report.wording import join_cells, join_words
from analysis.results import Run
from analysis.tasks.registry import build_task
from pages.ui import session, sidebar
from pages.ui.settings import Settings

POLL = 0.5  # seconds between two looks at what trains
LOADED = 40  # results in the server's memory
ADVICE = {"forget bias 1": {"init": "default", "forget_bias": 1.0}, "chrono": {"init": "chrono", "forget_bias": None}}


@st.cache_resource(show_spinner=False, on_release=Jobs.close)
def jobs() -> Jobs:
    """Return the server's workers and its history; they start at the first call."""
    return Jobs()


@st.cache_resource(show_spinner=False)
def spare_what_is_loaded() -> None:
    """Leave what the server has loaded out of garbage collections.

    Streamlit makes a full one after every run of a page. It takes 0.14 s of every thread, and a page that trains is
    run every second.
    """
    gc.collect()
    gc.freeze()


@st.cache_resource(show_spinner=False, max_entries=LOADED)
def load(id: str) -> Run:
    """Return the result of a finished run."""
    return jobs().load(id)


def forget_others(ids: Iterable[str]) -> None:
    """Drop from the session the snapshots of all runs but these."""
    seen = session.SEEN.get()
    for id in seen.keys() - set(ids):
        del seen[id]


def follow(id: str) -> Progress:
    """Return a run as far as it has come; snapshots read before are not read again."""
    seen = session.SEEN.get()
    had = seen.get(id, ())
    row, new = jobs().watch(id, had[-1].step if had else -1)
    if had and row.step < had[-1].step:  # it went back to its checkpoint
        had, (row, new) = (), jobs().watch(id)
    seen[id] = (*had, *new)
    return Progress(row, seen[id], _chance_of(row))


def _chance_of(row: Row) -> float:
    """Return the metric of a model that guesses; NaN where the run's text or a library it needs is missing."""
    try:
        row.require_text()
        return _chance(row.experiment)
    except (StoreError, ValueError, ModuleNotFoundError):
        return float("nan")


@st.cache_data(max_entries=200, show_spinner=False)
def _chance(experiment: Experiment) -> float:
    return build_task(experiment).chance


def begin(experiments: Iterable[Experiment]) -> None:
    """Train what has no run yet without a press of the button: once in a visit, and only if no other run waits."""
    if not (session.BEGUN.get() or jobs().under_way):
        session.BEGUN.set(True)
        submit(each for each in experiments if not _find(each))


def submit(experiments: Iterable[Experiment]) -> None:
    """Submit experiments to the workers; remember why one was refused, and go on with the others."""
    for experiment in experiments:
        _refused().pop(experiment, None)
        try:
            jobs().submit(experiment)
        except (QueueFullError, ValueError, StoreError) as error:
            _refused()[experiment] = str(error)


def _refused() -> dict[Experiment, str]:
    return session.REFUSED.get()


def _find(experiment: Experiment) -> Row | None:
    try:
        return jobs().find(experiment)
    except ValueError:  # its text can't be read: the page says so
        return None


def progress(rows: Mapping[str, Row]) -> dict[str, Progress]:
    """Return runs as far as they have come; run the page again where one was deleted meanwhile."""
    forget_others(found.id for found in rows.values())
    try:
        return {cell: follow(found.id) for cell, found in rows.items()}
    except NoRunError:
        st.rerun()


@dataclass(frozen=True)
class TrainingRow:
    """What the buttons of a page train: the finished runs by cell, and those that wait, train or stopped.

    `remaining` holds the share that is left of each training that may begin or go on; `place` is where its cost is
    written.
    """

    runs: dict[str, Run]
    unfinished: dict[str, Row]
    remaining: dict[Experiment, float]
    place: DeltaGenerator

    def show_estimate(self) -> None:
        """Tell what the remaining trainings cost. Call it last: a step is tried for it."""
        if self.remaining and not any(row.live for row in self.unfinished.values()):
            self.place.caption(estimate(self.remaining))


def draw_row(settings: Settings, row: DeltaGenerator | None = None) -> TrainingRow:
    """Draw the buttons, in a row of the page if it has one, how far the training is, and what went wrong."""
    rows = {cell: _find(experiment) for cell, experiment in settings.experiments.items()}
    runs = _load_finished(rows)
    live = [row for row in rows.values() if row and row.live]
    stopped = {cell: row for cell, row in rows.items() if row and row.stopped}
    remaining = {
        experiment: 1 - stopped[cell].step / experiment.steps if cell in stopped else 1.0
        for cell, experiment in settings.experiments.items()
        if rows[cell] is None or cell in stopped
    }
    label = "Resume" if stopped and len(stopped) == len(remaining) else "Train"
    with row or st.container(horizontal=True, vertical_alignment="center"):
        place = _draw_buttons(label, remaining, live, runs)
    with st.container():
        _mention_others(rows.values())
        _mention_stopped(stopped, label)
        for experiment in remaining:
            if why := _refused().get(experiment):
                st.error(f"{experiment.cell.upper()}: {escape_markdown(why)}")
        _mention_trouble(rows.values())
        _advise(runs)
    unfinished = {cell: row for cell, row in rows.items() if row and row.status != "finished"}
    return TrainingRow(runs, unfinished, remaining, place)


def _load_finished(rows: Mapping[str, Row | None]) -> dict[str, Run]:
    """Return the results of the finished runs by cell; a damaged one is reported and left out."""
    runs = {}
    with st.container():
        for cell, row in rows.items():
            if row and row.status == "finished":
                try:
                    runs[cell] = load(row.id)
                except StoreError as error:
                    st.error(f"{cell.upper()}: {escape_markdown(error)}. Delete it on the page Runs to train again.")
    return runs


def _draw_buttons(
    label: str, remaining: Mapping[Experiment, float], live: list[Row], runs: Mapping[str, Run]
) -> DeltaGenerator:
    """Draw Train and Cancel and how far the training is; return the place of the line beside them."""
    st.button(
        label, type="primary", key="train",
        icon=":material/play_arrow:", disabled=not remaining, on_click=submit, args=(remaining,),
    )  # fmt: skip
    st.button(
        "Cancel", icon=":material/stop:", disabled=not live, on_click=_cancel, args=(live,), key="cancel",
    )  # fmt: skip
    with st.container():
        if live:
            st.fragment(_show_progress, run_every=POLL)([row.id for row in live])
        place = st.empty()
        if not live:
            all_diverged = runs and all(run.status == "diverged" for run in runs.values())
            place.caption("…" if remaining else "All models diverged." if all_diverged else "Trained.")
    return place


def _mention_stopped(stopped: Mapping[str, Row], label: str) -> None:
    """Tell which trainings were cancelled, and why the others stopped."""
    if cancelled := [row for row in stopped.values() if row.status == "cancelled"]:
        at = [f"{row.experiment.cell.upper()} at step {row.step}" for row in cancelled]
        whole = cancelled[0].experiment.steps
        st.caption(f"Cancelled: {join_words(at)} of {whole}. Nothing is lost: {label} goes on.")
    for cell, row in stopped.items():
        if row.status != "cancelled":
            show_reason(cell.upper(), row)


def show_reason(name: str, row: Row) -> None:
    """Tell why a run failed or was interrupted."""
    show = st.error if row.status == "failed" else st.warning
    show(f"{name}: {row.status} at step {row.step}, {escape_markdown(row.reason)}.")


def _mention_others(rows: Iterable[Row | None]) -> None:
    """Mention runs of other settings that train or wait, as after a setting was moved, with a link to them."""
    others = len({*jobs().under_way} - {found.id for found in rows if found})
    if others:
        said = f"{others} run{'s' * (others > 1)} with other settings under way: see Runs"
        st.page_link("pages/runs/runs.py", label=said, icon=":material/history:")


def _show_progress(ids: list[str]) -> None:
    """Show how far runs are; once one has ended, run the page again."""
    try:
        rows = [jobs().row(id) for id in ids]
    except NoRunError:
        st.rerun()
    if not all(each.live for each in rows):
        st.rerun()
    whole = rows[0].experiment.steps
    at = [f"{each.experiment.cell.upper()} {each.step}" for each in rows if each.status == "running"]
    waiting = jobs().waiting
    if at:
        said = f"{join_words(at)} of {whole} steps{_left(rows)}"
    elif waiting == len(jobs().under_way):
        said = "The workers are starting"
    else:
        said = f"Waiting for a free core; {waiting} run{'s wait' if waiting > 1 else ' waits'}"
    st.progress(sum(each.step for each in rows) / whole / len(rows), said)


def _left(rows: list[Row]) -> str:
    """Return the time that runs still take, roughly, or how many of them wait, as the end of a line."""
    if waiting := sum(each.status == "queued" for each in rows):
        return f"; {waiting} wait{'s' * (waiting == 1)} for a free core"
    if not all(each.step for each in rows):
        return ""
    left = max(each.seconds * (each.experiment.steps / each.step - 1) for each in rows)
    return f", about {duration(left)} left"


def _cancel(rows: list[Row]) -> None:
    for each in rows:
        try:
            jobs().cancel(each.id)
        except StoreError as error:
            _refused()[each.experiment] = str(error)


def _mention_trouble(rows: Iterable[Row | None]) -> None:
    """Warn where the history can't be used, or a run is kept in memory alone."""
    unsaved = next((found.unsaved for found in rows if found and found.unsaved), None)
    if unsaved or jobs().trouble:
        what = "This training is" if unsaved else "The history can't be used: trainings are"
        st.warning(f"{what} kept in memory, until the server stops: {escape_markdown(unsaved or jobs().trouble)}")


def estimate(left: Mapping[Experiment, float]) -> str:
    """Describe what is left of some trainings by its cost: "3 cells × 4 seeds, about 10 s"."""
    count, seeds = len(left), next(iter(left)).seeds
    what = f"{count} cell{'s' * (count > 1)} × {seeds} seed{'s' * (seeds > 1)}"
    try:
        return f"{what}, about {duration(estimate_all([seconds(each) * share for each, share in left.items()]))}"
    except (ValueError, ModuleNotFoundError) as error:
        return escape_markdown(error)


@st.cache_data(max_entries=200, show_spinner=False)
def seconds(experiment: Experiment) -> float:
    """Estimate the seconds of a training, once."""
    return estimate_training(experiment)


def duration(seconds: float) -> str:
    """Write a duration roughly: 8 s, 40 s, 3 min, 2 h."""
    if seconds < 90:
        return f"{max(1, round(seconds, -1 if seconds > 20 else None)):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _advise(runs: dict[str, Run | None]) -> None:
    """Name the models that diverged; where a gated cell learned nothing, offer a start that may help."""
    done = {cell: run for cell, run in runs.items() if run is not None}
    for cell, run in done.items():
        if run.diverged:
            first = run.diverged[0]
            st.warning(
                f"{cell.upper()}: {len(run.diverged)} of {run.experiment.seeds} models stopped; "
                f"model {first.model} at step {first.step}, where {escape_markdown(first.reason)}."
            )
    stuck = [cell for cell, run in done.items() if run.status == "finished" and stayed_at_chance(run)]
    gated = [cell for cell in stuck if cell != "rnn"]
    if not gated:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{join_cells(stuck)} stayed at chance. Try")
        for label, start in ADVICE.items():
            st.button(label, on_click=sidebar.put, args=(start,), type="tertiary")
