"""Campaigns: what is missing is trained, each run once, and later ones follow from earlier."""

import pytest

from analysis.jobs.campaign import Campaign
from analysis.jobs.pool import Jobs
from tests.helpers.jobs import LONG, SMALL, pool, until

FIRST = [SMALL.replace(learning_rate=rate) for rate in (1e-3, 1e-2)]


@pytest.fixture
def jobs(tmp_path):
    with pool(tmp_path / "runs.sqlite", workers=2) as jobs:
        yield jobs


def done(campaign):
    campaign.start()
    until(lambda: not campaign.under_way)
    return campaign


def in_two_stages(runs):
    """Want two runs, and once both are there a third at the better one's learning rate."""
    if not all(each in runs for each in FIRST):
        return FIRST
    best = max(FIRST, key=lambda each: runs[each].metric.mean())
    return [*FIRST, SMALL.replace(seed=7, learning_rate=best.learning_rate)]


def test_later_runs_follow_from_earlier_ones_and_none_is_trained_twice(jobs):
    campaign = done(Campaign(jobs, in_two_stages))
    assert [*campaign.runs] == campaign.wanted() and len(campaign.runs) == 3 and not campaign.missing()
    again = Campaign(jobs, in_two_stages)
    again.look()
    assert again.runs == campaign.runs
    done(again)
    assert len(jobs.rows()) == 3


def test_a_cancelled_campaign_goes_on_with_what_is_missing(hold, jobs):
    short, long = SMALL.replace(steps=40), SMALL  # which is held at 50
    campaign = Campaign(jobs, lambda runs: [short, long])
    campaign.start()
    until(lambda: short in campaign.runs)
    campaign.cancel()
    assert not campaign.under_way and campaign.missing() == [long]
    hold.unlink()
    until(lambda: not jobs.under_way)
    assert {row.status for row in jobs.rows()} == {"finished", "cancelled"}
    assert [*done(campaign).runs] == [short, long] and len(jobs.rows()) == 2


def test_what_cannot_be_trained_is_given_up_and_the_others_go_on(jobs):
    bad = SMALL.replace(task="text", text_file="/no/such/file")
    campaign = done(Campaign(jobs, lambda runs: [bad, SMALL]))
    assert [*campaign.runs] == [SMALL] and "/no/such/file" in campaign.given_up[bad]


def test_a_run_that_is_cancelled_elsewhere_is_not_begun_again(jobs):
    campaign = Campaign(jobs, lambda runs: [LONG])
    campaign.start()
    jobs.cancel(until(lambda: campaign.rows())[LONG].id)
    until(lambda: not campaign.under_way)
    assert campaign.given_up == {LONG: "it was cancelled"}


def test_campaigns_that_share_a_run_do_not_end_it_for_each_other(hold, jobs):
    first, second = Campaign(jobs, lambda runs: [SMALL]), Campaign(jobs, lambda runs: [SMALL])
    first.start()
    until(first.rows)
    second.start()
    until(second.rows)
    second.cancel()
    assert first.rows()[SMALL].live
    second.start()
    until(second.rows)
    first.cancel()
    hold.unlink()
    until(lambda: not second.under_way)
    assert [*second.runs] == [SMALL] and not second.given_up and len(jobs.rows()) == 1


def test_a_long_queue_leaves_room_for_others(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.jobs.campaign.os.cpu_count", lambda: 2)
    jobs = Jobs(tmp_path / "runs.sqlite", workers=0)
    campaign = Campaign(jobs, lambda runs: [SMALL.replace(seed=seed) for seed in range(500)])
    campaign.start()
    until(lambda: jobs.waiting == 4)
    assert len(jobs.rows()) == 4
    campaign.cancel()
    assert not jobs.rows() and not jobs.waiting  # what never began leaves no trace
    jobs.close()
