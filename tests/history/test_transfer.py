"""A run as one file: moved about, damaged, forged."""

import io
import json
import random
import re
import zipfile
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from analysis.history.database import MEMORY, StoreError
from analysis.history.entry import Record
from analysis.history.locks import Owner
from analysis.history.serialization import DTYPES, encode
from analysis.history.store import Store
from analysis.history.validation import check_parts, check_record
from tests.helpers.runs import EXPERIMENTS, SMALL, forgeries, keep, members, record_of, shown, trained


def test_a_run_moves_to_another_history(store, run, tmp_path):
    id = keep(store, run)
    store.rename(id, "mine")
    other = Store(tmp_path / "other.sqlite")
    moved = other.import_(store.export(id))
    assert other.load(moved) == run
    assert replace(other.row(moved), id=id) == replace(store.row(id), imported=True)
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


def test_a_later_state_of_an_unfinished_run_is_another_one(store, run):
    id, other = store.add(SMALL, Owner(store.owners).name), Store(MEMORY)
    moved = []
    for step in (10, 20, 10):
        store.write(id, {"status": "cancelled", "step": step})
        moved.append(other.import_(store.export(id)))
    assert [row.step for row in other.rows()] == [20, 10] and moved[0] != moved[1]


def test_an_imported_run_is_not_the_result_of_its_experiment(store, run):
    store.import_(encode(record_of(replace(run, metric=run.metric + 1))))
    assert store.find(SMALL) is None
    id, mine = store.join(SMALL)
    assert mine
    assert store.find(SMALL).id == id
    assert len(store.rows()) == 2


def _saturation(run, **changes):
    after, gate = run.measured_after, run.measured_after.saturation["forget"]
    return replace(after, saturation=after.saturation | {"forget": replace(gate, **changes)})


LIES = {
    "no seconds": lambda run: {"run": replace(run, timing={k: v for k, v in run.timing.items() if k != "seconds"})},
    "no parameters": lambda run: {"run": replace(run, timing={})},
    "infinite time": lambda run: {"run": replace(run, timing=run.timing | {"ms_per_step": np.inf})},
    "another metric": lambda run: {"run": replace(run, metric_name="![](//there)")},
    "another metric of the memory": lambda run: {"run": replace(run, memory=replace(run.memory, metric_name="mse"))},
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


def _memory_decay(run, **changes):
    after = run.measured_after
    return replace(after, decays=after.decays | {"memory": replace(after.decay, **changes)})


NAN6 = np.full(6, np.nan)
CONTENTS = {
    "Decay.distance": lambda run: {"measured_after": _memory_decay(run, distance=np.arange(6)[::-1])},
    "numbers of float64": lambda run: {"measured_after": _memory_decay(run, distance=NAN6)},
    "numbers of uint8": lambda run: {"measured_after": _memory_decay(run, relative=np.zeros(6, "u1"))},
    "gradient": lambda run: {"measured_after": _memory_decay(run, of="x")},
    "kinds of gradient": lambda run: {
        "measured_after": replace(run.measured_after, decays=run.measured_after.decays | {"x": run.after})
    },
    "Decay.threshold": lambda run: {"measured_after": _memory_decay(run, threshold=0.0)},
    "Decay.horizon": lambda run: {"measured_after": _memory_decay(run, horizon=1e9)},
    "Decay.relative": lambda run: {"measured_after": _memory_decay(run, relative=np.full(6, -1.0))},
    "Decay.rate": lambda run: {"measured_after": _memory_decay(run, rates=np.full(2, 1e300))},
    "Decay.cut": lambda run: {"measured_after": _memory_decay(run, cut=2)},
    "Decay.excluded": lambda run: {"measured_after": _memory_decay(run, excluded=3)},
    "Memory.distance": lambda run: {"memory": replace(run.memory, distance=run.memory.distance[::-1])},
    "Memory.trained": lambda run: {"memory": replace(run.memory, trained=np.ones(3, bool))},
    "Memory.span": lambda run: {"memory": replace(run.memory, span=1e9)},
    "Saturation.edges": lambda run: {"measured_after": _saturation(run, edges=np.zeros(41))},
    "Saturation.counts": lambda run: {"measured_after": _saturation(run, counts=np.full(40, -1))},
    "Saturation.left": lambda run: {"measured_after": _saturation(run, left=np.full((2, 1, 3), 1.5))},
    "Saturation.low": lambda run: {"measured_after": _saturation(run, low=np.nan)},
    "Bounds.levels": lambda run: {"measured_after": _bounds(run, levels=np.zeros(4))},
    "Bounds.saturated": lambda run: {"measured_after": _bounds(run, saturated=np.full(6, 2.0))},
    "Bounds.hidden": lambda run: {"measured_after": _bounds(run, hidden=np.full((4, 6), np.nan))},
    "Bounds.overflow_step": lambda run: {"measured_after": _bounds(run, overflow_step=-(10**30))},
    "chance": lambda run: {"memory": replace(run.memory, chance=np.inf)},
}


def _bounds(run, **changes):
    return replace(run.measured_after, bounds=replace(run.measured_after.bounds, **changes))


@pytest.mark.parametrize("what", CONTENTS)
def test_impossible_numbers_are_refused(store, run, what):
    wrong = replace(run, snapshots=(), **CONTENTS[what](run))
    with pytest.raises(StoreError, match=f"not a run that Goldfish exported: .*unexpected .*{re.escape(what)}"):
        store.import_(encode(record_of(run, run=wrong)))
    assert store.rows() == []


@pytest.mark.parametrize("name", ["lstm", "gru", "adding"])
def test_a_record_with_forged_numbers_is_refused_or_shown(name):
    draw, accepted = random.Random(3), []
    for record in draw.sample(list(forgeries(record_of(trained(name)))), 200):
        with suppress(ValueError):
            check_record(record)
            accepted.append(record)
    assert 10 < len(accepted) < 150
    for record in accepted[:6]:
        shown("a", replace(record.run, snapshots=record.snapshots))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_real_run_is_imported(store, name):
    id = store.import_(encode(record_of(trained(name))))
    assert store.load(id) == trained(name)


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
            check_parts(other.record(id), other.row(id).experiment)
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
    monkeypatch.setattr("analysis.history.transfer.LARGEST", BOMB - 1)
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


def test_an_imported_run_holds_no_control_characters(store, run):
    odd = record_of(run, name="a\x1b[31m name\nin two", created="20260102T030405+01:00")
    row = store.row(store.import_(encode(odd)))
    assert (row.name, row.created) == ("a[31m name in two", "2026-01-02T02:04:05.000+00:00")


def test_a_finished_run_ends_with_its_last_snapshot(store, run):
    with pytest.raises(StoreError, match="unexpected last step"):
        store.import_(encode(record_of(run, step=10)))
