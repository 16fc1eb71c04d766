"""The row beside a picture that moves: play and pause, one stop back or on, and a slider.

It runs over a training's snapshots, or over what another `Track` holds.

`playback` decides what a press, a beat or a move changes; here it is drawn.
"""

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st

from analysis.experiment import Experiment
from analysis.history.entry import Progress
from analysis.language import translate as _
from analysis.results import Run, Snapshot
from pages.ui import language, session
from pages.ui.playback import Playback, stops_of

BEAT = 0.4  # seconds that a snapshot is shown while they play
HELD = 3.0  # seconds that `held_picture` keeps a picture
LIVE = 1.0  # seconds between two pictures of what trains

STILL = """<style>
@media (prefers-reduced-motion: reduce) { [class*="st-key-"][class*="_play"] { display: none; } }
</style>"""  # who asks for less motion steps, and is offered no playing

R = TypeVar("R")


@dataclass(frozen=True)
class Track:
    """What a slider runs over: its stops, which of them is shown at first, and how they are called."""

    slider: str  # key of the slider, and its name in the URL
    stops: Sequence[int]
    first: int  # the stop shown at first
    label: str
    name: Callable[[int], str] = str  # of a stop, along the slider


def is_playing(slider: str) -> bool:
    """Return whether a slider plays."""
    return session.playback(slider).get().playing


def moving(slider: str, draw: Callable[[], R], live: bool = False, beat: float = BEAT) -> R:
    """Draw the part of the page that holds the slider, and repeat it while something trains or the slider plays.

    Args:
        slider: name of the slider, as in `draw_row`.
        draw: draws the part, and calls `draw_row`.
        live: whether something trains.
        beat: seconds that a stop is shown while it plays.

    Returns:
        What `draw` returned when the whole page was drawn.
    """
    session.playback(slider).get().draw_page()
    every = LIVE if live else beat if is_playing(slider) else None
    return language.fragment(draw, every)()


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
    stops = stops_of(experiment)
    return draw_track(Track(slider, stops, stops[-1], "Update"), reached)


def draw_track(track: Track, reached: int | None = None) -> int:
    """Draw the buttons and the slider of a track, otherwise as `draw_row`."""
    playback, chosen = session.playback(track.slider).get(), session.chosen_step(track.slider)
    _rerun_where_behind(playback)
    if reached is not None:
        playback.train()
    if chosen.get() not in (None, *track.stops):
        chosen.forget()
    if playback.is_due:
        chosen.set(playback.beat(track.stops, _step(track)))
        _rerun_where_behind(playback)
    playback.show()
    if reached is None and playback.catch_up_url():
        chosen.set(_step(track))  # setting the value makes Streamlit write it into the URL
    st.html(STILL)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _draw_buttons(track, playback.playing, reached is not None)
        if reached is None:
            return _draw_slider(track, playback)
        live = session.live_step(track.slider)
        live.set(max(stop for stop in track.stops if stop <= reached))
        return st.select_slider(track.label, track.stops, key=live.name, disabled=True, label_visibility="collapsed")


def snapshot(run: Run | Progress, step: int) -> Snapshot:
    """Return the last snapshot that was taken up to a step."""
    return [each for each in run.snapshots if each.step <= step][-1]


def _rerun_where_behind(playback: Playback) -> None:
    """Run the whole page again after a press or a move: its other parts show that step, and beats start or end."""
    if playback.catch_up_page():
        st.rerun()


def _draw_buttons(track: Track, playing: bool, disabled: bool) -> None:
    """Draw Play or Pause, the buttons of one stop back and on, disabled while it plays, and the slider's label."""
    # Play and Pause are two buttons, not one that toggles: Streamlit may report a press twice where it coincides with
    # a beat, and the second report of a toggle would undo the first.
    name, key, icon, press = (
        (_("Pause"), "pause", "pause", _press_pause) if playing else (_("Play"), "play", "play_arrow", _press_play)
    )
    st.button(
        name, icon=f":material/{icon}:", key=f"{track.slider}_{key}", on_click=press, args=(track,), disabled=disabled
    )
    steps = ((_("Back"), "back", "skip_previous", -1), (_("Next"), "on", "skip_next", 1))
    for label, key, icon, by in steps:
        st.button(
            label, icon=f":material/{icon}:", help=_("One back") if by < 0 else _("One on"),
            key=f"{track.slider}_{key}", on_click=_press_step, args=(track, by), disabled=disabled or playing,
        )  # fmt: skip
    st.markdown(track.label, width="content")


def _draw_slider(track: Track, playback: Playback) -> int:
    """Draw the slider where nothing trains and return the stop it is at."""
    # A beat that wrote its step into the URL would undo what another control has just written there.
    bind = None if playback.playing else "query-params"
    return st.select_slider(
        track.label, track.stops, track.first, key=track.slider, bind=bind, format_func=track.name,
        on_change=_move, args=(track,), label_visibility="collapsed",
    )  # fmt: skip


def _step(track: Track) -> int:
    """Return the slider's stop, the first one shown where it was not drawn yet."""
    step = session.chosen_step(track.slider).get()
    return track.first if step is None else step


def _press_play(track: Track) -> None:
    step = _step(track)
    start = session.playback(track.slider).get().press_play(track.stops, step)
    if start != step:
        session.chosen_step(track.slider).set(start)


def _press_pause(track: Track) -> None:
    session.playback(track.slider).get().press_pause()


def _press_step(track: Track, by: int) -> None:
    session.chosen_step(track.slider).set(
        session.playback(track.slider).get().press_step(track.stops, _step(track), by)
    )


def _move(track: Track) -> None:
    session.playback(track.slider).get().move()
