"""Sweeps on a dask cluster: a real scheduler and two real workers on loopback, which may die."""

import logging
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from analysis import sweep, train
from analysis.history.store import Store
from analysis.jobs.cluster import ClusterError, NoWorkerWarning, connect
from analysis.jobs.outcome import DEATHS
from analysis.jobs.remote import why_not_trained
from analysis.sources import source_sha256
from tests.helpers.cluster import local_cluster
from tests.helpers.jobs import PATIENCE, SMALL, until
from tests.jobs.held import DEADLY

pytestmark = pytest.mark.xdist_group("cluster")  # they share one
EXPERIMENTS = [SMALL.replace(seed=seed, seeds=2) for seed in range(4)]


class Background:
    """A sweep in a thread; its results, or the error that ended it."""

    def __init__(self, *arguments):
        self.error = self.results = None
        self._thread = threading.Thread(target=self._sweep, args=arguments)
        self._thread.start()

    def _sweep(self, *arguments):
        try:
            self.results = sweep(*arguments)
        except Exception as error:
            self.error = error

    def wait(self):
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "waited too long"


def checkpoints(store):
    """How many unfinished runs have a checkpoint."""
    return sum(store.progress(row.id)[0] is not None for row in store.rows())


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Wait longer for workers to start than a user would."""
    monkeypatch.setattr("analysis.jobs.cluster.REACH_SECONDS", PATIENCE)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with local_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def logged():
    """What dask logs, which a terminal would show."""
    handler, records = logging.Handler(), []
    handler.emit = records.append
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    for logger in loggers:
        logger.addHandler(handler)
    yield records
    for logger in loggers:
        logger.removeHandler(handler)


def connected(cluster, workers):
    """Connect to a cluster once it has so many workers."""
    cluster.need_workers(workers)
    executor = connect(cluster.engine)
    until(lambda: len(executor.client.scheduler_info()["workers"]) == workers)
    return executor


def test_results_equal_those_of_single_runs(cluster, tmp_path, logged):
    came = []
    with connected(cluster, 2) as executor:
        results = sweep([*EXPERIMENTS, EXPERIMENTS[0]], executor, tmp_path / "runs.sqlite", came.append)
        assert results[:4] == [train(experiment) for experiment in EXPERIMENTS] and results[4] == results[0]
        assert sorted(run.experiment.seed for run in came) == [0, 1, 2, 3]
        assert sweep(EXPERIMENTS, executor, tmp_path / "runs.sqlite") == results[:4]
        assert sweep(EXPERIMENTS[:1], executor.client.get_executor(pure=False), ":memory:") == results[:1]
    with closing(Store(tmp_path / "runs.sqlite")) as store:
        assert [row.status for row in store.rows()] == ["finished"] * 4
    assert not logged


def test_what_cannot_be_trained_fails_alone(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # workers are elsewhere
    (tmp_path / "mine.txt").write_text("to be, or not to be, that is the question " * 200)
    large = SMALL.replace(hidden_size=512, batch_size=1024, length=100_000)
    with connected(cluster, 2) as executor:
        wanted = [large, SMALL.replace(task="text", text_file="mine.txt"), SMALL]
        failed, missing, done = sweep(wanted, executor, ":memory:")
    assert failed.status == "failed" and failed.experiment == large and "MiB" in failed.reason
    assert re.match(r"worker tcp://127.0.0.1:\d+: text_file='mine.txt': .*No such file", missing.reason)
    assert done == train(SMALL)


def test_a_worker_with_another_file_does_not_learn_from_it(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("to be, or not to be")
    experiment = SMALL.replace(task="text", text_file=str(file))
    assert why_not_trained(experiment, source_sha256(experiment)) == ""
    assert why_not_trained(experiment, "of another file") == "the file it learns from has another content there"


def test_a_killed_workers_run_goes_on_from_its_checkpoint(cluster, tmp_path):
    cluster.hold.write_text("50")
    with closing(Store(tmp_path / "runs.sqlite")) as store, connected(cluster, 2) as executor:
        came = []
        swept = Background(EXPERIMENTS, executor, store.path, came.append)
        until(lambda: checkpoints(store) == 2)
        cluster.workers[0].kill()
        cluster.hold.unlink()
        swept.wait()
        assert swept.results == [train(experiment) for experiment in EXPERIMENTS]
        assert sorted(run.experiment.seed for run in came) == [0, 1, 2, 3]
        assert [row.status for row in store.rows()] == ["finished"] * 4
    (restored,) = {*cluster.hold.with_name("hold.restored").read_text().splitlines()}
    assert 0 < int(restored.split()[1]) <= 50


def test_a_run_that_kills_its_workers_fails_and_others_go_on(cluster):
    with connected(cluster, DEATHS + 1) as executor:
        failed, *others = sweep([SMALL.replace(seed=DEADLY), *EXPERIMENTS], executor, ":memory:")
    assert failed.reason == "it was tried 3 times: its worker was lost each time"
    assert others == [train(experiment) for experiment in EXPERIMENTS]


def test_a_cluster_without_workers_says_so_and_goes_on_once_one_joins(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.jobs.cluster.LOOK_SECONDS", 0.1)
    monkeypatch.setattr("analysis.jobs.cluster.LONELY_SECONDS", 0.5)
    with local_cluster(tmp_path) as cluster, closing(Store(tmp_path / "runs.sqlite")) as store:
        cluster.hold.write_text("50")
        executor = connected(cluster, 1)
        with pytest.warns(NoWorkerWarning) as warned:
            swept = Background(EXPERIMENTS[:2], executor, store.path)
            until(lambda: checkpoints(store) == 1)
            cluster.workers[0].kill()
            until(lambda: warned)
        assert str(warned[0].message) == (
            f"the cluster at {cluster.address} has no worker left: the sweep goes on once one joins, by "
            f"`dask worker {cluster.address}`; what is finished is kept, also if you stop here"
        )
        monkeypatch.undo()
        cluster.hold.unlink()
        cluster.need_workers(1)
        swept.wait()
        executor.shutdown()
        assert swept.error is None and swept.results == [train(experiment) for experiment in EXPERIMENTS[:2]]


def test_a_killed_scheduler_ends_a_sweep_that_can_go_on(tmp_path, logged):
    first = SMALL.replace(steps=45, length=24)  # longer, but held at no step
    experiments = [first, *EXPERIMENTS[:2]]
    with local_cluster(tmp_path) as cluster, closing(Store(tmp_path / "runs.sqlite")) as store:
        cluster.hold.write_text("50")
        executor = connected(cluster, 1)
        swept = Background(experiments, executor, store.path)
        until(lambda: checkpoints(store) == 1 and any(row.status == "finished" for row in store.rows()))
        cluster.scheduler.kill()
        swept.wait()
        executor.shutdown()
        assert not logged
        assert isinstance(swept.error, ClusterError)
        assert str(swept.error) == (
            f"the cluster at {cluster.address} is lost: what is finished is kept, sweep again to go on"
        )
        rows = store.rows()
        assert sorted(row.status for row in rows) == ["finished", "interrupted"]
        with ThreadPoolExecutor(1) as threads:
            assert sweep(experiments, threads, store.path) == [train(experiment) for experiment in experiments]
        assert {row.id for row in rows} <= {row.id for row in store.rows()}


def test_other_versions_are_named_before_anything_runs(tmp_path, monkeypatch):
    from distributed import Client

    wait = Client.wait_for_workers
    with local_cluster(tmp_path) as cluster:
        with monkeypatch.context() as patch, pytest.raises(ClusterError, match="has no worker"):
            patch.setattr(Client, "wait_for_workers", lambda client, count, timeout: wait(client, count, timeout=0.5))
            connect(cluster.engine)
        cluster.add_worker(TEST_TORCH="1.0.0")
        with pytest.raises(ClusterError, match=r"worker tcp://\S+ has torch 1.0.0, here it is torch 2.\S+: exp"):
            connect(cluster.engine)


@pytest.mark.parametrize("engine", ["dask", "dask://host", "http://host:80", "dask://a b:1", "dask://host:port", ""])
def test_an_engine_that_is_none_is_refused(engine):
    with pytest.raises(ValueError, match=f"engine={engine}: expected dask://host:port or tls://host:port"):
        connect(engine)


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        ("dask://127.0.0.1:1", "no scheduler answers within 0.5 s"),
        ("dask://no.such.host.invalid:8786", "no scheduler answers within 0.5 s"),
        ("tls://127.0.0.1:1", "TLS expects "),
    ],
)
def test_a_cluster_out_of_reach_is_one_line(engine, reason, monkeypatch):
    monkeypatch.setattr("analysis.jobs.cluster.REACH_SECONDS", 0.5)
    with pytest.raises(ClusterError, match=f"^engine={engine}: the cluster can't be reached: {reason}.*$"):
        connect(engine)


def test_a_server_of_another_kind_is_one_line(monkeypatch):
    monkeypatch.setattr("analysis.jobs.cluster.REACH_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = f"dask://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"^engine={engine}: the cluster can't be reached: no scheduler answers"):
            connect(engine)
