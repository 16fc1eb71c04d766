"""Read an HDF5 file from standard input and write its arrays of floats as .npz: a process of its own, for `hdf5`.

The HDF5 library may loop without end, or break, on forged bytes; here that ends with this process, whose memory and
time are limited. It needs no other file of this package.
"""

import io
import json
import resource
import sys
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

MOST_OBJECTS, DEEPEST = 20_000, 16
FILTERS = (1, 2, 3)  # deflate, shuffle, checksum: others may load a library
TEXTS = ("name", "model_config")  # attributes that are kept
LARGEST_TEXT = 2 * 2**20


class RefusedError(Exception):
    """The file can't be used; the message says why."""


def walk(group: Any, prefix: str = "", depth: int = 1, seen: list[int] | None = None) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Yield paths and objects below a group; no link is followed."""
    seen = [] if seen is None else seen
    for key in group:
        seen.append(1)
        if len(seen) > MOST_OBJECTS or depth > DEEPEST:
            raise RefusedError(f"nested too deep or too often: expected {DEEPEST} levels at most")
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise RefusedError(f"{prefix}{key} is a link, which is never followed: expected the array itself")
        found = group[key]
        yield f"{prefix}{key}", found
        if isinstance(found, h5py.Group):
            yield from walk(found, f"{prefix}{key}/", depth + 1, seen)


def read_array(path: str, found: Any, left: int) -> np.ndarray:  # noqa: ANN401
    """Read an array of as many bytes as are left at most, from the file alone."""
    plan, dtype = found.id.get_create_plist(), found.dtype
    if found.external or found.is_virtual:
        raise RefusedError(f"{path} lies in another file, which is never opened: expected the numbers themselves")
    if any(plan.get_filter(k)[0] not in FILTERS for k in range(plan.get_nfilters())):
        raise RefusedError(f"{path} is compressed by another filter: expected gzip or none")
    for shape, what in ((found.shape, "an array"), (found.chunks or (), "pieces")):
        if np.prod(shape, dtype=object) * dtype.itemsize > left:
            raise RefusedError(f"{path}: {what} of shape {shape}, and more: expected at most 100 MiB in all")
    return found[()]


def text_of(found: Any, name: str) -> str:  # noqa: ANN401
    """Return an attribute that is text; empty where there is none."""
    if name not in found.attrs:
        return ""
    value = found.attrs[name]
    text = value.decode() if isinstance(value, bytes) else value
    return text if isinstance(text, str) and len(text) < LARGEST_TEXT else ""


def read(data: bytes, largest: int) -> bytes:
    """Return the arrays of floats, and the texts among the attributes, as an .npz with an index in JSON."""
    file = h5py.File(h5py.h5f.open_file_image(data), "r")
    arrays: list[np.ndarray] = []
    paths: list[str] = []
    texts: dict[str, str] = {}
    for path, found in [("", file), *walk(file)]:
        texts |= {f"{path}@{name}": text for name in TEXTS if (text := text_of(found, name))}
        if isinstance(found, h5py.Dataset) and found.dtype in (np.float16, np.float32, np.float64):
            arrays.append(read_array(path, found, largest))
            paths.append(path)
            largest -= arrays[-1].nbytes
    index = np.frombuffer(json.dumps({"paths": paths, "texts": texts}).encode(), np.uint8)
    out = io.BytesIO()
    np.savez(out, index=index, **{f"a{k}": array for k, array in enumerate(arrays)})  # type: ignore[arg-type]
    return out.getvalue()


def main() -> None:
    """Read standard input within the bytes, memory and seconds that the arguments name."""
    largest, memory, seconds = map(int, sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    try:
        sys.stdout.buffer.write(read(sys.stdin.buffer.read(), largest))
    except Exception as error:
        refused = isinstance(error, RefusedError)
        sys.exit(str(error) if refused else f"HDF5 can't read it ({type(error).__name__}: {str(error)[:120]})")


if __name__ == "__main__":
    main()
