"""The row above a picture that moves: play and pause, one snapshot back or on, a slider over a training's steps.

`playback` decides what a press, a beat or a move changes; here it is drawn.
"""

import time
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import streamlit as st

from analysis.experiment import Experiment
from analysis.history.entry import Progress
from analysis.results import Run, Snapshot
from pages.ui import session
from pages.ui.playback import Playback, stops_of

BEAT = 0.4  # seconds that a snapshot is shown while they play
HELD = 3.0  # seconds that `held_picture` keeps a picture
LIVE = 1.0  # seconds between two pictures of what trains

R = TypeVar("R")


def is_playing(slider: str) -> bool:
    """Return whether a slider plays."""
    return session.playback(slider).get().playing


def moving(slider: str, draw: Callable[[], R], live: bool) -> R:
    """Draw the part of the page that holds the slider, and repeat it while something trains or the slider plays.

    Args:
        slider: name of the slider, as in `draw_row`.
        draw: draws the part, and calls `draw_row`.
        live: whether something trains.

    Returns:
        What `draw` returned when the whole page was drawn.
    """
    session.playback(slider).get().draw_page()
    every = LIVE if live else BEAT if is_playing(slider) else None
    return st.fragment(draw, run_every=every)()


def held_picture(name: str, subject: Hashable, draw: Callable[[], R]) -> R:
    """Return the picture of a subject, drawn again only after `HELD` seconds: it costs too much for every look.

    Args:
        name: key of the picture.
        subject: what the picture is of; the picture of another subject is drawn at once.
        draw: returns the picture.
    """
    held, now = session.held_picture(name).get(), time.monotonic()
    if held is None or held.subject != subject or now > held.until:
        held = session.HeldPicture(subject, now + HELD, draw())
        session.held_picture(name).set(held)
    return held.picture


def draw_row(slider: str, experiment: Experiment, reached: int | None = None) -> int:
    """Draw the buttons and the slider, from within the function that `moving` repeats; return the step to show.

    Args:
        slider: key of the slider, and its name in the URL.
        experiment: whose training it is.
        reached: the step that an unfinished training has come to; None for a finished one, which can be played.
    """
    playback, chosen, stops = session.playback(slider).get(), session.chosen_step(slider), stops_of(experiment)
    _rerun_where_behind(playback)
    if reached is not None:
        playback.train()
    if chosen.get() not in (None, *stops):
        chosen.forget()
    if playback.is_due:
        chosen.set(playback.beat(stops, _step(slider, stops)))
        _rerun_where_behind(playback)
    playback.show()
    if reached is None and playback.catch_up_url():
        chosen.set(_step(slider, stops))  # setting the value makes Streamlit write it into the URL
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _draw_buttons(slider, stops, playback.playing, reached is not None)
        if reached is None:
            return _draw_slider(slider, stops, playback)
        live = session.live_step(slider)
        live.set(max(stop for stop in stops if stop <= reached))
        return st.select_slider("Update", stops, key=live.name, disabled=True, label_visibility="collapsed")


def snapshot(run: Run | Progress, step: int) -> Snapshot:
    """Return the last snapshot that was taken up to a step."""
    return [each for each in run.snapshots if each.step <= step][-1]


def _rerun_where_behind(playback: Playback) -> None:
    """Run the whole page again after a press or a move: its other parts show that step, and beats start or end."""
    if playback.catch_up_page():
        st.rerun()


def _draw_buttons(slider: str, stops: Sequence[int], playing: bool, disabled: bool) -> None:
    """Draw Play or Pause, and the buttons of one snapshot back and on, disabled while it plays."""
    # Play and Pause are two buttons, not one that toggles: Streamlit may report a press twice where it coincides with
    # a beat, and the second report of a toggle would undo the first.
    name, icon, press = ("Pause", "pause", _press_pause) if playing else ("Play", "play_arrow", _press_play)
    st.button(
        name, icon=f":material/{icon}:", key=f"{slider}_{name.lower()}",
        on_click=press, args=(slider, stops), disabled=disabled,
    )  # fmt: skip
    for label, key, icon, help, by in (
        ("Back", "back", "skip_previous", "One snapshot back", -1),
        ("Next", "on", "skip_next", "One snapshot on", 1),
    ):
        st.button(
            label, icon=f":material/{icon}:", help=help, key=f"{slider}_{key}",
            on_click=_press_step, args=(slider, stops, by), disabled=disabled or playing,
        )  # fmt: skip
    st.markdown("Update", width="content")


def _draw_slider(slider: str, stops: Sequence[int], playback: Playback) -> int:
    """Draw the slider of a finished training and return its step."""
    # A beat that wrote its step into the URL would undo what another control has just written there.
    bind = None if playback.playing else "query-params"
    return st.select_slider(
        "Update",
        stops,
        stops[-1],
        key=slider,
        bind=bind,
        on_change=_move,
        args=(slider,),
        label_visibility="collapsed",
    )


def _step(slider: str, stops: Sequence[int]) -> int:
    """Return the slider's step, the last one where it was not drawn yet."""
    step = session.chosen_step(slider).get()
    return stops[-1] if step is None else step


def _press_play(slider: str, stops: Sequence[int]) -> None:
    step = _step(slider, stops)
    start = session.playback(slider).get().press_play(stops, step)
    if start != step:
        session.chosen_step(slider).set(start)


def _press_pause(slider: str, _stops: Sequence[int]) -> None:
    session.playback(slider).get().press_pause()


def _press_step(slider: str, stops: Sequence[int], by: int) -> None:
    session.chosen_step(slider).set(session.playback(slider).get().press_step(stops, _step(slider, stops), by))


def _move(slider: str) -> None:
    session.playback(slider).get().move()
