import csv
import io
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from analysis import (
    activation_bounds,
    gate_saturation,
    gradient_decay,
    input_influence,
    look_back,
    record,
    time_scales,
    weights_in_force,
)  # fmt: skip
from analysis.cli.main import main
from analysis.models.inputs import random_inputs
from analysis.models.layers import RecurrentStack
from analysis.report import documents
from tests.cli.test_main import refusal, strict
from tests.models.test_onnx import graph


def pruned():
    module = nn.GRU(3, 4)
    prune.l1_unstructured(module, "weight_hh_l0", 0.5)
    return module


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with state dicts of several kinds and data."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    lstm, rnn = nn.LSTM(3, 6, 2, batch_first=True), nn.RNN(3, 5, nonlinearity="relu", batch_first=True)
    torch.save(lstm.state_dict(), "lstm.pt")
    torch.save(rnn.state_dict(), "rnn.pt")
    torch.save(nn.ModuleDict({"a": lstm, "b": rnn, "c": pruned()}).state_dict(), "several.pt")
    torch.save(nn.ModuleDict({"c": pruned()}).state_dict(), "pruned.pt")
    torch.save(nn.Linear(3, 4).state_dict(), "linear.pt")
    torch.save(lstm, "module.pt")
    inputs = np.random.default_rng(0).normal(size=(4, 20, 3))
    np.save("x.npy", inputs)
    return {"lstm": lstm, "rnn": rnn, "inputs": torch.from_numpy(inputs), "folder": tmp_path}


def test_what_is_written_is_what_record_says(files, capsys):
    assert main(["record", "lstm.pt", "--data", "x.npy", "--json", "o.json", "--csv", "o.csv", "--html", "o.html"]) == 0
    tape = record(files["lstm"], files["inputs"])
    document = strict((files["folder"] / "o.json").read_text())
    assert document["decay"] == documents.as_plain(gradient_decay(tape))
    assert document["saturation"] == documents.as_plain(gate_saturation(tape))
    assert document["bounds"] == documents.as_plain(activation_bounds(tape))
    assert document["look_back"] == documents.as_plain(look_back(files["lstm"], files["inputs"]))
    assert document["in_force"] == documents.as_plain(weights_in_force(files["lstm"]))
    assert document["time_scales"] == documents.as_plain(time_scales(tape))
    assert document["influence"] == documents.as_plain(input_influence(files["lstm"], files["inputs"]))
    assert document["model"] == {
        "file": "lstm.pt", "layer": "", "cell": "lstm", "input_size": 3, "hidden_size": 6, "layers": 2, "bias": True,
        "projection": 0, "nonlinearity": "tanh", "part": "",
        "taken": "",
    }  # fmt: skip
    assert document["inputs"] == {"file": "x.npy", "shape": [4, 20, 3], "note": ""}
    rows = list(csv.DictReader(io.StringIO((files["folder"] / "o.csv").read_text())))
    assert [float(row["relative"]) for row in rows if row["of"] == "memory"] == document["decay"]["relative"]
    html = (files["folder"] / "o.html").read_text()
    assert "python -m analysis record lstm.pt --data x.npy" in html and html.count("plotly-graph-div") >= 3
    said = capsys.readouterr().out
    assert re.search(r"LSTM, 3 inputs, 6 units, 2 layers: horizon \d+, the time steps back to which 1 %", said)
    assert re.search(r"To give its last state within 10 / 5 / 1 %, it needs \d+ / \d+ / \d+ time steps", said)
    assert "Layer 1: The forget gate's bias in force is" in said and "For a half-life of 10 time steps" in said
    assert "has the largest share" in said


@pytest.mark.parametrize("options, expected", [([], "relu"), (["--nonlinearity", "tanh"], "tanh")])
def test_an_rnn_is_run_as_its_file_says(options, expected, files, capsys):
    pytest.importorskip("onnx")
    (files["folder"] / "a.onnx").write_bytes(graph("RNN", activations=["Relu"]).SerializeToString())
    assert main(["record", "a.onnx", "--steps", "9", "--json", "-", *options]) == 0
    assert strict(capsys.readouterr().out)["model"]["nonlinearity"] == expected


def test_random_inputs_a_layer_a_nonlinearity_and_a_threshold(files, capsys):
    words = shlex.split(
        "record several.pt --layer b --nonlinearity relu --steps 12 --sequences 3 --variance 4 --seed 7"
    )
    assert main([*words, "--threshold", ".1", "--json", "-"]) == 0
    out, err = capsys.readouterr()
    document = strict(out)
    assert "horizon" in err
    inputs = random_inputs(RecurrentStack("", "rnn", 3, 5, 1, True), 12, 3, 4.0, 7)
    assert document["decay"] == documents.as_plain(gradient_decay(record(files["rnn"], inputs), threshold=0.1))
    assert document["inputs"] == {
        "steps": 12,
        "sequences": 3,
        "variance": 4,
        "seed": 7,
        "shape": [3, 12, 3],
        "note": "",
    }
    assert document["carry"] is None and document["saturation"] == {}


def test_of_a_bidirectional_model_it_is_said_what_is_measured(files, capsys):
    torch.save(nn.LSTM(3, 6, 2, bidirectional=True).state_dict(), "both.pt")
    assert main(["record", "both.pt", "--json", "-"]) == 0
    model = strict(capsys.readouterr().out)["model"]
    assert (model["layers"], model["part"]) == (2, "the forward direction; both are run")


def test_a_lower_layer_and_a_direction_of_both_are_what_record_says(files, capsys):
    both = nn.LSTM(3, 6, 2, bidirectional=True, batch_first=True)
    torch.save(both.state_dict(), "both.pt")
    words = ["record", "both.pt", "--layer", "backward", "--depth", "0", "--data", "x.npy", "--json", "o.json"]
    assert main(words) == 0
    document = strict((files["folder"] / "o.json").read_text())
    tape = record(both, files["inputs"], direction="backward")
    assert document["decay"] == documents.as_plain(gradient_decay(tape, layer=0))
    assert document["bounds"] == documents.as_plain(activation_bounds(tape, 0))
    assert document["look_back"] == documents.as_plain(look_back(both, files["inputs"], direction="backward"))


def test_a_projection_is_measured(files, capsys):
    torch.save(nn.LSTM(3, 6, proj_size=2).state_dict(), "projected.pt")
    assert main(["record", "projected.pt", "--json", "-"]) == 0
    document = strict(capsys.readouterr().out)
    assert document["model"]["projection"] == 2 and document["decay"]["horizon"] >= 0


def test_what_is_cut_is_said(files, capsys):
    np.save("long.npy", np.zeros((3000, 3), "f4"))
    assert main(["record", "lstm.pt", "--data", "long.npy"]) == 0
    assert "Used are of 3,000 time steps the last 1,000." in capsys.readouterr().out


def test_the_order_of_the_axes_is_said_and_can_be_named(files, capsys):
    inputs = files["inputs"].cumsum(1)
    np.save("steps.npy", inputs.swapaxes(0, 1))
    assert main(["record", "lstm.pt", "--data", "steps.npy"]) == 0
    said = "Read: 20 sequences of 4 time steps, 3 inputs (likelier 4 sequences of 20 time steps: with --time-first)."
    assert said in capsys.readouterr().out
    assert (
        main(["record", "lstm.pt", "--data", "steps.npy", "--time-first", "--json", "o.json", "--html", "o.html"]) == 0
    )
    assert "Read: 4 sequences of 20 time steps, 3 inputs." in capsys.readouterr().out
    document = strict((files["folder"] / "o.json").read_text())
    assert document["decay"] == documents.as_plain(gradient_decay(record(files["lstm"], inputs)))
    assert "record lstm.pt --data steps.npy --time-first\n" in (files["folder"] / "o.html").read_text()


def test_tensors_are_taken_for_what_is_said(files, capsys):
    gru = nn.GRU(3, 4, batch_first=True)
    parts = dict(zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), gru.parameters(), strict=True))
    order = [4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11]  # z r n
    np.savez("odd.npz", **{f"p{k}": part.detach().numpy()[order] for k, part in enumerate(parts.values())})
    words = ["record", "odd.npz", "--data", "x.npy", "--order", "zrn", "--json", "o.json", "--html", "o.html"]
    words += [word for k, part in enumerate(parts) for word in ("--take", f"{part}=p{k}")]
    assert main(words) == 0
    document = strict((files["folder"] / "o.json").read_text())
    assert document["decay"] == documents.as_plain(gradient_decay(record(gru, files["inputs"])))
    assert "p1 for weight_hh" in document["model"]["taken"]
    assert "--take weight_ih=p0" in (files["folder"] / "o.html").read_text()


REFUSED = [
    (["lstm.pt", "--order", "zrn"], "order=zrn: expected with --take only"),
    (["lstm.pt", "--take", "weight_hh"], "take=weight_hh: expected PART=NAME"),
    (["lstm.pt", "--take", "weight_hh=no", "--take", "weight_ih=weight_ih_l0"], "no: expected one of weight_ih_l0"),
    ([], "required: WEIGHTS"),
    (["none.pt"], "none.pt: No such file or directory"),
    (["."], "expected a file ending in|Is a directory"),
    (["a\0b.pt"], "embedded null"),
    (["x.npy"], "x.npy: expected a file ending in .safetensors, .pt, .pth, .*.keras"),
    (["module.pt"], "module.pt: it holds a whole pickled torch.nn.modules.rnn.LSTM, .*: expected a state dict"),
    (["several.pt"], "2 layers: expected --layer with one of a, b"),
    (["several.pt", "--layer", "z"], "layer=z: expected --layer with one of a, b"),
    (["several.pt", "--layer", "c"], "c: weight_hh_l0_orig is made by pruning"),
    (["pruned.pt"], "c: weight_hh_l0_orig is made by pruning"),
    (["lstm.pt", "--depth", "2"], "depth=2: expected a whole number from 0, the lowest layer, to 1"),
    (["lstm.pt", "--depth", "-1"], "depth=-1: expected|expected one argument"),
    (["linear.pt"], r"linear.pt: no recurrent layer among 2 tensors \(weight, bias, …\)"),
    (["lstm.pt", "--time-first"], "time-first: expected with --data only"),
    (["lstm.pt", "--nonlinearity", "relu"], "nonlinearity=relu: expected tanh or relu for an RNN"),
    (["rnn.pt", "--nonlinearity", "sin"], "nonlinearity=sin: expected"),
    (["lstm.pt", "--data", "none.npy"], "none.npy: No such file"),
    (["lstm.pt", "--data", "lstm.pt"], "lstm.pt: expected a file ending in .npy, .npz, .csv"),
    (["lstm.pt", "--data", "x.npy", "--steps", "5"], "steps=5: expected with random inputs only"),
    (["lstm.pt", "--steps", "1"], "1 time steps, 16 sequences: expected 2 to 1000"),
    (["lstm.pt", "--steps", "10000000"], "expected 2 to 1000"),
    (["lstm.pt", "--sequences", "1.5"], "sequences=1.5: expected a whole number"),
    (["lstm.pt", "--variance", "nan"], "variance=nan: expected 0 to 1e"),
    (["lstm.pt", "--variance", "-1"], "variance=-1.0: expected 0 to 1e"),
    (["lstm.pt", "--seed", "-1"], "seed=-1: expected a whole number from 0"),
    (["lstm.pt", "--seed", "1" + "0" * 30], "expected a whole number from 0"),
    (["lstm.pt", "--threshold", "0"], "threshold=0: expected a number above 0"),
    (["lstm.pt", "--json", "no/o.json"], "json=no/o.json: expected a file that can be written"),
    (["lstm.pt", "--cell", "gru"], "unrecognized arguments: --cell gru"),
]


@pytest.mark.parametrize("argv, message", REFUSED)
def test_bad_input_is_refused_in_one_line(argv, message, files, capsys):
    before = sorted(files["folder"].iterdir())
    assert re.search(message, refusal(["record", *argv], capsys))
    assert sorted(files["folder"].iterdir()) == before


def test_a_file_too_large_is_not_even_read(files, capsys, monkeypatch):
    monkeypatch.setattr("analysis.cli.record.LARGEST", 10)
    assert main(["record", "lstm.pt"]) == 2
    assert "bytes: expected at most 10" in capsys.readouterr().err


def test_as_a_command(files):
    words = [sys.executable, "-m", "analysis", "record", str(files["folder"] / "lstm.pt"), "--steps", "9"]
    from tests.helpers.app import DASHBOARD

    run = subprocess.run(words, cwd=DASHBOARD.removesuffix("dashboard.py"), capture_output=True, text=True)
    assert run.returncode == 0 and "horizon" in run.stdout and not run.stderr
