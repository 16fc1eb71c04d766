"""Read the arrays in an HDF5 file that h5py opens, by path. Nothing outside the file's bytes is followed."""

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from analysis.models.errors import UnusableError
from analysis.models.limits import LARGEST, LARGEST_HEADER, require_size

MOST_OBJECTS, DEEPEST = 20_000, 16
FILTERS = (1, 2, 3)  # deflate, shuffle, checksum: others may load a library


def optional(module: str) -> ModuleType:
    """Import a package that only some files need; UnusableError with what to install where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UnusableError(f"such files need {module}: pip install {module}") from error


class Arrays:
    """The arrays of floats in an HDF5 file, opened in memory; numbers are read one array at a time."""

    def __init__(self, data: bytes) -> None:
        """Open the bytes and list the arrays; UnusableError for links, too many objects, and too much data."""
        h5py = optional("h5py")
        self.file = h5py.File(h5py.h5f.open_file_image(data))
        self.arrays = {path: found for path, found in _walk(self.file, h5py) if found.dtype.kind == "f"}
        require_size(sum(_size(found) for found in self.arrays.values()), LARGEST, "a file with arrays")

    def shape(self, path: str) -> tuple[int, ...]:
        """Return an array's shape."""
        return self.arrays[path].shape

    def read(self, path: str) -> Tensor:
        """Read an array."""
        found = self.arrays[path]
        plan = found.id.get_create_plist()
        if found.external or found.is_virtual:
            raise UnusableError(f"{path} lies in another file, which is never opened: expected the numbers themselves")
        if any(plan.get_filter(k)[0] not in FILTERS for k in range(plan.get_nfilters())):
            raise UnusableError(f"{path} is compressed by another filter: expected gzip or none")
        if found.dtype.itemsize not in (2, 4, 8):
            raise UnusableError(f"{path} is of {found.dtype}: expected float16, float32 or float64")
        if found.chunks and np.prod(found.chunks, dtype=object) * found.dtype.itemsize > LARGEST:
            raise UnusableError(f"{path} in pieces of {found.chunks}: expected at most {LARGEST:,} bytes each")
        return torch.from_numpy(found[()].astype(found.dtype.newbyteorder("=")))

    def text(self, path: str, name: str) -> str:
        """Return an attribute that is text; empty where there is none."""
        if path not in self.file or name not in (attributes := self.file[path].attrs):
            return ""
        if attributes.get_id(name).get_storage_size() > LARGEST_HEADER:
            return ""
        value = attributes[name]
        return value.decode() if isinstance(value, bytes) else value if isinstance(value, str) else ""


def _size(found: Any) -> int:  # noqa: ANN401 - a data set of h5py, which may not be installed
    """Return the bytes of a data set unpacked."""
    return int(np.prod(found.shape, dtype=object)) * found.dtype.itemsize if found.shape else found.dtype.itemsize


def _walk(group: Any, h5py: ModuleType) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Yield paths and data sets of a file; UnusableError for a link, and too many or too deep objects."""
    count = 0

    def visit(group: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
        nonlocal count
        for key in group:
            count += 1
            if count > MOST_OBJECTS or depth > DEEPEST:
                raise UnusableError(f"nested too deep or too often: expected {DEEPEST} levels at most")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise UnusableError(f"{prefix}{key} is a link, which is never followed: expected the array itself")
            found = group[key]
            if isinstance(found, h5py.Group):
                yield from visit(found, f"{prefix}{key}/", depth + 1)
            elif isinstance(found, h5py.Dataset):
                yield f"{prefix}{key}", found

    yield from visit(group, "", 1)
