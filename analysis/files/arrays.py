"""Read numbers from the bytes of a .npy, .npz or .csv file.

A file may come from anywhere: nothing in it is executed. Declared sizes are checked before anything is read, and actual
sizes while reading. Any fault of a file raises an UnusableError.
"""

import csv
import io
import warnings
import zipfile
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from analysis.files.archives import open_archive
from analysis.files.errors import UnusableError, one_line
from analysis.files.limits import LARGEST, LARGEST_TABLE, require_size

DELIMITERS = ",;\t"
MOST_COLUMNS = 100_000
NAMED = 20  # columns that a message names at most

Fits = Callable[[tuple[int, ...]], bool]  # whether an array of a shape is wanted


class Table(NamedTuple):
    """Columns of numbers, with their names; without a header a column is named by its number, from 1."""

    names: tuple[str, ...]
    numbers: np.ndarray  # (rows, columns) float64


def read_array(data: bytes, name: str, fits: Fits | None = None) -> np.ndarray:
    """Read the numbers of a `.npy`, `.npz` or `.csv` file.

    Args:
        data: the file's bytes.
        name: the file's name; its ending gives the format.
        fits: whether a shape is wanted; chooses among the arrays of an `.npz`. None accepts every shape.

    Raises:
        UnusableError: for anything else, a file or content too large, and what isn't a finite real number.
    """
    reader = reader_of(name, {".npy": read_npy, ".npz": partial(_npz, fits=fits), ".csv": _table_numbers})
    with reading(name, data, "an array of numbers as .npy, .npz or .csv"):
        numbers = reader(data)
        if not numbers.size:
            raise UnusableError(f"an empty array of shape {numbers.shape}: expected at least one number")
        if place := find_not_finite(numbers):
            raise UnusableError(f"{numbers[place]} at {place}: expected finite numbers")
        return numbers


def find_not_finite(numbers: np.ndarray) -> tuple[int, ...] | None:
    """Return the place of the first number that is NaN or infinite; None where all are finite."""
    if numbers.dtype.kind != "f" or np.isfinite(numbers).all():
        return None
    return tuple(int(k) for k in np.unravel_index(np.argmin(np.isfinite(numbers)), numbers.shape))


def reader_of(name: str, readers: Mapping[str, Callable[[bytes], Any]]) -> Callable[[bytes], Any]:
    """Return the reader of a file's ending; UnusableError for another ending."""
    for ending, reader in readers.items():
        if name.lower().endswith(ending):
            return reader
    raise UnusableError(f"{name}: expected a file ending in {', '.join(readers)}")


@contextmanager
def reading(name: str, data: bytes, expected: str) -> Iterator[None]:
    """Turn every error within into an UnusableError that names the file, if it has a name.

    Forged bytes may raise any kind of error.
    """
    named = f"{name}: " if name else ""
    try:
        if not data:
            raise UnusableError(f"an empty file: expected {expected}")
        require_size(len(data), LARGEST, "a file")
        with warnings.catch_warnings(action="ignore"):
            yield
    except UnusableError as error:
        raise UnusableError(f"{named}{error}") from error
    except Exception as error:
        reason = str(error).strip().split("\n")[0][:120]
        raise UnusableError(
            f"{name or 'it'} can't be read ({type(error).__name__}: {reason}): expected {expected}"
        ) from error


# Arrays of numpy


def read_npy(data: bytes) -> np.ndarray:
    """Read the array of a .npy file; UnusableError unless it has as many bytes as its header declares."""
    shape, fortran, dtype, start = _npy_header(data)
    count = len(data) - start
    if dtype.itemsize == 0 or np.prod(shape, dtype=object) * dtype.itemsize != count:
        raise UnusableError(f"{count:,} bytes for an array {shape} of {dtype}: expected as many as its header says")
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if fortran else "C")


def _npy_header(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Return the shape, whether Fortran's order holds, the dtype, and the byte where the numbers start."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise UnusableError(f".npy of version {version}: expected 1.0 or 2.0")
    shape, fortran, dtype = readers[version](stream)
    if dtype.hasobject:
        raise UnusableError("an array of Python objects, which is never opened: expected numbers")
    if dtype.kind not in "fiub":
        raise UnusableError(f"an array of {dtype}: expected real numbers")
    return shape, fortran, dtype, stream.tell()


def read_named_arrays(data: bytes) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file by name."""
    found = {}
    with open_archive(data) as archive:
        for member in array_members(archive):
            name = member.filename.removesuffix(".npy")
            try:
                found[name] = read_npy(archive.read(member))
            except UnusableError as error:
                raise UnusableError(f"{one_line(name, 30)}: {error}") from error
    return found


def array_shape(data: bytes, name: str) -> tuple[int, ...]:
    """Return the shape of one array of an .npz file, without reading its numbers; KeyError where it isn't there."""
    with open_archive(data) as archive, archive.open(f"{name}.npy") as file:
        return _npy_header(file.read(20_000))[0]


def _npz(data: bytes, fits: Fits | None) -> np.ndarray:
    """Read the array of a .npz file; of several, the one that fits."""
    with open_archive(data) as archive:
        members = array_members(archive)
        member = members[0] if len(members) == 1 else _fitting(archive, members[:100], fits)
        return read_npy(archive.read(member))


def array_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the entries of an .npz that are arrays; UnusableError where there are none."""
    members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnusableError(f"{member.filename} is compressed as numpy never does: expected a file of numpy.savez")
    if not members:
        raise UnusableError("a ZIP without arrays: expected one as numpy.savez writes it")
    return members


def _fitting(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], fits: Fits | None) -> zipfile.ZipInfo:
    """Return the one member whose array has a shape that fits; UnusableError for none or several."""
    shapes = {}
    for member in members:
        with archive.open(member) as file:
            shapes[member.filename] = _npy_header(file.read(20_000))[0]
    fitting = [member for member in members if fits is None or fits(shapes[member.filename])]
    if len(fitting) != 1:
        listed = ", ".join(f"{key[:-4]} {shape}" for key, shape in shapes.items())
        raise UnusableError(f"{len(fitting)} of its arrays fit ({listed}): expected one that does")
    return fitting[0]


# Tables


def _table_numbers(data: bytes) -> np.ndarray:
    """Read all columns of a .csv file, (rows, columns)."""
    return read_table(data).numbers


def read_table(data: bytes, wanted: Sequence[str] = ()) -> Table:
    """Read rows of numbers from a .csv file; a first row without any number is a header.

    Args:
        data: the file's bytes: UTF-8, with commas, semicolons or tabs.
        wanted: the columns to read, by name or by number from 1; none = all. The others may hold anything.

    Raises:
        UnusableError: for a column that isn't there, and a cell that is no finite number, with its row and column.
    """
    require_size(len(data), LARGEST_TABLE, "a CSV")
    text = data.decode("utf-8-sig")
    if "\0" in text:
        raise UnusableError("binary content: expected text")
    delimiter = max(DELIMITERS, key=text[: text.find("\n")].count)
    numbers, width = array("d"), 0
    names: tuple[str, ...] = ()
    columns: tuple[int, ...] = ()
    for k, row in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter), 1):
        if not row:
            continue
        if not width:
            if len(row) > MOST_COLUMNS:
                raise UnusableError(f"{len(row):,} columns: expected at most {MOST_COLUMNS:,}")
            width, is_header = len(row), not any(map(_is_number, row))
            names = tuple(cell.strip() for cell in row) if is_header else tuple(str(c + 1) for c in range(width))
            columns = _columns_of(wanted, names)
            if is_header:
                continue
        if len(row) != width:
            raise UnusableError(f"row {k} has {len(row)} columns: expected {width}, as the rows before")
        numbers.extend(_numbers_of(row, columns, names, k))
    if not numbers:
        raise UnusableError("no row of numbers: expected a row for every step")
    return Table(tuple(names[c] for c in columns), np.frombuffer(numbers).reshape(-1, len(columns)))


def _columns_of(wanted: Sequence[str], names: Sequence[str]) -> tuple[int, ...]:
    """Return the places of the columns that are wanted, by name or number; all where none is."""
    if not wanted:
        return tuple(range(len(names)))
    by_number = {str(c + 1): c for c in range(len(names))}
    by_name = {name: c for c, name in reversed([*enumerate(names)])}
    places = []
    for each in wanted:
        place = by_name.get(each, by_number.get(each))
        if place is None:
            listed = ", ".join(map(one_line, names[:NAMED])) + (", …" if len(names) > NAMED else "")
            raise UnusableError(f"no column {one_line(each)!r}: expected some of {listed}, or their numbers")
        if place in places:
            raise UnusableError(f"column {one_line(each)!r} is named twice: expected each once")
        places.append(place)
    return tuple(places)


def _numbers_of(row: Sequence[str], columns: Sequence[int], names: Sequence[str], k: int) -> list[float]:
    """Return the numbers in some columns of row k; UnusableError where one is none, or isn't finite."""
    try:
        found = [float(row[c]) for c in columns]
        if all(map(isfinite, found)):
            return found
    except ValueError:
        pass
    column = next(c for c in columns if not (_is_number(row[c]) and isfinite(float(row[c]))))
    shown = f"{one_line(row[column], 30)!r}" if row[column].strip() else "empty"
    name = "" if names[column] == str(column + 1) else f" ({one_line(names[column], 30)})"
    expected = "a finite number" if _is_number(row[column]) else "a number"
    raise UnusableError(f"row {k}, column {column + 1}{name} is {shown}: expected {expected}")


def _is_number(cell: str) -> bool:
    """Return whether a cell of a table is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
