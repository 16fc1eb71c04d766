"""What a watch gives to the tools that people log with."""

import json
import math

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from analysis import Experiment, train, watch
from tests.helpers.modules import MODULES

GATES = {"rnn": [], "lstm": ["input", "forget", "candidate", "output"], "gru": ["reset", "update", "candidate"]}


def passes(model, count=2):
    for _ in range(count):
        model(torch.randn(12, 5, 3))[0][-1].square().sum().backward()


@pytest.mark.parametrize("cell", MODULES)
def test_names_are_stable_and_numbers_finite(cell):
    torch.manual_seed(0)
    module = MODULES[cell](3, 6, 2)
    with watch(module, every=2) as watched:
        assert watched.scalars() == {}
        passes(module)
    start = f"goldfish/{cell}.l1"
    found = watched.scalars()
    expected = [f"{start}/{name}" for name in ("horizon", "kept_per_step", "half_life", "gradient", "largest_state")]
    expected += [f"{start}/{gate}/{side}" for gate in GATES[cell] for side in ("left", "right")]
    assert list(found) == expected  # loss and metric are not known
    [snapshot] = watched.history
    assert found == snapshot.scalars()
    assert all(type(value) is float and math.isfinite(value) for value in found.values())
    assert found[f"{start}/horizon"] == snapshot.decay.horizon
    assert found[f"{start}/kept_per_step"] == snapshot.decay.factor
    for gate in GATES[cell]:  # of the layer that is named
        assert found[f"{start}/{gate}/right"] == pytest.approx(snapshot.saturation[gate].right[0, 1].mean())


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.low, self.high = nn.LSTM(3, 6), nn.GRU(6, 4)

    def forward(self, x):
        return self.high(self.low(x)[0])


def test_layers_of_a_model_are_named_as_in_it():
    torch.manual_seed(0)
    model = Two()
    with watch(model, every=1) as watched:
        passes(model, 1)
    found = watched.scalars()
    assert {"goldfish/low.l0/forget/right", "goldfish/high.l0/update/right"} <= found.keys()
    assert found["goldfish/high.l0/horizon"] == watched.history["high"][0].decay.horizon


def test_snapshots_of_a_training_here_have_loss_and_metric():
    run = train(Experiment(cell="gru", layers=2, length=6, hidden_size=4, steps=2, seeds=2, batch_size=4))
    found = run.snapshots[-1].scalars()
    assert {"goldfish/gru.l1/loss", "goldfish/gru.l1/metric", "goldfish/gru.l1/update/left"} <= found.keys()


def test_tensorboard_reads_back_what_was_logged(tmp_path):
    torch.manual_seed(0)
    module = nn.LSTM(3, 6)
    with watch(module, every=1) as watched, SummaryWriter(tmp_path) as writer:
        for step in (1, 2, 3):
            passes(module, 1)
            for name, value in watched.scalars().items():
                writer.add_scalar(name, value, step)
    read = EventAccumulator(str(tmp_path))
    read.Reload()
    assert set(read.Tags()["scalars"]) == watched.scalars().keys()
    for name in watched.scalars():
        logged = [(event.step, event.value) for event in read.Scalars(name)]
        expected = [(snapshot.step, snapshot.scalars()[name]) for snapshot in watched.history]
        assert [step for step, _ in logged] == [step for step, _ in expected]
        assert [value for _, value in logged] == pytest.approx([value for _, value in expected])


def test_numbers_of_a_gradient_that_explodes_are_taken_by_strict_loggers(tmp_path):
    module = nn.RNN(1, 4, nonlinearity="relu").double()
    with torch.no_grad():
        for weight in module.parameters():
            weight.fill_(0)
        module.weight_ih_l0.fill_(1)
        module.weight_hh_l0.copy_(300 * torch.eye(4))
    with watch(module, every=1) as watched, SummaryWriter(tmp_path) as writer:
        for length, known in ((60, True), (200, False)):  # 300^200 is beyond floating point
            module(torch.ones(length, 2, 1, dtype=torch.float64))[0][-1].sum().backward()
            found = watched.scalars()
            assert ("goldfish/rnn.l0/gradient" in found) == known
            assert json.loads(json.dumps(found, allow_nan=False)) == found  # as W&B sends them
            for name, value in found.items():
                writer.add_scalar(name, value, length)  # which holds them in float32, as Lightning does
