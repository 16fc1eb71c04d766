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


CELL = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_in_a_loop_is_one_sequence(cell, batched, bias):
    """Alone, and as a part of a model."""
    options = {"nonlinearity": "relu"} if cell == "rnn" else {}
    model = nn.ModuleDict({"cell": CELL[cell](3, 6, bias=bias, **options), "head": nn.Linear(6, 2)}).double()
    module = MODULES[cell](3, 6, bias=bias, **options).double()
    module.load_state_dict({f"{name}_l0": weight for name, weight in model["cell"].state_dict().items()})
    inputs, start = torch.randn(9, 5, 3).double(), torch.randn(2, 1, 5, 6).double()
    if not batched:
        inputs, start = inputs[:, 0], start[:, :, 0]
    for state in (None, tuple(start) if cell == "lstm" else start[0]):
        wanted = record(module, inputs, lambda out: model["head"](out[6]).square().sum(), state=state)
        given = state if state is None else (start[0, 0], start[1, 0]) if cell == "lstm" else start[0, 0]
        with watch(model["cell"], every=1) as alone, watch(model, every=1) as whole:
            for t, x in enumerate(inputs):
                given = model["cell"](x, given) if t % 2 else model["cell"](input=x, hx=given)
                if t == 6:
                    loss = model["head"](given[0] if cell == "lstm" else given).square().sum()
            loss.backward()
        assert alone.backwards == whole.backwards["cell"] == 1 and not alone.skipped
        for snapshot in (alone.history[0], whole.history["cell"][0]):
            assert np.allclose(snapshot.decay.norm, gradient_decay(wanted).norm, rtol=1e-9)
            assert snapshot.sequences == (5 if batched else 1)
        assert (alone.result().cell, alone.result().layers, alone.result().input_size) == (cell, 1, 3)


@pytest.mark.parametrize("read", ["h", "c", "both"])
def test_a_loss_of_an_lstm_cells_states(read):
    cell, module, inputs = nn.LSTMCell(3, 6).double(), nn.LSTM(3, 6).double(), torch.randn(9, 5, 3).double()
    module.load_state_dict({f"{name}_l0": weight for name, weight in cell.state_dict().items()})
    with watch(cell, every=1) as alone, watch(module, every=1) as layer:
        state, (_, (h, c)) = None, module(inputs)
        for x in inputs:
            state = cell(x, state)
        for a, b in (state, (h, c)):
            ((read != "c") * a.sin().sum() + (read != "h") * b.square().sum()).backward()
    assert np.allclose(alone.history[0].decay.norm, layer.history[0].decay.norm, rtol=1e-9)
    assert alone.history[0].gradient == pytest.approx(layer.history[0].gradient, rel=1e-9)


def test_training_a_cell_is_the_same_with_and_without_a_watch():
    def trained(watched):
        torch.manual_seed(0)
        cell = nn.LSTMCell(3, 6)
        optimizer, state = torch.optim.Adam(cell.parameters(), 1e-2), None
        with watch(cell, every=1) if watched else torch.enable_grad():
            for k in range(24):
                state = cell(torch.randn(5, 3), state)
                if k % 6 == 5:
                    state[0].square().sum().backward()
                    optimizer.step()
                    optimizer.zero_grad()
                    for part in state:
                        part.detach_()
        return [*cell.parameters(), *state]

    assert all(torch.equal(a, b) for a, b in zip(trained(True), trained(False), strict=True))


def test_cells_that_cant_be_followed():
    class Own(nn.GRUCell):
        def forward(self, inputs, state=None):
            return super().forward(inputs, state)

    with pytest.raises(TypeError, match="Own has a forward of its own: expected GRUCell's"):
        watch(Own(3, 6))
    cell = nn.GRUCell(3, 6)
    nn.utils.parametrizations.weight_norm(cell, "weight_hh")
    with pytest.raises(TypeError, match="parametrized: expected plain ones in a cell"):
        watch(cell)


class Decoder(nn.Module):
    """A decoder that reads its own answers from the `first` step on."""

    def __init__(self, kind, first):
        super().__init__()
        self.cell, self.out, self.first = kind(3, 6), nn.Linear(6, 3), first

    def forward(self, inputs):
        state, read = None, inputs[0]
        for t in range(len(inputs)):
            state = self.cell(read, state)
            answer = self.out(state[0] if isinstance(state, tuple) else state)
            read = answer if t >= self.first else inputs[(t + 1) % len(inputs)]
        return answer


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("cell", CELLS)
def test_a_loop_that_reads_its_own_answers_is_named(cell, first):
    """The gradient comes back through the answers too, which the engine doesn't know."""
    model = Decoder(CELL[cell], first)
    with watch(model, every=1) as watched:
        model(torch.randn(6, 5, 3)).sum().backward()
    [(reason, count)] = watched.skipped["cell"].items()
    assert count == 1 and "analysis.record_steps takes such a loop" in reason and not watched.history["cell"]


def test_a_loop_whose_inputs_have_a_graph_of_their_own_is_measured():
    cell, embedding = nn.GRUCell(3, 6), nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    with watch(cell, every=1) as watched:
        state = None
        for x in embedding(torch.randn(7, 5, 3)):
            state = cell(x, state)
        state.sum().backward()
    assert len(watched.history[0].decay.distance) == 7 and not watched.skipped
