"""Read a file's bytes as tensors by name. Independent of networks.

A file may come from anywhere: nothing in it is executed. LARGEST bounds memory and time: declared sizes are checked
before anything is read, and actual sizes while reading. Any fault of a file raises an UnusableError.
"""

import struct

import numpy as np
import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from analysis.files.archives import open_archive
from analysis.files.arrays import array_members, read_npy, reader_of, reading
from analysis.files.errors import UnusableError
from analysis.files.limits import LARGEST_HEADER, require_size
from analysis.models.checkpoints import read_checkpoint
from analysis.models.keras import read_keras, read_keras_weights
from analysis.models.layouts import Found
from analysis.models.names import to_torch_names
from analysis.models.onnx import read_onnx

CHECKPOINTS = (".pt", ".pth", ".ckpt", ".bin", ".pth.tar")  # names of what torch.save writes
ENDINGS = (".safetensors", *CHECKPOINTS, ".npz", ".keras", ".h5", ".hdf5", ".onnx")  # names of files of weights


def read_weights(data: bytes, name: str) -> dict[str, Tensor]:
    """Read the tensors of a file of safetensors, torch.save or numpy.savez, by name; in nested dicts by dotted names.

    Raises:
        UnusableError: for anything else, a file or content too large, and a whole pickled module.
    """
    reader = reader_of(
        name, {".safetensors": _safetensors, ".npz": _arrays} | dict.fromkeys(CHECKPOINTS, read_checkpoint)
    )
    with reading(name, data, "a state dict saved by safetensors or torch.save, or an .npz of weights"):
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
    with reading(name, data, "a model of Keras or ONNX"):
        return reader_of(name, readers)(data)


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
        arrays = {member.filename[:-4]: read_npy(archive.read(member)) for member in array_members(archive)}
    floats = {key: array for key, array in arrays.items() if array.dtype in (np.float16, np.float32, np.float64)}
    return {key: torch.from_numpy(array.astype(array.dtype.newbyteorder("="))) for key, array in floats.items()}
