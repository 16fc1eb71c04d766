"""The runs that come with Goldfish: found by their settings, whole, small, and in no history."""

from dataclasses import replace

import pytest

from analysis import Experiment
from analysis.history import shipped
from analysis.history.entry import Record
from analysis.history.serialization import decode, encode
from analysis.history.shipped import find_shipped, is_shipped, load_shipped
from analysis.history.transfer import read_key
from analysis.report.commands import repeat_command
from analysis.training.ship import shipped_experiments

EXPERIMENTS = shipped_experiments()


@pytest.mark.parametrize("id", EXPERIMENTS)
def test_each_is_found_by_its_settings_alone_and_is_of_them(id):
    experiment = EXPERIMENTS[id]
    assert find_shipped(experiment) == id and is_shipped(id)
    run = load_shipped(id)
    assert run.experiment == experiment and run.status == "finished"
    assert [run.snapshots[at].step for at in (0, -1)] == [0, experiment.steps]
    listed = shipped._listed()[id]
    assert listed["metric"] == pytest.approx(run.metric.tolist(), rel=1e-5)
    assert listed["repeat"] == repeat_command(experiment) and listed["key"] == read_key(experiment)
    for other in ({"seed": 1}, {"steps": 490}, {"hidden_size": 31}):
        assert find_shipped(experiment.replace(**other)) is None


def test_a_text_of_ones_own_is_not_the_one_that_was_shipped(tmp_path):
    file = tmp_path / "english"
    file.write_text("one two three " * 100)
    assert find_shipped(Experiment(task="words", text_file=str(file), seeds=1)) is None
    with pytest.raises(ValueError, match="text_file"):
        find_shipped(Experiment(task="words", text_file=str(tmp_path / "none"), seeds=1))


def test_they_are_small_and_no_file_is_left_over():
    files = {path.name: path.stat().st_size for path in shipped.FOLDER.iterdir()}
    assert files.keys() == {shipped.LIST, *(f"{id}.zip" for id in EXPERIMENTS)}
    assert sum(files.values()) < 1.5e6


def test_an_unfinished_run_of_the_english_text_can_be_imported_and_resumed(store):
    whole = decode(Record, (shipped.FOLDER / "words-english-rnn.zip").read_bytes())
    id = store.import_(encode(replace(whole, status="interrupted", run=None)))
    assert store.row(id).experiment.text_file == "english" and not store.row(id).text_missing
    assert store.take(id)


def test_each_can_be_imported_and_is_marked_as_that(store):
    id = store.import_((shipped.FOLDER / "words-english-rnn.zip").read_bytes())
    assert store.row(id).imported and store.load(id) == load_shipped("words-english-rnn")
    assert not is_shipped(id)
