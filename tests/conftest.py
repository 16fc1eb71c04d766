"""Torch on one thread, as the engine runs; a history of its own, never the user's."""

import os
import sys
import tempfile
import time
from pathlib import Path

import pytest
import torch

from analysis.history.store import Store
from tests.helpers.runs import trained

torch.set_num_threads(1)
os.environ["GOLDFISH_STORE"] = str(Path(tempfile.mkdtemp(prefix="goldfish-tests-"), "runs.sqlite"))


@pytest.fixture(scope="session", autouse=True)
def light_workers():
    """Spare the workers pytest, which they would import as the main module they think they belong to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["__main__"], "__spec__", None)
        patch.delattr(sys.modules["__main__"], "__file__", raising=False)
        yield


@pytest.fixture
def no_runs():
    """Empty the history of the server that tests of pages share."""
    from pages.ui import training

    jobs = training.jobs()
    for row in jobs.rows():
        jobs.cancel(row.id)
    while jobs.under_way:
        time.sleep(0.01)
    for row in jobs.rows():
        jobs.delete(row.id)


@pytest.fixture
def run():
    """A small finished training."""
    return trained("lstm")


@pytest.fixture
def store(tmp_path):
    """A history of this test alone."""
    return Store(tmp_path / "runs.sqlite")
