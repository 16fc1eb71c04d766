"""A run in the history: its row, its progress while it is not finished, and all of it as one record."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from analysis.experiment import Experiment
from analysis.history.database import TextError
from analysis.results import Result, Run, Snapshot
from analysis.sources import file_setting, own_file

LIVE = ("queued", "running")
STATUSES = (*LIVE, "finished", "cancelled", "failed", "interrupted")
NAME_LENGTH = 200  # characters that a run's name may have

Blob = tuple[str, int, bytes]  # kind (snapshot, checkpoint or run), step, encoded data


@dataclass(frozen=True)
class Row:
    """A run as one row of a table of runs. A field that is not known yet, or undefined, is None."""

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
    unsaved: str | None = None  # why the run is in this process's memory alone; None where it is in the file
    imported: bool = False  # whether it came from another history; it is then shown, but never joined

    @property
    def live(self) -> bool:
        """Whether it waits for training or trains."""
        return self.status in LIVE

    @property
    def stopped(self) -> bool:
        """Whether it was cancelled, failed or interrupted, so that it can be resumed."""
        return not self.live and self.status != "finished"

    @property
    def text_missing(self) -> bool:
        """Whether it was imported and learns from a file of its user, which is then a name, not a path."""
        return self.imported and own_file(self.experiment) is not None

    def require_text(self) -> None:
        """Raise a TextError if `text_missing`: the name of its file must not be opened as a path."""
        if self.text_missing:
            what = (file_setting(self.experiment.task) or "").removesuffix("_file")
            raise TextError(f"run {self.id}: its {what} is not here: upload it and train again")

    def as_dict(self) -> dict[str, Any]:
        """Return all fields by name, ready for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {
            "experiment": self.experiment.as_dict()
        }


@dataclass(frozen=True)
class Progress:
    """A run that is not finished, with those fields of a `Run` that exist before its end."""

    row: Row
    snapshots: tuple[Snapshot, ...]
    chance: float  # the metric that guessing gets
    metric_name: str

    @property
    def experiment(self) -> Experiment:
        """The experiment that is trained."""
        return self.row.experiment


@dataclass(frozen=True, eq=False)
class Record(Result):
    """All of a run, for one file. `run` is the result of a finished run; its own `snapshots` are empty."""

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
    """Return whether columns, which are written to a run's row, hold a status with which the run has ended."""
    return columns.get("status", "running") not in LIVE
