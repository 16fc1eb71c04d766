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


class LocalCluster:
    """A scheduler and its workers, with files in a folder; `hold` is the file that `tests.jobs.held` reads."""

    def __init__(self, folder):
        self.folder, self.hold, self.workers = folder, folder / "hold", []
        place = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", {}, "--port", "0", "--scheduler-file", str(place))
        until(place.exists)
        self.address = json.loads(place.read_text())["address"]
        self.engine = self.address.replace("tcp", "dask")

    def _start(self, kind, environment, *options):
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--host", "127.0.0.1", "--no-dashboard"]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TEST_HOLD": str(self.hold)} | environment
        with (self.folder / f"{kind}.log").open("ab") as log:
            return subprocess.Popen([*command, *options], cwd=ROOT, env=environment, stdout=log, stderr=log)

    def add_worker(self, *options, **environment):
        """Start a worker process of one thread."""
        mine = ["--nthreads", "1", "--local-directory", str(self.folder), "--preload", str(PRELOAD)]
        self.workers.append(self._start("worker", environment, self.address, *mine, *options))

    def close(self):
        for process in [*self.workers, self.scheduler]:
            process.terminate()  # a nanny ends its worker
        for process in [*self.workers, self.scheduler]:
            process.wait()


@contextmanager
def local_cluster(folder, workers=2, nanny="--no-nanny"):
    cluster = LocalCluster(folder)
    try:
        for _ in range(workers):
            cluster.add_worker(nanny)
        yield cluster
    finally:
        cluster.close()
