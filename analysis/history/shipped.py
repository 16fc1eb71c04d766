"""The runs that come with Goldfish, trained. They are kept beside the history, and none of them is ever in it.

Each is a file as `transfer.pack` makes it; `runs.json` lists them by id. `analysis.training.ship` trains and writes
them.
"""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from analysis.experiment import Experiment
from analysis.history.entry import Record
from analysis.history.serialization import decode
from analysis.history.transfer import read_key
from analysis.results import Run

FOLDER = Path(__file__).parents[1] / "shipped"
LIST = "runs.json"


@cache
def _listed() -> dict[str, dict[str, Any]]:
    """Return what is listed of each run, by its id."""
    runs: dict[str, dict[str, Any]] = json.loads((FOLDER / LIST).read_text())["runs"]
    return runs


def find_shipped(experiment: Experiment) -> str | None:
    """Return the id of the shipped run of an identical experiment; None where there is none.

    Raises ValueError for a text that can't be read.
    """
    key = read_key(experiment)
    return next((id for id, listed in _listed().items() if listed["key"] == key), None)


def is_shipped(id: str) -> bool:
    """Return whether an id is that of a shipped run."""
    return id in _listed()


def load_shipped(id: str) -> Run:
    """Return a shipped run with the few snapshots that are shipped of it. Raises KeyError for an id of no such run."""
    record = decode(Record, (FOLDER / _listed()[id]["file"]).read_bytes())
    assert record.run is not None, "only finished runs are shipped"
    return replace(record.run, snapshots=record.snapshots)
