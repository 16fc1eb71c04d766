"""A watched model in the history: saved, replaced, renamed, and refused where it is damaged."""

import io
import random
import sqlite3
import zipfile
from contextlib import closing, suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import analysis
from analysis import watch
from analysis.history.database import NoRunError, StoreError
from analysis.history.entry import NAME_LENGTH
from analysis.history.serialization import encode
from analysis.history.store import Store
from analysis.history.validation import check_watched
from tests.helpers.files import mutated
from tests.helpers.modules import CELLS
from tests.helpers.runs import forgeries, shown
from tests.helpers.watched import Model, trained


@pytest.mark.parametrize("cell", CELLS)
def test_a_saved_watch_is_loaded_as_it_was(cell, tmp_path):
    path = tmp_path / "runs.sqlite"
    watched, _ = trained(Model(cell, layers=2), 4, every=2)
    watched.skipped["packed"] = 3
    id = watched.save(" mine ", path)
    kept = Store(path).load_watched(id)
    assert kept == watched.result("mine") and kept.snapshots == tuple(watched.history)
    assert (kept.name, kept.cell, kept.activation, kept.backwards) == ("mine", cell, "tanh", 4)
    assert (kept.input_size, kept.hidden_size, kept.layers, kept.skipped) == (3, 6, 2, {"packed": 3})
    assert kept.versions["torch"] == torch.__version__


def test_saving_again_replaces_it(tmp_path):
    path, module = tmp_path / "runs.sqlite", nn.GRU(3, 6)
    with watch(module, every=1) as watched:
        ids = [watched.save("before anything", path)]
        for _ in range(2):
            module(torch.randn(4, 2, 3))[0][-1].sum().backward()
            ids.append(watched.save("after an epoch", path))
    other = watch(module).save("another", path)
    store = Store(path)
    assert len({*ids}) == 1 and list(store.watched()) == [other, ids[0]]
    assert len(store.load_watched(ids[0]).snapshots) == 2
    assert store.rows() == []


def test_a_name_given_on_the_page_outlives_the_next_save(tmp_path):
    path, watched = tmp_path / "runs.sqlite", watch(nn.GRU(3, 6))
    store, id = Store(path), watched.save("run 1", path)
    for name in ("the good one", ""):
        store.rename_watched(id, name)
        assert watched.save("run 1", path) == id
        assert store.load_watched(id).name == name
    watched.save("run 2", path)  # the caller's own wish
    assert store.load_watched(id).name == "run 2"
    store.delete_watched(id)
    watched.save("run 2", path)
    assert store.load_watched(id).name == "run 2"


def test_a_watched_model_is_renamed_and_deleted(tmp_path):
    path = tmp_path / "runs.sqlite"
    store, watched = Store(path), watch(nn.RNN(3, 6, nonlinearity="relu"))
    assert store.watched() == {}
    with pytest.raises(NoRunError, match="no watched model none"):
        store.load_watched("none")
    id = watched.save("a", path)
    store.rename_watched(id, " b" * NAME_LENGTH)
    assert store.load_watched(id).name == (" b" * NAME_LENGTH).strip()[:NAME_LENGTH]
    store.delete_watched(id)
    assert store.watched() == {}
    assert watched.save("a", path) == id  # the loop goes on


def test_a_history_made_before_is_kept_and_stays_readable(tmp_path):
    """The table comes with the first watched model; the schema's number stays."""
    path = tmp_path / "runs.sqlite"
    id = Store(path).add(analysis.Experiment())
    with closing(sqlite3.connect(path)) as connection:
        before = connection.execute("PRAGMA user_version").fetchone()
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'watched'").fetchone()
    watch(nn.GRU(3, 6)).save("a", path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == before
    assert Store(path).row(id).experiment == analysis.Experiment()


def with_decay(result, **changes):
    return replace(
        result, snapshots=tuple(replace(each, decay=replace(each.decay, **changes)) for each in result.snapshots)
    )


def damaged():
    """A watched model with one thing wrong, by what that is."""
    watched, _ = trained(Model("lstm"), 4, every=2)
    result = watched.result("a")
    first, last = result.snapshots
    return {
        "cell": replace(result, cell="qrnn"),
        "skipped": replace(result, skipped={"packed": -1}),
        "created": replace(result, created="9999-12-31T23:59:59-23:59"),
        "numbers of float64": with_decay(result, distance=np.full(12, np.inf)),
        "horizon": with_decay(result, horizon=1e9, horizons=np.array([1e9])),
        "gradient": with_decay(result, of="x"),
        "threshold": with_decay(result, threshold=np.nan),
        "activation": replace(result, activation="sin"),
        "sizes": replace(result, layers=0),
        "order of snapshots": replace(result, snapshots=(last, first)),
        "pass": replace(result, backwards=3),
        "gates": replace(result, snapshots=(replace(first, saturation={}),)),
        "levels": replace(
            result,
            snapshots=(replace(first, bounds=replace(first.bounds, levels=np.ones(3), hidden=np.ones((3, 12)))),),
        ),
        "cell state": replace(result, snapshots=(replace(first, bounds=replace(first.bounds, cell=None)),)),
        "axes": replace(result, hidden_size=5),
        "Snapshot.shares": replace(result, snapshots=(replace(first, shares=(1.0,)),)),
        "Snapshot.gradient": replace(result, snapshots=(replace(first, gradient=-1.0),)),
        "Snapshot.sequences": replace(result, snapshots=(replace(first, sequences=-1),)),
        "isoformat": replace(result, created="yesterday"),
        "surrogates": replace(result, name="\ud800"),
    }


@pytest.mark.parametrize("cell", CELLS)
def test_a_watched_model_with_forged_numbers_is_refused_or_shown(cell):
    draw, accepted = random.Random(3), []
    models = list(forgeries(trained(Model(cell), 2, every=1)[0].result()))
    for model in draw.sample(models, 200):
        with suppress(ValueError):
            check_watched(model)
            accepted.append(model)
    assert 10 < len(accepted) < 150
    for model in accepted[:6]:
        shown("a", model)


def test_a_record_that_unpacks_to_much_more_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.history.serialization.LARGEST_JSON", 2**20)
    watched, _ = trained(Model("gru"), 2, every=1)
    store = Store(tmp_path / "runs.sqlite")
    watched.save("a", store.path)
    file = io.BytesIO(encode(watched.result("a")))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("uint8.npy", bytes(2**21))
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE watched SET data = ?", (file.getvalue(),))
    [id] = store.watched()
    with pytest.raises(StoreError, match=r"it unpacks to .* bytes: expected at most"):
        store.load_watched(id)


@pytest.mark.parametrize("change", damaged())
def test_damaged_results_are_neither_saved_nor_loaded(change, tmp_path):
    store, wrong = Store(tmp_path / "runs.sqlite"), damaged()[change]
    with pytest.raises(StoreError, match=f"can't be kept: .*{change}"):
        store.keep_watched(wrong)
    id = watch(nn.GRU(3, 6)).save("a", store.path)
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE watched SET data = ?", (encode(wrong),))
    with pytest.raises(StoreError, match=f"watched model {id} is damaged: .*{change}"):
        store.load_watched(id)


def test_a_mutated_record_is_read_or_refused(tmp_path):
    watched, _ = trained(Model("gru"), 2, every=1)
    store, chance = Store(tmp_path / "runs.sqlite"), random.Random(0)
    id = watched.save("a", store.path)
    original = encode(watched.result("a"))
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        for forged in [mutated(original, chance) for _ in range(200)] + [b"", "text", 3, 1.5]:
            connection.execute("UPDATE watched SET data = ?", (forged,))
            try:
                store.load_watched(id)
            except StoreError as error:
                assert "\n" not in str(error)


def test_a_table_with_other_columns_is_refused(tmp_path):
    store = Store(tmp_path / "runs.sqlite")
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE watched (a)")
    for ask in (store.watched, lambda: store.load_watched("a"), lambda: watch(nn.GRU(3, 6)).save("a", store.path)):
        with pytest.raises(StoreError, match=r"no such column|has 1 column"):
            ask()


def test_a_history_that_cannot_be_written_raises_and_loses_nothing(tmp_path):
    watched, _ = trained(Model(), 2, every=1)
    with pytest.raises(StoreError, match="expected a file to keep runs in"):
        watched.save("a", tmp_path)
    assert len(watched.history) == 2
