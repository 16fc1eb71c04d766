"""A dask cluster on loopback: a scheduler and workers as processes, each of which a test may kill."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from tests.helpers.jobs import until

ROOT = Path(__file__).parent.parent.parent
PRELOAD = Path(__file__).parent / "preload.py"


def read_address(place):
    """Return the address in a scheduler's file; None while it is not there or not yet whole."""
    try:
        return json.loads(place.read_text())["address"]
    except (FileNotFoundError, ValueError):
        return None


class LocalCluster:
    """A scheduler and its workers, with files in a folder; `hold` is the file that `tests.jobs.held` reads.

    With `preload`, workers can be held, and make checkpoints all the time.
    """

    def __init__(self, folder, preload):
        self.folder, self.hold, self.workers = folder, folder / "hold", []
        self.options = ["--no-nanny", "--nthreads", "1", "--local-directory", str(folder)]
        self.options += ["--preload", str(PRELOAD)] if preload else []
        place = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", {}, "--port", "0", "--scheduler-file", str(place))
        self.address = until(lambda: read_address(place))
        self.engine = self.address.replace("tcp", "dask")

    def _start(self, kind, environment, *options):
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--host", "127.0.0.1", "--no-dashboard"]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TEST_HOLD": str(self.hold)} | environment
        with (self.folder / f"{kind}.log").open("ab") as log:
            return subprocess.Popen([*command, *options], cwd=ROOT, env=environment, stdout=log, stderr=log)

    def need_workers(self, count):
        """Start as many workers as are missing."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < count:
            self.add_worker()

    def add_worker(self, **environment):
        """Start a worker process of one thread."""
        self.workers.append(self._start("worker", environment, self.address, *self.options))

    def close(self):
        self.hold.unlink(missing_ok=True)
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()


@contextmanager
def local_cluster(folder, *, preload=True):
    cluster = LocalCluster(folder, preload)
    try:
        yield cluster
    finally:
        cluster.close()
