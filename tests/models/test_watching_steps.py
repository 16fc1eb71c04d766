"""watch on calls of one time step each, as in the loop of a decoder."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from analysis import gradient_decay, record, watch
from tests.helpers.modules import CELLS, MODULES

VARIANTS = list(product(CELLS, (True, False), (1, 2)))


@pytest.mark.parametrize("cell, batch_first, layers", VARIANTS)
def test_calls_on_one_step_that_hand_their_state_on_are_one_sequence(cell, batch_first, layers):
    """As in a decoder's loop; of a loss on several time steps the last one's share, as in one call."""
    module, read = MODULES[cell](3, 6, layers, batch_first=batch_first).double(), range(7)
    inputs = torch.randn(9, 5, 3).double()
    start = torch.randn(layers, 5, 6).double()
    start = (start, start.sin()) if cell == "lstm" else start
    plain = MODULES[cell](3, 6, layers).double()
    plain.load_state_dict(module.state_dict())
    for state in (None, start):
        wanted = gradient_decay(record(plain, inputs[:7], lambda out: out.square().sum((0, 2)), state=state, at=-1))
        with watch(module, every=1) as watched:
            loss = 0
            for t, x in enumerate(inputs):
                x = x.unsqueeze(1 if batch_first else 0)
                output, state = module(x, state) if t % 2 else module(input=x, hx=state)
                loss = loss + output.square().sum() * (t in read)
            loss.backward()
        [snapshot] = watched.history
        assert np.allclose(snapshot.decay.norm, wanted.norm, rtol=1e-9) and watched.backwards == 1


def test_truncated_loops_of_one_step_are_one_sequence_each():
    module, state = nn.GRU(3, 6), None
    with watch(module, every=1) as watched:
        for k in range(12):
            output, state = module(torch.randn(1, 5, 3), state)
            if k % 4 == 3:
                output.sum().backward()
                state = state.detach()
    assert [len(each.decay.distance) for each in watched.history] == [4, 4, 4] and not watched.skipped


def test_weights_that_each_call_computes_anew_are_named():
    class Dropped(nn.Module):
        def forward(self, weight):
            return nn.functional.dropout(weight, 0.5)

    module, state = nn.GRU(3, 6), None
    nn.utils.parametrize.register_parametrization(module, "weight_hh_l0", Dropped())
    with watch(module, every=1) as watched:
        for _ in range(2):
            output, state = module(torch.randn(1, 5, 3), state)
        output.sum().backward()
    [(reason, count)] = watched.skipped.items()
    assert count == 1 and "compute their weights anew" in reason
