"""What a page does while something trains, and what it costs the server."""

import gc
from itertools import count
from types import SimpleNamespace

import pytest

from pages.ui import player, training
from tests.test_pages import SMALL, app, fine, until

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


def test_what_is_loaded_is_not_searched_for_garbage_after_every_run():
    fine(app(**SMALL))
    assert gc.get_freeze_count() > len(gc.get_objects())


def test_a_costly_picture_is_shown_for_a_while_unless_it_is_of_something_else(monkeypatch):
    monkeypatch.setattr(player.st, "session_state", {})
    draw = count().__next__
    for now, of, wanted in (
        (100, "a", 0),
        (102.9, "a", 0),
        (103.1, "a", 1),
        (104, "b", 2),
        (107, "b", 2),
        (108, "b", 3),
    ):
        monkeypatch.setattr(player, "time", SimpleNamespace(monotonic=lambda now=now: now))
        assert player.seldom("timeline", of, draw) == wanted


def test_a_press_of_pause_that_is_told_twice_pauses(monkeypatch):
    at = app("pages/measure/decay.py", **SMALL | {"cells": "GRU", "snapshot_every": 1})
    at.button(key="train").click().run()
    until(lambda: not training.jobs().under_way)
    at.run()
    pressed = []
    play = player._play
    monkeypatch.setattr(player, "_play", lambda *told: (pressed.append(told), play(*told), play(*told)))
    at.run()
    for key, plays in (("step_play", True), ("step_pause", False)):
        fine(at.button(key=key).click().run())
        assert at.session_state["step_plays"] is plays
    assert [told[-1] for told in pressed] == [True, False]
