import csv
import io
import json
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from analysis import Experiment, measure_untrained
from analysis.cli import measure, output
from analysis.cli.arguments import experiment_from, make_parser
from analysis.cli.main import main
from analysis.engine import cost
from analysis.experiment import SETTINGS
from analysis.report import documents
from tests.helpers.data import sequences, table, waves

SMALL = ["--length", "6", "--hidden-size", "4", "--steps", "3", "--seeds", "2", "--batch-size", "4"]
DIVERGING = ["--cell", "rnn", "--activation", "identity", "--init", "orthogonal", "--gain", "3", "--length", "100"]
LEARNED = ["--hidden-size", "4", "--steps", "3", "--seeds", "2"]

REFUSED = [
    ([], "the following arguments are required: {train,decay}"),
    (["measure"], "invalid choice: 'measure'"),
    (["train", "--hidden", "3"], "unrecognized arguments: --hidden 3"),
    (["train", "--threshold", ".1"], "unrecognized arguments: --threshold .1"),
    (["train", "--theory"], "unrecognized arguments: --theory"),
    (["train", "extra"], "unrecognized arguments: extra"),
    (["train", "--length"], "argument --length: expected one argument"),
    (["train", "--hidden-size", "0"], "hidden_size=0: expected a whole number from 1 to 512"),
    (["train", "--length", "1e3"], "length='1e3': expected a whole number from 2 to 100000, or None"),
    (["train", "--length", "30.0"], "length='30.0': expected a whole number"),
    (["train", "--steps", ""], "steps='': expected a whole number"),
    (["decay", "--seed", "-1"], "seed=-1: expected a whole number from 0"),
    (["decay", "--gain", "nan"], "gain=nan: expected a number from 0.1 to 3"),
    (["decay", "--gain", "1,5"], "gain='1,5': expected a number"),
    (["decay", "--gain", "None"], "gain='None': expected a number"),
    (["decay", "--cell", "LSTM"], "cell='LSTM': expected one of rnn, lstm, gru"),
    (["decay", "--cell", "a\nb"], r"cell='a\nb': expected one of"),
    (["decay", "--a\nb"], "unrecognized arguments: --a b"),
    (["decay", "--cell", "rnn", "--forget-bias", "1"], "forget_bias=1.0: applies to cell lstm, gru, not rnn"),
    (["decay", "--task", "digits", "--length", "50"], "length=50: task digits accepts only 64"),
    (["decay", "--threshold", "0"], "threshold=0: expected a number above 0, at most 1"),
    (["decay", "--threshold", "half"], "threshold=half: expected a number above 0"),
    (["decay", "--threshold", "nan"], "threshold=nan: expected a number above 0"),
    (["train", "--task", "text", "--text-file", "no.txt"], "text_file='no.txt': expected a UTF-8 file: No such file"),
    (["decay", "--task", "series"], "data_file=None: task series learns from a file of yours: expected a .csv"),
    (["train", "--task", "series", "--data-file", "no.csv"], "expected a .csv or an .npz: No such file or directory"),
    (["decay", "--data-file", "a.csv"], "data_file='a.csv': applies to task series, not recall"),
    (["train", "--json", "no/out.json"], "json=no/out.json: expected a file that can be written: No such file"),
    (["train", "--csv", "."], "csv=.: expected a file that can be written: Is a directory"),
    (["train", "--html", ""], "html=: expected a file that can be written: Is a directory"),
    (["train", "--json", "a\0b"], "expected a file that can be written: embedded null"),
    (["train", "--json", "-", "--csv", "-"], "json and csv: expected a different output for each"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def history(tmp_path_factory, monkeypatch):
    """A history of each test alone: what is in it would not be trained again."""
    monkeypatch.setenv("GOLDFISH_STORE", str(tmp_path_factory.mktemp("history") / "runs.sqlite"))


@pytest.fixture
def untouched(monkeypatch):
    """Fails where anything is trained or measured."""
    for name in ("trained_outcome", "measure_untrained"):
        monkeypatch.setattr(measure, name, lambda *_: pytest.fail("this came too late"))


def strict(text: str):
    """Parse JSON, refusing what JavaScript would not take."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def refusal(argv, capsys):
    """Return the one line that refuses what was typed; nothing else is said."""
    capsys.readouterr()
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("goldfish: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(("argv", "message"), REFUSED)
def test_bad_input_is_refused_in_one_line(argv, message, capsys, tmp_path, monkeypatch, untouched):
    monkeypatch.chdir(tmp_path)
    assert message in refusal(argv, capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["train", "decay"])
def test_what_does_not_fit_in_memory_is_refused(verb, capsys, monkeypatch, untouched):
    monkeypatch.setattr(cost, "memory_bytes", lambda: 2**20)
    assert main([verb]) == 2
    assert re.fullmatch(r"goldfish: this experiment needs about \d+ MiB, .*\n", capsys.readouterr().err)


def test_library_refuses_to_measure_what_does_not_fit(monkeypatch):
    monkeypatch.setattr(cost, "memory_bytes", lambda: 2**20)
    with pytest.raises(ValueError, match="MiB"):
        measure_untrained(Experiment())


def test_broken_text_is_refused(tmp_path, capsys, untouched):
    path = tmp_path / "broken.txt"
    path.write_bytes(b"caf\xe9" * 1000)
    assert main(["train", "--task", "text", "--text-file", str(path)]) == 2
    assert "expected UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x.csv", "x.npz"])
def test_data_of_ones_own_is_trained_on_and_refused(name, tmp_path, capsys):
    path, out = tmp_path / name, tmp_path / "out.json"
    words = ["train", "--task", "series", "--data-file", str(path), "--hidden-size", "3", "--seeds", "2"]
    path.write_bytes(table(waves()) if name == "x.csv" else sequences())
    assert main([*words, "--steps", "10", "--json", str(out)]) == 0
    said, document = capsys.readouterr().out, json.loads(out.read_text())
    assert f"length {30 if name == 'x.csv' else 6}, " in said
    assert document["data_sha256"] == sha256(path.read_bytes()).hexdigest()
    assert ("repeating the last value" in said) == (document["memory"]["repeating"] is not None) == (name == "x.csv")
    path.write_bytes(b"1,2\n3,x\n" if name == "x.csv" else b"PK")
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_missing_scikit_learn_is_named(capsys, monkeypatch, untouched):
    from analysis.tasks.digits import load_digits

    load_digits.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert main(["decay", "--task", "digits"]) == 2
    assert capsys.readouterr().err == "goldfish: task=digits needs scikit-learn: pip install scikit-learn\n"


def test_checking_an_output_leaves_it_as_it_was(tmp_path, capsys, untouched):
    path = tmp_path / "old.json"
    path.write_text("old")
    assert main(["decay", "--length", "1", "--json", str(path)]) == 2
    assert main(["decay", "--json", str(path), "--csv", str(tmp_path)]) == 2
    assert path.read_text() == "old"


def test_train_writes_what_it_found(tmp_path, capsys):
    paths = {format_: tmp_path / f"out.{format_}" for format_ in ("json", "csv", "html")}
    outputs = [word for format_, path in paths.items() for word in (f"--{format_}", str(path))]
    assert main(["train", "--cell", "gru", "--seed", "7", *SMALL, *outputs]) == 0
    document = strict(paths["json"].read_text())
    settings = {"length": 6, "hidden_size": 4, "steps": 3, "seeds": 2, "batch_size": 4}
    assert Experiment.from_dict(document["experiment"]) == Experiment(cell="gru", seed=7, **settings)
    assert len(document["final"]["metric"]) == 2
    rows = list(csv.DictReader(io.StringIO(paths["csv"].read_text())))
    assert [(row["phase"], row["of"]) for row in rows[::6]] == [
        ("before", "memory"),
        ("after", "memory"),
        ("after", "carry"),
    ]
    for phase, block in (("before", rows[:6]), ("after", rows[6:12])):
        assert [float(row["relative"]) for row in block] == document["decay"][phase]["relative"]
    assert [float(row["relative"]) for row in rows[12:]] == document["carry"]["relative"]
    page = paths["html"].read_text()
    for figure in ("decay", "memory", "timeline", "bounds", "gates"):
        assert f'<div id="{figure}"' in page
    assert "python -m analysis train --cell gru --length 6" in page

    out, err = capsys.readouterr()
    assert err == ""  # nobody is watching
    lines = out.splitlines()
    assert lines[0] == "GRU, recall, length 6, accuracy by chance 0.125:"
    for line, seed in zip(lines[1:], (7, 8), strict=False):
        assert re.fullmatch(
            rf"seed {seed}: accuracy [\d.]+, horizon (at least )?\d before training, (at least )?\d after", line
        )
    assert lines[3].startswith("median (range): accuracy ") and ", memory span " in lines[3]
    assert lines[4] == "The horizon is the number of time steps back to which 1 % of the gradient is left."


def test_json_and_html_tell_which_distances_the_training_had(tmp_path, capsys):
    written = [tmp_path / name for name in ("out.json", "out.html")]
    outputs = [word for path in written for word in (f"--{path.suffix[1:]}", str(path))]
    assert main(["train", "--position", "first", *SMALL, *outputs]) == 0
    assert strict(written[0].read_text())["memory"]["trained"] == [False, False, False, False, True]
    assert "a case that training never had" in written[1].read_text()


def test_decay_to_standard_output(capsys):
    assert main(["decay", *SMALL, "--forget-bias", "-1", "--threshold", ".5", "--json", "-"]) == 0
    out, err = capsys.readouterr()
    document = strict(out)
    experiment = Experiment(length=6, hidden_size=4, steps=3, seeds=2, batch_size=4, forget_bias=-1)
    measured = measure_untrained(experiment, 0.5)
    assert document == strict(documents.to_json(documents.measured_document({"experiment": experiment}, measured)))
    assert document["decay"]["threshold"] == 0.5
    assert err.startswith("LSTM, recall, length 6, untrained: horizon ")
    assert "50 % of the gradient" in err


def test_decay_as_csv_is_the_arrays(capsys):
    assert main(["decay", "--cell", "rnn", *SMALL, "--csv", "-"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    decay = measure_untrained(Experiment(cell="rnn", length=6, hidden_size=4, seeds=2)).decay
    assert [float(row["norm"]) for row in rows] == decay.norm.tolist()
    assert [float(row["relative_seed_1"]) for row in rows] == decay.relatives[1].tolist()


def test_rnn_report_has_no_gates(tmp_path, capsys):
    path = tmp_path / "out.html"
    assert main(["decay", "--cell", "rnn", *SMALL, "--html", str(path)]) == 0
    assert path.read_text().count("Plotly.newPlot(") == 2  # decay and bounds


def test_exit_1_where_every_model_diverged(tmp_path, capsys):
    path, page = tmp_path / "out.json", tmp_path / "out.html"
    assert main(["train", *DIVERGING, *LEARNED, "--json", str(path), "--html", str(page)]) == 1
    document = strict(path.read_text())
    assert document["status"] == "diverged"
    assert document["final"] == {"loss": [None, None], "metric": [None, None]}
    assert [failure["model"] for failure in document["diverged"]] == [0, 1]
    assert page.exists()
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"seed 0: ended at update 0: its loss left the finite range at time step \d+ of 100, going forward", lines[1]
    )
    assert len(lines) == 3  # what a horizon is, is said only where there is one


def test_decay_beyond_floating_point(tmp_path, capsys):
    path = tmp_path / "out.json"
    assert main(["decay", *DIVERGING, "--length", "1000", "--hidden-size", "4", "--json", str(path)]) == 1
    document = strict(path.read_text())
    assert document["decay"]["excluded"] == 4
    assert document["decay"]["horizon"] is None
    assert "could not be measured" in capsys.readouterr().out


def test_theory_stands_beside_what_was_measured(capsys):
    assert main(["decay", "--cell", "rnn", "--length", "100", "--theory"]) == 0
    measured, predicted = capsys.readouterr().out.splitlines()
    assert measured.startswith("RNN, recall, length 100, untrained: horizon 7")
    assert re.fullmatch(
        r"Predicted: ×0\.55\d kept per time step \(−0\.59\d? nats\), by mean field \(many units, random weights\)\. "
        r"The largest singular value allows at most ×1\.18 per time step\.",
        predicted,
    )
    assert main(["decay", *SMALL, "--theory", "--json", "-"]) == 0
    out, err = capsys.readouterr()
    document = strict(out)
    assert document["theory"]["bound"] is document["theory"]["reason"] is None
    assert len(document["theory"]["relative"]) == len(document["decay"]["relative"]) == 6
    assert document["theory"]["rate"] < 0
    assert "by mean field with tied weights" in err


def test_where_there_is_no_theory_the_reason_stands_there(capsys):
    assert main(["decay", *SMALL, "--cell", "gru", "--activation", "identity", "--theory", "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert strict(out)["theory"]["rate"] is None
    assert err.splitlines()[1] == "Predicted: nothing, without tanh there is no theory here of a cell with gates."


@pytest.mark.parametrize("verb", ["train", "decay"])
def test_progress_on_a_terminal(verb, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    assert main([verb, *SMALL]) == 0
    shown = capsys.readouterr().err.split(output.ERASE)
    assert shown[0] == shown[-1] == ""
    assert max(map(len, shown)) < 60
    if verb == "train":
        assert shown[1].startswith("update 0/3, loss ")
        assert shown[-2].startswith("update 3/3, loss ")
    else:
        assert shown[-2] == "measured 100%"


@pytest.mark.parametrize("verb", ["train", "decay"])
def test_interrupt_is_one_line(verb, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(measure, "train_or_join", interrupt)
    monkeypatch.setattr(measure, "measure_untrained", interrupt)
    assert main([verb]) == 130
    assert capsys.readouterr() == ("", "goldfish: interrupted\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_full_disk_is_one_line(capsys):
    assert main(["decay", *SMALL, "--json", "/dev/full"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("verb", ["train", "decay"])
def test_help_names_every_setting(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, setting in SETTINGS.items():
        assert f"--{name.replace('_', '-')} VALUE" in text
        assert f"default {setting.default}" in text


def test_none_leaves_an_optional_number_unset(capsys):
    assert experiment_from({"length": "None", "forget_bias": "None"}) == Experiment()


def test_commands_in_the_readme_are_understood():
    readme = Path(measure.__file__).parents[2].joinpath("README.md").read_text()
    commands = re.findall(r"python -m analysis ([^`\n]+)", readme)
    assert {command.split()[0] for command in commands} >= {"decay", "sweep", "runs"}
    for command in commands:
        arguments = vars(make_parser().parse_args(command.split()))
        if arguments["verb"] in ("train", "decay"):
            experiment_from(arguments)


def test_as_a_program(tmp_path):
    def run(*argv: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "analysis", *argv]
        return subprocess.run(command, capture_output=True, text=True, cwd=Path(measure.__file__).parents[2])

    done = run("decay", *SMALL, "--json", "-")
    assert done.returncode == 0
    assert np.isfinite(strict(done.stdout)["decay"]["norm"]).all()
    refused = run("decay", "--hidden-size", "0")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "goldfish: hidden_size=0: expected a whole number from 1 to 512\n"
