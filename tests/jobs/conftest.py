"""Pools of workers whose runs are held where a test wants them."""

import multiprocessing
from functools import partial

import pytest

from analysis import train
from tests.helpers.jobs import SMALL, pool
from tests.jobs import held


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    with pool(tmp_path_factory.mktemp("jobs") / "runs.sqlite") as jobs:
        yield jobs


@pytest.fixture(scope="module")
def whole():
    return train(SMALL)


@pytest.fixture
def hold(tmp_path, monkeypatch):
    """A file: while it exists, runs in workers of new pools go no further than the step in it."""
    path = tmp_path / "hold"
    path.write_text("50")
    monkeypatch.setattr("analysis.jobs.worker.work", partial(held.work, str(path)))
    return path


@pytest.fixture
def others():
    """The worker processes that were there before this test."""
    return {child.pid for child in multiprocessing.active_children()}
