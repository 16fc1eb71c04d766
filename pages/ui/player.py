"""Through a training's snapshots: a slider over its steps, play and pause, one snapshot back or on."""

import time
from collections.abc import Callable, Hashable
from typing import TypeVar

import streamlit as st

from analysis.experiment import Experiment
from analysis.history.entry import Progress
from analysis.results import Run, Snapshot
from pages.ui.training import POLL

BEAT = 0.4  # seconds that a snapshot is shown while they play
SELDOM = 3.0  # seconds that `seldom` shows a picture
STOPS = 200  # of the slider
STEP = "Which of the training's snapshots is shown."

R = TypeVar("R")


def plays(name: str) -> bool:
    """Whether snapshots play."""
    return st.session_state.get(f"{name}_plays", False)


def moving(name: str, draw: Callable[[], R], live: bool) -> R:
    """Draw what moves while something trains or plays: a fragment of the page. Return what it returns at first."""
    st.session_state[f"{name}_beats"] = False  # not before the picture has been seen
    return st.fragment(draw, run_every=POLL if live else BEAT if plays(name) else None)()


def seldom(name: str, of: Hashable, draw: Callable[[], R]) -> R:
    """Return a picture that is too costly for every look at what trains: the last one of the same, for a while."""
    held, now = st.session_state.get(f"{name}_held"), time.monotonic()
    if not held or held[0] != of or now > held[1]:
        held = st.session_state[f"{name}_held"] = of, now + SELDOM, draw()
    return held[2]


def row(name: str, experiment: Experiment, reached: int | None = None) -> int:
    """Draw the row, inside of what is `moving`; return the step to show.

    Args:
        name: key of the slider, and its name in the URL.
        experiment: whose training it is.
        reached: the step it has come to; None where it is finished, and there is something to play.
    """
    if st.session_state.pop(f"{name}_moved", False):
        st.rerun()  # the rest of the page follows, and a beat starts or ends
    stops, still = _stops(experiment), reached is not None
    if still:
        st.session_state[f"{name}_plays"] = False
    playing = plays(name)
    if st.session_state.get(name, stops[0]) not in stops:
        del st.session_state[name]
    if playing and st.session_state.get(f"{name}_beats") and _go(name, stops, 1) == stops[-1]:
        _play(name, stops, False)
        st.rerun()
    st.session_state[f"{name}_beats"] = playing
    if not (still or playing) and st.session_state.pop(f"{name}_played", False):
        _go(name, stops, 0)  # and with it the URL
    # Two buttons: a press that meets a beat may be told twice, and the second time find the other one.
    said, sign = ("Pause", "pause") if playing else ("Play", "play_arrow")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        for part, label, icon, help, call, args in (
            (said.lower(), said, sign, None, _play, (name, stops, not playing)),
            ("back", "", "skip_previous", "One snapshot back", _step, (name, stops, -1)),
            ("on", "", "skip_next", "One snapshot on", _step, (name, stops, 1)),
        ):
            st.button(
                label, icon=f":material/{icon}:", help=help, key=f"{name}_{part}", on_click=call, args=args,
                disabled=still or (playing and part != "pause"),
            )  # fmt: skip
        if still:
            st.session_state[f"{name}_live"] = max(stop for stop in stops if stop <= reached)
            return st.select_slider("Training step", stops, key=f"{name}_live", disabled=True, help=STEP)
        # A beat that wrote its step into the URL would undo what another control has just written there.
        bind = None if playing else "query-params"
        return st.select_slider(
            "Training step", stops, stops[-1], key=name, bind=bind, on_change=_note, args=(name,), help=STEP
        )


def snapshot(run: Run | Progress, step: int) -> Snapshot:
    """Return the last snapshot that was taken up to a step."""
    return [each for each in run.snapshots if each.step <= step][-1]


def _stops(experiment: Experiment) -> list[int]:
    """Return the steps at which snapshots are taken, thinned where there are many."""
    taken = range(0, experiment.steps, experiment.snapshot_every)
    return [*taken[:: -(-len(taken) // STOPS)], experiment.steps]


def _play(name: str, stops: list[int], plays: bool) -> None:
    st.session_state[f"{name}_plays"] = plays
    st.session_state[f"{name}_played"] = not plays
    if plays and st.session_state.get(name, stops[-1]) == stops[-1]:
        st.session_state[name] = stops[0]
    _note(name)


def _step(name: str, stops: list[int], by: int) -> None:
    _go(name, stops, by)
    _note(name)


def _go(name: str, stops: list[int], by: int) -> int:
    here = stops.index(st.session_state.get(name, stops[-1])) + by
    st.session_state[name] = stops[min(max(here, 0), len(stops) - 1)]
    return st.session_state[name]


def _note(name: str) -> None:
    st.session_state[f"{name}_moved"] = True
