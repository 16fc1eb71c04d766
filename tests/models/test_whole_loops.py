"""record of a cell, or of a layer, that a whole model calls again and again with the state it got."""

import numpy as np
import pytest
import torch
from torch import nn

from analysis import record
from tests.helpers.modules import CELLS, MODULES

CELL = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
B, T, D, H = 4, 7, 3, 5
KEPT = ("hidden_grad", "cell_grad")


class Forecaster(nn.Module):
    """Two cells in a loop, one above the other, as in textbooks on time series; keeps the lower one's states."""

    def __init__(self, cell):
        super().__init__()
        self.below, self.above, self.head = CELL[cell](D, H), CELL[cell](H, H), nn.Linear(H, 1)

    def forward(self, series):
        below = above = None
        answers, self.states = [], []
        for x in series.unbind(1):
            below = self.below(x, below)
            parts = below if isinstance(below, tuple) else (below,)
            self.states.append(parts)
            for part in parts:
                if part.requires_grad:
                    part.retain_grad()
            above = self.above(parts[0], above)
            answers.append(self.head(above[0] if isinstance(above, tuple) else above))
        return torch.stack(answers, 1)


class Pieces(nn.Module):
    """A layer that reads a sequence piece by piece, hands its state on, and is asked in between."""

    def __init__(self, cell, layers, batch_first=False):
        super().__init__()
        self.rnn = MODULES[cell](D, H, layers, batch_first=batch_first)
        self.axis = int(batch_first)

    def forward(self, x, sizes=(2, 1, 4)):
        state, answers = None, []
        for piece in x.split(sizes, self.axis):
            output, state = self.rnn(piece, state)
            h_n = state[0] if isinstance(state, tuple) else state
            answers += [output.square().sum((self.axis, 2)), h_n[-1].sum(-1)]
        return torch.stack(answers).sum(0) + (state[1].sum((0, 2)) if isinstance(state, tuple) else h_n.sum((0, 2)))


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_cells_in_a_loop_equal_autograd(cell, last):
    model, series = Forecaster(cell).double(), torch.randn(B, T, D).double()
    loss = lambda answers: (answers[:, -1] if last else answers).square().sum()  # noqa: E731
    loss(model(series)).backward()
    tape = record(model, series, loss, part="below")
    assert tape.hidden.shape == (1, 1, T, B, H)
    states = model.states
    for k, name in enumerate(("hidden", "cell")[: 1 + (cell == "lstm")]):
        values = torch.stack([parts[k] for parts in states]).detach().numpy()
        np.testing.assert_allclose(getattr(tape, name)[0, 0], values, rtol=1e-9)
    model.zero_grad()
    loss(model(series)).backward()
    for k, name in enumerate(KEPT[: 1 + (cell == "lstm")]):
        grads = torch.stack([parts[k].grad for parts in model.states]).numpy()
        np.testing.assert_allclose(getattr(tape, name)[0, 0], grads, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("cell", CELLS)
def test_the_cell_above_and_the_default_loss(cell):
    model, series = Forecaster(cell).double(), torch.randn(B, T, D).double()
    alone = record(model.above, torch.stack([parts[0] for parts in states_of(model, series)]).detach())
    tape = record(model, series, part="above")
    for name in ("hidden", "hidden_grad", "input_grad"):
        np.testing.assert_allclose(getattr(tape, name), getattr(alone, name), rtol=1e-9, atol=1e-15)


def states_of(model, series):
    model(series)
    return model.states


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_a_layer_that_hands_its_state_on_is_read_as_one_sequence(cell, layers, batch_first):
    model = Pieces(cell, layers, batch_first).double()
    x = torch.randn(*((B, T) if batch_first else (T, B)), D).double()
    found = record(model, x, loss=lambda answers: answers)

    def at_once(output):
        output = output.transpose(0, 1) if batch_first else output
        return output.square().sum((0, 2)) + output[[1, 2, 6]].sum((0, 2))

    states = {"lstm": "cell_grad"}.get(cell, "hidden_grad")
    whole = record(model.rnn, x, at_once)
    reads_only_the_output = found.hidden_grad[0, -1, :3] - whole.hidden_grad[0, -1, :3]
    assert np.abs(reads_only_the_output).max() > 0  # the final state counts too
    x.requires_grad_()
    model(x).sum().backward()
    wanted = x.grad.transpose(0, 1) if batch_first else x.grad
    np.testing.assert_allclose(found.input_grad[0], wanted, rtol=1e-9, atol=1e-15)
    assert getattr(found, states).shape == (1, layers, T, B, H)


class Decoder(nn.Module):
    """Reads its own answers."""

    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.GRUCell(D, H), nn.Linear(H, D)

    def forward(self, x, fresh=False):
        h = None
        for _ in range(4):
            h = self.cell(x, None if fresh else h)
            x = self.head(h) if not fresh else x
        return h


class Asked(nn.Module):
    """Reads the cell state of an LSTM in between, or all its layers."""

    def __init__(self, layers=1):
        super().__init__()
        self.rnn = nn.LSTM(D, H, layers)

    def forward(self, x):
        _, state = self.rnn(x)
        output, _ = self.rnn(x, state)
        return output[-1].sum() + state[int(self.rnn.num_layers == 1)].square().sum()


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        (Decoder(), torch.zeros(2, D), "calls cell 4 times, and its inputs depend on what it returned before"),
        (Decoder(), (torch.zeros(2, D), True), "calls cell 4 times on these inputs: expected one call, or calls that"),
        (Asked(), torch.zeros(3, 2, D), "the loss reads c_n of call 1 of rnn"),
        (Asked(2), torch.zeros(3, 2, D), "the loss reads h_n of a lower layer after call 1 of rnn"),
    ],
)
def test_what_the_engine_knows_nothing_of_is_refused(model, inputs, message):
    with pytest.raises(ValueError, match=message):
        record(model, inputs, loss=lambda output: output.sum())


def test_a_recorded_model_is_as_it_was():
    model, series = Forecaster("lstm"), torch.randn(B, T, D)
    before, hooks = model(series), [len(part._forward_hooks) for part in model.modules()]
    record(model, series, loss=lambda answers: answers.sum(), part="below")
    assert [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules()] == hooks
    assert torch.equal(model(series), before)
    assert all(parameter.grad is None for parameter in model.parameters())
