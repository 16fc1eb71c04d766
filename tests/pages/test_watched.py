"""Watched models on the page Runs."""

import csv
import io
import sqlite3
from contextlib import closing
from dataclasses import replace
from math import nan

import pytest
import torch
from torch import nn

from analysis import watch
from analysis.cli.main import main
from analysis.report.sentences.gates import ENDS
from analysis.report.sentences.watched import pass_sentence
from analysis.report.tables import watched_tables
from pages.ui import training
from tests.helpers.app import app, charts, fine

PAGE = "pages/runs/runs.py"
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


@pytest.fixture
def store():
    kept = training.jobs().store
    yield kept
    for id in kept.watched():
        kept.delete_watched(id)


def saved(store, cell, passes=3, name="mine *and* others'"):
    module = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell](3, 6)
    torch.manual_seed(0)
    with watch(module, every=1) as seen:
        for _ in range(passes):
            module(torch.randn(12, 5, 3))[0][-1].sum().backward()
    return seen.save(name, store.path), seen


def opened(ticked=None):
    at = app(PAGE)
    ids = list(training.jobs().store.watched())
    if ticked:
        at.session_state[f"watched {hash(tuple(ids))}"] = {"selection": {"rows": [ids.index(ticked)]}}
    return at.run()


def test_without_any_the_page_is_as_it_was(store):
    at = fine(opened())
    assert not at.subheader and "Nothing has been trained yet" in at.info[0].value


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_watched_model_is_listed_and_drawn(store, cell):
    id, seen = saved(store, cell)
    at = fine(opened(id))
    table = at.dataframe[0].value
    first, last = ("≥ " * d.censored + f"{d.horizon:.0f}" for d in (seen.history[k].decay for k in (0, -1)))
    assert [list(table[name]) for name in ("Model", "Cell", "Backward passes", "Horizon")] == [
        ["mine *and* others'"], [cell.upper()], [3], [f"{first} → {last}"],
    ]  # fmt: skip
    timeline, decay, *details = charts(at)
    assert [each["x"] for each in timeline["data"] if each["name"] == cell.upper()] == [[1, 2, 3]]
    assert "pass 1" in {each.get("name") for each in decay["data"]}
    assert "before training" not in str(charts(at))
    assert len(details) == {"rnn": 1, "lstm": 3, "gru": 2}[cell]
    ends = [text.value for text in at.caption if text.value.startswith(ENDS)]
    assert ends == ([] if cell == "rnn" else [f"{ENDS} The arrow leads from pass 1 to pass 3."])
    assert pass_sentence(seen.history[-1]) in [text.value for text in at.caption]
    assert at.get("download_button") and not at.info


def test_what_it_draws_is_in_the_tables(store):
    id, seen = saved(store, "gru")
    written = watched_tables(store.load_watched(id))
    tables = {name: list(csv.DictReader(io.StringIO(text()))) for name, text in written.items()}
    assert [float(row["horizon"]) for row in tables["horizon"]] == [each.decay.horizon for each in seen.history]
    assert [float(row["update_right"]) for row in tables["horizon"]] == [
        each.saturation["update"].ends[1] for each in seen.history
    ]
    assert [float(row["gradient"]) for row in tables["horizon"]] == [each.gradient for each in seen.history]
    assert [float(row["share_from_10"]) for row in tables["horizon"]] == [each.shares[1] for each in seen.history]
    assert [int(row["sequences"]) for row in tables["horizon"]] == [5, 5, 5]
    relative = [value for each in seen.history for value in each.decay.relative]
    assert [float(row["relative"]) for row in tables["gradient"]] == relative


def test_nothing_measured_yet(store):
    module = nn.LSTM(3, 6)
    with watch(module, every=1) as seen:
        packed = nn.utils.rnn.pack_sequence([torch.randn(4, 3), torch.randn(2, 3)])
        module(packed)[1][1].sum().backward()
    at = fine(opened(seen.save("", store.path)))
    assert list(at.dataframe[0].value["Model"]) == ["LSTM, 3 inputs, 6 units, 1 layer"]
    assert "Nothing was measured yet." in at.info[0].value
    assert any("expected a layer of one direction" in text.value for text in at.caption)


def test_a_single_snapshot_has_nothing_before(store):
    id, _ = saved(store, "gru", passes=1)
    at = fine(opened(id))
    assert "pass 1" not in {each.get("name") for each in charts(at)[1]["data"]}


@pytest.mark.parametrize("button", ["rename_watched", "delete_watched"])
def test_a_dialog_asks_first(store, button):
    id, _ = saved(store, "gru")
    assert fine(opened()).button(key=button).disabled
    fine(opened(id).button(key=button).click().run())
    assert list(store.watched()) == [id]


def test_many_are_read_once_each(store, monkeypatch):
    saved(store, "gru", passes=1)
    [record] = [store.load_watched(id) for id in store.watched()]
    for k in range(50):
        store.keep_watched(replace(record, name=str(k)))
    read, load = [], store.load_watched
    monkeypatch.setattr(store, "load_watched", lambda id: read.append(id) or load(id))
    at = fine(opened())
    assert len(at.dataframe[0].value) == len(read) == 51
    fine(at.run())
    assert len(read) == 51


def test_a_damaged_one_is_one_line_and_can_be_deleted(store):
    good, _ = saved(store, "gru")
    bad, _ = saved(store, "lstm")
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE watched SET data = ?, saved = 'x' WHERE id = ?", (b"PK", bad))
    at = fine(opened(bad))
    assert [f"watched model {bad} is damaged" in each.value for each in at.error] == [True]
    assert list(at.dataframe[0].value["Model"]) == ["damaged", "mine *and* others'"]
    assert at.button(key="rename_watched").disabled and not at.button(key="delete_watched").disabled
    assert len(charts(fine(opened(good)))) == 4


def test_a_table_that_cant_be_read_is_one_line(store):
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("DROP TABLE IF EXISTS watched")
        connection.execute("CREATE TABLE watched (a)")
    try:
        at = fine(app(PAGE).run())
        assert ["no such column" in each.value for each in at.error] == [True]
    finally:
        with closing(sqlite3.connect(store.path)) as connection, connection:
            connection.execute("DROP TABLE watched")


def test_the_command_line_mentions_them(store, capsys):
    id, _ = saved(store, "gru", name="mine")
    assert main(["runs", "--store", str(store.path)]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(id) and "mine: GRU, watched, pass 3, horizon " in line
    assert main(["runs", "--json", "--store", str(store.path)]) == 0
    assert capsys.readouterr().out == "[]\n"
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE watched SET data = ?", (b"PK",))
    assert main(["runs", "--store", str(store.path)]) == 0
    assert "is damaged" in capsys.readouterr().out


def test_one_that_an_older_goldfish_watched_has_no_sentence_on_its_gradient(store):
    id, seen = saved(store, "gru")
    older = [replace(each, gradient=nan, shares=(), sequences=0) for each in seen.history]
    store.keep_watched(replace(seen.result("older"), snapshots=tuple(older)), id)
    at = fine(opened(id))
    assert not any("gradient" in text.value for text in at.caption)


def test_each_layer_of_a_model_is_a_line(store):
    model = nn.ModuleDict({"encoder": nn.GRU(3, 6), "decoder": nn.LSTM(6, 4)})
    with watch(model, every=1) as seen:
        model["decoder"](model["encoder"](torch.randn(12, 5, 3))[0])[0][-1].sum().backward()
    seen.save("mine", store.path)
    table = fine(opened()).dataframe[0].value
    assert sorted(zip(table["Model"], table["Cell"], strict=True)) == [
        ("mine, decoder", "LSTM"),
        ("mine, encoder", "GRU"),
    ]
