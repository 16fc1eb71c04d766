"""What a page does while something trains, and what it costs the server."""

import gc
from functools import partial
from itertools import count
from types import SimpleNamespace

import pytest

from analysis.experiment import Experiment
from analysis.measures.decay import at_threshold
from pages.ui import player, training
from tests.helpers.app import SMALL, app, charts, fine, trained, until

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
        assert player.held_picture("timeline", of, draw) == wanted


def test_a_training_with_other_settings_is_mentioned_and_a_cancelled_one_told():
    settings = {**SMALL, "cells": "GRU", "steps": 100_000, "snapshot_every": 50}
    at = app("pages/measure/decay.py", **settings)
    fine(at.button(key="train").click().run())
    until(lambda: training.jobs().rows()[0].step)
    said = "1 run with other settings under way: see Runs"
    assert said not in [link.proto.label for link in at.get("page_link")]
    fine(at.slider(key="hidden_size").set_value(5).run())
    assert said in [link.proto.label for link in at.get("page_link")]
    fine(at.slider(key="hidden_size").set_value(SMALL["hidden_size"]).run())
    at.button(key="cancel").click().run()
    until(lambda: not training.jobs().under_way)
    fine(at.run())
    step = training.jobs().rows()[0].step
    assert any(text.value.startswith(f"Cancelled: GRU at step {step} of 100000.") for text in at.caption)


def test_a_picture_through_the_training_follows_the_threshold():
    at = app("pages/measure/decay.py", **SMALL | {"cells": "GRU"})
    at.button(key="train").click().run()
    until(lambda: not training.jobs().under_way)
    fine(at.run())
    at.select_slider(key="threshold").set_value(0.5).run()
    (row,) = training.jobs().rows()
    timeline = charts(at)[1]
    assert timeline["layout"]["yaxis"]["title"]["text"] == "horizon at 50 %"
    (drawn,) = (trace["y"] for trace in timeline["data"] if trace["name"] == "GRU" and trace["yaxis"] == "y")
    wanted = [at_threshold(each.decay, 0.5).horizon for each in training.load(row.id).snapshots]
    assert drawn == wanted != [each.decay.horizon for each in training.load(row.id).snapshots]


def test_a_press_of_pause_that_is_told_twice_pauses(monkeypatch):
    at = app("pages/measure/decay.py", **SMALL | {"cells": "GRU", "snapshot_every": 1})
    at.button(key="train").click().run()
    until(lambda: not training.jobs().under_way)
    at.run()
    pressed = []

    def twice(press, *told):
        pressed.append(press.__name__)
        press(*told)
        press(*told)

    for name in ("_press_play", "_press_pause"):
        monkeypatch.setattr(player, name, partial(twice, getattr(player, name)))
    at.run()
    for key, plays in (("step_play", True), ("step_pause", False)):
        fine(at.button(key=key).click().run())
        assert at.session_state["step_playback"].playing is plays
    assert pressed == ["_press_play", "_press_pause"]


def test_snapshots_are_stepped_through():
    at = trained(app("pages/measure/decay.py", **{**SMALL, "snapshot_every": "2"}))
    at.button(key="step_back").click().run()
    assert fine(at).select_slider(key="step").value == 8
    at.button(key="step_back").click().run()
    assert fine(at).select_slider(key="step").value == 6
    at.button(key="step_on").click().run()
    assert fine(at).select_slider(key="step").value == 8


def test_an_estimate_is_a_positive_time():
    estimate = training.estimate
    assert estimate({Experiment(**SMALL, cell="gru"): 1.0}).startswith("1 cell × 2 seeds, about ")
    assert estimate({Experiment(steps=100_000): 0.0}) == "1 cell × 4 seeds, about 1 s"
    assert "this machine has" in estimate({Experiment(hidden_size=512, seeds=64, length=1000, batch_size=4096): 1.0})
    assert [training.duration(s) for s in (0.2, 8, 43, 200, 9000)] == ["1 s", "8 s", "40 s", "3 min", "2.5 h"]
