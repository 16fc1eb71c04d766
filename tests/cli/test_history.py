import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

from analysis import Experiment, train, watch
from analysis.cli import measure
from analysis.cli.main import main
from analysis.history.fallback import FallbackStore
from analysis.history.store import Store
from analysis.jobs.pool import Jobs
from tests.cli.test_main import refusal, strict

SMALL = ["--length", "6", "--hidden-size", "4", "--steps", "30", "--seeds", "2", "--batch-size", "4"]
EXPERIMENT = Experiment(length=6, hidden_size=4, steps=30, seeds=2, batch_size=4)
NAMES = {
    "id",
    "status",
    "experiment",
    "created",
    "seconds",
    "step",
    "metric",
    "chance",
    "horizon_before",
    "horizon_after",
}


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    """A history of this test alone."""
    monkeypatch.setenv("GOLDFISH_STORE", str(tmp_path / "runs.sqlite"))
    return tmp_path / "runs.sqlite"


def rows(capsys):
    capsys.readouterr()
    assert main(["runs", "--json"]) == 0
    return strict(capsys.readouterr().out)


def interrupted(monkeypatch, step=20):
    """Train until a step, as if Ctrl-C were typed there."""

    def show_progress(line):
        if line.startswith(f"update {step}/"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(measure, "show_progress", show_progress)
        assert main(["train", *SMALL]) == 130


def test_what_is_trained_is_kept(path, capsys):
    assert main(["train", *SMALL]) == 0
    (row,) = rows(capsys)
    assert row.keys() >= NAMES
    run = Store(path).load(row["id"])
    assert run == train(EXPERIMENT)
    assert row["experiment"] == EXPERIMENT.as_dict()
    assert row["metric"] == run.metric.tolist()
    assert (row["status"], row["step"], row["chance"]) == ("finished", 30, 0.125)
    assert (row["horizon_before"], row["horizon_after"]) == (run.before.horizon, run.after.horizon)


def test_what_is_trained_already_is_shown_again(path, tmp_path, capsys, monkeypatch):
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    assert main(["train", *SMALL, "--json", str(one)]) == 0
    out, _ = capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "train_here", lambda *_, **__: pytest.fail("this is there already"))
        assert main(["train", *SMALL, "--json", str(other)]) == 0
    again, said = capsys.readouterr()
    assert (again, other.read_text()) == (out, one.read_text())
    (row,) = rows(capsys)
    assert said == f"goldfish: trained on {row['created'][:10]}, run {row['id']}; --no-store trains anew\n"
    monkeypatch.setattr(measure, "show_progress", lambda line: None)
    assert main(["train", *SMALL, "--no-store"]) == 0
    assert capsys.readouterr() == (out, "")


def test_a_run_that_another_process_trains_is_waited_for(path, capsys, hold, monkeypatch):
    follow = Jobs._follow

    def let_go_and_follow(*told):
        hold.unlink()
        return follow(*told)

    monkeypatch.setattr(Jobs, "_follow", let_go_and_follow)
    longer = EXPERIMENT.replace(steps=300)
    with Jobs(path, workers=1) as server:
        id = server.submit(longer)
        assert main(["train", *SMALL, "--steps", "300"]) == 0
    out, err = capsys.readouterr()
    assert "median" in out and err.startswith(f"goldfish: run {id}: another process trains it, waiting for it; ")
    (row,) = rows(capsys)
    assert (row["id"], row["status"]) == (id, "finished")
    assert Store(path).load(id) == train(longer)


def test_a_run_that_stopped_is_gone_on_with(path, capsys, monkeypatch):
    interrupted(monkeypatch)
    (row,) = rows(capsys)
    assert main(["train", *SMALL]) == 0
    said = f"goldfish: run {row['id']}: interrupted at update 20, going on with it; --no-store trains anew\n"
    assert capsys.readouterr().err == said
    (again,) = rows(capsys)
    assert (again["id"], again["status"]) == (row["id"], "finished")
    assert Store(path).load(row["id"]) == train(EXPERIMENT)


def test_a_text_is_the_one_that_was_named(path, tmp_path, capsys):
    typed = [*SMALL, "--task", "text", "--text-file"]
    for name in ("one.txt", "other.txt"):
        (tmp_path / name).write_text("the quick brown fox jumps over the lazy dog. " * 20)
        assert main(["train", *typed, str(tmp_path / name), "--json", str(tmp_path / "out.json")]) == 0
        experiment = json.loads((tmp_path / "out.json").read_text())["experiment"]
        assert experiment["text_file"] == str(tmp_path / name)
    assert len(rows(capsys)) == 1


def test_what_is_damaged_is_said_and_trained_anew(path, capsys):
    main(["train", *SMALL])
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE blobs SET data = x'00' WHERE kind = 'run'")
    (row,) = rows(capsys)
    assert main(["train", *SMALL]) == 0
    out, err = capsys.readouterr()
    assert "median" in out
    assert err.startswith("goldfish: ") and row["id"] in err and err.count("\n") == 1


def test_another_history_or_none(path, tmp_path, capsys):
    assert main(["train", *SMALL, "--no-store"]) == 0
    assert main(["decay", *SMALL]) == 0
    assert not path.exists()
    other = tmp_path / "other.sqlite"
    assert main(["train", *SMALL, "--store", str(other)]) == 0
    assert rows(capsys) == []
    assert len(Store(other).rows()) == 1
    assert main(["runs", "--store", str(other)]) == 0
    assert "finished, accuracy" in capsys.readouterr().out


def test_an_interrupted_run_is_resumed(path, tmp_path, capsys, monkeypatch):
    interrupted(monkeypatch)
    (row,) = rows(capsys)
    assert (row["status"], row["step"], row["metric"]) == ("interrupted", 20, None)
    assert row["reason"] == "stopped from the keyboard"
    assert main(["runs"]) == 0
    assert "update 20/30, interrupted (stopped" in capsys.readouterr().out
    out = tmp_path / "out.json"
    assert main(["resume", row["id"], "--json", str(out)]) == 0
    assert json.loads(out.read_text())["experiment"] == EXPERIMENT.as_dict()
    assert Store(path).load(row["id"]) == train(EXPERIMENT)
    assert "is finished: only a run that stopped can be resumed" in refusal(["resume", row["id"]], capsys)


def test_a_run_that_another_process_trains_is_left_to_it(path, capsys):
    with contextlib.closing(FallbackStore(path)) as server:
        id = server.add(EXPERIMENT)
        assert rows(capsys)[0]["status"] == "queued"
        assert "is queued: only a run that stopped" in refusal(["resume", id], capsys)
        assert "is queued: cancel it before" in refusal(["delete", id], capsys)
    assert rows(capsys)[0]["status"] == "interrupted"


def test_export_import_delete(path, tmp_path, capsys):
    main(["train", *SMALL])
    (row,) = rows(capsys)
    file, other = str(tmp_path / "run.zip"), str(tmp_path / "other.sqlite")
    assert main(["export", row["id"], file]) == 0
    assert main(["import", file, "--store", other]) == 0
    assert Store(other).rows()[0].experiment == EXPERIMENT
    assert main(["delete", row["id"]]) == 0
    assert rows(capsys) == []
    assert main(["import", file]) == 0
    (again,) = rows(capsys)
    assert again == row | {"id": again["id"], "imported": True}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["resume", "none"], "no run none"),
        (["export", "none", "file"], "no run none"),
        (["delete", "none"], "no run none"),
        (["import", "none"], "none: No such file"),
        (["import", "."], ".: Is a directory"),
        (["import", "a\0b"], "embedded null"),
        (["delete"], "the following arguments are required: ID"),
        (["resume", "none", "--length", "3"], "unrecognized arguments"),
        (["runs", "--no-store"], "unrecognized arguments"),
    ],
)
def test_bad_input_is_refused_in_one_line(argv, message, capsys):
    assert message in refusal(argv, capsys)


@pytest.mark.parametrize("argv", [["runs"], ["runs", "--json"], ["resume", "x"], ["export", "x", "y"], ["delete", "x"]])
@pytest.mark.parametrize("name", ["typo.sqlite", "no folder/typo.sqlite"])
def test_a_history_that_is_not_there_is_not_made(tmp_path, argv, name, capsys):
    assert "no such file" in refusal([*argv, "--store", str(tmp_path / name)], capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_imported_into_a_new_history(path, tmp_path, capsys):
    main(["train", *SMALL])
    (row,) = rows(capsys)
    file, other = str(tmp_path / "run.zip"), tmp_path / "folder" / "new.sqlite"
    assert main(["export", row["id"], file]) == main(["import", file, "--store", str(other)]) == 0
    assert other.exists()


def test_a_history_that_cannot_be_written_imports_nothing(path, tmp_path, capsys, monkeypatch):
    main(["train", *SMALL])
    (row,) = rows(capsys)
    file, other = str(tmp_path / "run.zip"), tmp_path / "other.sqlite"
    main(["export", row["id"], file])
    Store(other).close()
    monkeypatch.setattr("analysis.history.database.os.access", lambda *_: False)  # of no use to root
    assert "can't be written to" in refusal(["import", file, "--store", str(other)], capsys)
    assert Store(other).rows() == []


def test_horizons_are_whole_numbers(path, tmp_path, capsys):
    main(["train", *SMALL, "--json", str(tmp_path / "out.json")])
    (row,) = rows(capsys)
    decay = json.loads((tmp_path / "out.json").read_text())["decay"]
    assert repr(row["horizon_before"]) == repr(decay["before"]["horizon"])
    assert repr(row["horizon_after"]) == repr(decay["after"]["horizon"])


def test_an_imported_run_opens_no_file(path, tmp_path, capsys, monkeypatch):
    text = tmp_path / "mine.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 20)
    experiment = EXPERIMENT.replace(task="text", text_file=str(text))
    with Jobs(path, workers=0) as server:
        data = server.export(server.submit(experiment))
    other = tmp_path / "other.sqlite"
    with Jobs(other, workers=0) as server:
        id = server.import_(data)
    monkeypatch.chdir(tmp_path)  # where a file of that name is
    assert "its text is not here: upload it and train again" in refusal(["resume", id, "--store", str(other)], capsys)


def test_a_file_that_is_no_run_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"PK\x03\x04 and so on")
    assert "not a run that Goldfish exported" in refusal(["import", str(tmp_path / "file")], capsys)


def test_an_export_to_nowhere_is_refused(tmp_path, capsys):
    main(["train", *SMALL])
    (row,) = rows(capsys)
    assert "No such file" in refusal(["export", row["id"], str(tmp_path / "no" / "file")], capsys)


def test_a_history_that_cannot_be_used(path, capsys):
    path.write_text("my diary")
    for argv in (["runs"], ["resume", "x"], ["train", *SMALL, "--store", str(path)]):
        assert "is no history of Goldfish runs" in refusal(argv, capsys)
    assert main(["train", *SMALL]) == 0  # the result is shown, and why it isn't kept
    out, err = capsys.readouterr()
    assert "median" in out
    assert err.startswith("goldfish: this run is not kept: ")
    assert path.read_text() == "my diary"


def test_a_watched_model_is_listed_and_deleted(path, capsys):
    assert "no run none" in refusal(["delete", "none"], capsys)  # where none was ever saved
    id = watch(nn.GRU(2, 3)).save("mine", path)
    assert main(["runs"]) == 0
    assert capsys.readouterr().out.startswith(f"{id}  ")
    assert main(["delete", id]) == 0
    assert capsys.readouterr().out == f"Deleted watched model {id}.\n"
    assert Store(path).watched() == {}
    assert f"no run {id}" in refusal(["delete", id], capsys)


def test_the_history_is_not_written_over(path, tmp_path, capsys):
    main(["train", *SMALL])
    (row,) = rows(capsys)
    content = path.read_bytes()
    for argv in (
        ["export", row["id"], str(path)],
        ["train", *SMALL, "--json", str(path)],
        ["decay", *SMALL[:4], "--csv", str(path)],
        ["train", *SMALL, "--html", str(path), "--store", str(path)],
    ):
        assert "is the history of runs: expected another file" in refusal(argv, capsys)
    assert path.read_bytes() == content


def test_an_imported_run_that_is_here_is_said_so(path, tmp_path, capsys):
    main(["train", *SMALL])
    (row,) = rows(capsys)
    assert main(["export", row["id"], str(tmp_path / "run.zip")]) == 0
    capsys.readouterr()
    assert main(["import", str(tmp_path / "run.zip")]) == 0
    assert capsys.readouterr().out == f"Run {row['id']} is here already.\n"


@pytest.mark.parametrize("argv", [["runs"], ["train", *SMALL]])
def test_an_output_that_takes_nothing_is_said_in_a_line(path, argv):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "analysis", *argv]
        root = Path(__file__).parents[2]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=root)
    assert (done.returncode, done.stderr) == (2, "goldfish: standard output: No space left on device\n")
