"""Sweeps on this machine's workers and on executors of the standard library."""

import multiprocessing
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from analysis import sweep, train
from analysis.history.database import StoreError
from analysis.history.store import Store
from analysis.history.transfer import finished_columns
from analysis.jobs import executors
from tests.helpers.jobs import SMALL, pool, until, wait_for_step
from tests.jobs import held

EXPERIMENTS = [SMALL.replace(seed=seed, seeds=2) for seed in range(4)]


class Inline(Executor):
    """Calls functions at once."""

    def __init__(self):
        self.calls = 0

    def submit(self, fn, /, *args, **kwargs):
        self.calls += 1
        future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture(scope="module")
def trained():
    return [train(experiment) for experiment in EXPERIMENTS]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.sqlite"


def rows(path):
    with closing(Store(path)) as store:
        return store.rows()


def stop_after(count):
    """Return an `on_result` that is interrupted with its result of that number."""
    came = []

    def interrupt(result):
        came.append(result)
        if len(came) == count:
            raise KeyboardInterrupt

    return interrupt


def test_a_local_sweep_that_was_interrupted_does_only_what_is_missing(path, trained):
    with pytest.raises(KeyboardInterrupt):
        sweep(EXPERIMENTS, store=path, on_result=stop_after(2))
    finished = {row.id for row in rows(path) if row.status == "finished"}
    assert len(finished) >= 2
    came = []
    assert sweep([*EXPERIMENTS, EXPERIMENTS[0]], store=path, on_result=came.append) == [*trained, trained[0]]
    assert len(came) == len(rows(path)) == 4
    assert finished <= {row.id for row in rows(path)}


def test_runs_that_never_began_leave_no_trace(path, hold, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    first = SMALL.replace(steps=45, length=24)  # longer, but held at no step
    with pytest.raises(KeyboardInterrupt):
        sweep([first, *(SMALL.replace(seed=seed) for seed in range(99))], store=path, on_result=stop_after(1))
    assert {row.status for row in rows(path)} <= {"finished", "interrupted"}
    assert len(rows(path)) < 100


def test_the_longest_run_comes_first(path):
    lengths = [8, 30, 8, 20]
    experiments = [SMALL.replace(steps=2, length=length, seed=seed) for seed, length in enumerate(lengths)]
    came = []
    sweep(experiments, Inline(), path, came.append)
    assert [run.experiment.length for run in came] == [30, 20, 8, 8]


def test_a_run_that_kills_its_workers_fails_and_others_go_on(path, tmp_path, monkeypatch, trained):
    monkeypatch.setattr("analysis.jobs.worker.work", partial(held.work, str(tmp_path / "hold")))
    failed, *others = sweep([SMALL.replace(seed=held.DEADLY), *EXPERIMENTS[:2]], store=path)
    assert failed.reason == "it was tried 3 times: its worker ended with exit code 1"
    assert failed.status == "failed" and failed.experiment.seed == held.DEADLY
    assert others == trained[:2]
    assert sorted(row.status for row in rows(path)) == ["failed", "finished", "finished"]


@pytest.mark.parametrize(
    "executor",
    [Inline, partial(ThreadPoolExecutor, 2)],
    ids=["inline", "threads"],
)  # fmt: skip
def test_any_executor_gives_the_results_of_single_runs(executor, path, trained):
    with executor() as executor:
        assert sweep([*EXPERIMENTS, EXPERIMENTS[1]], executor, path) == [*trained, trained[1]]
    assert [row.status for row in rows(path)] == ["finished"] * 4


def test_a_process_pool_gives_the_results_of_single_runs(path, trained):
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        assert sweep(EXPERIMENTS[:2], executor, path) == trained[:2]


def test_a_finished_run_is_not_trained_again(path, trained):
    sweep(EXPERIMENTS[:2], Inline(), path)
    executor = Inline()
    assert sweep(EXPERIMENTS[:3], executor, path) == trained[:3]
    assert executor.calls == 1


def test_a_run_that_another_pool_trains_is_waited_for(path, trained, hold):
    executor = Inline()
    with pool(path) as jobs, ThreadPoolExecutor(1) as thread:
        wait_for_step(jobs, jobs.submit(EXPERIMENTS[0]), 1)
        swept = thread.submit(sweep, EXPERIMENTS[:2], executor, path)
        until(lambda: executor.calls)
        hold.unlink()
        assert swept.result() == trained[:2]
    assert executor.calls == 1


def test_the_same_run_named_in_two_ways_is_trained_once(path):
    named = SMALL.replace(length=None), SMALL.replace(length=30)
    executor = Inline()
    first, second = sweep(named, executor, path)
    assert (first.experiment, second.experiment) == named and executor.calls == 1


def test_what_cannot_be_trained_fails_alone(path, trained):
    large = SMALL.replace(hidden_size=512, batch_size=1024, length=100_000)
    failed, done = sweep([large, EXPERIMENTS[0]], Inline(), path)
    assert "MiB" in failed.reason and done == trained[0]


def test_an_error_of_the_executor_fails_its_run_alone(path, trained, monkeypatch):
    def fail_sometimes(settings, *progress):
        if settings["seed"] == 1:
            raise OSError("no room")
        return train_apart(settings, *progress)

    train_apart = executors.train_apart
    monkeypatch.setattr(executors, "train_apart", fail_sometimes)
    first, failed, third = sweep(EXPERIMENTS[:3], Inline(), path)
    assert [first, third] == [trained[0], trained[2]] and failed.reason == "OSError: no room"


def test_a_broken_executor_ends_the_sweep_and_keeps_what_is_done(path, trained, monkeypatch):
    def break_later(settings, *progress):
        if settings["seed"] == 2:
            raise BrokenExecutor("gone")
        return train_apart(settings, *progress)

    train_apart = executors.train_apart
    with monkeypatch.context() as patch, pytest.raises(BrokenExecutor):
        patch.setattr(executors, "train_apart", break_later)
        sweep(EXPERIMENTS, Inline(), path)
    assert [row.status for row in rows(path)] == ["finished"] * 2
    assert sweep(EXPERIMENTS, Inline(), path) == trained


def test_a_sweep_of_five_hundred(path, trained, monkeypatch):
    def pretend(experiment, report, *rest):
        report(*finished_columns(replace(trained[0], experiment=experiment)))

    monkeypatch.setattr(executors, "perform", pretend)
    many = [SMALL.replace(seed=seed) for seed in range(500)]
    with ThreadPoolExecutor(4) as executor:
        results = sweep(many, executor, path)
    assert [run.experiment for run in results] == many
    assert len(rows(path)) == 500


def test_a_history_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "file").write_text("not a history")
    with pytest.raises(StoreError):
        sweep([SMALL], Inline(), tmp_path / "file")


def test_a_text_that_cannot_be_read_is_refused_before_training(path, tmp_path):
    executor = Inline()
    with pytest.raises(ValueError, match="no_such"):
        sweep([SMALL, SMALL.replace(task="text", text_file=str(tmp_path / "no_such.txt"))], executor, path)
    assert not executor.calls
