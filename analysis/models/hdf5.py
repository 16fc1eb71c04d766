"""Read the arrays in an HDF5 file by path, in a process of its own that can break without harm."""

import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from analysis.files.errors import UnusableError
from analysis.files.limits import LARGEST, MIB

SECONDS = 20
MEMORY = 1024 * MIB  # of addresses: a process without any array has about 500 MiB of them
READER = Path(__file__).with_name("hdf5_process.py")


def require_package(module: str) -> None:
    """Raise an UnusableError with what to install, where a package that only some files need is missing."""
    if not importlib.util.find_spec(module):
        raise UnusableError(f"such files need {module}: pip install {module}")


class Arrays:
    """The arrays of floats in an HDF5 file, and the texts beside them."""

    def __init__(self, data: bytes) -> None:
        """Read the bytes; UnusableError where they can't be read, and for links and too much data."""
        require_package("h5py")
        with np.load(io.BytesIO(_read_apart(data))) as content:
            index = json.loads(content["index"].tobytes())
            self.arrays: dict[str, Tensor] = {
                path: torch.from_numpy(content[f"a{k}"].astype(content[f"a{k}"].dtype.newbyteorder("=")))
                for k, path in enumerate(index["paths"])
            }
        self.texts: dict[str, str] = index["texts"]

    def text(self, path: str, name: str) -> str:
        """Return an attribute that is text; empty where there is none."""
        return self.texts.get(f"{path}@{name}", "")


def _read_apart(data: bytes) -> bytes:
    """Read HDF5 in another process, limited in memory and time; return an .npz."""
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # each takes addresses
    environment = os.environ | threads | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-P", str(READER), str(LARGEST), str(MEMORY), str(SECONDS)]
    try:
        run = subprocess.run(command, input=data, capture_output=True, env=environment, timeout=2 * SECONDS)
    except subprocess.TimeoutExpired as error:
        raise UnusableError(f"reading it takes longer than {2 * SECONDS} s: expected a sound HDF5 file") from error
    if run.returncode == 1 and run.stderr:
        raise UnusableError(run.stderr.decode(errors="replace").strip().split("\n")[-1])
    if run.returncode:
        raise UnusableError("HDF5 breaks on it, or needs too much memory or time: expected a sound HDF5 file")
    return run.stdout
