"""Training on a page, in one place: what it will cost, the button, the progress, the runs."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import streamlit as st

from analysis import train
from analysis.capacity import require_memory
from analysis.config import Experiment
from analysis.results import Run
from analysis.tasks import build
from analysis.training import Trainer, cost
from analysis.wording import listed, stayed_at_chance
from pages.ui import sidebar
from pages.ui.sidebar import Settings

KEPT = 60  # runs, on the server
ADVICE = {"forget bias 1": {"init": "default", "forget_bias": 1.0}, "chrono": {"init": "chrono", "forget_bias": None}}
TRIED = 2e8  # multiply-adds of the steps that are timed to say what a training costs


class Runs:
    """The runs a server has, by experiment; the one unused for longest goes first."""

    def __init__(self) -> None:
        self._runs: OrderedDict[Experiment, Run] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, experiment: Experiment) -> Run | None:
        with self._lock:
            if experiment in self._runs:
                self._runs.move_to_end(experiment)
            return self._runs.get(experiment)

    def put(self, run: Run) -> None:
        with self._lock:
            self._runs[run.experiment] = run
            while len(self._runs) > KEPT:
                self._runs.popitem(last=False)


@st.cache_resource(show_spinner=False)
def kept() -> Runs:
    """Return the server's runs: a reload, or another visitor's same experiment, finds them trained."""
    return Runs()


def row(settings: Settings) -> tuple[dict[str, Run | None], Callable[[], None]]:
    """Draw the Train button with what it will cost.

    Returns each cell's run, None where there is none yet, and what a page calls last: it trains the next cell asked
    for and draws the page again, so that each cell is seen as it finishes.
    """
    runs = {cell: kept().get(experiment) for cell, experiment in settings.experiments.items()}
    missing = [experiment for cell, experiment in settings.experiments.items() if runs[cell] is None]
    asked = [experiment for experiment in missing if experiment in st.session_state.get("asked", ())]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Train", type="primary", icon=":material/play_arrow:", disabled=bool(asked) or not missing,
            on_click=_ask, args=(missing,), key="train",
        )  # fmt: skip
        if asked:
            st.button("Stop", icon=":material/stop:", on_click=_ask, args=([],), key="stop")
        said = st.empty()
    if not missing:
        said.caption("Trained.")
    else:
        said.progress(0.0, f"Training {asked[0].cell.upper()} …") if asked else said.caption("…")
    for experiment in missing:
        if why := st.session_state.get("failed", {}).get(experiment):
            st.error(f"{experiment.cell.upper()}: {why}")
    _advise(runs)

    def go_on() -> None:
        if asked:
            _train(asked[0], said)
            st.rerun()
        elif missing:
            said.caption(estimate(missing))

    return runs, go_on


def begin(experiments: list[Experiment]) -> None:
    """Ask for a training that needs no press of the button, once in a visit."""
    if experiments and not st.session_state.get("begun"):
        st.session_state["begun"] = True
        st.session_state["asked"] = (*st.session_state.get("asked", ()), *experiments)


def _ask(experiments: list[Experiment]) -> None:
    st.session_state["asked"] = tuple(experiments)
    st.session_state["failed"] = {}


def _train(experiment: Experiment, said) -> None:
    name, began = experiment.cell.upper(), time.monotonic()

    def show(snapshot) -> None:
        share = snapshot.step / experiment.steps
        left = (time.monotonic() - began) * (1 - share) / share if share else None
        said.progress(
            share,
            f"Training {name}: step {snapshot.step} of {experiment.steps}"
            + (f", about {duration(left)} left" if left is not None else ""),
        )

    try:
        kept().put(train(experiment, on_snapshot=show))
    except Exception as error:  # one cell's failure loses no other cell's run
        st.session_state["failed"] = st.session_state.get("failed", {}) | {experiment: str(error)}
        st.session_state["asked"] = tuple(other for other in st.session_state["asked"] if other != experiment)


def estimate(experiments: list[Experiment]) -> str:
    """Say what training will cost: "3 cells × 4 seeds, about 10 s"."""
    count, seeds = len(experiments), experiments[0].seeds
    what = f"{count} cell{'s' * (count > 1)} × {seeds} seed{'s' * (seeds > 1)}"
    try:
        return f"{what}, about {duration(sum(map(seconds, experiments)))}"
    except (ValueError, ModuleNotFoundError) as error:
        return str(error)


@st.cache_data(max_entries=200, show_spinner=False)
def seconds(experiment: Experiment) -> float:
    """Estimate how long an experiment trains, from a step and a snapshot of a shorter or smaller one."""
    task = build(experiment)
    require_memory(experiment, task, training=True)
    each = 3 * cost(experiment, task)["multiply_adds"]
    length = experiment.length if experiment.task == "digits" else min(experiment.task_length, 20)
    models = max(1, min(experiment.seeds, int(TRIED / each / task.length)))
    batch = max(1, min(experiment.batch_size, int(TRIED / each / task.length / models)))
    small = experiment.replace(length=length, seeds=models, batch_size=batch)
    trainer = Trainer(small, build(small))
    trainer.advance()
    began = time.perf_counter()
    trainer.advance()
    stepped = time.perf_counter()
    trainer.snapshot_meter.measure(trainer.weights, of=("memory",))
    measured = time.perf_counter()
    larger = task.length / trainer.task.length * experiment.seeds / models
    step = (stepped - began) * larger * experiment.batch_size / batch
    snapshot = (measured - stepped) * larger
    return experiment.steps * step + (experiment.steps / experiment.snapshot_every + 20) * snapshot


def duration(seconds: float) -> str:
    """Write a duration roughly: 8 s, 40 s, 3 min, 2 h."""
    if seconds < 90:
        return f"{max(1, round(seconds, -1 if seconds > 20 else None)):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _advise(runs: dict[str, Run | None]) -> None:
    """Where a gated cell learned nothing, link to a start that may help; name what diverged."""
    done = {cell: run for cell, run in runs.items() if run is not None}
    for cell, run in done.items():
        if run.diverged:
            first = run.diverged[0]
            st.warning(
                f"{cell.upper()}: {len(run.diverged)} of {run.experiment.seeds} models stopped; "
                f"model {first.model} at step {first.step}, where {first.reason}."
            )
    stuck = [cell for cell, run in done.items() if run.status == "finished" and stayed_at_chance(run)]
    gated = [cell for cell in stuck if cell != "rnn"]
    if not gated:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{listed([cell.upper() for cell in stuck])} stayed at chance. Try")
        for label, start in ADVICE.items():
            st.button(label, on_click=sidebar.put, args=(start,), type="tertiary")
