"""What the history holds of a run: its row, how far it has come, and the whole of it as one record."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from analysis.experiment import METRICS, Experiment
from analysis.history.database import TextError
from analysis.results import Result, Run, Snapshot

LIVE = ("queued", "running")
STATUSES = (*LIVE, "finished", "cancelled", "failed", "interrupted")
NAME_LENGTH = 200  # characters that a run's name may have

Blob = tuple[str, int, bytes]  # kind (snapshot, checkpoint or run), step, encoded data


@dataclass(frozen=True)
class Row:
    """A run at a glance, as a table of runs shows it. What isn't known yet, or is undefined, is None."""

    id: str
    name: str
    status: str  # one of STATUSES
    reason: str | None  # why it failed or was interrupted
    experiment: Experiment
    created: str  # ISO 8601, UTC
    seconds: float  # of training so far
    step: int  # the last training step that was reported
    versions: dict[str, str]
    metric: list[float | None] | None  # per seed, once finished
    metric_name: str | None
    chance: float | None
    horizon_before: float | None
    horizon_after: float | None
    diverged: int | None  # how many models
    unsaved: str | None = None  # why the run is in this process's memory alone
    imported: bool = False  # it came from another history: it is shown, and never taken as a result trained here

    @property
    def live(self) -> bool:
        """Whether it waits or trains."""
        return self.status in LIVE

    @property
    def stopped(self) -> bool:
        """Whether it was cancelled, failed or interrupted, so that it can be resumed."""
        return not self.live and self.status != "finished"

    @property
    def text_missing(self) -> bool:
        """Whether it was imported without the text it learns from: its `text_file` is then a name, not a path."""
        return self.imported and self.experiment.text_file is not None

    def require_text(self) -> None:
        """Raise a TextError where the run's text is not here: its `text_file` must not be opened."""
        if self.text_missing:
            raise TextError(f"run {self.id}: its text is not here: upload it and train again")

    def as_dict(self) -> dict[str, Any]:
        """Return all fields by name, ready for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {
            "experiment": self.experiment.as_dict()
        }


@dataclass(frozen=True)
class Progress:
    """A run that is not finished, as far as it has come: those fields of a `Run` that exist by then."""

    row: Row
    snapshots: tuple[Snapshot, ...]
    chance: float  # the metric that guessing gets

    @property
    def experiment(self) -> Experiment:
        """The experiment that is trained."""
        return self.row.experiment

    @property
    def metric_name(self) -> str:
        """The metric that the experiment's task is judged by."""
        return METRICS[self.experiment.task]


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


def reports_end(columns: Mapping[str, Any]) -> bool:
    """Whether columns that are written to a run's row say that it has ended."""
    return columns.get("status", "running") not in LIVE
