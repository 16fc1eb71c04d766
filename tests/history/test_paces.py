"""How long updates took is kept with the runs, in the file or where that fails in memory."""

import sqlite3
from contextlib import closing

import pytest

from analysis import Experiment
from analysis.history.database import MEMORY
from analysis.history.fallback import FallbackStore

TWO = [Experiment(cell="rnn"), Experiment(cell="gru")]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.sqlite"


@pytest.mark.parametrize("place", ["path", "memory", "unusable"])
def test_what_was_measured_first_is_kept(place, path):
    if place == "unusable":
        path.write_text("no history")
    with closing(FallbackStore(MEMORY if place == "memory" else path)) as history:
        assert history.find_paces(TWO) is None
        assert history.keep_paces(TWO, [1.5, 0.1]) == [1.5, 0.1] == history.find_paces(TWO)
        assert history.keep_paces(TWO, [3.0, 4.0]) == [1.5, 0.1]
        assert history.find_paces(TWO[::-1]) is None and history.find_paces(TWO[:1]) is None


@pytest.mark.parametrize(
    "damage", ["", "7", "[1.5]", '[1.5, "x"]', "[1.5, -1]", "[1.5, NaN]", "[1.5, null]", "{", b"\xff"]
)
def test_a_damaged_entry_is_measured_again(damage, path):
    with closing(FallbackStore(path)) as history:
        history.keep_paces(TWO, [1.5, 0.1])
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE paces SET ms = ?", (damage,))
        assert history.find_paces(TWO) is None
        assert history.keep_paces(TWO, [2.0, 3.0]) == [2.0, 3.0] == history.find_paces(TWO)
