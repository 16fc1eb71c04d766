"""Train the runs that come with Goldfish, and write them with their list: `python -m analysis.training.ship`.

To be run again where a text, the tasks or the training change; `analysis.history.shipped` reads the files.
"""

import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from analysis.experiment import CELLS, TEXTS, Experiment
from analysis.history.entry import Record
from analysis.history.shipped import FOLDER, LIST
from analysis.history.transfer import pack, read_key
from analysis.report.commands import repeat_command
from analysis.results import Run, versions
from analysis.training.trainer import train

COMMAND = "python -m analysis.training.ship"
EVERY = {"recall": 50, "words": 500}  # updates between two of the snapshots that are kept, to keep the files small


def shipped_experiments() -> dict[str, Experiment]:
    """Return by id what is shipped: the three cells at their defaults, and the word models of Inside the cell."""
    recall = {f"recall-{cell}": Experiment(cell=cell) for cell in CELLS}
    words = {
        f"words-{text}-{cell}": Experiment(cell=cell, task="words", text_file=text, seeds=1)
        for text in TEXTS
        for cell in CELLS
    }
    return recall | words


def pack_run(run: Run) -> bytes:
    """Return a run as one file that the page Runs can import, compressed, with a part of its snapshots."""
    every = EVERY[run.experiment.task]
    record = Record(
        name="",
        status="finished",
        reason=None,
        experiment=run.experiment,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=run.timing["seconds"],
        step=run.snapshots[-1].step,
        versions=run.versions,
        snapshots=tuple(each for each in run.snapshots if each.step % every == 0),
        run=replace(run, snapshots=()),
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(pack(record))) as plain, zipfile.ZipFile(packed, "w") as archive:
        for member in plain.infolist():
            archive.writestr(zipfile.ZipInfo(member.filename), plain.read(member), zipfile.ZIP_DEFLATED, 9)
    return packed.getvalue()


def ship(folder: Path = FOLDER) -> None:
    """Train all that is shipped, and write it into a folder."""
    folder.mkdir(exist_ok=True)
    listed = {}
    for id, experiment in shipped_experiments().items():
        run = train(experiment)
        file = f"{id}.zip"
        (folder / file).write_bytes(pack_run(run))
        listed[id] = {
            "file": file,
            "key": read_key(experiment),
            "repeat": repeat_command(experiment),
            "metric": [float(f"{value:.6g}") for value in run.metric],
            "metric_name": run.metric_name,
        }
        print(f"{id}: {run.metric_name} {listed[id]['metric']}, {(folder / file).stat().st_size:,} bytes")
    content = {"command": COMMAND, "versions": versions(), "runs": listed}
    (folder / LIST).write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    ship()
