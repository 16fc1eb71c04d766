import csv
import doctest
import io
import os
import shlex
import sys
import threading
import zipfile
from dataclasses import fields, replace
from functools import partial
from html.parser import HTMLParser

import numpy as np
import plotly.graph_objects as go
import pytest
from choreographer.browsers.chromium import Chromium
from plotly.offline import get_plotlyjs

from analysis import Experiment, activation_bounds, gate_saturation, measure_untrained, train
from analysis.cli.arguments import experiment_from, make_parser
from analysis.engine.initialization import initial_weights
from analysis.experiment import SETTINGS
from analysis.measures.meter import Meter
from analysis.report import commands, documents, export, tables, wording
from analysis.report.commands import repeat_command
from analysis.results import Run
from analysis.tasks.registry import build_task
from tests.cli.test_main import strict

SMALL = {"length": 6, "hidden_size": 4, "steps": 3, "seeds": 2, "snapshot_every": 1, "batch_size": 4}
DECAY_FIELDS = {
    "of", "threshold", "distance", "norm", "mean_square", "relative", "low", "high", "relatives", "rate", "factor",
    "r_squared", "half_life", "horizon", "rates", "half_lives", "horizons", "excluded", "samples", "cut",
}  # fmt: skip


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    return {cell: train(Experiment(cell=cell, seed=5, **SMALL)) for cell in ("rnn", "lstm", "gru")}


@pytest.fixture(scope="module")
def figures() -> dict[str, go.Figure]:
    return {
        name: go.Figure(go.Scatter(x=np.arange(3), y=[1, np.nan, y]), layout={"template": "plotly_dark"})
        for name, y in (("decay", 3), ("memory", 4))
    }


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def opens_offline(page: str) -> bool:
    """Whether nothing but plotly.js itself, whose maps are not used here, names an address."""
    tags = HTMLTags(page)
    return "http" not in page.replace(get_plotlyjs(), "") and not tags.attributes & {"src", "href"}


class HTMLTags(HTMLParser):
    """The attributes that any tag of a page has."""

    def __init__(self, page: str):
        super().__init__()
        self.attributes = set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.attributes |= {name for name, _ in attrs}


def number(text: str) -> float:
    return float(text) if text else np.nan


@pytest.mark.parametrize("module", [documents, tables, commands, wording])
def test_examples_in_docstrings(module):
    failed, tried = doctest.testmod(module)
    assert (failed, tried > 0) == (0, True)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.inf, "inf"),
        (-np.inf, "-inf"),
        (np.nan, None),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([1, 2]), [1, 2]),
        (np.array([[1.0, np.nan], [-np.inf, 0.1]]), [[1.0, None], ["-inf", 0.1]]),
        ((1, (2.5, None)), [1, [2.5, None]]),
        ({"horizon": 7.0, "gain": 7.0}, {"horizon": 7, "gain": 7.0}),
        ({"spans": np.array([3.0, np.nan])}, {"spans": [3, None]}),
        (Experiment(), Experiment().as_dict()),
    ],
)
def test_plain_values(value, plain):
    found = strict(documents.to_json(value))
    assert found == plain
    assert str(found) == str(plain)  # 7 is not 7.0


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_every_result_becomes_strict_json(runs, cell):
    experiment = runs[cell].experiment
    task = build_task(experiment)
    weights, _ = initial_weights(experiment, task.inputs, task.outputs)
    tape = Meter(experiment, task).tape(weights)
    results = [runs[cell], tape, gate_saturation(tape), activation_bounds(tape), measure_untrained(experiment)]
    for result in results:
        strict(documents.to_json(result))
    whole = strict(documents.to_json(runs[cell]))
    assert whole.keys() == {field.name for field in fields(Run)}
    assert np.array_equal(np.float32(whole["weights"]["weight_hh_l0"]), runs[cell].weights["weight_hh_l0"])


def test_run_document(runs):
    run = runs["lstm"]
    document = strict(documents.to_json(documents.run_document(run)))
    assert document.keys() == {
        "experiment", "status", "final", "metric_name", "chance", "decay", "carry", "memory", "saturation", "bounds",
        "diverged", "timing", "versions",
    }  # fmt: skip
    assert Experiment.from_dict(document["experiment"]) == run.experiment
    assert document["final"] == {"loss": run.loss.tolist(), "metric": run.metric.tolist()}
    assert document["decay"].keys() == {"before", "after"}
    assert document["decay"]["after"].keys() == DECAY_FIELDS
    assert document["decay"]["after"]["relative"] == run.after.relative.tolist()
    assert isinstance(document["decay"]["after"]["horizon"], int)
    assert document["saturation"].keys() == {"input", "forget", "candidate", "output"}
    assert document["timing"].keys() == {"seconds", "ms_per_step", "parameters", "multiply_adds"}
    assert isinstance(document["timing"]["parameters"], int)


def test_rnn_has_no_carry_and_text_has_its_hash(runs):
    assert documents.run_document(runs["rnn"])["carry"] is None
    assert documents.run_document(replace(runs["rnn"], text_sha256="ab"))["text_sha256"] == "ab"


def test_measured_document(runs):
    experiment = runs["gru"].experiment
    document = strict(
        documents.to_json(documents.measured_document({"experiment": experiment}, measure_untrained(experiment)))
    )
    assert list(document) == ["experiment", "decay", "carry", "saturation", "bounds", "versions"]
    assert document["decay"].keys() == document["carry"].keys() == DECAY_FIELDS


def test_decay_csv_is_the_arrays(runs):
    curves = [
        (run.experiment, phase, decay)
        for run in runs.values()
        for phase, decay in (("before", run.before), ("after", run.after))
    ]
    rows = read(tables.decay_csv(*curves))
    assert len(rows) == 6 * SMALL["length"]
    for k, (experiment, phase, decay) in enumerate(curves):
        own = rows[k * SMALL["length"] : (k + 1) * SMALL["length"]]
        assert {(row["cell"], row["phase"], row["of"]) for row in own} == {(experiment.cell, phase, "memory")}
        assert [row["distance"] for row in own] == [str(d) for d in decay.distance]
        for name in ("norm", "mean_square", "relative", "low", "high"):
            assert [float(row[name]) for row in own] == getattr(decay, name).tolist()
        for seed in (0, 1):
            assert [float(row[f"relative_seed_{5 + seed}"]) for row in own] == decay.relatives[seed].tolist()


def test_memory_csv_is_the_arrays(runs):
    run = runs["gru"]
    rows = read(tables.memory_csv(run))
    for name in ("distance", "value", "low", "high"):
        assert [float(row[name]) for row in rows] == getattr(run.memory, name).tolist()
    assert [float(row["value_seed_6"]) for row in rows] == run.memory.values[1].tolist()
    assert [row["trained"] for row in rows] == [str(had) for had in run.memory.trained]
    assert {(row["cell"], row["kind"], row["metric"], row["chance"]) for row in rows} == {
        ("gru", "symbol", "accuracy", "0.125")
    }


def test_snapshots_csv_is_the_snapshots(runs):
    rows = read(tables.snapshots_csv(runs["rnn"], runs["lstm"]))
    assert [(row["cell"], row["step"]) for row in rows] == [(c, str(s)) for c in ("rnn", "lstm") for s in range(4)]
    for row, snapshot in zip(rows, runs["rnn"].snapshots, strict=False):
        assert number(row["horizon"]) == snapshot.decay.horizon
        assert float(row["metric"]) == np.median(snapshot.metric)
        for name, values in (
            ("loss", snapshot.loss),
            ("metric", snapshot.metric),
            ("horizon", snapshot.decay.horizons),
            ("clipped", snapshot.clipped),
        ):
            assert [number(row[f"{name}_seed_{seed}"]) for seed in (5, 6)] == values.tolist()


def test_median_of_snapshots_is_of_the_models_left(runs):
    run = runs["rnn"]
    first, second = run.snapshots[:2]
    ended = (replace(first, loss=np.array([np.nan, 2.0])), replace(second, loss=np.full(2, np.nan)))
    rows = read(tables.snapshots_csv(replace(run, snapshots=ended)))
    assert [row["loss"] for row in rows] == ["2.0", ""]


def test_tables_of_unlike_columns_are_joined():
    text = tables.csv_table({"a": np.array([1, 2]), "b": "x"}, {"a": 0.1, "c": [np.inf, np.nan]})
    assert text == "a,b,c\n1,x,\n2,x,\n0.1,,inf\n0.1,,\n"


def test_html_is_one_offline_page(figures):
    page = export.html(figures, "a < b", 'python -m analysis train --text-file "<x>"')
    assert opens_offline(page)
    assert page.count("Plotly.newPlot(") == page.count('"displaylogo": false') == 2
    assert page.count("<html") == 1
    assert 4e6 < len(page) < 6e6  # plotly.js once
    assert "<h1>a &lt; b</h1>" in page
    assert "--text-file &quot;&lt;x&gt;&quot;" in page
    assert figures["decay"].layout.template.layout.paper_bgcolor != "white"  # the caller's own is left alone


@pytest.mark.parametrize(
    ("experiment", "line"),
    [
        (Experiment(), "python -m analysis train --cell lstm"),
        (Experiment(cell="gru", length=50), "python -m analysis train --cell gru --length 50"),
        (Experiment(forget_bias=-1e-5), "python -m analysis train --cell lstm --forget-bias=-1e-05"),
        (
            Experiment(task="text", text_file="it's; a text"),
            "python -m analysis train --cell lstm --task text --text-file 'it'\"'\"'s; a text'",
        ),
        (Experiment(task="text", text_file="-x"), "python -m analysis train --cell lstm --task text --text-file=-x"),
    ],
)
def test_command_line(experiment, line):
    assert repeat_command(experiment) == line


@pytest.mark.parametrize("verb", ["train", "decay"])
def test_command_line_is_read_back(verb):
    for settings in (
        {name: SETTINGS[name].high for name in SETTINGS if SETTINGS[name].high is not None},
        {name: SETTINGS[name].low for name in SETTINGS if SETTINGS[name].low is not None},
        {"cell": "rnn", "activation": "relu", "init": "identity", "position": "first", "optimizer": "sgd"},
        {"task": "text", "text_file": "None", "learning_rate": 1 / 3},
    ):
        experiment = Experiment(**settings)
        program, words = "python -m analysis", shlex.split(repeat_command(experiment, verb))
        assert " ".join(words[:3]) == program
        arguments = vars(make_parser().parse_args(words[3:]))
        assert (arguments["verb"], experiment_from(arguments)) == (verb, experiment)


def unzip(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


def test_archive_without_images(runs, figures):
    run = runs["gru"]
    csvs = {"decay": tables.decay_csv((run.experiment, "after", run.after)), "memory": tables.memory_csv(run)}
    ran = [run.experiment, Experiment()]
    files = unzip(export.archive("decay", figures, csvs, ran, [repeat_command(e) for e in ran], images=False))
    assert files.keys() == {
        "README.txt", "commands.txt", "decay.html", "decay.csv", "memory.csv", "decay.json", "memory.json",
        "experiment-1-gru.json", "experiment-2-lstm.json",
    }  # fmt: skip
    assert files["decay.csv"].decode() == csvs["decay"]
    assert Experiment.from_dict(strict(files["experiment-1-gru.json"].decode())) == run.experiment
    assert "prints the summary again; add --csv FILE" in files["README.txt"].decode()
    assert files["commands.txt"].decode().splitlines() == [
        repeat_command(run.experiment),
        "python -m analysis train --cell lstm",
    ]
    assert b"not asked for" in files["README.txt"]
    assert go.Figure(strict(files["memory.json"].decode())).data[0].y[2] == 4
    assert opens_offline(files["decay.html"].decode())


def test_archive_says_why_images_are_missing(figures, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", "/nowhere/chrome")
    files = unzip(export.archive("decay", figures, {}, []))
    assert b"PNG or SVG are missing" in files["README.txt"]
    assert "commands.txt" not in files
    assert not [name for name in files if name.endswith((".png", ".svg"))]


def test_drawing_without_kaleido(figures, monkeypatch):
    monkeypatch.setitem(sys.modules, "kaleido", None)
    assert export.draw_images(figures) == ({}, f"{export.NO_BROWSER} (pip install kaleido).")


def test_drawing_keeps_its_time_limit(figures, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(export.asyncio, "run", lambda work: (work.close(), go_on.wait()))
    drawn, note = export.draw_images(figures, seconds=0.05)
    go_on.set()
    assert drawn == {}
    assert "not done after 0.05 s" in note


def test_archive_with_images(figures, monkeypatch):
    if not Chromium.find_browser(skip_local=False) and not os.environ.get("CI"):
        pytest.skip("no Chrome or Chromium on this machine")
    monkeypatch.setattr(export, "draw_images", partial(export.draw_images, seconds=600))
    files = unzip(export.archive("decay", figures, {}, [Experiment()]))
    assert "drawn" in files["README.txt"].decode()
    for name in figures:
        assert files[f"{name}.png"].startswith(b"\x89PNG")
        assert b"<svg" in files[f"{name}.svg"][:200]
