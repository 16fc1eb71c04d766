"""Read a file's bytes as tensors by name, or as one array of numbers. Independent of networks.

A file may come from anywhere: nothing in it is executed. LARGEST bounds memory and time: declared sizes are checked
before anything is read, and actual sizes while reading. Any fault of a file raises an UnusableError.
"""

import csv
import io
import struct
import warnings
import zipfile
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from analysis.models.archives import open_archive
from analysis.models.checkpoints import read_checkpoint
from analysis.models.errors import UnusableError
from analysis.models.keras import read_keras, read_keras_weights
from analysis.models.layouts import Found
from analysis.models.limits import LARGEST, LARGEST_HEADER, MIB, require_size
from analysis.models.names import to_torch_names
from analysis.models.onnx import read_onnx

LARGEST_CSV = 20 * MIB
CHECKPOINTS = (".pt", ".pth", ".ckpt", ".bin", ".pth.tar")  # names of what torch.save writes
ENDINGS = (".safetensors", *CHECKPOINTS, ".npz", ".keras", ".h5", ".hdf5", ".onnx")  # names of files of weights
DELIMITERS = ",;\t"

Fits = Callable[[tuple[int, ...]], bool]  # whether an array of a shape is wanted


def read_weights(data: bytes, name: str) -> dict[str, Tensor]:
    """Read the tensors of a file of safetensors, torch.save or numpy.savez, by name; in nested dicts by dotted names.

    Raises:
        UnusableError: for anything else, a file or content too large, and a whole pickled module.
    """
    reader = _reader(
        name, {".safetensors": _safetensors, ".npz": _arrays} | dict.fromkeys(CHECKPOINTS, read_checkpoint)
    )
    with _reading(name, data, "a state dict saved by safetensors or torch.save, or an .npz of weights"):
        return reader(data)


def read_layers(data: bytes, name: str) -> Found:
    """Read the weights of recurrent layers, by torch's names, from a file of any kind in ENDINGS.

    Raises:
        UnusableError: as `read_weights`, and where h5py or onnx is needed and not installed.
    """
    if not name.lower().endswith(ENDINGS):
        raise UnusableError(f"{name}: expected a file ending in {', '.join(ENDINGS)}")
    readers = {".keras": read_keras, ".h5": read_keras_weights, ".hdf5": read_keras_weights, ".onnx": read_onnx}
    if not name.lower().endswith(tuple(readers)):
        return to_torch_names(read_weights(data, name))
    with _reading(name, data, "a model of Keras or ONNX"):
        return _reader(name, readers)(data)


def read_array(data: bytes, name: str, fits: Fits | None = None) -> np.ndarray:
    """Read the numbers of a `.npy`, `.npz` or `.csv` file.

    Args:
        data: the file's bytes.
        name: the file's name; its ending gives the format.
        fits: whether a shape is wanted; chooses among the arrays of an `.npz`. None accepts every shape.

    Raises:
        UnusableError: for anything else, a file or content too large, and what isn't a finite real number.
    """
    reader = _reader(name, {".npy": _npy, ".npz": partial(_npz, fits=fits), ".csv": _csv})
    with _reading(name, data, "an array of numbers as .npy, .npz or .csv"):
        numbers = reader(data)
        if not numbers.size:
            raise UnusableError(f"an empty array of shape {numbers.shape}: expected at least one number")
        if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
            place = tuple(int(k) for k in np.unravel_index(np.argmin(np.isfinite(numbers)), numbers.shape))
            raise UnusableError(f"{numbers[place]} at {place}: expected finite numbers")
        return numbers


def _reader(name: str, readers: Mapping[str, Callable[[bytes], Any]]) -> Callable[[bytes], Any]:
    """Return the reader of a file's ending; UnusableError for another ending."""
    for ending, reader in readers.items():
        if name.lower().endswith(ending):
            return reader
    raise UnusableError(f"{name}: expected a file ending in {', '.join(readers)}")


@contextmanager
def _reading(name: str, data: bytes, expected: str) -> Iterator[None]:
    """Turn every error within into an UnusableError that names the file: forged bytes may raise any kind."""
    try:
        if not data:
            raise UnusableError(f"an empty file: expected {expected}")
        require_size(len(data), LARGEST, "a file")
        with warnings.catch_warnings(action="ignore"):
            yield
    except UnusableError as error:
        raise UnusableError(f"{name}: {error}") from error
    except Exception as error:
        reason = str(error).strip().split("\n")[0][:120]
        raise UnusableError(f"{name} can't be read ({type(error).__name__}: {reason}): expected {expected}") from error


# Weights


def _safetensors(data: bytes) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, once its header's size is checked."""
    if len(data) < 8:
        raise UnusableError(f"{len(data)} bytes: expected a safetensors file, which has 8 at least")
    require_size(struct.unpack("<Q", data[:8])[0], LARGEST_HEADER, "a header")
    return load_safetensors(data)


def _arrays(data: bytes) -> dict[str, Tensor]:
    """Read the arrays of floats in a .npz file."""
    with open_archive(data) as archive:
        arrays = {member.filename[:-4]: _npy(archive.read(member)) for member in _array_members(archive)}
    floats = {key: array for key, array in arrays.items() if array.dtype in (np.float16, np.float32, np.float64)}
    return {key: torch.from_numpy(array.astype(array.dtype.newbyteorder("="))) for key, array in floats.items()}


# Data


def _npy(data: bytes) -> np.ndarray:
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


def _npz(data: bytes, fits: Fits | None) -> np.ndarray:
    """Read the array of a .npz file; of several, the one that fits."""
    with open_archive(data) as archive:
        members = _array_members(archive)
        member = members[0] if len(members) == 1 else _fitting(archive, members[:100], fits)
        return _npy(archive.read(member))


def _array_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
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


def _csv(data: bytes) -> np.ndarray:
    """Read rows of numbers, (T, D); a first row without any number is a header."""
    require_size(len(data), LARGEST_CSV, "a CSV")
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
            shown = f"{row[column - 1][:30]!r}" if row[column - 1].strip() else "empty"
            raise UnusableError(f"row {k}, column {column} is {shown}: expected a number") from None
    if not numbers:
        raise UnusableError("no row of numbers: expected a row for every step")
    return np.frombuffer(numbers).reshape(-1, D)


def _is_number(cell: str) -> bool:
    """Return whether a cell of a table is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
