"""The bar of a sweep: it counts updates, and tells the time left by what they are expected to take."""

import pytest

from analysis import Experiment
from analysis.cli import progress
from analysis.cli.progress import Progress
from analysis.jobs.outcome import Failed

SHORT, LONG = Experiment(steps=100), Experiment(steps=300, length=60)


def take(experiment):
    """The long one's updates take twice as long."""
    return experiment.steps * (0.2 if experiment.length == 60 else 0.1)


@pytest.fixture
def lines(monkeypatch):
    lines, clock = [], iter(range(0, 1000, 10))
    monkeypatch.setattr(progress, "show_progress", lines.append)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    return lines


def test_a_long_training_moves_the_bar(lines):
    bar = Progress([SHORT, LONG], take)
    chosen = LONG.replace(learning_rate=0.1)
    bar.follow({SHORT: 0, chosen: 0})
    bar.follow({SHORT: 50, chosen: 100})
    bar.count(Failed(SHORT, "its worker died"))
    bar.follow({chosen: 250})
    bar.count(Failed(chosen, "its worker died"))
    assert lines == [
        "░░░░░░░░░░░░░░░░░░░░ 0 of 400 updates, 0 of 2 trainings",
        "░░░░░░░░░░░░░░░░░░░░ 0 of 400 updates, 0 of 2 trainings",
        "███████░░░░░░░░░░░░░ 150 of 400 updates, 0 of 2 trainings, about 18 s left",  # 25 of 70 s in 10
        "██████████░░░░░░░░░░ 200 of 400 updates, 1 of 2 trainings, about 30 s left",  # 30 in 20
        "█████████████████░░░ 350 of 400 updates, 1 of 2 trainings, about 5 s left",  # 60 in 30
        "████████████████████ 400 of 400 updates, 2 of 2 trainings",
    ]


def test_what_was_there_before_is_no_pace(lines):
    bar = Progress([SHORT, LONG], take)
    bar.count(Failed(SHORT, ""))  # from the history
    bar.follow({LONG: 100})  # from its checkpoint
    bar.follow({LONG: 150})
    assert lines[-3:] == [
        "█████░░░░░░░░░░░░░░░ 100 of 400 updates, 1 of 2 trainings",
        "██████████░░░░░░░░░░ 200 of 400 updates, 1 of 2 trainings",
        "████████████░░░░░░░░ 250 of 400 updates, 1 of 2 trainings, about 30 s left",
    ]
