"""Torch on one thread, as the engine runs; a history for each process of the tests, never the user's; their order."""

import atexit
import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest
import torch

from analysis.history.store import Store
from analysis.jobs.worker import lower_priority
from tests.helpers.runs import trained
from tests.jobs import held

# Rooms whose tests take longest, the longest first: started last, they would leave other processes waiting for them.
LONGEST = ("browser", "jobs", "pages", "models", "cli", "history")

torch.set_num_threads(1)
lower_priority()  # as workers run: where every core runs tests, workers at idle priority would hardly get a turn
histories = tempfile.mkdtemp(prefix="goldfish-tests-")
atexit.register(shutil.rmtree, histories, ignore_errors=True)
os.environ["GOLDFISH_STORE"] = str(Path(histories, "runs.sqlite"))


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items):
    """Start the longest tests first; let the tests of a file, which share fixtures, run in one process."""

    def place(item):
        room = item.path.parent.name
        return LONGEST.index(room) if room in LONGEST else len(LONGEST)

    items.sort(key=place)
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.fixture(scope="session", autouse=True)
def light_workers():
    """Keep worker processes from importing pytest, which they would take for the main module they belong to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["__main__"], "__spec__", None)
        patch.delattr(sys.modules["__main__"], "__file__", raising=False)
        yield


@pytest.fixture(autouse=True)
def same_draws():
    """Let a test that draws from torch's own generator draw the same each time, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture
def no_runs():
    """Empty the history of the server that tests of pages share."""
    from tests.helpers.app import delete_runs

    delete_runs()


@pytest.fixture
def hold(tmp_path, monkeypatch):
    """A file: while it exists, runs in workers of new pools go no further than the step in it."""
    path = tmp_path / "hold"
    path.write_text("50")
    monkeypatch.setattr("analysis.jobs.worker.work", partial(held.work, str(path)))
    return path


@pytest.fixture
def run():
    """Return a small finished training."""
    return trained("lstm")


@pytest.fixture
def store(tmp_path):
    """Return a history of this test alone."""
    return Store(tmp_path / "runs.sqlite")
