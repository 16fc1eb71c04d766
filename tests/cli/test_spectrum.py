"""The command `spectrum`: what it prints and writes, and what it refuses."""

import json

import numpy as np
import pytest

from analysis import Experiment
from analysis.cli.main import main
from analysis.measures import why
from tests.helpers.data import sequences

SMALL = ["--length", "6", "--hidden-size", "4", "--seeds", "2"]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_it_writes_what_is_measured(cell, tmp_path, capsys):
    file, page = tmp_path / "out.json", tmp_path / "out.html"
    assert main(["spectrum", "--cell", cell, *SMALL, "--json", str(file), "--html", str(page)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{cell.upper()}, recall, length 6, untrained:\nThe direction that fades least keeps")
    assert f"{cell.upper()}: " in out.splitlines()[2] and not err and "Measured" not in out
    document = json.loads(file.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    experiment = Experiment(cell=cell, length=6, hidden_size=4, seeds=2)
    assert document["experiment"] == experiment.as_dict()
    found = why.measure_exponents(experiment)
    np.testing.assert_allclose(document["exponents"]["exponents"], found.exponents)
    values = why.measure_singular_values(experiment)
    np.testing.assert_allclose(document["singular_values"]["values"], values.values)
    assert document["singular_values"]["distance"] == list(range(6))
    assert "Directions" in page.read_text() and f"python -m analysis spectrum --cell {cell}" in page.read_text()


def test_it_says_what_a_large_model_leaves_out(monkeypatch, capsys):
    monkeypatch.setattr(why, "SPECTRUM_WORK", 6 * 8 * 2.0**2)
    monkeypatch.setattr(why, "FEWEST_STEPS", 3)
    assert main(["spectrum", *SMALL]) == 0
    measured = "Measured: the 2 largest of 8 exponents, 1 of 2 seeds, singular values over the last 3 time steps.\n"
    assert capsys.readouterr().out.endswith(measured)


def test_truncation_ends_the_directions_and_is_said(tmp_path, capsys):
    file, page = tmp_path / "out.json", tmp_path / "out.html"
    assert main(["spectrum", *SMALL, "--truncate", "4", "--json", str(file), "--html", str(page)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert "1 time step back" in out[2] and out[2].endswith("further back truncation leaves nothing.")
    assert "Directions end where truncation cuts the gradient" in out[3] and "Measured" not in out[-1]
    assert json.loads(file.read_text())["singular_values"]["distance"] == [0, 1]
    assert main(["spectrum", *SMALL, "--truncate", "5", "--html", str(page)]) == 0  # the last window is one step long
    assert "no direction survives" in capsys.readouterr().out and "Directions</h" not in page.read_text()


def test_it_fails_where_every_model_leaves_the_finite_range(capsys):
    wild = ["--cell", "rnn", "--activation", "identity", "--init", "orthogonal", "--gain", "3", "--length", "1000"]
    assert main(["spectrum", *wild, "--hidden-size", "4", "--json", "-"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["exponents"]["exponents"][0][0] is None
    assert "leave the finite range" in err


def test_units_that_are_off_leave_no_direction(capsys):
    off = ["--cell", "rnn", "--activation", "relu", "--hidden-size", "1", "--seeds", "2", "--length", "20"]
    assert main(["spectrum", *off]) == 0
    assert "keeps, each time step, ×0 in the RNN" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cell", "LSTM"], "cell='LSTM': expected one of rnn, lstm, gru"),
        (["--csv", "out.csv"], "unrecognized arguments: --csv out.csv"),
        (["--threshold", ".1"], "unrecognized arguments: --threshold .1"),
        (["--json", "no/out.json"], "json=no/out.json: expected a file that can be written"),
    ],
)
def test_it_refuses_in_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["spectrum", *words]) == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith("goldfish: ") and err.count("\n") == 1 and message in err


def test_sequences_of_ones_own_have_their_own_length(tmp_path, capsys):
    file = tmp_path / "own.npz"
    file.write_bytes(sequences(lengths=np.tile([3, 6], 30)))
    assert main(["spectrum", "--cell", "rnn", "--task", "series", "--data-file", str(file), "--hidden-size", "4"]) == 0
    assert capsys.readouterr().out.startswith("RNN, series, length 6, untrained:")
