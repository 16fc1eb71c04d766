"""Pickles are checked before torch reads them: a state dict's passes, a program or a bomb is refused."""

import io
import zipfile

import pytest
import torch
from torch import nn

from analysis.models.errors import UnusableError
from analysis.models.pickles import MOST_VALUES, check_pickle
from tests.helpers.files import BYTEARRAY, attacks, copies, hash_bomb, saved

ADAM = torch.optim.Adam(nn.GRU(2, 3).parameters())
SOUND = {
    "state dict": nn.LSTM(2, 3).state_dict(),
    "half": nn.GRU(2, 3).half().state_dict(),
    "checkpoint": {
        "epoch": 3,
        "sizes": [1, (2, 3)],
        "model": nn.RNN(2, 3).state_dict(),
        "optimizer": ADAM.state_dict(),
    },
}
REFUSED = {
    "bytearray of 2 GiB": (BYTEARRAY, "refers to __builtin__.bytearray"),
    "key that takes 2^60 steps to hash": (hash_bomb(), f"more than {MOST_VALUES:,} values"),
    "dict copied 100,000 times": (copies(), f"more than {MOST_VALUES:,} values"),
    "more values than a state dict has": (b"](" + b"K\x01" * MOST_VALUES + b"e.", f"more than {MOST_VALUES:,} values"),
    "one value in the memo, met again and again": (
        b"](" + b"K\x01" * 1000 + b"eq\x00](" + b"h\x00" * 1000 + b"e.", f"more than {MOST_VALUES:,} values"
    ),
}  # fmt: skip


def pickle_of(content):
    """The pickle that torch.save writes into its archive."""
    with zipfile.ZipFile(io.BytesIO(saved(content))) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("data.pkl")]
        return archive.read(name)


@pytest.mark.parametrize("case", SOUND)
def test_what_torch_saves_of_tensors_and_plain_values_passes(case):
    check_pickle(pickle_of(SOUND[case]))


@pytest.mark.parametrize("case", REFUSED)
def test_a_pickle_that_takes_all_memory_or_time_is_refused(case):
    content, message = REFUSED[case]
    with pytest.raises(UnusableError, match=message):
        check_pickle(content)


def test_a_program_is_refused_and_not_executed(tmp_path):
    for attack in attacks(tmp_path / "executed"):
        with pytest.raises(UnusableError, match=r"it refers to .*: expected tensors alone"):
            check_pickle(attack)
    assert not list(tmp_path.iterdir())


def test_a_mark_in_place_of_a_value_is_an_error():
    with pytest.raises(ValueError, match="a mark where a value is expected"):
        check_pickle(b"(\x85.")
