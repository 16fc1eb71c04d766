"""Results as bytes and back, exactly: a ZIP of one JSON and plain arrays. It handles any dataclass.

`result.json` holds the fields; an array in it is [dtype, offset, shape] into the array of that dtype, `float64.npy`
and so on. Nothing is pickled. Anything but exactly such a file raises a ValueError.
"""

import io
import json
import math
import sys
import zipfile
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

from analysis.experiment import Experiment

FORMAT = 1
DTYPES = ("float64", "float32", "int64", "int32", "uint8", "bool")
LARGEST = 2**29  # bytes that an imported file may unpack to
LARGEST_JSON = 2**26
JSON = "result.json"
NOT_FINITE = ("nan", "inf", "-inf")

R = TypeVar("R")


def encode(result: object) -> bytes:
    """Return a dataclass of results as bytes; equal results give equal bytes."""
    arrays: dict[str, list[np.ndarray]] = {}
    sizes = dict.fromkeys(DTYPES, 0)

    def plain(value: object) -> object:
        if isinstance(value, np.ndarray):
            dtype = value.dtype.name
            place = [dtype, sizes[dtype], list(value.shape)]
            arrays.setdefault(dtype, []).append(value.ravel())
            sizes[dtype] += value.size
            return place
        if is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        if isinstance(value, dict):
            return {name: plain(part) for name, part in value.items()}
        if isinstance(value, tuple | list):
            return [plain(part) for part in value]
        if isinstance(value, np.generic):
            value = value.item()
        return str(value) if isinstance(value, float) and not math.isfinite(value) else value

    content = {"goldfish": FORMAT, "kind": type(result).__name__, "value": plain(result)}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # ZipInfo has no time, so that equal results are equal bytes
        archive.writestr(zipfile.ZipInfo(JSON), json.dumps(content, allow_nan=False), zipfile.ZIP_DEFLATED, 1)
        for dtype, parts in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{dtype}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.concatenate(parts), version=(1, 0), allow_pickle=False)
    return file.getvalue()


def decode(kind: type[R], data: bytes, largest: int | None = None) -> R:
    """Return the dataclass of a kind that `encode` made bytes of; raises ValueError for all other bytes.

    `largest` limits the bytes they may unpack to. None allows as many as bytes by `encode` can unpack to: it compresses
    the JSON, but no arrays.
    """
    try:
        content, arrays = _read(data, len(data) + LARGEST_JSON if largest is None else largest)
        if content.keys() != {"goldfish", "kind", "value"} or content["kind"] != kind.__name__:
            raise ValueError(f"it holds no {kind.__name__}")
        if content["goldfish"] != FORMAT:
            raise ValueError(f"its format is {content['goldfish']!r}, this version of Goldfish reads {FORMAT}")
        return _value(kind, content["value"], arrays, kind.__name__)
    except ValueError:
        raise
    except Exception as error:  # zipfile, zlib, json and numpy raise many kinds for forged bytes
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _read(data: bytes, largest: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the JSON object of a file, and its arrays by dtype."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
        accepted = {JSON, *(f"{dtype}.npy" for dtype in DTYPES)}
        if JSON not in sizes or not sizes.keys() <= accepted or len(sizes) != len(archive.infolist()):
            raise ValueError(f"it holds {', '.join(sizes) or 'nothing'}: expected {JSON} and arrays")
        if sizes[JSON] > min(LARGEST_JSON, largest) or sum(sizes.values()) > largest:
            raise ValueError(f"it unpacks to {sum(sizes.values()):,} bytes: expected at most {largest:,}")
        content = json.loads(archive.read(JSON), parse_constant=_refuse)
        if not isinstance(content, dict):
            raise ValueError("its JSON is no object")
        return content, {name[:-4]: _array(name[:-4], archive.read(name)) for name in sizes if name != JSON}


def _refuse(constant: str) -> None:
    """Raise a ValueError for NaN and infinity, which strict JSON doesn't have."""
    raise ValueError(f"its JSON holds {constant}")


def _array(dtype: str, data: bytes) -> np.ndarray:
    """Return the array (N,) of a .npy file; ValueError where it has another dtype or shape."""
    expected = f"expected an array of {dtype} on one axis"
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(expected)
    shape, _, stored = np.lib.format.read_array_header_1_0(stream)
    if stored != np.dtype(dtype) or len(shape) != 1 or shape[0] * stored.itemsize != len(data) - stream.tell():
        raise ValueError(f"{stored} {shape}: {expected}")
    return np.frombuffer(data, stored, offset=stream.tell())


def _value(hint: Any, value: Any, arrays: dict[str, np.ndarray], path: str) -> Any:  # noqa: ANN401
    """Convert a JSON value to the type that a dataclass declares for it; errors name its `path`."""
    args = get_args(hint)
    wrong = ValueError(f"{path}: expected {getattr(hint, '__name__', hint)}, found {type(value).__name__}")
    if isinstance(hint, UnionType):
        return None if value is None else _value(args[0], value, arrays, path)
    if hint is np.ndarray:
        return _slice(value, arrays, path)
    if hint is float:
        if value in NOT_FINITE and isinstance(value, str):
            return float(value)
        if type(value) not in (int, float) or not abs(value) <= sys.float_info.max:
            raise wrong
        return value if abs(value) < 2**53 else float(value)
    if hint in (str, int, bool):
        if type(value) is not hint:
            raise wrong
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise wrong
        return tuple(_value(args[0], part, arrays, f"{path}[{k}]") for k, part in enumerate(value))
    if not isinstance(value, dict):
        raise wrong
    if hint is Experiment:
        return Experiment.from_dict(value)
    if get_origin(hint) is dict:
        return {name: _value(args[1], part, arrays, f"{path}.{name}") for name, part in value.items()}
    hints, required = _fields(hint)
    if not required <= value.keys() <= hints.keys():
        raise ValueError(f"{path}: expected {', '.join(hints)}, found {', '.join(value)}")
    return hint(**{name: _value(hints[name], value[name], arrays, f"{path}.{name}") for name in hints if name in value})


@cache
def _fields(kind: type) -> tuple[dict[str, Any], set[str]]:
    """Return the types of a dataclass's fields by name, and the names of those without a default."""
    required = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
    return get_type_hints(kind), required


def _slice(place: Any, arrays: dict[str, np.ndarray], path: str) -> np.ndarray:  # noqa: ANN401
    """Return the array at [dtype, offset, shape] of the file's arrays."""
    match place:
        case [str(dtype), int(at), [*shape]] if all(type(size) is int and size >= 0 for size in shape):
            end = at + math.prod(shape)
            if dtype in DTYPES and 0 <= at <= end <= arrays.get(dtype, np.empty(0)).size:
                # Where all arrays of a dtype are empty, the file holds none of it.
                return arrays.get(dtype, np.empty(0, dtype))[at:end].reshape(shape).copy()
    raise ValueError(f"{path}: expected [dtype, offset, shape] within the arrays, found {str(place)[:80]}")
