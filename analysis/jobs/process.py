"""A worker process as the server sees it: its pipe, its run, and how it ended."""

import importlib
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Self

CANCEL_SECONDS = 2.0  # a worker that has not stopped this long after a cancel is killed


@dataclass(eq=False)
class WorkerProcess:
    """One worker process, and the state of the run that it trains."""

    process: BaseProcess
    pipe: Connection
    ready: bool = False  # whether it has loaded its libraries
    run: str | None = None
    begun: bool = False  # whether it has reported progress of its run
    cancelled: float | None = None  # when its run was cancelled, in `time.monotonic` seconds

    @classmethod
    def start(cls, context: ForkServerContext | SpawnContext, checkpoint_seconds: float) -> Self:
        """Start a process; may raise any error of the system."""
        here, there = context.Pipe()
        # Look the function up now: Streamlit imports modules again when their files change.
        work = importlib.import_module("analysis.jobs.worker").work
        process = context.Process(target=work, args=(there, checkpoint_seconds), daemon=True)
        try:
            process.start()
        finally:
            there.close()
        return cls(process, here)

    @property
    def idle(self) -> bool:
        """Whether it is ready for a run."""
        return self.ready and self.run is None

    @property
    def overdue(self) -> bool:
        """Whether its run was cancelled and has not stopped in time."""
        return bool(self.run and self.cancelled and time.monotonic() > self.cancelled + CANCEL_SECONDS)

    def end(self, patience: float = 0.0) -> str:
        """Wait `patience` seconds for the process to end, then kill it; return how it ended, to follow "it"."""
        if patience:
            self.process.join(patience)
        self.process.kill()
        self.process.join()
        code = self.process.exitcode
        self.process.close()
        self.pipe.close()
        if code is not None and code < 0:
            names = {known.value: known.name for known in signal.Signals}
            return f"was killed by {names.get(-code, f'signal {-code}')}"
        return f"ended with exit code {code}"
