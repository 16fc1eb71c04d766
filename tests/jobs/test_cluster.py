"""Sweeps on a dask cluster: a real scheduler and two real workers on loopback, which may die."""

import threading
from contextlib import closing

import pytest

from analysis import sweep, train
from analysis.history.store import Store
from analysis.jobs.cluster import ClusterError, connect
from tests.helpers.cluster import local_cluster
from tests.helpers.jobs import SMALL, until
from tests.jobs.held import DEADLY

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
        self._thread.join(120)
        assert not self._thread.is_alive(), "waited too long"


def steps(store):
    """The last step of each run by its seed."""
    return {row.experiment.seed: row.step for row in store.rows()}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with local_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def test_results_equal_those_of_the_pool_and_of_single_runs(cluster, tmp_path):
    came = []
    with connect(cluster.engine) as executor:
        results = sweep([*EXPERIMENTS, EXPERIMENTS[0]], executor, tmp_path / "runs.sqlite", came.append)
        assert results[:4] == [train(experiment) for experiment in EXPERIMENTS] and results[4] == results[0]
        assert sorted(run.experiment.seed for run in came) == [0, 1, 2, 3]
        again = sweep(EXPERIMENTS, executor, tmp_path / "runs.sqlite")
    assert again == results[:4]
    assert sweep(EXPERIMENTS, store=":memory:") == results[:4]


def test_what_cannot_be_trained_fails_alone(cluster, tmp_path):
    missing = SMALL.replace(task="text", text_file=str(tmp_path / "gone.txt"))
    (tmp_path / "gone.txt").write_text("to be, or not to be " * 400)
    with connect(cluster.engine) as executor:
        large = SMALL.replace(hidden_size=512, batch_size=1024, length=100_000)
        failed, done = sweep([large, SMALL], executor, ":memory:")
    assert failed.status == "failed" and failed.experiment == large and "MiB" in failed.reason
    assert done == train(SMALL)
    assert missing


def test_a_killed_workers_run_goes_on_from_its_checkpoint(tmp_path):
    with local_cluster(tmp_path) as cluster, closing(Store(tmp_path / "runs.sqlite")) as store:
        cluster.hold.write_text("50")
        with connect(cluster.engine) as executor:
            until(lambda: len(executor.client.scheduler_info()["workers"]) == 2)
            came = []
            swept = Background(EXPERIMENTS, executor, store.path, came.append)
            until(lambda: sorted(steps(store).values()) == [0, 0, 50, 50])
            cluster.workers[0].kill()
            cluster.hold.unlink()
            swept.wait()
        assert swept.results == [train(experiment) for experiment in EXPERIMENTS]
        assert sorted(run.experiment.seed for run in came) == [0, 1, 2, 3]
        assert [row.status for row in store.rows()] == ["finished"] * 4
        ((_, step),) = (line.split() for line in (tmp_path / "hold.restored").read_text().splitlines())
        assert int(step) > 40


def test_a_killed_scheduler_ends_a_sweep_that_can_go_on(tmp_path):
    short = SMALL.replace(steps=20, seed=9)
    with local_cluster(tmp_path) as cluster, closing(Store(tmp_path / "runs.sqlite")) as store:
        cluster.hold.write_text("50")
        executor = connect(cluster.engine)
        swept = Background([short, *EXPERIMENTS], executor, store.path)
        until(lambda: sorted(steps(store).values()) == [0, 0, 20, 50, 50])
        cluster.scheduler.kill()
        swept.wait()
        executor.shutdown()
        assert isinstance(swept.error, ClusterError)
        assert str(swept.error) == (
            f"the cluster at {cluster.address} is lost: what is finished is kept, sweep again to go on"
        )
        rows = store.rows()
        assert sorted(row.status for row in rows) == ["finished", "interrupted", "interrupted"]
        assert sweep([short, *EXPERIMENTS], store=store.path) == [train(short), *map(train, EXPERIMENTS)]
        assert {row.id for row in rows} <= {row.id for row in store.rows()}


def test_a_run_that_kills_its_workers_fails_and_others_go_on(tmp_path):
    deadly = SMALL.replace(seed=DEADLY)
    with local_cluster(tmp_path, nanny="--nanny") as cluster, connect(cluster.engine) as executor:
        failed, *others = sweep([deadly, *EXPERIMENTS], executor, ":memory:")
    assert failed.reason == "it was tried 3 times: its worker was lost each time"
    assert others == [train(experiment) for experiment in EXPERIMENTS]


def test_other_versions_are_named_before_anything_runs(tmp_path):
    with local_cluster(tmp_path, workers=0) as cluster:
        with pytest.raises(ClusterError, match="has no worker"):
            connect(cluster.engine)
        cluster.add_worker("--no-nanny", TEST_TORCH="1.0.0")
        with pytest.raises(
            ClusterError, match=r"worker tcp://\S+ has torch 1\.0\.0, here it is torch 2\.\S+: expected"
        ):
            connect(cluster.engine)


@pytest.mark.parametrize("engine", ["dask", "dask://host", "http://host:80", "dask://a b:1", "dask://host:port", ""])
def test_an_engine_that_is_none_is_refused(engine):
    with pytest.raises(ValueError, match=f"engine={engine}: expected dask://host:port or tls://host:port"):
        connect(engine)


@pytest.mark.parametrize("engine", ["dask://127.0.0.1:1", "tls://127.0.0.1:1", "dask://no.such.host.invalid:8786"])
def test_a_cluster_out_of_reach_is_one_line(engine, monkeypatch):
    monkeypatch.setattr("analysis.jobs.cluster.REACH_SECONDS", 0.5)
    with pytest.raises(ClusterError, match=f"^engine={engine}: .+$"):
        connect(engine)
