"""A small model, and the usual loop that trains it, watched or not."""

import torch
from torch import nn

from analysis import watch
from tests.helpers.modules import MODULES


class Model(nn.Module):
    """Reads numbers, answers from the recurrent layer's output."""

    def __init__(self, cell="lstm", batch_first=True, layers=1, **options):
        super().__init__()
        self.recurrent = MODULES[cell](3, 6, layers, batch_first=batch_first, **options)
        self.head = nn.Linear(6, 1)

    def forward(self, inputs, state=None):
        output, _ = self.recurrent(inputs, state)
        return self.head(output[:, -1] if self.recurrent.batch_first else output[-1])


def trained(model, steps, every=None, seed=0, threads=1, **options):
    """Train in a usual loop, drawing data from the global generator; return the watch and every loss."""
    torch.manual_seed(seed)
    optimizer, losses = torch.optim.Adam(model.parameters(), 1e-2), []
    watched = watch(model.recurrent, every, **options) if every else None
    for _ in range(steps):
        inputs = torch.randn(5, 12, 3) if model.recurrent.batch_first else torch.randn(12, 5, 3)
        optimizer.zero_grad()
        loss = (model(inputs) - inputs.sum()).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return watched, losses
