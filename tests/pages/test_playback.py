"""Playing through the stops of a slider, without a page."""

import pytest

from analysis.experiment import Experiment
from pages.ui.playback import MOST_STOPS, Playback, stops_of

STOPS = [0, 5, 10, 12]


@pytest.mark.parametrize(
    "steps, every, stops",
    [
        (12, 5, [0, 5, 10, 12]),
        (10, 5, [0, 5, 10]),
        (3, 5, [0, 3]),
        (1000, 2, [*range(0, 1000, 6), 1000]),
    ],
)
def test_stops_are_the_snapshots_thinned_and_end_with_the_training(steps, every, stops):
    assert stops_of(Experiment(steps=steps, snapshot_every=every)) == stops
    assert len(stops) <= MOST_STOPS + 1


def watch(playback, step):
    """Show a step and let beats follow, until it pauses; return the steps shown."""
    shown = [step]
    playback.show()
    while playback.is_due:
        step = playback.beat(STOPS, step)
        playback.show()
        shown.append(step)
    return shown


@pytest.mark.parametrize("step, shown", [(12, [0, 5, 10, 12]), (0, [0, 5, 10, 12]), (5, [5, 10, 12]), (10, [10, 12])])
def test_it_plays_to_the_end_and_from_the_start_where_it_was_at_the_end(step, shown):
    playback = Playback()
    assert watch(playback, playback.press_play(STOPS, step)) == shown
    assert not playback.playing
    assert playback.catch_up_url() and playback.catch_up_page()


def test_without_a_press_nothing_plays_and_nothing_is_behind():
    playback = Playback()
    assert watch(playback, 5) == [5]
    assert not playback.catch_up_url() and not playback.catch_up_page()


@pytest.mark.parametrize("step", STOPS)
def test_presses_that_are_told_twice_do_what_one_does(step):
    once, twice = Playback(), Playback()
    start = once.press_play(STOPS, step)
    assert twice.press_play(STOPS, twice.press_play(STOPS, step)) == start
    assert once == twice and once.playing
    once.press_pause()
    twice.press_pause()
    twice.press_pause()
    assert once == twice and not once.playing


def test_a_beat_waits_until_the_step_was_seen_and_again_after_the_page_is_drawn():
    playback = Playback()
    playback.press_play(STOPS, 0)
    assert not playback.is_due
    playback.show()
    assert playback.is_due
    playback.draw_page()
    assert not playback.is_due
    playback.show()
    assert playback.is_due


@pytest.mark.parametrize("step, by, wanted", [(5, 1, 10), (5, -1, 0), (0, -1, 0), (12, 1, 12)])
def test_one_snapshot_back_or_on_ends_at_the_ends(step, by, wanted):
    playback = Playback()
    assert playback.press_step(STOPS, step, by) == wanted
    assert playback.catch_up_page() and not playback.playing


@pytest.mark.parametrize(
    "act",
    [
        lambda playback: playback.press_play(STOPS, 5),
        lambda playback: playback.press_pause(),
        lambda playback: playback.press_step(STOPS, 5, 1),
        lambda playback: playback.move(),
    ],
    ids=["play", "pause", "step", "move"],
)
def test_the_page_follows_every_act_of_the_visitor_once(act):
    playback = Playback()
    act(playback)
    assert playback.catch_up_page() and not playback.catch_up_page()


def test_the_url_follows_once_after_playing_and_never_while_it_plays():
    playback = Playback()
    playback.press_play(STOPS, 5)
    assert not playback.catch_up_url()
    playback.press_pause()
    assert playback.catch_up_url() and not playback.catch_up_url()
    playback.press_pause()
    playback.press_play(STOPS, 5)
    playback.train()
    assert not playback.playing and not playback.catch_up_url()


def test_the_visitor_moves_the_slider_while_it_plays_and_it_plays_on_from_there():
    playback = Playback()
    playback.press_play(STOPS, 0)
    playback.show()
    playback.move()
    assert playback.playing
    assert watch(playback, 10) == [10, 12]
