"""A campaign: trainings that belong together, submitted to a pool as it has room; later ones may depend on earlier.

It knows nothing of what the runs are for.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from analysis.experiment import Experiment
from analysis.history.database import NoRunError, StoreError
from analysis.history.entry import Row
from analysis.jobs.outcome import DEATHS, result_of
from analysis.jobs.pool import Jobs, QueueFullError
from analysis.results import Run

TURN = 0.3  # seconds between two looks at what trains
AHEAD = 2  # runs per core that are under way at a time: trainings of others get their turns in between

Wanted = Callable[[Mapping[Experiment, Run]], Sequence[Experiment]]


class Campaign:
    """Train what is wanted, and keep the results. Several threads may use it.

    A run that is in the history is not trained again, one that stopped is resumed. One that others have begun is waited
    for: this campaign doesn't cancel it, and goes on with it where they do. What can't be trained, kills its
    worker again and again, or is cancelled from elsewhere, is given up until the next `start`.

    Args:
        jobs: the pool that trains.
        wanted: returns every experiment that is known to be wanted, given the finished runs; called again as they come.
        prepare: called in the campaign's thread before anything trains, never twice at a time, with an event that is
            set where it is to stop; a ValueError of it ends the campaign.
        slim: returns what is to be kept of a run.
    """

    def __init__(
        self,
        jobs: Jobs,
        wanted: Wanted,
        prepare: Callable[[threading.Event], None] = lambda stop: None,
        slim: Callable[[Run], Run] = lambda run: run,
    ) -> None:
        self._jobs, self._wanted, self._prepare, self._slim = jobs, wanted, prepare, slim
        self.preparing = False
        self.trouble = ""  # why it ended early
        self.runs: dict[Experiment, Run] = {}
        self.given_up: dict[Experiment, str] = {}  # with the reason
        self._ids: dict[Experiment, str] = {}  # of the runs under way
        self._joined: set[Experiment] = set()  # those of them that others had begun
        self._deaths = Counter[Experiment]()  # of workers, while they trained it
        self._lock, self._preparing = threading.RLock(), threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def under_way(self) -> bool:
        """Whether it trains."""
        return self._thread is not None and self._thread.is_alive()

    def wanted(self) -> list[Experiment]:
        """Return every experiment that is known to be wanted by now, each once."""
        with self._lock:
            return [*dict.fromkeys(self._wanted(self.runs))]

    def missing(self) -> list[Experiment]:
        """Return the wanted experiments that have no result yet."""
        return [experiment for experiment in self.wanted() if experiment not in self.runs]

    def rows(self) -> dict[Experiment, Row]:
        """Return the history's rows of the runs under way."""
        with self._lock:
            rows = {experiment: self._row(experiment) for experiment in [*self._ids]}
        return {experiment: row for experiment, row in rows.items() if row}

    def look(self) -> None:
        """Take over what the history holds of the finished runs that are wanted; train nothing."""
        with self._lock:
            looked: set[Experiment] = set()
            while new := [experiment for experiment in self.missing() if experiment not in looked]:
                for experiment in new:
                    looked.add(experiment)
                    row = self._jobs.find(experiment)
                    if row and row.status == "finished":
                        self._keep(experiment, row.id)

    def start(self) -> None:
        """Train what is missing, in a thread of its own; where that is under way already, do nothing."""
        with self._lock:
            if self.under_way:
                return
            self.given_up.clear()
            self._deaths.clear()
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._work, args=(self._stop,), name="campaign", daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """Stop all that is under way; `start` goes on with it."""
        self._stop.set()
        with self._lock:
            for id in [id for experiment, id in self._ids.items() if experiment not in self._joined]:
                try:
                    self._jobs.cancel(id)
                except StoreError:  # another process trains it, or it was deleted
                    continue
            self._ids.clear()
            self._thread = None

    def _work(self, stop: threading.Event) -> None:
        self.preparing, self.trouble = True, ""
        try:
            with self._preparing:  # a thread that was cancelled may not have stopped yet
                self._prepare(stop)
            self.preparing = False
            while not stop.is_set():
                with self._lock:
                    if stop.is_set() or not self._turn():
                        return
                stop.wait(TURN)
        except (ValueError, ModuleNotFoundError, StoreError) as error:  # it can't be prepared, or the history be read
            self.trouble = str(error)
        finally:
            if stop is self._stop:  # it was not started anew
                self.preparing = False

    def _turn(self) -> bool:
        """Keep what has finished, and submit more where there is room; return whether anything is left to do."""
        for experiment, id in [*self._ids.items()]:
            row = self._row(experiment)
            if row is None or row.live:
                continue
            del self._ids[experiment]
            if row.status == "cancelled" and experiment in self._joined:
                continue
            self._deaths[experiment] += row.status == "interrupted"
            if row.status != "interrupted" or self._deaths[experiment] >= DEATHS:
                self._keep(experiment, id)
        waiting = [each for each in self.missing() if each not in self._ids and each not in self.given_up]
        for experiment in waiting:
            if len(self._ids) >= AHEAD * (os.cpu_count() or 1) or not self._submit(experiment):
                break
        return bool(waiting or self._ids)

    def _submit(self, experiment: Experiment) -> bool:
        """Submit an experiment, or give it up; return False where the pool has no room."""
        self._joined.discard(experiment)
        try:
            row = self._jobs.find(experiment)
            if row and row.live:
                self._joined.add(experiment)
            self._ids[experiment] = self._jobs.submit(experiment)
        except QueueFullError:
            return False
        except (ValueError, StoreError) as error:
            self.given_up[experiment] = str(error)
        return True

    def _row(self, experiment: Experiment) -> Row | None:
        """Return the row of a run under way; None where it was deleted, which makes it missing again."""
        try:
            return self._jobs.row(self._ids[experiment])
        except NoRunError:
            del self._ids[experiment]
            return None

    def _keep(self, experiment: Experiment, id: str) -> None:
        """Keep the result of a run that has ended; give up one that has none."""
        result = result_of(self._jobs.history, id, experiment)
        if isinstance(result, Run):
            self.runs[experiment] = self._slim(result)
        else:
            self.given_up[experiment] = result.reason
