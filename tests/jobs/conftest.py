"""A pool of workers that tests share, and what it trains."""

import multiprocessing

import pytest

from analysis import train
from tests.helpers.jobs import SMALL, pool


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    with pool(tmp_path_factory.mktemp("jobs") / "runs.sqlite") as jobs:
        yield jobs


@pytest.fixture(scope="module")
def whole():
    return train(SMALL)


@pytest.fixture
def others():
    """The worker processes that were there before this test."""
    return {child.pid for child in multiprocessing.active_children()}
