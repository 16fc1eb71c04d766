"""What a page does while something trains, and what it costs the server."""

import gc
from functools import partial
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from analysis.experiment import Experiment
from analysis.history.database import NoRunError
from analysis.history.entry import Row
from analysis.jobs import estimate
from analysis.measures.decay import at_threshold
from pages.ui import player, training
from tests.helpers.app import ENDLESS, SMALL, app, charts, fine, trained, until
from tests.helpers.jobs import PATIENCE

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
    at = app("pages/measure/decay.py", **ENDLESS, cells="GRU")
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
    assert any(text.value.startswith(f"Cancelled: GRU after {step} of 100000 updates.") for text in at.caption)


def test_a_picture_through_the_training_follows_the_threshold():
    at = app("pages/measure/decay.py", **SMALL | {"cells": "GRU"})
    at.button(key="train").click().run()
    until(lambda: not training.jobs().under_way)
    fine(at.run())
    at.select_slider(key="threshold").set_value(0.5).run()
    (row,) = training.jobs().rows()
    timeline = charts(at)[1]
    assert timeline["layout"]["yaxis"]["title"]["text"] == "horizon at 50 %,<br>time steps"
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


def test_what_a_training_costs_stands_beside_the_button():
    at = app("pages/measure/decay.py", **SMALL)
    assert any(text.value.startswith("3 cells × 2 seeds, about ") for text in at.caption)
    large = {"hidden_size": 512, "seeds": 64, "length": 1000, "batch_size": 4096}
    assert "this machine has" in training.estimate({Experiment(**large): 0})


def test_updates_that_were_made_cost_nothing_any_more():
    experiment = Experiment(**SMALL | {"steps": 100_000})
    assert training.estimate({experiment: 100_000}) == "1 cell × 2 seeds, about 1 s"
    assert training.estimate({experiment: 0}) != training.estimate({experiment: 90_000})


class Queue:
    """Workers with these runs under way, whose rows are read by id."""

    def __init__(self, *rows):
        self.rows = {row.id: row for row in rows}
        self.under_way = list(self.rows)
        self.waiting = 1

    def row(self, id):
        if (row := self.rows[id]) is None:
            raise NoRunError
        return row


def row(id, status, step=0, seconds=0.0, **settings):
    """Return the row of a run that is under way."""
    experiment = Experiment(**{**SMALL, "cell": "gru", "steps": 1000, **settings})
    return Row(id, "", status, None, experiment, "", seconds, step, {}, *[None] * 6)


def test_the_time_left_counts_the_runs_before(monkeypatch):
    monkeypatch.setattr(estimate.os, "cpu_count", lambda: 1)
    first, second = row("cost-first", "running", 500, 100.0), row("cost-second", "queued", seed=1)
    monkeypatch.setattr(training, "jobs", lambda: Queue(first, second))
    alone = training._seconds_until_ended([first])
    assert 100 < alone < 130  # as long as it took so far, and what is measured at the end
    own = estimate.Forecast(second.experiment).seconds(together=2)
    assert training._seconds_until_ended([second]) == pytest.approx(alone + own)
    assert training.estimate({first.experiment.replace(seed=2): 0}).endswith(" min, after 2 other runs")


def test_a_run_that_was_deleted_or_trains_elsewhere_is_no_trouble(monkeypatch):
    gone, elsewhere = row("cost-gone", "queued"), row("cost-elsewhere", "running", 500, 100.0)
    queue = Queue(gone)
    queue.rows["cost-gone"] = None
    monkeypatch.setattr(training, "jobs", lambda: queue)
    assert 100 < training._seconds_until_ended([elsewhere]) < 130


def test_advice_that_was_taken_is_not_given_again():
    def page():
        from dataclasses import replace

        from pages.ui import training
        from tests.helpers.decays import run

        stuck = run("gru", [0.125])
        training._advise({"gru": replace(stuck, experiment=stuck.experiment.replace(forget_bias=1.0, steps=100_000))})

    at = AppTest.from_function(page, default_timeout=PATIENCE).run()
    assert not at.exception
    assert [button.label for button in at.button] == ["chrono"]


@pytest.mark.parametrize(
    ("cell", "metric", "said", "offered"),
    [
        (
            "gru",
            [0.125, 0.13, 0.125, 0.9],
            ["GRU has not learned yet. Try"],
            ["chrono", "forget bias 1", "more updates"],
        ),
        ("rnn", [0.125, 0.125], ["RNN has not learned yet. Try"], ["more updates"]),
        ("gru", [0.125, 0.9, 0.9, 0.9], [], []),
        ("gru", [np.nan, 0.9], [], []),
    ],
)
def test_advice_is_given_where_the_median_has_not_learned(cell, metric, said, offered):
    def page(cell, metric):
        import numpy as np

        from pages.ui import training
        from tests.helpers.decays import run

        training._advise({cell: run(cell, np.array(metric))})

    at = AppTest.from_function(page, default_timeout=PATIENCE, kwargs={"cell": cell, "metric": metric}).run()
    assert not at.exception
    assert [text.value for text in at.markdown] == said
    assert [button.label for button in at.button] == offered
    if offered:
        at.button[len(offered) - 1].click().run()
        assert at.session_state["steps"] == 1000
