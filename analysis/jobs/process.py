"""A worker process as the server sees it: its pipe, its run, and how it ended."""

import importlib
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Self

CANCEL_SECONDS = 2.0  # after which a worker that has not yet come to its next step is to be killed


@dataclass(eq=False)
class WorkerProcess:
    """One worker, and what is known of the run that it was given."""

    process: BaseProcess
    pipe: Connection
    ready: bool = False  # whether it has loaded what it trains with
    run: str | None = None
    begun: bool = False  # whether it has reported anything of its run
    cancelled: float | None = None  # when its run was to stop, in `time.monotonic` seconds

    @classmethod
    def start(cls, context: ForkServerContext | SpawnContext, checkpoint_seconds: float) -> Self:
        """Start a process; raises whatever the system has against it."""
        here, there = context.Pipe()
        # The function as it is imported now: Streamlit imports modules anew when their files change.
        work = importlib.import_module("analysis.jobs.worker").work
        process = context.Process(target=work, args=(there, checkpoint_seconds), daemon=True)
        try:
            process.start()
        finally:
            there.close()
        return cls(process, here)

    @property
    def idle(self) -> bool:
        """Whether it can be given a run."""
        return self.ready and self.run is None

    @property
    def overdue(self) -> bool:
        """Whether its run was cancelled, and it has not stopped in time."""
        return bool(self.run and self.cancelled and time.monotonic() > self.cancelled + CANCEL_SECONDS)

    def end(self, patience: float = 0.0) -> str:
        """Kill it, if it doesn't end by itself within some seconds; return how it ended, to follow "it"."""
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
