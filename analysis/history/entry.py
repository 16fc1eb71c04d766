"""What the history says of a run: its entry, and the whole of it as one record."""

from dataclasses import dataclass, fields
from typing import Any

from analysis.experiment import Experiment
from analysis.history.database import TextError
from analysis.results import Result, Run, Snapshot


@dataclass(frozen=True)
class Row:
    """What the history says of a run at a glance. What isn't known yet, or is undefined, is None."""

    id: str
    name: str
    status: str  # queued, running, finished, cancelled, failed, interrupted
    reason: str | None  # why it failed or was interrupted
    experiment: Experiment
    created: str  # ISO 8601, UTC
    seconds: float  # of training so far
    step: int
    versions: dict[str, str]
    metric: list[float | None] | None  # per seed, once finished
    metric_name: str | None
    chance: float | None
    horizon_before: float | None
    horizon_after: float | None
    diverged: int | None  # how many models
    unsaved: str | None = None  # why the run is in this process's memory alone
    imported: bool = False  # it came from elsewhere: to look at, and nobody's result here

    @property
    def live(self) -> bool:
        """Whether it waits or trains."""
        return self.status in LIVE

    @property
    def stopped(self) -> bool:
        """Whether it was cancelled, failed or interrupted: whether it can be gone on with."""
        return not self.live and self.status != "finished"

    @property
    def text_missing(self) -> bool:
        """Whether it came without the text that it needs: its `text_file` only names that."""
        return self.imported and self.experiment.text_file is not None

    def require_text(self) -> None:
        """Raise a TextError where the run's text is not here: its `text_file` must not be opened."""
        if self.text_missing:
            raise TextError(f"run {self.id}: its text is not here: upload it and train again")

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, ready for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {
            "experiment": self.experiment.as_dict()
        }


LIVE = ("queued", "running")

STATUSES = (*LIVE, "finished", "cancelled", "failed", "interrupted")  # of a run in the history


@dataclass(frozen=True, eq=False)
class Record(Result):
    """A run as one file: its row, its snapshots, and if it is finished its result (whose snapshots are those)."""

    name: str
    status: str
    reason: str | None
    experiment: Experiment
    created: str
    seconds: float
    step: int
    versions: dict[str, str]
    snapshots: tuple[Snapshot, ...]
    run: Run | None


NAME_LENGTH = 200

Blob = tuple[str, int, bytes]  # kind (snapshot, checkpoint or run), step, data
