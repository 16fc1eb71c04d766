"""Training on a page: the buttons, what a training costs, how far it is, and the finished runs.

Workers train; a page only asks how far they are. The same settings are the same run for every visitor.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis.experiment import GATED, SETTINGS, Experiment, metric_names
from analysis.history.database import NoRunError, StoreError
from analysis.history.entry import Progress, Row
from analysis.history.shipped import find_shipped, is_shipped, load_shipped
from analysis.jobs.estimate import Forecast, estimate_ends
from analysis.jobs.pool import WAITING, QueueFullError
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.estimate import cost_sentence, progress_line, starting_line
from analysis.report.sentences.training import has_not_learned, shipped_sentence
from analysis.report.wording import join_cells, join_words
from analysis.results import Run
from analysis.sources import SourceError
from analysis.tasks.registry import build_task
from pages.ui import session, sidebar
from pages.ui.server import jobs
from pages.ui.settings import Settings

POLL = 0.5  # seconds between two looks at what trains
LOADED = 40  # results in the server's memory
SHIPPED = "A model that came with Goldfish, trained. Train trains it anew, while you watch, and keeps it."
STARTS = {"chrono": {"init": "chrono", "forget_bias": None}, "forget bias 1": {"init": "default", "forget_bias": 1.0}}


@st.cache_resource(show_spinner=False, max_entries=LOADED)
def load(id: str) -> Run:
    """Return the result of a finished run, or of one that is shipped."""
    return load_shipped(id) if is_shipped(id) else jobs().load(id)


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
    return Progress(row, seen[id], *_guessing_of(row))


def _guessing_of(row: Row) -> tuple[float, str]:
    """Return what a model that guesses gets, and by which metric.

    Where the run's text or data or a library it needs is missing, that is NaN, by a metric that may not be known.
    """
    try:
        row.require_text()
        return guessing(row.experiment)
    except (StoreError, ValueError, ModuleNotFoundError):
        names = metric_names(row.experiment.task)
        return float("nan"), names[0] if len(names) == 1 else "metric"


@st.cache_data(max_entries=200, show_spinner=False, hash_funcs={Experiment: repr})
def guessing(experiment: Experiment) -> tuple[float, str]:
    """Return what a model that guesses gets, and by which metric; ValueError where the task can't be built."""
    task = build_task(experiment)
    return task.chance, task.metric_name


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


def _find_shipped(experiment: Experiment) -> str | None:
    try:
        return find_shipped(experiment)
    except ValueError:  # as above
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
    """What the buttons of a page train: the trained runs and their ids by cell, and what waits, trains or stopped.

    A run that is shipped stands for one that was never trained here.
    """

    runs: dict[str, Run]
    ids: dict[str, str]
    unfinished: dict[str, Row]


def draw_row(settings: Settings, row: DeltaGenerator | None = None) -> TrainingRow:
    """Draw the buttons, in a row of the page if it has one, how far the training is, and what went wrong."""
    rows = {cell: _find(experiment) for cell, experiment in settings.experiments.items()}
    ids = {cell: row.id for cell, row in rows.items() if row and row.status == "finished"}
    shipped = {cell: id for cell in rows if rows[cell] is None and (id := _find_shipped(settings.experiments[cell]))}
    runs = _load({cell: (ids | shipped)[cell] for cell in rows if cell in ids | shipped})
    live = [row for row in rows.values() if row and row.live]
    stopped = {cell: row for cell, row in rows.items() if row and row.stopped}
    remaining = {
        experiment: stopped[cell].step if cell in stopped else 0
        for cell, experiment in settings.experiments.items()
        if rows[cell] is None or cell in stopped
    }
    label = "Resume" if stopped and len(stopped) == len(remaining) else "Train"
    with row or st.container(horizontal=True, vertical_alignment="center"):
        _draw_buttons(label, remaining, live)
        with st.container(key="takes"):
            if live:
                st.fragment(_show_progress, run_every=POLL)([row.id for row in live])
            elif remaining:
                shown = {each.cell for each in remaining} | runs.keys()
                came = shipped_sentence([*shipped], len(shown))
                said = filter(None, (_cancelled_sentence(stopped, label), came, estimate(remaining)))
                st.caption(" ".join(said), help=SHIPPED if shipped else None)
            else:
                all_diverged = runs and all(run.status == "diverged" for run in runs.values())
                st.caption("All models diverged." if all_diverged else "Trained.")
    with st.container():
        _mention_others(rows.values())
        _mention_stopped(stopped)
        for experiment in remaining:
            if why := _refused().get(experiment):
                st.error(f"{experiment.cell.upper()}: {escape_markdown(why)}")
        _mention_trouble(rows.values())
        _advise(runs)
    unfinished = {cell: row for cell, row in rows.items() if row and row.status != "finished"}
    return TrainingRow(runs, {cell: (ids | shipped)[cell] for cell in runs}, unfinished)


def _load(ids: Mapping[str, str]) -> dict[str, Run]:
    """Return the results of finished runs by cell; a damaged one is reported and left out."""
    runs = {}
    with st.container():
        for cell, id in ids.items():
            try:
                runs[cell] = load(id)
            except StoreError as error:
                st.error(f"{cell.upper()}: {escape_markdown(error)}. Delete it on the page Runs to train again.")
    return runs


def _draw_buttons(label: str, remaining: Mapping[Experiment, int], live: list[Row]) -> None:
    """Draw Train and Cancel."""
    st.button(
        label, type="primary", key="train",
        icon=":material/play_arrow:", disabled=not remaining, on_click=submit, args=(remaining,),
    )  # fmt: skip
    st.button(
        "Cancel", icon=":material/stop:", disabled=not live, on_click=_cancel, args=(live,), key="cancel",
    )  # fmt: skip


def _cancelled_sentence(stopped: Mapping[str, Row], label: str) -> str:
    """Say which trainings were cancelled; "" where none was. `label` is that of the button which goes on."""
    cancelled = [row for row in stopped.values() if row.status == "cancelled"]
    if not cancelled:
        return ""
    at = [f"{row.experiment.cell.upper()} after {row.step}" for row in cancelled]
    whole = cancelled[0].experiment.steps
    return f"Cancelled: {join_words(at)} of {whole} updates. Nothing is lost: {label} goes on."


def _mention_stopped(stopped: Mapping[str, Row]) -> None:
    """Tell why trainings stopped that nobody cancelled."""
    for cell, row in stopped.items():
        if row.status != "cancelled":
            show_reason(cell.upper(), row)


def show_reason(name: str, row: Row) -> None:
    """Tell why a run failed or was interrupted."""
    show = st.error if row.status == "failed" else st.warning
    show(f"{name}: {row.status} after {row.step} updates, {escape_markdown(row.reason)}.")


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
    at = {each.experiment.cell: each.step for each in rows if each.status == "running"}
    waiting = [each.experiment.cell for each in rows if each.status == "queued"]
    seconds = _seconds_until_ended(rows)
    starting = not at and jobs().waiting == len(jobs().under_way)
    said = starting_line(seconds) if starting else progress_line(at, waiting, whole, seconds)
    st.progress(sum(each.step for each in rows) / whole / len(rows), said)


def _seconds_until_ended(rows: Iterable[Row]) -> float:
    """Return the seconds until the last of some runs ends; runs that were submitted before them train first."""
    left = seconds_under_way()
    ends = dict(zip(left, estimate_ends(list(left.values())), strict=True))
    return max(ends[row.id] if row.id in ends else _seconds_of(row) for row in rows)


def seconds_under_way() -> dict[str, float]:
    """Return the seconds that are left of each run that trains or waits here, in the order of their turns."""
    left, under_way = {}, jobs().under_way
    for id in under_way:
        with suppress(NoRunError):  # it was deleted meanwhile
            left[id] = _seconds_of(jobs().row(id), len(under_way))
    return left


def _seconds_of(row: Row, together: int = 1) -> float:
    """Return the seconds of training that are left of a run, one of so many; 0 where it will fail at once."""
    try:
        row.require_text()
        return _forecast(row.id, row.experiment).seconds_left(row.step, row.seconds, together)
    except (StoreError, ValueError, ModuleNotFoundError):
        return 0.0


@st.cache_resource(show_spinner=False, max_entries=2 * WAITING)
def _forecast(id: str, _experiment: Experiment) -> Forecast:
    """Return what foretells the end of a run, with the pace that it was seen to have."""
    return Forecast(_experiment)


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


def estimate(remaining: Mapping[Experiment, int]) -> str:
    """Say what trainings take that have made so many updates: "3 cells × 4 seeds, about 10 s"."""
    before = seconds_under_way()
    together = len(before) + len(remaining)
    try:
        seconds = [Forecast(each).seconds(step, together) for each, step in remaining.items()]
    except SourceError:  # the page says what is wrong with its file, by the name that its user knows
        return ""
    except (ValueError, ModuleNotFoundError) as error:
        return escape_markdown(error)
    last = max(estimate_ends([*before.values(), *seconds])[len(before) :])
    return cost_sentence(len(remaining), next(iter(remaining)).seeds, last, len(before))


def _advise(runs: dict[str, Run | None]) -> None:
    """Name the models that diverged; where a cell has not learned, offer what may help."""
    done = {cell: run for cell, run in runs.items() if run is not None}
    for cell, run in done.items():
        if run.diverged:
            first = run.diverged[0]
            st.warning(
                f"{cell.upper()}: {len(run.diverged)} of {run.experiment.seeds} models stopped; "
                f"model {first.model} after {first.step} updates, where {escape_markdown(first.reason)}."
            )
    stuck = [cell for cell, run in done.items() if run.status == "finished" and has_not_learned(run)]
    if not stuck:
        return
    gated = [cell for cell in stuck if cell in GATED]
    now = done[(gated or stuck)[0]].experiment
    advice = (STARTS if gated else {}) | {"more updates": {"steps": min(2 * now.steps, int(SETTINGS["steps"].high))}}
    new = {label: start for label, start in advice.items() if now != now.replace(**start)}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{join_cells(stuck)} {'has' if len(stuck) == 1 else 'have'} not learned yet." + " Try" * bool(new))
        for label, start in new.items():
            st.button(label, on_click=sidebar.put, args=(start,), type="tertiary")
