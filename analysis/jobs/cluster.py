"""A cluster of dask.distributed as an executor, and the progress of the runs that it trains.

What a worker has to say of its run goes through a queue of the cluster, at most a few times a second. A run that loses
its worker is started again by dask: it then asks this process for its checkpoint. Needs dask.distributed.
"""

import asyncio
import contextlib
import logging
import re
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor, wait
from queue import Empty, SimpleQueue
from secrets import token_hex
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from analysis.history.fallback import FallbackStore
from analysis.jobs.executors import write_reports
from analysis.jobs.outcome import DEATHS, fail_after_deaths
from analysis.jobs.remote import QUEUED, differences, library_versions, train_reporting
from analysis.sources import source_sha256

if TYPE_CHECKING:
    from distributed import Client

ENGINE = re.compile(r"(dask|tls)://[^/:@\s]+:\d{1,5}|(dask|tls)://\[[0-9a-fA-F:]+\]:\d{1,5}")
REACH_SECONDS = 5.0  # for a cluster to answer, and for its first worker to join
CLOSE_SECONDS = 2.0
LOOK_SECONDS, LONELY_SECONDS = 2.0, 20.0  # between two looks for workers; without any before a warning

P = ParamSpec("P")
R = TypeVar("R")


class ClusterError(ConnectionError):
    """A cluster that can't be reached, is lost, or has other versions."""


class NoWorkerWarning(RuntimeWarning):
    """A cluster has lost all its workers; the sweep waits for another."""


class Cluster(Executor):
    """A dask cluster, by its `distributed.Client`; `connect` makes one from an address.

    Raises:
        ClusterError: where no worker is there in time, or one has other versions of Goldfish, numpy or torch.
    """

    def __init__(self, client: "Client") -> None:
        self.client, self.address = client, client.scheduler_info()["address"]
        self._executor = client.get_executor(pure=False)
        try:
            client.wait_for_workers(1, timeout=REACH_SECONDS)
            found = client.run(library_versions, on_error="return")
        except TimeoutError:
            raise ClusterError(f"the cluster at {self.address} has no worker: start one with `dask worker`") from None
        if differing := [f"{worker} {text}" for worker, text in _named_differences(found)]:
            others = f", and {len(differing) - 1} others differ" if differing[1:] else ""
            raise ClusterError(f"worker {differing[0]}{others}: expected the same versions everywhere")

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Have the cluster call a function; its future is one of `concurrent.futures`."""
        future: Future[R] = self._executor.submit(fn, *args, **kwargs)
        return future

    def has_workers(self) -> bool:
        """Return whether any worker is there; True where the scheduler doesn't answer: that is noticed elsewhere."""
        if (scheduler := self.client.scheduler) is None:
            return True
        try:
            found = self.client.sync(scheduler.identity, n_workers=1, callback_timeout=CLOSE_SECONDS)
        except Exception:  # it is closing, or lost
            return True
        return bool(found["workers"])

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; what it still does for this process is cancelled."""
        with contextlib.suppress(Exception):  # the scheduler may have ended
            self.client.close(timeout=CLOSE_SECONDS)


def _named_differences(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the workers whose versions differ from those here, each with what it has."""
    named = []
    for worker, versions in found.items():
        if isinstance(versions, ModuleNotFoundError):
            named.append((worker, f"has no module {versions.name}"))
        elif isinstance(versions, BaseException):
            named.append((worker, f"could not say its versions: {type(versions).__name__}: {versions}"))
        elif text := differences(versions):
            named.append((worker, text))
    return named


def connect(engine: str) -> Cluster:
    """Return the cluster at dask://host:port, or tls://host:port with the certificates that dask's configuration names.

    Raises:
        ValueError: for any other address.
        ModuleNotFoundError: where dask.distributed isn't installed.
        ClusterError: where the cluster can't be reached in time, or can't be used.
    """
    if not ENGINE.fullmatch(engine):
        raise ValueError(f"engine={engine}: expected dask://host:port or tls://host:port")
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"engine={engine}: dask.distributed is not installed: pip install -r requirements-cluster.txt"
        ) from None
    for name in ("distributed", "distributed.client"):  # what matters is raised
        logging.getLogger(name).setLevel(logging.CRITICAL)
    address = engine.replace("dask://", "tcp://")
    try:
        with ThreadPoolExecutor(1) as thread:  # this one may run a loop, as a notebook's does
            thread.submit(asyncio.run, _greet(address)).result()
        client = Client(address, timeout=REACH_SECONDS, set_as_default=False)
    except Exception as error:  # a server that isn't dask's, or certificates, may cause any
        raise ClusterError(f"engine={engine}: the cluster can't be reached: {_reason(error)}") from None
    try:
        return Cluster(client)
    except BaseException:
        client.close(timeout=CLOSE_SECONDS)
        raise


def _reason(error: Exception) -> str:
    """Return why a cluster can't be reached, in one line."""
    if isinstance(error, TimeoutError):
        return f"no scheduler answers within {REACH_SECONDS:g} s"
    if isinstance(error, MemoryError):  # sizes were read from an answer in another protocol
        return "what answers is no scheduler of dask"
    return str(error).split("\n")[0]


async def _greet(address: str) -> None:
    """Ask a scheduler who it is; raise an error where none answers in time. A `Client` would take longer to give up."""
    from distributed import Security
    from distributed.core import rpc

    certificates = Security().get_connection_args("client")
    async with asyncio.timeout(REACH_SECONDS), rpc(address, connection_args=certificates) as scheduler:
        await scheduler.identity()


class Loneliness:
    """Warns, once each time, where a cluster has had no worker for a while: a sweep would wait for one in silence."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._looked = self._seen = time.monotonic()  # when last, and when a worker was there
        self._said = False

    def look(self) -> None:
        """Look for workers, at most every two seconds; warn with a `NoWorkerWarning` where there are none for long."""
        now = time.monotonic()
        if now < self._looked + LOOK_SECONDS:
            return
        self._looked = now
        if self._cluster.has_workers():
            self._seen, self._said = now, False
        elif not self._said and now > self._seen + LONELY_SECONDS:
            self._said, where = True, self._cluster.address
            text = (
                f"the cluster at {where} has no worker left: the sweep goes on once one joins, by "
                f"`dask worker {where}`; what is finished is kept, also if you stop here"
            )
            warnings.warn(text, NoWorkerWarning, stacklevel=2)


class ClusterCrew:
    """The workers of a cluster: they report progress and checkpoints, which a thread writes into the history."""

    def __init__(self, cluster: Cluster, history: FallbackStore) -> None:
        from distributed import Event, Queue

        self._cluster, self._history = cluster, history
        self._channel = f"goldfish-{token_hex(8)}"
        self._queue = Queue(self._channel, client=cluster.client, maxsize=QUEUED)
        self._stopped = Event(f"{self._channel}-stopped", client=cluster.client)
        self._under_way: set[str] = set()  # runs that have not ended
        self._futures: dict[str, Future[None]] = {}
        self._lock = threading.RLock()
        self._starts, self._retries = Counter[str](), Counter[str]()
        self._news = SimpleQueue[tuple[str, Future[None] | None] | Exception]()
        self._lost = False
        self._loneliness = Loneliness(cluster)
        self._thread = threading.Thread(target=self._listen, name="cluster", daemon=True)
        self._thread.start()

    def submit(self, id: str) -> None:
        """Have a run trained."""
        self._under_way.add(id)
        self._futures[id] = future = self._cluster.submit(train_reporting, self._channel, id)
        future.add_done_callback(lambda future: self._news.put((id, future)))

    def training(self) -> list[str]:
        """Return the runs that workers train now."""
        with self._lock:
            return [id for id in self._under_way if self._starts[id]]

    def next_ended(self, seconds: float) -> str | None:
        """Wait so long for a run to end; return its id, None where none has ended.

        Warns where no worker is left. Raises ClusterError where the cluster is lost.
        """
        try:
            news = self._news.get(timeout=seconds)
        except Empty:
            self._loneliness.look()
            return None
        if isinstance(news, Exception):
            raise news
        id, future = news
        return id if future is None or self._has_failed(id, future) else None

    def _has_failed(self, id: str, future: Future[None]) -> bool:
        """Return whether a run ended by failing with its task; what its worker reports comes through the queue."""
        with self._lock:
            if id not in self._under_way:
                return False
            if future.cancelled():
                raise self._loss()
            error = future.exception()
            if error is None:  # the report of its end is on its way
                return False
            self._retries[id] += 1
            if max(self._starts[id], self._retries[id]) < DEATHS:
                self.submit(id)
                return False
            fail_after_deaths(self._history, id, f"{type(error).__name__}: {error}")
            self._under_way.remove(id)
            return True

    def stop(self) -> None:
        """Tell the workers to stop, and cancel what they haven't begun."""
        stopped = [self._futures.pop(id) for id in [*self._under_way] if id in self._futures]
        self._under_way.clear()
        if self._lost:  # to ask the scheduler for anything would take as long as to reconnect
            return
        with contextlib.suppress(Exception):  # the scheduler may end just now
            wait(self._futures.values(), CLOSE_SECONDS)  # the tasks of runs that have ended are about to end too
            for future in stopped:
                future.cancel()
            self._stopped.set()
            self._queue.put(None, timeout=CLOSE_SECONDS)  # ends the thread
            self._thread.join(CLOSE_SECONDS)
            self._queue.close()

    def _loss(self) -> ClusterError:
        """Note that the cluster is lost, and return the error that says so."""
        self._lost = True
        where = self._cluster.address
        return ClusterError(f"the cluster at {where} is lost: what is finished is kept, sweep again to go on")

    # The thread that receives what workers report

    def _listen(self) -> None:
        """Receive what workers report until the cluster is lost or left."""
        try:
            while (message := self._queue.get()) is not None:
                id, attempt, reports = message
                with self._lock:
                    if attempt is None:
                        self._answer(id, *reports)
                    elif id not in self._under_way or attempt != self._starts[id]:
                        continue  # a worker that was taken for lost still reports
                    elif write_reports(self._history, id, reports):
                        self._end(id)
        except (OSError, CancelledError, TimeoutError):
            self._news.put(self._loss())
        except Exception as error:
            self._news.put(error)

    def _end(self, id: str) -> None:
        """Report a run as ended."""
        self._under_way.remove(id)
        self._news.put((id, None))

    def _answer(self, id: str, reply: str, worker: str, versions: dict[str, str]) -> None:
        """Answer a worker that is to train a run: with the number of this start and all it takes, or with None."""
        from distributed import Queue

        queue, answer = Queue(reply, client=self._cluster.client), None
        if id not in self._under_way:
            pass
        elif text := differences(versions):
            self._news.put(ClusterError(f"worker {worker} {text}: expected the same versions everywhere"))
        elif self._starts[id] == DEATHS:
            fail_after_deaths(self._history, id, "its worker was lost each time")
            self._end(id)
        else:
            self._starts[id] += 1
            experiment = self._history.row(id).experiment
            file = source_sha256(experiment)
            answer = (self._starts[id], file, experiment.as_dict(), *self._history.progress(id))
        queue.put(answer)
        queue.close()
