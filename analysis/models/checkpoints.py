"""Read the tensors in a file of torch.save, or in a TorchScript archive, without running anything in it.

A file is a ZIP, or before torch 1.6 a row of pickles with the numbers after them. Its pickle is read as data by
`pickles`; the numbers are taken from the file only where a tensor lies within them.
"""

import struct
import zipfile
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from analysis.files.archives import open_archive
from analysis.files.errors import UnusableError
from analysis.files.limits import LARGEST_HEADER, require_size
from analysis.models.pickles import MOST_VALUES, Placeholder, Storage, StoredTensor, read_pickle

DEEPEST, LONGEST = 16, 1000  # levels of dicts, characters of a name
BEFORE_ZIP = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"  # how a file of torch.save began before torch 1.6
SCRIPT = "__torch__."  # the classes of a TorchScript archive
SAVE = "expected a state dict: torch.save(model.state_dict(), …)"
DTYPES = {
    "Half": torch.float16, "BFloat16": torch.bfloat16, "Float": torch.float32, "Double": torch.float64,
    "Char": torch.int8, "Byte": torch.uint8, "Short": torch.int16, "Int": torch.int32, "Long": torch.int64,
    "Bool": torch.bool, "ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128,
}  # fmt: skip

Numbers = Callable[[Storage], Tensor]  # reads the numbers of a storage, flat


def read_checkpoint(data: bytes) -> dict[str, Tensor]:
    """Read the tensors in what torch.save wrote, by name; those of nested dicts by dotted names.

    Raises:
        UnusableError: for another file, one too large, a whole pickled module, and where there is no tensor. Broken
            bytes raise other exceptions too.
    """
    if data.startswith(BEFORE_ZIP):
        return _before_zip(data)
    if not data.startswith(b"PK"):
        raise UnusableError(f"this is not a file that torch.save writes: {SAVE}")
    with open_archive(data) as archive:
        members = {member.filename: member for member in archive.infolist()}
        pickles = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise UnusableError(f"this is a ZIP with {len(pickles)} data.pkl: expected one, as torch.save writes it")
        folder = pickles[0].removesuffix("data.pkl")
        require_size(members[pickles[0]].file_size, LARGEST_HEADER, "a pickle")
        content, _ = read_pickle(_plain(archive, members[pickles[0]]))
        order = members.get(f"{folder}byteorder")
        if order and _plain(archive, order) != b"little":
            raise UnusableError("saved on a machine with big-endian numbers: expected little-endian ones")

        def numbers(storage: Storage) -> Tensor:
            return _flat(_plain(archive, members[f"{folder}data/{storage.key}"]), storage)

        return _tensors(content, numbers)


def _plain(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return the bytes of an entry, which torch.save never compresses."""
    if member.compress_type != zipfile.ZIP_STORED:
        raise UnusableError(f"{member.filename} in it is compressed: torch.save writes everything uncompressed")
    return archive.read(member)


def _before_zip(data: bytes) -> dict[str, Tensor]:
    """Read a file of torch before 1.6: number, version, machine, content, keys, then for each key its numbers."""
    at, parts = 0, []
    for _ in range(5):
        part, size = read_pickle(data[at : at + LARGEST_HEADER])
        parts.append(part)
        at += size
    content, keys = parts[3:]
    storages = {tensor.storage.key: tensor.storage for tensor in _walk(content).values()}
    found: dict[str, Tensor] = {}
    for key in keys if isinstance(keys, list) else []:
        if key not in storages:
            break  # its numbers have an unknown size, so what lies after them can't be found
        (count,) = struct.unpack_from("<q", data, at)
        if count != storages[key].count:
            raise UnusableError(f"{count:,} numbers under {key}: expected {storages[key].count:,}")
        size = count * _dtype(storages[key]).itemsize
        found[key] = _flat(data[at + 8 : at + 8 + size], storages[key])
        at += 8 + size
    return _tensors(content, lambda storage: found[storage.key])


def _dtype(storage: Storage) -> torch.dtype:
    """Return the dtype of a storage; UnusableError for one that has no name here, as of quantized numbers."""
    dtype = DTYPES.get(storage.kind.removesuffix("Storage"))
    if dtype is None:
        raise UnusableError(f"it holds a {storage.kind}: expected tensors of ordinary numbers")
    return dtype


def _flat(numbers: bytes, storage: Storage) -> Tensor:
    """Return the bytes of a storage as a flat tensor."""
    dtype = _dtype(storage)
    if not 0 <= storage.count * dtype.itemsize <= len(numbers):
        raise UnusableError(f"{len(numbers):,} bytes for {storage.count:,} numbers of {dtype}: expected all of them")
    return (
        torch.frombuffer(bytearray(numbers), dtype=dtype, count=storage.count)
        if storage.count
        else torch.empty(0, dtype=dtype)
    )


def _tensors(content: object, numbers: Numbers) -> dict[str, Tensor]:
    """Return the tensors in a pickle's content, each a view of its storage's numbers."""
    found: dict[str, Tensor] = {}
    flat: dict[str, Tensor] = {}
    storages: dict[str, Storage] = {}
    for path, tensor in _walk(content).items():
        key = tensor.storage.key
        if storages.setdefault(key, tensor.storage) != tensor.storage:
            raise UnusableError("numbers that two tensors read as two kinds: expected one")
        if key not in flat:
            flat[key] = numbers(tensor.storage)
        found[path] = flat[key].as_strided(tensor.shape, tensor.stride, tensor.offset)  # which checks the bounds
    return found


def _walk(content: object) -> dict[str, StoredTensor]:
    """Return the descriptions of tensors in nested dicts, by dotted names."""
    whole = isinstance(content, Placeholder) and not content.name.startswith(SCRIPT)
    if whole or not isinstance(content, Mapping | Placeholder):
        kind = type(content).__name__.removeprefix("Stored")
        if isinstance(content, Placeholder):
            kind = f"whole pickled {content.name}, which is never built"
        raise UnusableError(f"it holds a {kind}: {SAVE}")
    tensors: dict[str, StoredTensor] = {}
    objects: list[str] = []
    visited = 0

    def walk(part: Mapping, prefix: str, depth: int) -> None:
        nonlocal visited
        for key, value in part.items():
            visited += 1
            if visited > MOST_VALUES or depth > DEEPEST:
                raise UnusableError(f"nested too deep or too often: expected {DEEPEST} levels at most")
            inner = _inside(value)
            if isinstance(value, Placeholder) and inner is None and not objects:
                objects.append(value.name)
            if inner is None and not isinstance(value, StoredTensor):
                continue
            path = f"{prefix}{key}"
            if len(path) > LONGEST:
                raise UnusableError(f"a name of {len(path):,} characters: expected {LONGEST:,} at most")
            if isinstance(value, StoredTensor):
                tensors[path] = value
            elif inner is not None:
                walk(inner, f"{path}.", depth + 1)

    walk(_inside(content) or {}, "", 1)
    if objects and not tensors:
        raise UnusableError(f"no tensor but a pickled {objects[0]}, which is never built: {SAVE}")
    return tensors


def _inside(value: object) -> Mapping | None:
    """Return the dict to look into: a dict itself, or the attributes of a TorchScript object; None for others."""
    if isinstance(value, Placeholder) and value.name.startswith(SCRIPT):
        value = value.state
    return value if isinstance(value, Mapping) else None
