"""What training code saves beside a state dict does no harm, and no name of a file that torch.save wrote is refused."""

import argparse
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from analysis.models.files import read_weights
from analysis.models.layers import read_recurrent
from tests.helpers.files import legacy, saved


def checkpoint(model):
    """A checkpoint as Lightning lays it out, with other objects than tensors beside the state dict."""
    return {
        "epoch": 3, "global_step": 900, "pytorch-lightning_version": "2.5",
        "state_dict": model.state_dict(),
        "optimizer_states": [torch.optim.Adam(model.parameters()).state_dict()],
        "hyper_parameters": argparse.Namespace(lr=np.float64(0.1), root=Path("data"), cell=nn.LSTM),
        "callbacks": {"Checkpoint": {"best": np.float32(0.5), "dirpath": Path("a")}}, "array": np.arange(3),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.ckpt", "a.bin", "a.pth.tar", "A.CKPT"])
@pytest.mark.parametrize("write", [saved, legacy])
def test_checkpoints_of_objects_give_their_tensors(name, write):
    model = nn.ModuleDict({"encoder": nn.LSTM(3, 4, 2), "head": nn.Linear(4, 2)})
    data = write(checkpoint(model))
    [stack] = read_recurrent(data, name)
    assert stack.label == "encoder: LSTM, 3 inputs, 4 units, 2 layers"
    for key, tensor in read_weights(data, name).items():
        assert torch.equal(tensor, model.state_dict()[key.removeprefix("state_dict.")])


@pytest.mark.parametrize("write", [saved, legacy])
def test_every_kind_of_tensor_comes_back(write):
    shared = torch.arange(24.0).reshape(4, 6)
    tensors = {
        "view": shared[1:, ::2], "turned": shared.T, "one": torch.tensor(2.5), "empty": torch.ones(0, 3),
        "half": torch.ones(2).half(), "brain": torch.ones(2).bfloat16(), "double": torch.rand(2).double(),
        "whole": torch.arange(3), "bool": torch.tensor([True]), "complex": torch.ones(2) * 1j,
        "parameter": nn.Parameter(torch.rand(2)), "wide": torch.ones(1).expand(5, 5),
    }  # fmt: skip
    read = read_weights(write({"a": [1, tensors], "b": tensors}), "a.pt")
    assert read.keys() == {f"b.{name}" for name in tensors}
    for name, tensor in tensors.items():
        assert torch.equal(read[f"b.{name}"], tensor) and read[f"b.{name}"].dtype == tensor.dtype


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_torchscript_archive_gives_its_tensors_and_is_not_run():
    model, file = nn.Sequential(nn.GRU(3, 4)), io.BytesIO()
    torch.jit.save(torch.jit.script(model), file)
    [stack] = read_recurrent(file.getvalue(), "a.pt")
    assert stack.label == "0: GRU, 3 inputs, 4 units, 1 layer"
    assert torch.equal(stack.weights["weight_hh_l0"], model[0].weight_hh_l0)
