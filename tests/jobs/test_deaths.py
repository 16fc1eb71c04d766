"""Workers and servers that die, and what that costs."""

import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from analysis import train
from analysis.history.database import MEMORY
from analysis.history.store import Store
from tests.helpers.jobs import LONG, SMALL, ended, pool, until, wait_for_step


def worker_pids(others=()):
    """Return the ids of the worker processes that this process has, without some."""
    return [child.pid for child in multiprocessing.active_children() if child.pid not in others]


def gone(pid):
    """Say whether a process, of whichever parent, has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_worker_that_does_not_answer_a_cancel_is_killed(tmp_path, others):
    with pool(tmp_path / "runs.sqlite") as jobs:
        id = jobs.submit(LONG)
        until(lambda: jobs.row(id).step)
        (pid,) = worker_pids(others)
        os.kill(pid, signal.SIGSTOP)
        jobs.cancel(id)
        assert ended(jobs, id).status == "cancelled"
        assert ended(jobs, jobs.submit(SMALL)).status == "finished"


def test_a_run_too_large_to_be_kept_fails_alone(tmp_path, whole, monkeypatch):
    connect = sqlite3.connect

    def connect_with_little_memory(path, **options):
        connection = connect(path, **options)
        if path == MEMORY:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 60_000)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_with_little_memory)
    with pool(tmp_path / "runs.sqlite") as jobs:
        failed = ended(jobs, jobs.submit(SMALL.replace(hidden_size=128)))
        assert failed.status == "failed" and "can't be kept" in failed.reason and "too big" in failed.reason
        id = jobs.submit(SMALL)
        assert ended(jobs, id).status == "finished"
        assert jobs.load(id) == whole


def test_a_damaged_checkpoint_costs_time_alone(tmp_path, hold):
    with pool(tmp_path / "runs.sqlite") as jobs:
        id = jobs.submit(experiment := SMALL.replace(steps=200, seed=501))
        until(lambda: jobs.store.progress(id)[0])
        jobs.cancel(id)
        hold.unlink()
        assert ended(jobs, id).status == "cancelled"
        jobs.store.write(id, {}, ("checkpoint", jobs.row(id).step, b"damaged"))
        jobs.resume(id)
        assert ended(jobs, id).status == "finished"
        assert jobs.load(id) == train(experiment)


def test_a_worker_killed_at_any_moment_costs_nothing(tmp_path, hold, others, whole):
    draw = random.Random(0)
    with pool(tmp_path / "runs.sqlite") as jobs:
        hold.unlink()
        done = jobs.submit(SMALL)
        ended(jobs, done)
        for k in range(20):
            hold.write_text("55")  # of 60 steps: no run is finished before it is killed
            experiment = SMALL.replace(seed=100 + k)
            id = jobs.submit(experiment)
            wait_for_step(jobs, id, draw.randint(1, 50))
            for pid in worker_pids(others):
                os.kill(pid, signal.SIGKILL)
            row = ended(jobs, id)
            assert (row.status, row.reason) == ("interrupted", "its worker was killed by SIGKILL")
            hold.unlink()
            jobs.resume(id)
            assert ended(jobs, id).status == "finished"
            assert jobs.load(id) == train(experiment)
            assert jobs.load(done) == whole


SERVER = """
import multiprocessing, sys, time
from functools import partial
from analysis.experiment import Experiment
from analysis.jobs import worker
from analysis.jobs.pool import Jobs
from tests.jobs import held

def until(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.002)

def main():
    worker.work = partial(held.work, sys.argv[2])
    jobs = Jobs(sys.argv[1], workers=2, checkpoint_seconds=0.0)
    small = Experiment(hidden_size=4, length=8, seeds=1, batch_size=4, steps=60)
    done = jobs.submit(small)
    until(lambda: not jobs.row(done).live)
    ids = [jobs.submit(small.replace(steps=200, seed=seed)) for seed in range(3)]
    until(lambda: jobs.row(ids[0]).step > 30)
    print(done, *ids, *(child.pid for child in multiprocessing.active_children()), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    main()
"""


def test_a_killed_server_takes_its_workers_along_and_loses_nothing(tmp_path, whole):
    script, path, hold = tmp_path / "server.py", tmp_path / "runs.sqlite", tmp_path / "hold"
    script.write_text(SERVER)
    hold.write_text("150")  # of 200 steps: no run but the first is finished before the server is killed
    root = Path(__file__).parents[2]
    server = subprocess.Popen(
        [sys.executable, script, path, hold], cwd=root, env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with server:
        done, *ids, first, second = server.stdout.readline().split()
        server.kill()
    until(lambda: gone(first) and gone(second))
    store = Store(path)
    rows = {row.id: row for row in store.rows()}
    assert rows[done].status == "finished"
    assert store.load(done) == whole
    assert [rows[id].status for id in ids] == ["interrupted"] * 3
    assert "process" in rows[ids[0]].reason
    with pool(path, workers=2) as jobs:
        for id in ids:
            jobs.resume(id)
        for id in ids:
            assert ended(jobs, id).status == "finished"
            assert jobs.load(id) == train(rows[id].experiment)


def test_a_closed_pool_interrupts_what_it_trained(tmp_path):
    path = tmp_path / "runs.sqlite"
    with pool(path) as jobs:
        id = jobs.submit(LONG)
        until(lambda: jobs.row(id).step)
    assert Store(path).row(id).status == "interrupted"
    assert not list(Store(path).owners.iterdir())


def test_a_run_that_its_worker_never_began_is_given_to_the_next(tmp_path, others):
    with pool(tmp_path / "runs.sqlite") as jobs:
        ended(jobs, jobs.submit(SMALL))
        (pid,) = worker_pids(others)
        os.kill(pid, signal.SIGSTOP)  # it is given the run, and can't begin it
        id = jobs.submit(experiment := SMALL.replace(seed=500))
        until(lambda: id in jobs.under_way and not jobs.waiting)
        os.kill(pid, signal.SIGKILL)
        assert ended(jobs, id).status == "finished"
        assert jobs.load(id) == train(experiment)
