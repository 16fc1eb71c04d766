"""Uploaded bytes as tensors by name, or as one array of numbers; whatever is wrong with them is an UnusableError.

Nothing in a file is executed, and memory and time are bounded by LARGEST: sizes are checked as declared before
anything is read, and again while reading. It knows nothing of networks.
"""

import csv
import io
import pickletools
import re
import struct
import warnings
import zipfile
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from analysis.models.limits import LARGEST, MIB

LARGEST_CSV = 20 * MIB
LARGEST_HEADER = 2 * MIB  # the names and shapes in front of the numbers
MOST_ENTRIES = 20_000
MOST_VALUES = 500_000  # in a pickle, shared ones counted as often as they appear
DEEPEST, LONGEST = 16, 1000  # levels of dicts, characters of a name

# All that a state dict, and a checkpoint of plain values around it, refers to.
GLOBALS = re.compile(
    r"collections (OrderedDict|Counter)|torch (Size|device|\w+Storage|b?float\w+|double|half|u?int\d+|long|bool)"
    r"|torch\._utils _rebuild_(tensor_v2|parameter)|torch\.serialization _get_layout"
)
CALLS = ("REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "BUILD")
GROWS = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")
DELIMITERS = ",;\t"


class UnusableError(ValueError):
    """A file, or what is in it, can't be used; the message is one line: what was received, what is accepted."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, 400))


def one_line(text: str, longest: int = 100) -> str:
    """Return text from a file as something to show: printable, on one line, not too long."""
    line = "".join(sign if sign.isprintable() else "�" for sign in " ".join(text[: 2 * longest].split()))
    return line if len(line) <= longest else line[: longest - 1] + "…"


def read_weights(data: bytes, name: str) -> dict[str, Tensor]:
    """Read the tensors of a `.safetensors`, `.pt` or `.pth` file, by name; those of nested dicts by dotted names.

    Raises:
        UnusableError: for anything else, a file or content too large, and any object but tensors and plain values.
    """
    reader = _reader(name, {".safetensors": _safetensors, ".pt": _torch_zip, ".pth": _torch_zip})
    with _reading(name, data, "a state dict saved by safetensors or torch.save"):
        return _tensors(reader(data))


def read_array(data: bytes, name: str, fits: Callable[[tuple[int, ...]], bool] = lambda shape: True) -> np.ndarray:
    """Read the numbers of a `.npy`, `.npz` or `.csv` file; of several arrays in an `.npz`, the one whose shape fits.

    Raises:
        UnusableError: for anything else, a file or content too large, and what isn't a finite real number.
    """
    readers = {".npy": _npy, ".npz": lambda data: _npz(data, fits), ".csv": _csv}
    reader = _reader(name, readers)
    with _reading(name, data, "an array of numbers as .npy, .npz or .csv"):
        found = reader(data)
        if not found.size:
            raise UnusableError(f"an empty array of shape {found.shape}: expected at least one number")
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            place = tuple(int(k) for k in np.unravel_index(np.argmin(np.isfinite(found)), found.shape))
            raise UnusableError(f"{found[place]} at {place}: expected finite numbers")
        return found


def _reader(name: str, readers: Mapping[str, Callable[[bytes], Any]]) -> Callable[[bytes], Any]:
    suffix = PurePath(name).suffix.lower()
    if suffix not in readers:
        raise UnusableError(f"{name}: expected a file ending in {', '.join(readers)}")
    return readers[suffix]


@contextmanager
def _reading(name: str, data: bytes, expected: str) -> Iterator[None]:
    """Turn whatever parsers make of forged bytes into an UnusableError that names the file."""
    try:
        if not data:
            raise UnusableError(f"an empty file: expected {expected}")
        _require(len(data), LARGEST, "a file")
        with warnings.catch_warnings(action="ignore"):
            yield
    except UnusableError as error:
        raise UnusableError(f"{name}: {error}") from error
    except Exception as error:
        said = str(error).strip().split("\n")[0][:120]
        raise UnusableError(f"{name} can't be read ({type(error).__name__}: {said}): expected {expected}") from error


def _require(size: int, largest: int, what: str) -> None:
    if size > largest:
        raise UnusableError(f"{what} of {size / MIB:,.1f} MiB: expected at most {largest / MIB:g} MiB")


# Weights


def _tensors(content: object) -> dict[str, Tensor]:
    """Return the tensors in nested dicts, by dotted names."""
    if not isinstance(content, Mapping):
        raise UnusableError(f"it holds a {type(content).__name__}: expected a dict of tensors by name")
    found, seen = {}, 0

    def walk(part: Mapping, prefix: str, depth: int) -> None:
        nonlocal seen
        for key, value in part.items():
            seen += 1
            if seen > MOST_VALUES or depth > DEEPEST:
                raise UnusableError(f"nested too deep or too often: expected {DEEPEST} levels at most")
            if not isinstance(value, Tensor | Mapping):
                continue
            path = f"{prefix}{key}"
            if len(path) > LONGEST:
                raise UnusableError(f"a name of {len(path):,} characters: expected {LONGEST:,} at most")
            if isinstance(value, Tensor):
                found[path] = value.detach()
            else:
                walk(value, f"{path}.", depth + 1)

    walk(content, "", 1)
    return found


def _safetensors(data: bytes) -> dict[str, Tensor]:
    if len(data) < 8:
        raise UnusableError(f"{len(data)} bytes: expected a safetensors file, which has 8 at least")
    _require(struct.unpack("<Q", data[:8])[0], LARGEST_HEADER, "a header")
    return load_safetensors(data)


def _torch_zip(data: bytes) -> object:
    """Read what torch.save wrote, from a copy of the archive with nothing in it but what was checked here."""
    if not data.startswith(b"PK"):
        raise UnusableError("no archive of torch.save: expected one written by torch 1.6 or newer")
    clean = io.BytesIO()
    with _archive(data) as archive, zipfile.ZipFile(clean, "w") as copy:
        pickles = [m.filename for m in archive.infolist() if m.filename.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise UnusableError(f"an archive with {len(pickles)} data.pkl: expected one, as torch.save writes it")
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                raise UnusableError(
                    f"{member.filename} in it is compressed: expected an archive as torch.save writes it"
                )
            if member.filename in pickles:
                _require(member.file_size, LARGEST_HEADER, "a pickle")
            content = archive.read(member)
            if member.filename in pickles:
                _check_pickle(content)
            copy.writestr(zipfile.ZipInfo(member.filename), content)
    clean.seek(0)
    return torch.load(clean, map_location="cpu", weights_only=True)


def _archive(data: bytes) -> zipfile.ZipFile:
    """Open a ZIP that holds neither too much nor too many, nor anything twice or hidden."""
    if data.count(b"PK\x01\x02") > MOST_ENTRIES:
        raise UnusableError(f"an archive of too many entries: expected at most {MOST_ENTRIES:,}")
    archive = zipfile.ZipFile(io.BytesIO(data))
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise UnusableError("an archive with two entries of one name: expected each once")
    if any(member.flag_bits & 1 for member in members):
        raise UnusableError("an encrypted archive: expected one without a password")
    _require(sum(member.file_size for member in members), LARGEST, "an archive that unpacks to a content")
    return archive


def _check_pickle(content: bytes) -> None:
    """Refuse a pickle that names anything but what state dicts are made of, or grows by repeating itself.

    It follows the unpickler's stack with the number of values in place of each value, so that what is shared counts
    as often as it would be met: hashing or copying it would take that long.
    """
    stack: list[list[int] | None] = []  # None is a mark; a list, so that what the memo shares grows there too
    memo: dict[object, list[int] | None] = {}
    called = 0
    for op, arg, _ in pickletools.genops(content):
        if op.name in ("STACK_GLOBAL", "INST") or (op.name == "GLOBAL" and not GLOBALS.fullmatch(str(arg))):
            named = str(arg or "another class").replace(" ", ".")
            raise UnusableError(f"it refers to {named}: expected tensors alone, torch.save(model.state_dict(), …)")
        if "PUT" in op.name or op.name == "MEMOIZE":
            memo[len(memo) if arg is None else arg] = stack[-1]
            continue
        if "GET" in op.name:
            stack.append(memo[arg])
            continue
        taken, below = [], op.stack_before
        if pickletools.markobject in below:
            while (top := stack.pop()) is not None:
                taken.append(top)
            below = below[: below.index(pickletools.markobject)]
        taken += [stack.pop() for _ in below]
        size = 1 + sum(part[0] for part in taken)
        called += size * (op.name in CALLS)
        if max(size, called) > MOST_VALUES:
            raise UnusableError(f"a pickle of more than {MOST_VALUES:,} values: expected the state dict alone")
        made = taken[-1] if op.name in GROWS else [size]
        made[0] = size
        stack += [None if each is pickletools.markobject else made for each in op.stack_after]


# Data


def _npy(data: bytes) -> np.ndarray:
    shape, fortran, dtype, start = _npy_header(data)
    count = len(data) - start
    if dtype.itemsize == 0 or np.prod(shape, dtype=object) * dtype.itemsize != count:
        raise UnusableError(f"{count:,} bytes for an array {shape} of {dtype}: expected as many as its header says")
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if fortran else "C")


def _npy_header(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, whether it is in Fortran's order, dtype and where the numbers start."""
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


def _npz(data: bytes, fits: Callable[[tuple[int, ...]], bool]) -> np.ndarray:
    with _archive(data) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        for member in members:
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise UnusableError(
                    f"{member.filename} is packed in another way than numpy packs: expected numpy.savez"
                )
        if len(members) > 1:
            shapes = {}
            for member in members[:100]:
                with archive.open(member) as file:
                    shapes[member.filename] = _npy_header(file.read(20_000))[0]
            members = [member for member in members[:100] if fits(shapes[member.filename])]
            if len(members) != 1:
                listed = ", ".join(f"{key[:-4]} {shape}" for key, shape in shapes.items())
                raise UnusableError(f"{len(members)} of its arrays fit ({listed}): expected one that does")
        if not members:
            raise UnusableError("an archive without arrays: expected one as numpy.savez writes it")
        return _npy(archive.read(members[0]))


def _csv(data: bytes) -> np.ndarray:
    """Read rows of numbers, (T, D); a first row without any number is a header."""
    _require(len(data), LARGEST_CSV, "a CSV")
    text = data.decode("utf-8-sig")
    if "\0" in text:
        raise UnusableError("binary content: expected text")
    delimiter = max(DELIMITERS, key=text[: text.find("\n")].count)
    numbers, D = array("d"), 0
    for k, row in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter), 1):
        if not row or (k == 1 and not any(map(_is_number, row))):
            continue
        D = D or len(row)
        if len(row) != D:
            raise UnusableError(f"row {k} has {len(row)} columns: expected {D}, as the rows before")
        try:
            numbers.extend(map(float, row))
        except ValueError:
            column = next(c for c, cell in enumerate(row, 1) if not _is_number(cell))
            found = f"{row[column - 1][:30]!r}" if row[column - 1].strip() else "empty"
            raise UnusableError(f"row {k}, column {column} is {found}: expected a number") from None
    if not numbers:
        raise UnusableError("no row of numbers: expected a row for every step")
    return np.frombuffer(numbers).reshape(-1, D)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
