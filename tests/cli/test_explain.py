import json

import numpy as np
import pytest

from analysis.cli.main import main
from analysis.measures.advice import VALUES
from tests.helpers.data import sequences

SMALL = ["--length", "16", "--hidden-size", "4", "--seeds", "2"]


def test_it_names_the_best_change_and_lists_all(capsys):
    assert main(["explain", "--cell", "rnn", *SMALL]) == 0
    out = capsys.readouterr().out
    assert (
        out.startswith("RNN, recall, length 16, untrained:\n") and "Before training, the one change with which" in out
    )
    assert "gain: 0.5 →" in out and "1 (now) →" in out
    assert "forget bias" not in out  # it has none


def test_its_document_holds_every_value(capsys, tmp_path):
    html, csv = tmp_path / "page.html", tmp_path / "curves.csv"
    assert main(["explain", *SMALL, "--json", "-", "--html", str(html), "--csv", str(csv)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["experiment"]["hidden_size"] == 4
    assert document["trials"].keys() == VALUES.keys() - {"truncate"}
    values = [trial["value"] for trial in document["trials"]["hidden_size"]]
    assert values == sorted({*VALUES["hidden_size"], 4})
    best = document["best"]
    assert best["horizon"] > document["now"]["horizon"] and len(best["price"]) == 2
    assert best["value"] in [trial["value"] for trial in document["trials"][best["setting"]]]
    assert "Forget bias" in html.read_text()
    assert "forget_bias 1.0" in csv.read_text()


def test_truncation_ends_horizons_and_to_unset_it_is_tried(capsys):
    assert main(["explain", "--cell", "rnn", *SMALL, "--init", "orthogonal", "--truncate", "6"]) == 0
    out = capsys.readouterr().out
    assert "truncate unset (horizon" in out and "instead of ≥ 3)" in out
    assert "a horizon ends with the last window" in out and "truncate: 6 (now) → ≥ 3" in out


@pytest.mark.parametrize("words, said", [(["--cell", "elman"], "cell='elman': expected one of rnn, lstm, gru")])
def test_what_it_refuses(capsys, words, said):
    assert main(["explain", *words]) == 2
    assert said in capsys.readouterr().err


def test_sequences_of_ones_own_have_their_own_length(tmp_path, capsys):
    file = tmp_path / "own.npz"
    file.write_bytes(sequences(lengths=np.tile([3, 6], 30)))
    assert main(["explain", "--cell", "rnn", "--task", "series", "--data-file", str(file), "--hidden-size", "4"]) == 0
    assert capsys.readouterr().out.startswith("RNN, series, length 6, untrained:")
