"""Uploaded files have a limit; what an unfinished run or a comparison needs is never deleted for others."""

import pytest

from analysis import Experiment, Plan
from analysis.jobs.compare import Comparing
from pages.ui import server
from pages.ui.uploads import NoRoomError, Uploads
from tests.helpers.app import SMALL, app, fine
from tests.helpers.data import table, waves

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning")]


def test_the_files_unused_for_longest_make_room():
    uploads = Uploads(set, most=10)
    first, second = uploads.keep(b"1" * 4, "a.csv"), uploads.keep(b"2" * 4, "a.csv")
    assert first != second and first.name == second.name == "a.csv" and uploads.holds(str(first))
    assert uploads.keep(b"1" * 4, "a.csv") == first  # used again
    third = uploads.keep(b"3" * 4)
    assert first.read_bytes() == b"1111" and third.read_bytes() == b"3333" and not second.exists()
    assert uploads.keep(b"2" * 4, "a.csv") == second and second.read_bytes() == b"2222"  # it comes again
    assert not uploads.holds("/etc/passwd") and not uploads.holds(None)


def test_what_is_needed_stays_and_no_room_is_said_so():
    needed = set()
    uploads = Uploads(lambda: needed, most=10)
    first = uploads.keep(b"1" * 6)
    needed.add(str(first))
    with pytest.raises(NoRoomError, match="unfinished runs need the files that fill the server's 0 MB"):
        uploads.keep(b"2" * 6)
    assert first.exists() and uploads.keep(b"3" * 4).exists()
    needed.clear()
    assert uploads.keep(b"2" * 6).exists() and not first.exists()


@pytest.mark.usefixtures("no_runs")
def test_files_of_unfinished_runs_and_comparisons_are_needed(monkeypatch, tmp_path):
    file = tmp_path / "waves.csv"
    file.write_bytes(table(waves(), "year,wave"))
    assert str(file) not in server._needed_files()
    comparing = Comparing(server.jobs(), Plan({"task": "series", "data_file": str(file), "length": 6}))
    monkeypatch.setattr(server, "comparisons", lambda: [comparing])
    assert str(file) not in server._needed_files()
    monkeypatch.setattr(type(comparing.campaign), "under_way", property(lambda campaign: True))
    assert str(file) in server._needed_files()
    monkeypatch.undo()
    id = server.jobs().history.add(Experiment(task="series", data_file=str(file), length=6))
    server.jobs().history.write(id, {"status": "interrupted"})
    assert str(file) in server._needed_files()
    server.jobs().delete(id)
    assert str(file) not in server._needed_files()


def test_a_page_says_that_there_is_no_room(monkeypatch):
    full = Uploads(set, most=10)
    monkeypatch.setattr("pages.ui.sources.uploads", lambda: full)
    at = fine(app("pages/measure/decay.py", **SMALL, task="series"))
    [widget] = [each for each in at.get("file_uploader") if each.key == "data"]
    widget.set_value(("waves.csv", table(waves(), "year,wave"), "text/csv"))
    assert "Not uploaded: unfinished runs need" in fine(at.run()).error[0].value
