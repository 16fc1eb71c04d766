"""Reading files from anywhere: what is refused and why, that nothing is executed, that memory is bounded."""

import os
import pickle
import random
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis import record
from analysis.engine.layer import PARAMETERS
from analysis.files.arrays import read_array
from analysis.files.errors import UnusableError, one_line
from analysis.models.files import read_weights
from analysis.models.inputs import describe_inputs, fit_inputs, random_inputs, read_inputs
from analysis.models.layers import read_recurrent, take_layers, to_module
from tests.helpers.files import (
    DATA,
    FOR,
    WEIGHTS,
    Attack,
    attacks,
    legacy_with_content,
    lying,
    mutated,
    mutated_inside,
    npy,
    npz,
    safetensors,
    targets,
    with_pickle,
)

MUTATIONS = int(os.environ.get("GOLDFISH_MUTATIONS", 400))  # of each file
FEWER = {"a.sequential.h5": 20, "a.sequential.weights.h5": 20, "a.sequential.keras": 4}  # times: each takes a process
ARCHIVES = {"a.pt": 1, "a.npz": 1, "a.sequential.keras": 40}  # by how many times fewer
CORRECTED = ("a.pt", "a.pth", "a.ckpt", "a.safetensors", "a.npz")
ORDERS = ("", "ifgo", "iofg", "zrn", "iiii", "\0")
GROWS_AT_MOST = 100 * 2**20  # bytes, whatever a file says


@pytest.mark.parametrize("case", WEIGHTS)
def test_unusable_weights(case):
    name, make, message = WEIGHTS[case]
    with pytest.raises(UnusableError, match=message) as caught:
        read_recurrent(make(), name)
    assert str(caught.value) == one_line(str(caught.value), 400)
    assert name in str(caught.value)


@pytest.mark.parametrize("case", DATA)
def test_unusable_data(case):
    name, make, message = DATA[case]
    with pytest.raises(UnusableError, match=message) as caught:
        read_inputs(make(), name, FOR)
    assert "\n" not in str(caught.value)


def test_nothing_in_a_file_is_executed(tmp_path):
    marker = tmp_path / "executed"
    pickle.loads(next(attacks(marker)))
    assert marker.exists()  # the attack works where it isn't refused
    marker.unlink()
    for attack in attacks(marker):
        for data, name in (
            (with_pickle(attack), "a.pt"), (attack, "a.pth"),
            (legacy_with_content(attack), "a.ckpt"), (safetensors(attack), "a.safetensors"),
            (npy(np.array([Attack(os.system, (f"touch {marker}",))], object), allow_pickle=True), "x.npy"),
            (npz(a=np.array([Attack(os.system, (f"touch {marker}",))], object)), "x.npz"),
            (lying(np.zeros(3), (3,)) + attack, "x.npy"),
        ):  # fmt: skip
            with pytest.raises(UnusableError):
                (read_recurrent if name.startswith("a.") else read_array)(data, name)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="asks Linux for the peak")
def test_memory_is_bounded_whatever_a_file_says():
    """Every unusable file once, in a process of its own that has seen none of them."""
    code = """
from pathlib import Path
from analysis.files.errors import UnusableError
from analysis.files.arrays import read_array
from analysis.models.files import read_weights
from tests.helpers.files import DATA, WEIGHTS
def peak():
    return next(int(l.split()[1]) for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmHWM"))
worst = 0
for cases, read in ((WEIGHTS, read_weights), (DATA, read_array)):
    for case, (name, make, _) in cases.items():
        data = make()
        Path("/proc/self/clear_refs").write_text("5")
        before = peak()
        try:
            read(data, name)
        except UnusableError:
            pass
        worst = max(worst, peak() - before)
print(worst * 1024)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(run.stdout) < GROWS_AT_MOST


@pytest.mark.parametrize("name", targets())
def test_mutated_files_are_read_or_refused(name):
    original, chance = targets()[name], random.Random(name)
    used = [read_or_refused(mutated(original, chance), name) for _ in range(MUTATIONS // FEWER.get(name, 1))]
    assert 0 < sum(used) < len(used)


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_with_mutated_entries_are_read_or_refused(name):
    original, chance = targets().get(name), random.Random(name)
    if original is None:
        pytest.importorskip("h5py")
    used = [read_or_refused(mutated_inside(original, chance), name) for _ in range(MUTATIONS // ARCHIVES[name])]
    assert 0 < sum(used) < len(used)


def read_or_refused(data, name):
    """Read a file as the page does, and use what is in it; return whether it wasn't refused."""
    try:
        if name.startswith("a."):
            stacks = [found for found in read_recurrent(data, name) if not found.refusal]
            for found in stacks:
                record(to_module(found), fit_inputs(found, random_inputs(found, 3, 1))[0])
            return bool(stacks)
        array = read_inputs(data, name, FOR)
        for time_first in (False, True):
            describe_inputs(array, time_first)
            fit_inputs(FOR, array, time_first)
        return True
    except UnusableError as error:
        assert "\n" not in str(error) and str(error)
        return False


@pytest.mark.parametrize("name", CORRECTED)
def test_any_tensors_of_a_mutated_file_are_taken_for_a_layer_or_refused(name):
    """As somebody corrects what was found: mostly the right tensors for each part, sometimes any."""
    original, chance, used = targets()[name], random.Random(name), 0
    for _ in range(MUTATIONS):
        try:
            tensors = read_weights(mutated(original, chance), name)
            stack = take_layers(tensors, any_parts(list(tensors), chance), chance.choice(ORDERS))
            record(to_module(stack), fit_inputs(stack, random_inputs(stack, 3, 1))[0])
            used += 1
        except UnusableError as error:
            assert "\n" not in str(error) and str(error)
    assert 0 < used < MUTATIONS


def any_parts(names, chance):
    parts = {}
    for part in PARAMETERS if chance.random() < 0.5 else PARAMETERS[:2]:
        likely = [name for name in names if part in name.replace("w_", "weight_")]
        if names:
            parts[part] = chance.choice(likely if likely and chance.random() < 0.9 else names)
    return parts


@pytest.mark.parametrize("name", targets())
def test_truncated_files_are_refused(name):
    original = targets()[name]
    for end in range(0, len(original) - 1, max(1, len(original) // (5 if name in FEWER else 100))):
        try:
            if name.startswith("a."):
                read_recurrent(original[:end], name)
            else:
                read_inputs(original[:end], name, FOR)
        except UnusableError:
            continue
        assert name in ("x.csv", "a.lstm.onnx")  # which may end after any number


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.safetensors", "x.npy", "x.npz", "x.csv"])
def test_random_bytes_are_refused(name):
    chance, starts = (
        random.Random(0),
        (b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00v\x00", b"\x80\x02}", struct.pack("<Q", 50)),
    )
    for k in range(200):
        with pytest.raises(UnusableError):
            read = read_weights if name.startswith("a.") else read_array
            read(starts[k % len(starts)] + b"\xff" + chance.randbytes(chance.randrange(200)), name)
