"""A campaign: trainings that belong together, submitted to a pool as it has room; later ones may depend on earlier.

Sweeps, and comparisons on a page, train on a pool through it. It knows nothing of what the runs are for.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress

from analysis.experiment import Experiment
from analysis.history.database import NoRunError, StoreError
from analysis.history.entry import Row
from analysis.jobs.outcome import DEATHS, Failed, OnProgress, fail_after_deaths, result_of
from analysis.jobs.pool import Jobs, QueueFullError
from analysis.results import Run

TURN = 0.3  # seconds between two looks at what trains
SHORT_TURN = 0.05  # where a caller waits for it
AHEAD = 2  # runs per core that are under way at a time: trainings of others get their turns in between

Wanted = Callable[[Mapping[Experiment, Run]], Sequence[Experiment]]


class Campaign:
    """Train what is wanted, and keep the results. Several threads may use it.

    `start` trains in a thread of its own, `train` in that of the caller. A run that is in the history is not trained
    again, one that stopped is resumed. One that others have begun is waited for: this campaign doesn't cancel it, and
    goes on with it where they do. What can't be trained, kills its worker again and again, or is cancelled from
    elsewhere, is given up until the next `start`.

    Args:
        jobs: the pool that trains.
        wanted: returns every experiment that is known to be wanted, given the finished runs; called again as they come.
        prepare: called by `start` before anything trains, never twice at a time, with an event that is set where it is
            to stop; a ValueError of it ends the campaign.
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
        """Whether it trains in a thread of its own."""
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
        """Stop all that is under way; `start` goes on with it. Runs that have not begun are deleted."""
        self._stop.set()
        with self._lock:
            self._delete_waiting()
            for id in self._own():
                with suppress(StoreError):  # another process trains it, or it was deleted
                    self._jobs.cancel(id)
            self._ids.clear()
            self._thread = None

    def train(self, on_progress: OnProgress | None = None) -> Generator[Run | Failed]:
        """Train what is missing here and now; yield each result as it comes.

        Where it is stopped early, runs that have not begun are deleted, and others stay under way in the pool.
        """
        try:
            while (ended := self._turn()) is not None:
                for each in ended:
                    yield self.runs[each] if each in self.runs else Failed(each, self.given_up[each])
                if on_progress:
                    on_progress({experiment: row.step for experiment, row in self.rows().items()})
                time.sleep(SHORT_TURN)
        finally:
            self._delete_waiting()

    def _delete_waiting(self) -> None:
        """Delete the runs that wait for a worker and have never begun."""
        for id in self._own():
            with suppress(StoreError):  # another process is to train it
                row = self._jobs.row(id)
                if row.status == "queued" and not row.step:
                    self._jobs.cancel(id)
                    self._jobs.delete(id)

    def _own(self) -> list[str]:
        """Return the runs under way that others had not begun."""
        return [id for experiment, id in self._ids.items() if experiment not in self._joined]

    def _work(self, stop: threading.Event) -> None:
        self.preparing, self.trouble = True, ""
        try:
            with self._preparing:  # a thread that was cancelled may not have stopped yet
                self._prepare(stop)
            self.preparing = False
            while not stop.is_set():
                with self._lock:
                    if stop.is_set() or self._turn() is None:
                        return
                stop.wait(TURN)
        except (ValueError, ModuleNotFoundError, StoreError) as error:  # it can't be prepared, or the history be read
            self.trouble = str(error)
        finally:
            if stop is self._stop:  # it was not started anew
                self.preparing = False

    def _turn(self) -> list[Experiment] | None:
        """Keep what has ended, and submit more where there is room.

        Returns what has its result now, or was given up; None where nothing is left to do.
        """
        ended = [experiment for experiment, id in [*self._ids.items()] if self._has_ended(experiment, id)]
        room = AHEAD * (os.cpu_count() or 1) - len(self._ids)
        if room <= 0:
            return ended
        waiting = [each for each in self.missing() if each not in self._ids and each not in self.given_up]
        for experiment in waiting[:room]:
            try:
                self._submit(experiment)
            except QueueFullError:
                break
            except (ValueError, StoreError) as error:
                self.given_up[experiment] = str(error)
                ended.append(experiment)
        return ended if ended or waiting or self._ids else None

    def _has_ended(self, experiment: Experiment, id: str) -> bool:
        """Return whether a run under way has ended for good, and keep its result; one that stopped is missing again."""
        row = self._row(experiment)
        if row is None or row.live:
            return False
        del self._ids[experiment]
        if row.status == "cancelled" and experiment in self._joined:
            return False
        if row.status == "interrupted":  # with its worker
            self._deaths[experiment] += 1
            if self._deaths[experiment] < DEATHS:
                return False
            if self._jobs.history.take(id):
                fail_after_deaths(self._jobs.history, id, row.reason or "")
        self._keep(experiment, id)
        return True

    def _submit(self, experiment: Experiment) -> None:
        """Submit an experiment. Raises what the pool raises: QueueFullError, or an error where it can't be trained."""
        row = self._jobs.find(experiment)
        self._joined.discard(experiment)
        if row and row.live:
            self._joined.add(experiment)
        self._ids[experiment] = self._jobs.submit(experiment)

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
