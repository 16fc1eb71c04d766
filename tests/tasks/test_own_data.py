"""Files of someone's own: what is read of them, how it is scaled and held out, and what is refused, in one line."""

import random
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.experiment import Experiment
from analysis.files.errors import UnusableError
from analysis.report.sentences.training import time_columns_sentence
from analysis.sources import DataFileError
from analysis.tasks.own_data import read_sequences, read_series
from analysis.tasks.registry import build_task
from analysis.tasks.series import time_columns
from tests.helpers.data import ARRAYS, TABLES, X, changed, numbers, pickled, sequences, table, waves
from tests.helpers.files import mutated

MUTATIONS = 100  # of each kind of file


def task_of(tmp_path, content, name, **settings):
    path = tmp_path / name
    path.write_bytes(content)
    return build_task(Experiment(task="series", data_file=str(path), **settings))


@pytest.mark.parametrize(("name", "case"), [*product(["x.csv"], TABLES), *product(["x.npz"], ARRAYS)])
def test_data_that_can_not_be_used_is_refused_with_row_and_column(tmp_path, name, case):
    content, reason = (TABLES if name == "x.csv" else ARRAYS)[case]
    with pytest.raises(DataFileError) as refused:
        task_of(tmp_path, content, name, length=50 if name == "x.csv" else 6)
    assert refused.value.reason.startswith(reason) and "\n" not in str(refused.value)


@pytest.mark.parametrize("length", [None, 7])
def test_a_length_that_the_sequences_do_not_have_is_refused(tmp_path, length):
    with pytest.raises(DataFileError, match=f"length={length}: x has 6 time steps: expected 2 to 6"):
        task_of(tmp_path, sequences(), "x.npz", length=length)


def test_no_file_and_files_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(DataFileError, match="data_file=None: task series learns from a file of yours"):
        build_task(Experiment(task="series"))
    for path in (tmp_path / "none.csv", tmp_path, "\0.npz"):
        with pytest.raises(DataFileError, match=r"expected a \.csv or an \.npz: "):
            build_task(Experiment(task="series", data_file=str(path)))


def test_pickled_objects_are_never_opened(tmp_path):
    with pytest.raises(DataFileError, match="an array of Python objects, which is never opened"):
        task_of(tmp_path, pickled(tmp_path / "executed"), "x.npz", length=6)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("columns", [None, " wave ,year", "2", "wave,1", "nope", "wave,2"])
def test_columns_are_chosen_by_name_or_number(columns):
    content = table(waves(), "year,wave")
    names = [each.strip() for each in (columns or "year,wave").split(",")]
    places = [{"year": 0, "1": 0, "wave": 1, "2": 1}.get(name) for name in names]
    if None in places or len({*places}) < len(places):
        with pytest.raises(UnusableError, match=r"no column 'nope': expected some of year, wave|column '2' is named"):
            read_series(content, columns)
        return
    rows = np.array(waves())[:, places]
    mean, spread = rows[:64].mean(0), rows[:64].std(0)  # of the training part
    data = read_series(content, columns)
    np.testing.assert_allclose(data.rows, (rows - mean) / spread, rtol=1e-5, atol=1e-6)
    assert data.held_out == 64


def test_columns_that_count_evenly_are_told(tmp_path):
    content = table(waves(), "year,wave")
    assert read_series(content).times == ("year",) and read_series(content, "wave").times == ()
    file, broken = tmp_path / "waves.csv", tmp_path / "broken.csv"
    file.write_bytes(content)
    broken.write_text("a,b")
    assert time_columns(str(file), None) == ("year",)
    assert time_columns(str(file), "wave") == time_columns(str(broken), None) == time_columns(None, None) == ()
    assert time_columns_sentence(("year",)) == (
        "year counts evenly, as a time does, and is forecast too: name only the others in Columns to leave it out."
    )


def test_a_column_that_is_not_chosen_may_hold_anything():
    rows = [(f"day {k}", value) for k, (_, value) in enumerate(waves())]
    for header in (None, "day,wave"):
        assert read_series(table(rows, header), "2").rows.shape == (80, 1)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_a_byte_order_mark_and_empty_lines_are_read(delimiter):
    content = b"\xef\xbb\xbf" + table(waves(), f"year{delimiter}wave", delimiter) + b"\n\n"
    assert torch.equal(read_series(content).rows, read_series(table(waves())).rows)


def test_the_last_fifth_is_held_out_and_has_no_part_in_the_scale():
    x = X.copy()
    x[48:] += 100
    data = read_sequences(sequences(x=x))
    assert data.held_out.tolist() == [False] * 48 + [True] * 12
    training = data.inputs[:, :48].flatten(0, 1)
    torch.testing.assert_close(training.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(training.std(0, correction=0), torch.ones(2), atol=1e-5, rtol=0)
    assert data.inputs[:, 48:].mean() > 50


def test_a_split_says_what_is_held_out():
    split = np.arange(60) % 3 == 0
    assert read_sequences(sequences(split=split)).held_out.tolist() == split.tolist()


@pytest.mark.parametrize("dtype", [np.float16, ">f8", np.int8, np.uint16, bool])
def test_numbers_of_every_type_and_order_are_read(dtype):
    x = np.asfortranarray((10 * abs(X) if dtype is not bool else X > 0).astype(dtype))
    data = read_sequences(sequences(x=x))
    expected = x.astype(float) - x[:48].astype(float).mean((0, 1))
    np.testing.assert_allclose(data.inputs.swapaxes(0, 1), expected / x[:48].astype(float).std((0, 1)), atol=1e-3)


def test_an_input_that_never_changes_becomes_zero():
    x = X.copy()
    x[..., 1] = 1e6 + 0.1  # whose mean is rounded
    assert (read_sequences(sequences(x=x)).inputs[..., 1] == 0).all()


@pytest.mark.parametrize("name", ["x.npz", "x.csv"])
def test_mutated_files_are_read_or_refused(tmp_path, name):
    good = sequences(y=numbers(60, 2)) if name == "x.npz" else table(waves(), "year,wave")
    chance, used = random.Random(name), 0
    for _ in range(MUTATIONS):
        try:
            task = task_of(tmp_path, mutated(good, chance), name, length=6)
        except DataFileError as error:
            assert "\n" not in str(error)
            continue
        used += 1
        assert all(bool(part.isfinite().all()) for part in (task.measuring().inputs, task.evaluation().targets))
    assert 0 < used < MUTATIONS


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="asks Linux for the peak")
def test_memory_is_bounded_whatever_an_npz_says(tmp_path):
    """An .npz of 0.4 MB which unpacks to 400 MB, and one whose header promises 2 GB."""
    code = f"""
import io, zipfile
from pathlib import Path
import numpy as np
from analysis.files.errors import UnusableError
from analysis.tasks.own_data import read_sequences
def peak():
    return next(int(l.split()[1]) for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmHWM"))
header = io.BytesIO()
np.lib.format.write_array_header_1_0(header, {{"descr": "<f8", "fortran_order": False, "shape": (2**20, 16, 16)}})
for zeros in (2**27, 0):
    with zipfile.ZipFile({str(tmp_path / "x.npz")!r}, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x.npy", "w") as file:
            file.write(header.getvalue())
            for _ in range(3 if zeros else 0):
                file.write(bytes(zeros))
    content = Path({str(tmp_path / "x.npz")!r}).read_bytes()
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    try:
        read_sequences(content)
    except UnusableError as error:
        print(peak() - before, error)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    lines = run.stdout.splitlines()
    assert len(lines) == 2 and all(int(line.split()[0]) < 50_000 for line in lines)


def test_a_row_is_named_as_the_file_counts_it():
    content = b"\n" + table(changed(waves(), 3, 1, "x"), "year,wave")
    with pytest.raises(UnusableError, match=r"row 6, column 2 \(wave\) is 'x'"):
        read_series(content)
