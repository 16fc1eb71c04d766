"""A comparison trained by a pool: pilots first, and what comes out is what `compare` finds."""

from dataclasses import replace
from threading import Event

import numpy as np
import pytest

from analysis import compare
from analysis.jobs.compare import Comparing
from analysis.jobs.fairness import pilots
from analysis.plan import Plan
from tests.helpers.jobs import PATIENCE, pool, until

SMALL = {"cell": ["rnn", "gru"], "length": [5, 6], "hidden_size": 3, "seeds": 2, "steps": 12, "batch_size": 4}
RATES = (0.002, 0.02)


@pytest.fixture
def jobs(tmp_path):
    with pool(tmp_path / "runs.sqlite", workers=2) as jobs:
        yield jobs


def done(comparing):
    comparing.campaign.start()
    until(lambda: not comparing.campaign.under_way)
    return comparing


def test_it_finds_what_compare_finds(jobs, tmp_path):
    comparing = done(Comparing(jobs, Plan(SMALL, learning_rates=RATES)))
    mine = comparing.judge()
    theirs = compare(comparing.plan, store=tmp_path / "other.sqlite")
    assert mine.fairness == theirs.fairness and mine.verdicts == theirs.verdicts and len(mine.finished) == 4
    unequal = {"seconds": 0.0, "ms_per_step": 0.0}
    assert [replace(row, **unequal) for row in mine.rows] == [replace(row, **unequal) for row in theirs.rows]
    assert len(jobs.rows()) == 4 + len(pilots(comparing.plan)) and mine.fairness.measured_alone


def test_a_new_one_takes_over_what_is_trained_and_judges_what_is_there(jobs):
    plan = Plan(SMALL, learning_rates=RATES)
    first = Comparing(jobs, plan)
    assert not first.judge().finished and not first.judge().fairness.settled
    assert len(first.expected()) == 8
    done(first)
    again = Comparing(jobs, plan)
    again.look()
    assert not [each for each in again.expected() if each not in again.campaign.runs]
    assert [row.metric.tolist() for row in again.judge().rows] == [row.metric.tolist() for row in first.judge().rows]


def test_equal_times_are_known_once_they_are_measured(jobs, monkeypatch):
    comparing = Comparing(jobs, Plan(SMALL, equal="time"))
    assert not comparing.campaign.wanted() and len(comparing.expected()) == 4
    assert comparing.judge().fairness.equal == "time" and not comparing.judge().finished
    ms = [1.0, 1.0, 2.0, 2.0]
    monkeypatch.setattr(
        "analysis.jobs.compare.measure_pace", lambda plan, history, stopped: replace(plan, ms_per_step=ms)
    )
    done(comparing)
    assert [row.experiment.steps for row in comparing.judge().rows] == [24, 24, 12, 12]
    assert [row.ms_per_step for row in comparing.judge().rows] == ms


def test_a_pilot_that_fails_is_told_and_the_others_decide(jobs):
    comparing = Comparing(jobs, Plan(SMALL, learning_rates=RATES))
    lost = pilots(comparing.plan)[0]
    submit = jobs.submit

    def refuse(experiment):
        if experiment == lost:
            raise ValueError("no such luck")
        return submit(experiment)

    jobs.submit = refuse
    done(comparing)
    assert comparing.campaign.given_up == {lost: "no such luck"}
    comparison = comparing.judge()
    assert len(comparison.finished) == 4 and comparison.fairness.learning_rates["rnn"] == 0.02
    assert all(np.isfinite(row.metric).all() for row in comparison.rows)


def test_a_comparison_that_cannot_be_prepared_says_why(jobs):
    comparing = done(Comparing(jobs, Plan({"task": "text", "text_file": "/no/such/file", "seeds": 1})))
    assert "/no/such/file" in comparing.campaign.trouble and not jobs.rows()


def test_a_cancelled_measuring_stops_and_is_not_done_twice_at_a_time(jobs, monkeypatch):
    timed, at_once, hold = [], [], Event()

    def update_ms(experiment):
        at_once.append(experiment)
        assert len(at_once) == 1
        timed.append(experiment)
        hold.wait(PATIENCE)
        at_once.remove(experiment)
        return 1.0

    monkeypatch.setattr("analysis.jobs.fairness._update_ms", update_ms)
    comparing = Comparing(jobs, Plan(SMALL))
    campaign = comparing.campaign
    campaign.start()
    until(lambda: timed)
    campaign.cancel()
    campaign.start()
    assert campaign.preparing and not comparing.plan.ms_per_step
    hold.set()
    until(lambda: not campaign.under_way)
    assert len(timed) == 1 + 4 and comparing.plan.ms_per_step == (1.0,) * 4  # the first stopped after one of four
    assert len(comparing.judge().finished) == 4 and not campaign.preparing and not campaign.trouble
