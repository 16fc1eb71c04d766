import subprocess
import sys

import pytest
import torch

from analysis.experiment import SETTINGS
from analysis.training import optimizers

CLASSES = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}


def test_every_choice_of_optimizer_is_defined():
    assert set(optimizers.STATE) == set(SETTINGS["optimizer"].choices) == set(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_steps_are_those_of_torchs_class_to_the_bit(name):
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(3, 200, generator=generator)
    theirs = weights.clone()
    optimizer, state = CLASSES[name]([theirs], lr=0.03), optimizers.initial_state(name, weights)
    for k in range(20):
        grad = torch.randn(3, 200, generator=generator) * 10.0 ** (k % 5 - 3)
        theirs.grad = grad.clone()
        optimizer.step()
        optimizers.step(name, weights, grad, 0.03, state)
        assert torch.equal(weights, theirs)
    kept = {part: value for part, value in optimizer.state[theirs].items() if value is not None}
    assert kept.keys() == state.keys()
    assert all(torch.equal(kept[part], state[part]) and kept[part].dtype == state[part].dtype for part in kept)


def test_training_loads_no_compiler():
    code = (
        "import sys, analysis; analysis.train(analysis.Experiment(steps=1, seeds=1, hidden_size=2, length=3));"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
