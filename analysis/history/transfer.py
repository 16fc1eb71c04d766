"""Convert runs to the history's columns and blobs, and to one file and back. A file may come from anywhere."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import PureWindowsPath
from secrets import token_hex
from typing import Any

from analysis.experiment import DEFAULT_LENGTH, SETTINGS, TEXTS, Experiment
from analysis.history.entry import LIVE, NAME_LENGTH, Blob, Record
from analysis.history.serialization import LARGEST, decode, encode
from analysis.history.validation import check_record
from analysis.results import Run
from analysis.sources import file_setting, own_file, source_sha256

IMPORTED = "imported "  # prefix of an imported run's key; no experiment's key starts with it


def run_key(experiment: Experiment, source_sha256: str | None = None) -> str:
    """Return a key that is the same for identical experiments alone; a text or data is identified by its hash.

    Settings at their default are left out, so that a setting added later changes no key. The hash is used for tasks
    that read a file alone; see `read_key`.
    """
    settings = experiment.as_dict() | {"length": experiment.task_length}
    defaults = {name: setting.default for name, setting in SETTINGS.items()}
    defaults["length"] = DEFAULT_LENGTH[experiment.task]
    settings = {name: value for name, value in settings.items() if value != defaults[name]}
    settings = {name: value + 0 if isinstance(value, float) else value for name, value in settings.items()}  # no -0.0
    if name := file_setting(experiment.task):
        settings[name] = source_sha256 or ""
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def read_key(experiment: Experiment) -> str:
    """Return an experiment's `run_key`; read the text or the data that it learns from, if it has some.

    Raises ValueError for a file that can't be read.
    """
    return run_key(experiment, source_sha256(experiment))


def finished_columns(run: Run) -> tuple[dict[str, Any], Blob]:
    """Return the columns and the blob that `Store.write` takes for a finished run."""
    columns = {
        "status": "finished",
        "key": run_key(run.experiment, run.source_sha256),  # the file may have changed while the run waited
        "reason": None,
        "step": run.snapshots[-1].step,
        "seconds": run.timing.get("seconds", 0.0),
        "metric": json.dumps([None if math.isnan(value) else float(value) for value in run.metric]),
        "metric_name": run.metric_name,
        "chance": run.chance,
        "horizon_before": run.before.horizon,  # NaN becomes NULL
        "horizon_after": run.after.horizon,
        "diverged": len(run.diverged),
    }
    return columns, ("run", 0, encode(replace(run, snapshots=())))


def pack(record: Record) -> bytes:
    """Return a run as one file, with no path in it."""
    return encode(_without_path(record))


def unpack(data: bytes) -> tuple[dict[str, Any], list[Blob]]:
    """Decode and check a run from a file; return its columns and blobs under a new id.

    A forged file may raise any exception: `Store.import_` turns it into a StoreError.
    """
    record = decode(Record, data, LARGEST)
    check_record(record)
    return _unpacked(_without_path(record))


def _without_path(record: Record) -> Record:
    """Return a record without its file's folder: a path from a record must never be opened."""
    setting, file = file_setting(record.experiment.task), own_file(record.experiment)
    if setting is None or file is None:
        return record
    name = PureWindowsPath(file).name[:NAME_LENGTH] or setting.removesuffix("_file")  # takes both kinds of slashes
    experiment = record.experiment.replace(**{setting: f"{name}.txt" if name in TEXTS else name})
    return replace(record, experiment=experiment, run=record.run and replace(record.run, experiment=experiment))


def _printable(text: str) -> str:
    """Return text in one line, without the characters that control a terminal."""
    return "".join(sign for sign in " ".join(text.split()) if sign.isprintable())


def _unpacked(record: Record) -> tuple[dict[str, Any], list[Blob]]:
    """Return a record's columns, with a new id, and its blobs."""
    run, experiment = record.run, record.experiment
    columns, result = finished_columns(replace(run, snapshots=record.snapshots)) if run else ({}, None)
    columns |= {
        "id": token_hex(4),
        "key": IMPORTED + run_key(experiment, run.source_sha256 if run else None),
        "name": _printable(record.name)[:NAME_LENGTH],
        "status": "interrupted" if record.status in LIVE else record.status,
        "reason": record.reason and _printable(record.reason),
        "experiment": json.dumps(experiment.as_dict()),
        "created": datetime.fromisoformat(record.created).astimezone(UTC).isoformat(timespec="milliseconds"),
        "seconds": record.seconds,
        "step": record.step,
        "versions": json.dumps(record.versions),
    }
    snapshots = [("snapshot", snapshot.step, encode(snapshot)) for snapshot in record.snapshots]
    return columns, [*snapshots, result] if result else snapshots
