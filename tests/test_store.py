import io
import json
import multiprocessing
import random
import sqlite3
import zipfile
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from analysis import Experiment, train
from analysis.checks import check_axes
from analysis.codec import DTYPES, decode, encode
from analysis.database import APPLICATION, MEMORY, Database, StoreError
from analysis.locks import Owner, lives
from analysis.records import finished, key
from analysis.results import Decay, Record, Run, Snapshot
from analysis.store import NoRunError, Store, default_path
from analysis.training import Checkpoint, resume

SMALL = Experiment(hidden_size=3, length=6, seeds=2, batch_size=4, steps=20)
EXPERIMENTS = {
    "lstm": SMALL,
    "gru": SMALL.replace(cell="gru", layers=2, activation="relu"),
    "adding": SMALL.replace(task="adding", cell="rnn", optimizer="sgd"),
    "copy": SMALL.replace(task="copy", optimizer="rmsprop"),
    "diverged": SMALL.replace(
        cell="rnn", activation="identity", gain=3, length=60, optimizer="sgd", learning_rate=1, clip=0
    ),
}


class StopError(Exception):
    pass


@pytest.fixture(scope="module")
def runs():
    return {name: train(experiment) for name, experiment in EXPERIMENTS.items()}


@pytest.fixture(scope="module")
def run(runs):
    return runs["lstm"]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs.sqlite")


def keep(store, run, owner=None):
    """Write a finished run as a worker would report it."""
    id = store.add(run.experiment, owner)
    for snapshot in run.snapshots:
        store.write(id, {"status": "running", "step": snapshot.step}, ("snapshot", snapshot.step, encode(snapshot)))
    store.write(id, *finished(run))
    return id


def stopped(experiment, at):
    """Train until a step; return the checkpoint there and the snapshots so far."""
    checkpoints, snapshots = [], []

    def stop(trainer):
        if trainer.step == at:
            checkpoints.append(trainer.checkpoint())
            raise StopError

    with pytest.raises(StopError):
        resume(experiment, on_snapshot=snapshots.append, on_step=stop)
    return checkpoints[0], snapshots


# Checkpoints


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name != "diverged"])
@pytest.mark.parametrize("at", [1, 10, 13, 20])
def test_a_resumed_training_equals_the_unbroken_one(runs, name, at):
    checkpoint, snapshots = stopped(EXPERIMENTS[name], at)
    restored = decode(Checkpoint, encode(checkpoint))
    assert restored == checkpoint
    assert resume(EXPERIMENTS[name], restored, snapshots) == runs[name]


def test_a_training_where_one_model_diverged_is_resumed_exactly():
    experiment = EXPERIMENTS["diverged"].replace(gain=1.0, length=20, seeds=6, learning_rate=0.25, steps=40)
    whole = train(experiment)
    (at, *_) = [failure.step for failure in whole.diverged]
    assert len(whole.diverged) < experiment.seeds
    checkpoint, snapshots = stopped(experiment, at + 2)
    assert checkpoint.diverged
    assert resume(experiment, decode(Checkpoint, encode(checkpoint)), snapshots) == whole


def test_snapshots_later_than_the_checkpoint_are_taken_again(run):
    checkpoint, _ = stopped(SMALL, 5)
    assert resume(SMALL, checkpoint, run.snapshots) == run


def test_a_stop_between_the_final_measurements_can_be_resumed(run):
    calls, snapshots = [], []

    def stop(trainer):
        calls.append(trainer.checkpoint())
        if len(calls) == SMALL.steps + 2:
            raise StopError

    with pytest.raises(StopError):
        resume(SMALL, on_snapshot=snapshots.append, on_step=stop)
    assert resume(SMALL, calls[-1], snapshots) == run


def test_a_checkpoint_of_another_experiment_is_refused():
    checkpoint, _ = stopped(SMALL, 3)
    with pytest.raises(ValueError, match="expected one of"):
        resume(SMALL.replace(hidden_size=5), checkpoint)


# Bytes and back


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_results_come_back_exactly(runs, name):
    run = runs[name]
    back = decode(Run, encode(run))
    assert back == run
    assert back.timing == run.timing
    assert {name: weight.dtype for name, weight in back.weights.items()} == {
        name: weight.dtype for name, weight in run.weights.items()
    }
    check_axes(back, run.experiment)


def test_one_kind_of_result_is_not_taken_for_another(run):
    with pytest.raises(ValueError, match="holds no Decay"):
        decode(Decay, encode(run))


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_numbers_that_json_lacks_come_back(run, value):
    decay = replace(run.before, half_life=value, norm=np.full(6, value))
    assert decode(Decay, encode(decay)) == decay


def test_arrays_that_do_not_fit_are_found(run):
    wrong = replace(run.before, relative=np.zeros(5))
    with pytest.raises(ValueError, match=r"Decay\.relative"):
        check_axes({"of": (wrong,)}, SMALL)


# One history


def test_a_run_is_kept_and_listed(store, run):
    id = keep(store, run)
    row = store.row(id)
    assert (row.status, row.step, row.chance) == ("finished", 20, run.chance)
    assert row.metric == run.metric.tolist()
    assert (row.horizon_before, row.horizon_after) == (run.before.horizon, run.after.horizon)
    assert store.rows() == [row]
    assert store.load(id) == run
    assert json.loads(json.dumps(row.as_dict(), allow_nan=False))["experiment"] == SMALL.as_dict()


def test_a_model_that_diverged_has_no_metric(store, runs):
    row = store.row(keep(store, runs["diverged"]))
    assert row.metric == [None, None]
    assert row.diverged == 2


def test_only_new_snapshots_are_read_again(store, run):
    id = keep(store, run)
    assert [snapshot.step for snapshot in store.watch(id)[1]] == [0, 10, 20]
    assert store.watch(id, since=10)[1] == [run.snapshots[2]]
    assert store.watch(id, since=20)[1] == []


def test_rename_and_delete(store, run):
    id = keep(store, run)
    store.rename(id, "  the best one ")
    assert store.row(id).name == "the best one"
    store.close()
    size = store.path.stat().st_size
    store.delete(id)
    assert store.rows() == []
    assert store.path.stat().st_size < size
    for missing in (store.row, store.delete, store.load, store.take, store.export, lambda id: store.rename(id, "x")):
        with pytest.raises(NoRunError, match=f"no run {id}"):
            missing(id)


def test_a_live_run_is_not_deleted(store):
    owner = Owner(store.owners)
    id = store.add(SMALL, owner.name)
    with pytest.raises(StoreError, match="cancel it before"):
        store.delete(id)
    with pytest.raises(StoreError, match="only a finished run"):
        store.load(id)
    owner.release()
    store.delete(id)


def test_identical_experiments_are_joined(store, run):
    owner = Owner(store.owners)
    id, mine = store.join(SMALL, owner.name)
    assert mine
    assert store.join(SMALL, owner.name) == (id, False)
    assert store.join(SMALL.replace(seed=1), owner.name)[0] != id
    store.write(id, {"status": "cancelled"})
    assert store.join(SMALL, owner.name) == (id, True)
    store.write(id, *finished(run))
    assert store.join(SMALL, owner.name) == (id, False)
    owner.release()


def test_a_text_counts_by_its_content(tmp_path):
    for name, content in (("a", "one"), ("b", "one"), ("c", "two")):
        (tmp_path / name).write_text(content)
    a, b, c = (key(SMALL.replace(task="text", text_file=str(tmp_path / name))) for name in "abc")
    assert a == b != c


def test_who_takes_over_a_run_forgets_what_came_after_its_checkpoint(store, run):
    id = store.add(SMALL)
    for snapshot in run.snapshots:
        store.write(id, {"step": snapshot.step}, ("snapshot", snapshot.step, encode(snapshot)))
    store.write(id, {"status": "cancelled"}, ("checkpoint", 12, encode(stopped(SMALL, 12)[0])))
    owner = Owner(store.owners)
    assert store.take(id, owner.name)
    assert not store.take(id, owner.name)
    row, snapshots = store.watch(id)
    assert (row.status, row.step, [snapshot.step for snapshot in snapshots]) == ("queued", 12, [0, 10])
    assert resume(SMALL, decode(Checkpoint, store.progress(id)[0]), snapshots) == run
    owner.release()


def test_a_run_whose_owner_is_gone_is_interrupted(store):
    owner = Owner(store.owners)
    id = store.add(SMALL, owner.name)
    assert lives(store.owners, owner.name)
    assert store.row(id).status == "queued"
    owner.release()
    assert not lives(store.owners, owner.name)
    assert store.row(id).status == "interrupted"
    assert "process" in store.row(id).reason


def test_a_history_in_memory_does_the_same(run):
    memory = Store(MEMORY)
    id = keep(memory, run)
    assert memory.load(id) == run
    memory.rename(id, "x")
    memory.delete(id)
    assert memory.rows() == []
    memory.close()


def test_where_the_history_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("GOLDFISH_STORE", str(tmp_path / "here"))
    assert default_path() == tmp_path / "here"
    monkeypatch.delenv("GOLDFISH_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_path().name == "runs.sqlite"


def _write_many(path, run, count):
    store = Store(path)
    for _ in range(count):
        store.rename(keep(store, run), "written")


def test_four_processes_write_at_once(tmp_path, run):
    path = tmp_path / "new folder" / "runs.sqlite"
    context = multiprocessing.get_context("forkserver" if hasattr(multiprocessing, "forkserver") else None)
    writers = [context.Process(target=_write_many, args=(path, run, 5)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
        writer.close()
    store = Store(path)
    rows = store.rows()
    assert len(rows) == 20
    assert all(row.name == "written" and store.load(row.id) == run for row in rows)
    assert [file.name for file in path.parent.iterdir() if "-wal" not in file.name and "-shm" not in file.name] == [
        "runs.sqlite"
    ]


# Files that are no history


def refused(path, match):
    """Opening or reading a file fails in one clear line, and leaves it as it was."""
    before = path.read_bytes()
    with pytest.raises(StoreError, match=match) as caught, closing(Store(path)) as store:
        store.rows()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"x", b"not a database " * 100, b"SQLite format 3\0" + bytes(10)])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    refused(tmp_path / "file", "no history of Goldfish runs")


def test_a_foreign_database_is_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / "file")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE runs (id)")
    connection.commit()
    connection.close()
    refused(tmp_path / "file", "no history of Goldfish runs")


def test_a_newer_schema_is_refused(store, run):
    keep(store, run)
    store.close()
    connection = sqlite3.connect(store.path)
    connection.execute("PRAGMA user_version = 7")
    connection.commit()
    connection.close()
    refused(store.path, "newer Goldfish")


def test_a_truncated_history_is_refused(store, run):
    keep(store, run)
    store.close()
    content = store.path.read_bytes()
    for size in (100, 4096, 4097, len(content) // 2, len(content) - 4096):
        store.path.write_bytes(content[:size])
        refused(store.path, "malformed|no such table|not a database|disk I/O")


def test_a_damaged_history_is_refused_wherever_it_is_hit(store, run):
    id = keep(store, run)
    store.close()
    content = store.path.read_bytes()
    draw = random.Random(0)
    told = 0
    for _ in range(60):
        damaged = bytearray(content)
        start = draw.randrange(100, len(content))
        damaged[start : start + 300] = draw.randbytes(len(damaged[start : start + 300]))
        store.path.write_bytes(damaged)
        try:
            with closing(Store(store.path)) as again:
                again.rows()
                assert again.load(id) == run  # what it says is right
        except StoreError as error:
            assert "\n" not in str(error)
            told += 1
    assert told > 30


def test_missing_tables_are_told(tmp_path):
    connection = sqlite3.connect(tmp_path / "file")
    connection.executescript(f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 1; CREATE TABLE x (y)")
    connection.close()
    refused(tmp_path / "file", "no such table")


def test_a_place_where_nothing_can_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"expected a (folder|file)"):
        Store(tmp_path / "file" / "runs.sqlite")
    with pytest.raises(StoreError, match="expected a file"):
        Store(tmp_path)


def test_a_full_disk_is_told_and_loses_nothing(store, run, monkeypatch):
    id = keep(store, run)
    connect = Database._connect

    def full(self):
        connection = connect(self)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(Database, "_connect", full)
    with pytest.raises(StoreError, match="full"):
        for _ in range(3):
            keep(store, run)
    assert store.load(id) == run


def test_a_history_that_vanished_is_told_and_not_made_anew(store):
    store.path.unlink()
    with pytest.raises(StoreError, match="unable to open"):
        store.rows()
    assert not store.path.exists()


# A run as one file


def test_a_run_moves_to_another_history(store, run, tmp_path):
    id = keep(store, run)
    store.rename(id, "mine")
    other = Store(tmp_path / "other.sqlite")
    moved = other.import_(store.export(id))
    assert other.load(moved) == run
    assert replace(other.row(moved), id=id) == store.row(id)
    assert other.import_(store.export(id)) == moved
    assert store.import_(other.export(moved)) == id
    assert len(other.rows()) == 1


def test_an_unfinished_run_moves_too_and_starts_anew(store, run, tmp_path):
    owner = Owner(store.owners)
    id = store.add(SMALL, owner.name)
    store.write(id, {"status": "running", "step": 10}, ("snapshot", 10, encode(run.snapshots[1])))
    moved = store.import_(store.export(id))
    assert store.row(moved).status == "interrupted"
    assert store.watch(moved)[1] == [run.snapshots[1]]
    owner.release()


def text_run(run, path):
    """Make a finished run that says it learned from a text."""
    experiment = SMALL.replace(task="text", length=6, text_file=path)
    return replace(run, experiment=experiment, text_sha256="0" * 64)


def record_of(of, /, **changes):
    shared = {"name": "", "reason": None, "created": "2026-01-02T03:04:05+00:00", "seconds": 1.0, "versions": {}}
    whole = {"status": "finished", "experiment": of.experiment, "step": of.experiment.steps}
    return Record(**shared | whole | {"snapshots": of.snapshots, "run": replace(of, snapshots=())} | changes)


PATHS = {"/etc/passwd": "passwd", "C:\\Users\\me\\my text.txt": "my text.txt", "/": "text", "plain.txt": "plain.txt"}


@pytest.mark.parametrize("path", PATHS)
def test_an_imported_run_keeps_no_path(store, run, path):
    record = record_of(text_run(run, path))
    id = store.import_(encode(record))
    assert store.row(id).experiment.text_file == store.load(id).experiment.text_file == PATHS[path]
    assert store.import_(encode(record)) == id
    assert store.row(id).text_missing


def test_an_exported_run_tells_no_path(store, run, tmp_path):
    (tmp_path / "secret folder").mkdir()
    path = tmp_path / "secret folder" / "mine.txt"
    path.write_text("one")
    id = keep(store, text_run(run, str(path)))
    data = store.export(id)
    assert "secret folder" not in members(data)["result.json"].decode()
    exported = decode(Record, data)
    assert exported.experiment.text_file == exported.run.experiment.text_file == "mine.txt"
    assert exported.run.text_sha256 == "0" * 64
    assert store.row(id).experiment.text_file == str(path)
    assert not store.row(id).text_missing


@pytest.mark.parametrize("task", ["text", "words"])
def test_an_imported_run_without_its_text_is_not_resumed(store, run, task, monkeypatch):
    monkeypatch.setattr("analysis.tasks.Path", None)  # opens nothing
    experiment = SMALL.replace(task=task, text_file="/etc/passwd")
    id = store.import_(encode(record_of(text_run(run, "x"), experiment=experiment, status="interrupted", run=None)))
    assert store.row(id).experiment.text_file == "passwd"
    with pytest.raises(StoreError, match="its text is not here: upload it and train again"):
        store.take(id)
    assert store.row(id).status == "interrupted"
    own = store.import_(encode(record_of(run, status="interrupted", run=None)))
    assert store.take(own)  # it needs no file


def test_an_imported_run_is_nobodys_result(store, run):
    store.import_(encode(record_of(replace(run, metric=run.metric + 1))))
    assert store.find(SMALL) is None
    id, mine = store.join(SMALL)
    assert mine
    assert store.find(SMALL).id == id
    assert len(store.rows()) == 2


def test_a_run_taken_again_has_the_text_where_it_is_now(store, tmp_path):
    for name in "ab":
        (tmp_path / name).write_text("one")
    here, there = (SMALL.replace(task="text", text_file=str(tmp_path / name)) for name in "ab")
    id = store.add(here)
    store.write(id, {"status": "interrupted"})
    (tmp_path / "a").unlink()
    assert store.join(there) == (id, True)
    assert store.row(id).experiment == there


def _saturation(run, **changes):
    after, gate = run.measured_after, run.measured_after.saturation["forget"]
    return replace(after, saturation=after.saturation | {"forget": replace(gate, **changes)})


LIES = {
    "no seconds": lambda run: {"run": replace(run, timing={k: v for k, v in run.timing.items() if k != "seconds"})},
    "no parameters": lambda run: {"run": replace(run, timing={})},
    "infinite time": lambda run: {"run": replace(run, timing=run.timing | {"ms_per_step": np.inf})},
    "no chance": lambda run: {"run": replace(run, chance=np.nan)},
    "another gate": lambda run: {
        "run": replace(run, measured_before=replace(run.measured_before, saturation={"lid": None}))
    },
    "no gates": lambda run: {"run": replace(run, measured_after=replace(run.measured_after, saturation={}))},
    "no edges": lambda run: {"run": replace(run, measured_after=_saturation(run, edges=np.zeros(0)))},
    "edges on two axes": lambda run: {"run": replace(run, measured_after=_saturation(run, edges=np.zeros((41, 1))))},
    "one end": lambda run: {"run": replace(run, measured_after=_saturation(run, left=None))},
    "no gates on the way": lambda run: {"snapshots": tuple(replace(s, saturation={}) for s in run.snapshots)},
    "an edge too few on the way": lambda run: {
        "snapshots": (replace(run.snapshots[0], saturation=_saturation(run, edges=np.zeros(40)).saturation),)
    },
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_record_that_would_break_a_page_is_refused(store, run, lie):
    changes = LIES[lie](run)
    if "run" in changes:
        changes["run"] = replace(changes["run"], snapshots=())
    with pytest.raises(StoreError, match="not a run that Goldfish exported"):
        store.import_(encode(record_of(run, **changes)))
    assert store.rows() == []


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_real_run_is_taken_in(store, runs, name):
    id = store.import_(encode(record_of(runs[name])))
    assert store.load(id) == runs[name]


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_a_mutated_file_is_refused_or_the_same(store, run):
    record = store.record(keep(store, run))
    data = store.export(store.rows()[0].id)
    draw = random.Random(1)
    other = Store(MEMORY)
    refusals = 0
    for k in range(400):
        mutated = bytearray(data)
        at = draw.randrange(len(data)) if k % 2 else draw.choice([draw.randrange(200), -draw.randrange(1, 600)])
        match k % 4:
            case 0 | 1:
                mutated[at] ^= 1 << draw.randrange(8)
            case 2:
                del mutated[at:]
            case 3:
                mutated[at : at + draw.randrange(9)] = draw.randbytes(draw.randrange(9))
        try:
            id = other.import_(bytes(mutated))
        except StoreError as error:
            assert "not a run that Goldfish exported" in str(error)
            refusals += 1
        else:
            assert other.record(id) == record
    assert refusals > 200
    other.close()


def test_forged_contents_are_refused_or_readable(store, run):
    """Change one value of the JSON, with every checksum right."""
    files = members(store.export(keep(store, run)))
    draw = random.Random(2)
    other = Store(MEMORY)
    odd = [None, True, -1, 0, 1e300, 10**30, "x", "nan", "\ud800", [], {}, ["float64", 0, [2**40]], ["object", 0, [1]]]
    refusals = 0
    for _ in range(300):
        content = json.loads(files["result.json"])
        holder, name = content, draw.choice(list(content))
        while isinstance(holder[name], dict | list) and holder[name] and draw.random() < 0.85:
            holder = holder[name]
            name = draw.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        if draw.random() < 0.2:
            del holder[name]
        else:
            holder[name] = draw.choice(odd)
        try:
            id = other.import_(packed(files | {"result.json": json.dumps(content)}))
        except StoreError:
            refusals += 1
        else:
            check_axes(other.record(id), other.row(id).experiment)
            json.dumps(other.row(id).as_dict())
            other.delete(id)
    assert refusals > 150
    other.close()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def huge_header():
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    return file.getvalue() + bytes(8)


BOMB = 2**20 + 1
FORGED = {
    "nothing": lambda files: {},
    "no json": lambda files: {"float64.npy": files["float64.npy"]},
    "another member": lambda files: files | {"../evil.npy": b""},
    "a folder": lambda files: files | {"folder/": b""},
    "a pickle": lambda files: files | {"float64.npy": b"\x80\x04N."},
    "an array of objects": lambda files: files | {"float64.npy": npy(np.array([{}], dtype=object))},
    "another dtype": lambda files: files | {"float64.npy": npy(np.zeros(9, "f4"))},
    "two axes": lambda files: files | {"float64.npy": npy(np.zeros((3, 3)))},
    "too few numbers": lambda files: files | {"float64.npy": npy(np.zeros(3))},
    "a huge header": lambda files: files | {"float64.npy": huge_header()},
    "deep json": lambda files: files | {"result.json": "[" * 100_000},
    "json of a number": lambda files: files | {"result.json": "1"},
    "json with NaN": lambda files: files | {"result.json": '{"goldfish": NaN}'},
    "a later format": lambda files: files | {"result.json": files["result.json"].replace(b'fish": 1', b'fish": 2')},
    "no json at all": lambda files: files | {"result.json": b"\xff\xfe"},
    "a bomb": lambda files: files | {"uint8.npy": bytes(BOMB)},
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_file_is_refused(store, run, how, monkeypatch):
    monkeypatch.setattr("analysis.records.LARGEST", BOMB - 1)
    files = members(store.export(keep(store, run)))
    with pytest.raises(StoreError, match="not a run that Goldfish exported"):
        store.import_(packed(FORGED[how](files)))
    assert len(store.rows()) == 1


def test_the_file_is_plain(store, run):
    """Anyone can read it: a ZIP of one JSON and numpy's arrays, none of them pickled."""
    files = members(store.export(keep(store, run)))
    assert files.keys() <= {"result.json", *(f"{dtype}.npy" for dtype in DTYPES)}
    assert json.loads(files["result.json"])["kind"] == Record.__name__
    for name in files.keys() - {"result.json"}:
        assert np.load(io.BytesIO(files[name]), allow_pickle=False).ndim == 1


def test_snapshots_round_trip_by_themselves(run):
    for snapshot in run.snapshots:
        assert decode(Snapshot, encode(snapshot)) == snapshot
