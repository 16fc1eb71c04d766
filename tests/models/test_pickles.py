"""Pickles are read as data: what they hold comes back, and nothing that they name is imported, built or called."""

import argparse
import io
import sys
import zipfile
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from analysis.files.errors import UnusableError
from analysis.models.pickles import MOST_VALUES, Placeholder, StoredTensor, read_pickle
from tests.helpers.files import BYTEARRAY, attacks, copies, hash_bomb, saved

PLAIN = {"epoch": 3, "best": -0.5, "sizes": [1, (2, 3)], "name": "é", "none": None, "on": True, 7: 2**40}


def pickle_of(content):
    """The pickle that torch.save writes into its archive."""
    with zipfile.ZipFile(io.BytesIO(saved(content))) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("data.pkl")]
        return archive.read(name)


def test_plain_values_come_back():
    content = pickle_of(PLAIN)
    assert read_pickle(content + b"more") == (PLAIN, len(content))


def test_tensors_are_described():
    read, _ = read_pickle(pickle_of(nn.GRU(2, 3).state_dict()))
    assert {name: (tensor.shape, tensor.stride, tensor.storage.kind) for name, tensor in read.items()} == {
        "weight_ih_l0": ((9, 2), (2, 1), "FloatStorage"),
        "weight_hh_l0": ((9, 3), (3, 1), "FloatStorage"),
        "bias_ih_l0": ((9,), (1,), "FloatStorage"),
        "bias_hh_l0": ((9,), (1,), "FloatStorage"),
    }


def test_what_isn_t_plain_becomes_a_placeholder():
    content = {
        "numpy": np.float64(0.5), "path": Path("a/b"), "args": argparse.Namespace(lr=1), "hyper": SimpleNamespace(a=1),
        "counts": defaultdict(int, a=1), "set": {1, 2}, "slice": slice(1, 2), "type": int, "range": range(3),
    }  # fmt: skip
    read, _ = read_pickle(pickle_of(content))
    names = {key: value.name for key, value in read.items() if isinstance(value, Placeholder)}
    assert names["numpy"].endswith("multiarray.scalar") and names["args"] == "argparse.Namespace"
    assert names["hyper"] == "types.SimpleNamespace"
    assert read["counts"] == {"a": 1}
    assert {"numpy", "path", "args", "hyper", "set", "slice", "range"} == names.keys()


def test_a_program_is_read_and_not_executed(tmp_path):
    before = set(sys.modules)
    for attack in attacks(tmp_path / "executed"):
        read, _ = read_pickle(attack)
        assert isinstance(read["weight_hh"] if isinstance(read, dict) else read, Placeholder)
    assert not list(tmp_path.iterdir())
    read_pickle(b"cantigravity\nfly\n.")
    assert set(sys.modules) == before


@pytest.mark.parametrize("content", [BYTEARRAY, hash_bomb(), copies()], ids=["bytearray", "hash", "copies"])
def test_a_pickle_that_would_take_all_memory_or_time_is_read_at_once(content):
    read, _ = read_pickle(content)
    assert isinstance(read, Placeholder | dict | list)


def test_a_pickle_of_too_many_values_is_refused():
    with pytest.raises(UnusableError, match=f"more than {MOST_VALUES:,} values"):
        read_pickle(b"](" + b"K\x01" * MOST_VALUES + b"e.")


def test_tensors_of_parameters_and_subclasses_are_described():
    read, _ = read_pickle(pickle_of({"a": nn.Parameter(torch.ones(2)), "b": torch.ones(3)[1:]}))
    assert isinstance(read["a"], StoredTensor) and (read["b"].offset, read["b"].shape) == (1, (2,))


@pytest.mark.parametrize("content", [b"(\x85.", b"\x82\x01.", b"(K\x01K\x02u.", b"K\x01K\x02a."])
def test_instructions_that_make_no_sense_are_errors(content):
    with pytest.raises((ValueError, IndexError)):
        read_pickle(content)
