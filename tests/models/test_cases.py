"""Files of weights that people have: each gives the last hidden state that the library which wrote it computed."""

import json
from pathlib import Path

import pytest
import torch

from analysis.models.inputs import fit_inputs
from analysis.models.layers import read_recurrent, to_module

CASES = Path(__file__).parent / "cases"
EXPECTED = json.loads((CASES / "expected.json").read_text())["files"]
FORMATS = {".h5": "h5py", ".keras": "h5py", ".onnx": "onnx"}  # the packages that they need
WHOLE = (
    "older_format.pt",
    "other_names.npz",
    "lstm.onnx",
    "sequential.keras",
    "sequential.weights.h5",
    "sequential.h5",
    "projected.pt",
)
BOTH = ("bidirectional.pt", "gru_bidirectional.onnx")
REFUSED = {"gru_reset_before.onnx": "linear_before_reset=0"}


def inputs(D):
    """x[t, b, d] = sin(0.3 (t + 1) (d + 1) + b), as (B, T, D)."""
    t, b, d = torch.arange(12.0), torch.arange(2.0), torch.arange(float(D))
    return torch.sin(0.3 * (t[:, None, None] + 1) * (d + 1) + b[:, None]).transpose(0, 1)


def read(name):
    if package := FORMATS.get(Path(name).suffix):
        pytest.importorskip(package)
    return read_recurrent((CASES / name).read_bytes(), name)


@pytest.mark.parametrize("name", WHOLE)
def test_the_last_state_is_the_writers(name):
    stacks = read(name)
    assert [stack.name for stack in stacks] == [part["part"] for part in EXPECTED[name]]
    for stack, part in zip(stacks, EXPECTED[name], strict=True):
        assert (stack.cell, stack.input_size, stack.hidden_size, stack.layers) == (
            part["cell"], part["inputs"], part["hidden"], part["layers"],
        )  # fmt: skip
        last = to_module(stack).double()(inputs(stack.input_size).double())[0][:, -1].float()
        assert torch.allclose(last, torch.tensor(part["last_hidden"]), atol=1e-5)


@pytest.mark.parametrize("name", BOTH)
def test_the_last_state_of_each_direction_is_the_writers(name):
    stacks, [part] = read(name), EXPECTED[name]
    assert [stack.name for stack in stacks] == ["", "backward"]
    for stack, last in zip(stacks, part["last_hidden"], strict=True):
        given, _ = fit_inputs(stack, inputs(stack.input_size))
        assert torch.allclose(to_module(stack)(given.float())[0][:, -1], torch.tensor(last), atol=1e-5)


@pytest.mark.parametrize("name", REFUSED)
def test_what_torch_doesn_t_compute_or_isn_t_measured_is_refused_by_name(name):
    [stack] = read(name)
    assert REFUSED[name] in stack.refusal


def test_every_case_is_tested():
    assert {*WHOLE, *BOTH, *REFUSED} == set(EXPECTED)
