"""Small experiments for pools of workers, and waits that fail when they take too long."""

import time
from contextlib import contextmanager

from analysis import Experiment
from analysis.jobs.pool import Jobs

SMALL = Experiment(hidden_size=4, length=8, seeds=1, batch_size=4, steps=60)
LONG = SMALL.replace(length=500, steps=100_000, snapshot_every=10)  # no test waits for its end: it takes half an hour
PATIENCE = 120  # seconds after which a wait is a failure


def until(condition):
    """Wait until a condition holds, and return what it returned."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.002)
    return value


def wait_for_step(jobs, id, step):
    until(lambda: jobs.row(id).step >= step)


def ended(jobs, id):
    """Wait until a run has ended, and return its row."""
    return until(lambda: not (row := jobs.row(id)).live and row)


@contextmanager
def pool(path, **settings):
    jobs = Jobs(path, **{"workers": 1, "checkpoint_seconds": 0.0, **settings})
    try:
        yield jobs
    finally:
        jobs.close()
