"""The command sweep: a grid file in, verdicts and files out; what is finished is kept."""

import csv
import json
import signal
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from analysis import Experiment, compare, train
from analysis.cli import sweep
from analysis.cli.main import main
from analysis.history.store import Store
from analysis.jobs import executors
from analysis.jobs.cluster import NoWorkerWarning
from analysis.jobs.compare import Comparing
from analysis.jobs.grid import read_grid
from analysis.jobs.pool import Jobs
from analysis.report.comparisons import comparison_document
from analysis.report.documents import to_json
from tests.helpers.jobs import PATIENCE, until

ROOT = Path(__file__).parent.parent.parent
SMALL = "hidden_size = 4\nsteps = 10\nseeds = 2\nbatch_size = 4\n"
GRID = f'[settings]\ncell = ["rnn", "gru"]\nlength = [6, 8]\n{SMALL}'
DIVERGING = f'[settings]\ncell = "rnn"\nactivation = "identity"\ninit = "orthogonal"\ngain = 3\nlength = 100\n{SMALL}'
HERE = ["--engine", "dask://here:1"]


@pytest.fixture(autouse=True)
def history(tmp_path, monkeypatch):
    path = tmp_path / "runs.sqlite"
    monkeypatch.setenv("GOLDFISH_STORE", str(path))
    return path


@pytest.fixture
def thread(monkeypatch):
    """A thread of this process stands for a cluster."""
    monkeypatch.setattr(sweep, "connect", lambda engine: ThreadPoolExecutor(1))


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    return str(path)


def rows(path):
    with closing(Store(path)) as store:
        return store.rows()


def test_a_grid_gives_verdicts_and_files(grid, tmp_path, thread, capsys, history):
    targets = [f"--{kind}={tmp_path / kind}" for kind in ("json", "csv", "html")]
    assert main(["sweep", grid, *HERE, *targets]) == 0
    out, _ = capsys.readouterr()
    document = json.loads((tmp_path / "json").read_text())
    assert out.splitlines()[0].startswith("RNN, recall, length 6: solved by ")
    assert all(verdict in out for verdict in document["verdicts"])
    assert [(row["experiment"]["cell"], row["experiment"]["length"]) for row in document["rows"]] == [
        ("rnn", 6), ("rnn", 8), ("gru", 6), ("gru", 8)
    ]  # fmt: skip
    first = document["rows"][0]
    assert first["metric"] == train(Experiment.from_dict(first["experiment"])).metric.tolist()
    assert document["rank_correlation"].keys() == {"before", "after"}
    assert len(list(csv.DictReader((tmp_path / "csv").read_text().splitlines()))) == 8
    assert "cell = [&quot;rnn&quot;, &quot;gru&quot;]" in (tmp_path / "html").read_text()
    kept = {row.id for row in rows(history)}
    assert document == json.loads(to_json(comparison_document(compare(read_grid(grid), store=history))))  # in code
    with closing(Jobs(history, workers=0)) as jobs:
        comparing = Comparing(jobs, read_grid(grid))  # on the page
        comparing.look()
        assert document == json.loads(to_json(comparison_document(comparing.judge())))
    assert main(["sweep", grid, *HERE]) == 0
    assert capsys.readouterr().out == out
    assert {row.id for row in rows(history)} == kept


def test_json_on_standard_output_is_alone_there(grid, thread, capsys, history):
    assert main(["sweep", grid, *HERE, "--no-store", "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)["rows"]) == 4 and "RNN, recall, length 6" in err
    assert not history.exists()


def test_a_grid_with_bad_entries_names_each_with_its_line(grid, capsys, history):
    Path(grid).write_text('[settings]\ncell = ["rnn", "lstn"]\nsteps = 0\nunits = 3\n')
    assert main(["sweep", grid]) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1
    assert all(f"line {line}: " in err for line in (2, 3, 4))
    assert not history.exists()


def test_a_cluster_out_of_reach_is_one_line(grid, capsys, monkeypatch, history):
    monkeypatch.setattr("analysis.jobs.cluster.REACH_SECONDS", 0.5)
    assert main(["sweep", grid, "--engine", "dask://127.0.0.1:1"]) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1
    assert err.startswith("goldfish: engine=dask://127.0.0.1:1: the cluster can't be reached: ")


def test_the_status_says_that_every_model_diverged(grid, thread, capsys):
    Path(grid).write_text(DIVERGING)
    assert main(["sweep", grid, *HERE]) == 1
    assert "RNN, recall, length 100: solved by 0 of 2 seeds" in capsys.readouterr().out


def test_what_cannot_be_trained_is_named_and_others_go_on(grid, thread, capsys, monkeypatch):
    perform = executors.perform

    def fail_sometimes(experiment, report, *progress):
        if experiment.cell == "rnn":
            report({"status": "failed", "reason": "no room"}, None)
        else:
            perform(experiment, report, *progress)

    monkeypatch.setattr(executors, "perform", fail_sometimes)
    assert main(["sweep", grid, *HERE]) == 0
    out, err = capsys.readouterr()
    assert "RNN, recall, length 6: failed" in out and "GRU, recall, length 6: solved by" in out
    assert "goldfish: RNN, recall, length 6: no room" in err


def test_what_a_cluster_warns_of_is_a_line(grid, capsys, monkeypatch):
    class Lonely(ThreadPoolExecutor):
        def submit(self, *arguments):
            warnings.warn("no worker left", NoWorkerWarning, stacklevel=1)
            return super().submit(*arguments)

    monkeypatch.setattr(sweep, "connect", lambda engine: Lonely(1))
    assert main(["sweep", grid, *HERE]) == 0
    assert capsys.readouterr().err.splitlines().count("goldfish: no worker left") == 4


def test_ctrl_c_keeps_what_is_finished(grid, history, thread, capsys):
    main(["sweep", grid, *HERE])
    Path(grid).write_text(GRID.replace("[6, 8]", "[6, 8, 500]").replace("steps = 10", "steps = [10, 100000]"))
    command = [sys.executable, "-m", "analysis", "sweep", grid]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: history.exists() and any(row.step > 10 for row in rows(history)))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (130, "")
    assert err == "goldfish: interrupted: what is finished is kept, the same command goes on\n"
    assert sum(row.status == "finished" for row in rows(history)) == 4
    assert not any(row.live for row in rows(history))
