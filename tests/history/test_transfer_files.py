"""Runs that learned from a file of their user's, moved to another history: no path goes along, none is opened."""

import pytest

from analysis.history.database import StoreError
from analysis.history.entry import Record
from analysis.history.serialization import decode, encode
from tests.helpers.runs import SMALL, data_run, keep, members, record_of, text_run

PATHS = {
    "/etc/passwd": "passwd", "C:\\Users\\me\\my text.txt": "my text.txt", "/": "text", "plain.txt": "plain.txt",
    "./english": "english.txt",  # not the text that comes with Goldfish
}  # fmt: skip


@pytest.mark.parametrize(("make", "setting"), [(text_run, "text_file"), (data_run, "data_file")])
@pytest.mark.parametrize("path", PATHS)
def test_an_imported_run_keeps_no_path(store, run, path, make, setting):
    record = record_of(make(run, path))
    id = store.import_(encode(record))
    kept = getattr(store.load(id).experiment, setting)
    assert getattr(store.row(id).experiment, setting) == kept
    assert kept == (setting.removesuffix("_file") if path == "/" else PATHS[path])
    assert store.import_(encode(record)) == id
    assert store.row(id).text_missing


def test_an_exported_run_holds_no_path(store, run, tmp_path):
    (tmp_path / "secret folder").mkdir()
    path = tmp_path / "secret folder" / "mine.txt"
    path.write_text("one")
    id = keep(store, text_run(run, str(path)))
    data = store.export(id)
    assert "secret folder" not in members(data)["result.json"].decode()
    exported = decode(Record, data)
    assert exported.experiment.text_file == exported.run.experiment.text_file == "mine.txt"
    assert exported.run.text_sha256 == "0" * 64
    assert store.row(id).experiment.text_file == str(path)
    assert not store.row(id).text_missing


@pytest.mark.parametrize("task", ["text", "words", "series"])
def test_an_imported_run_without_its_file_is_not_resumed(store, run, task, monkeypatch):
    monkeypatch.setattr("analysis.sources.Path", None)  # opens nothing
    file, what = ("data_file", "data") if task == "series" else ("text_file", "text")
    experiment = SMALL.replace(task=task, **{file: "/etc/passwd"})
    id = store.import_(encode(record_of(text_run(run, "x"), experiment=experiment, status="interrupted", run=None)))
    assert getattr(store.row(id).experiment, file) == "passwd"
    with pytest.raises(StoreError, match=f"its {what} is not here: upload it and train again"):
        store.take(id)
    assert store.row(id).status == "interrupted"
    own = store.import_(encode(record_of(run, status="interrupted", run=None)))
    assert store.take(own)  # it needs no file
