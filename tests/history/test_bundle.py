"""Several runs in one file: packed, unpacked, forged."""

import io
import zipfile

import pytest

from analysis.cli.main import main
from analysis.history.bundle import MOST, bundle, unbundle
from analysis.history.database import MEMORY, StoreError
from analysis.history.serialization import LARGEST
from analysis.history.store import Store
from tests.helpers.runs import SMALL, keep


def test_runs_move_together_and_each_is_the_file_that_it_is_alone(store, run, capsys, tmp_path):
    ids = [keep(store, run), store.add(SMALL.replace(seed=5))]
    files = {id: store.export(id) for id in ids}
    packed = bundle(files)
    assert unbundle(packed) == list(files.values()) and packed == bundle(files)
    other = Store(MEMORY)
    assert len({other.import_(data) for data in unbundle(packed)}) == 2

    (tmp_path / "runs.zip").write_bytes(packed)
    assert main(["import", str(tmp_path / "runs.zip"), "--store", str(tmp_path / "other.sqlite")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert len(Store(tmp_path / "other.sqlite").rows()) == 2


def test_another_file_is_left_as_it_is(store, run):
    for data in (store.export(keep(store, run)), b"", b"no ZIP", zipped([("a.txt", b"a")]), zipped([])):
        assert unbundle(data) == [data]


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def test_too_much_is_refused_before_it_is_unpacked():
    with pytest.raises(StoreError, match="201 runs of 0 bytes: expected at most 200 runs"):
        unbundle(zipped([(f"{k}.zip", b"") for k in range(MOST + 1)]))
    bomb = zipped([("a.zip", bytes(1000))]).replace((1000).to_bytes(4, "little"), (LARGEST + 1).to_bytes(4, "little"))
    with pytest.raises(StoreError, match="1 runs of 536,870,913 bytes: expected"):
        unbundle(bomb)


def test_a_damaged_bundle_is_no_run(store, run):
    packed = bytearray(bundle({"a": store.export(keep(store, run))}))
    packed[len(packed) // 2] ^= 1
    [whole] = unbundle(bytes(packed))
    with pytest.raises(StoreError, match="not a run that Goldfish exported"):
        store.import_(whole)
