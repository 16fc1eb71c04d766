"""Look-back: compared with a loop over windows, and with networks whose look-back is known."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from analysis import look_back, look_back_steps
from tests.helpers.modules import MODULES

T, B, D = 14, 4, 3
SHARES = (0.2, 0.03)


def delay_line(units, batch_first=False):
    """Each unit hands its value to the next: the last one holds the input of `units` - 1 steps before."""
    line = nn.RNN(1, units, nonlinearity="relu", bias=False, batch_first=batch_first)
    with torch.no_grad():
        line.weight_ih_l0.copy_(torch.eye(units)[:, :1])
        line.weight_hh_l0.copy_(torch.eye(units).roll(1, 0).tril(-1))
    return line


class Head(nn.Module):
    """Layers with a readout of each step, or of the last."""

    def __init__(self, rnn, outputs, *, every_step):
        super().__init__()
        self.rnn, self.every_step = rnn, every_step
        self.out = nn.Linear(rnn.hidden_size * (1 + rnn.bidirectional), outputs)

    def forward(self, x):
        hidden = self.rnn(x)[0]
        return self.out(hidden if self.every_step else hidden[:, -1] if self.rnn.batch_first else hidden[-1])


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def smallest(changes, share):
    """The smallest window of a sequence from which on its change stays within a share, by a loop."""
    for n in range(len(changes)):
        if all(change <= share for change in changes[n:]):
            return n + 1
    return np.inf


def by_loop(predict, count, lengths, shares=SHARES):
    """Windows of each sequence by share, one sequence and one window at a time.

    predict(b, n, other) is the prediction of sequence b from its last n steps; `other` from a state of its own.
    """
    found = np.empty((2, len(shares), count))
    for start, b in product(range(2), range(count)):
        whole = predict(b, lengths[b], False)
        longest = max(lengths)
        changes = [
            float((predict(b, min(n, lengths[b]), bool(start)) - whole).norm() / whole.norm())
            for n in range(1, longest + 1)
        ]
        found[start, :, b] = [smallest(changes, share) for share in shares]
    return found


def assert_same(found, expected):
    assert np.array_equal(found.start.steps, expected[0])
    assert np.array_equal(found.reached.steps, expected[1])


@torch.no_grad()
@pytest.mark.parametrize("cell, layers, batch_first", list(product(MODULES, (1, 2), (False, True))))
def test_of_layers_it_is_what_a_loop_finds(cell, layers, batch_first):
    torch.manual_seed(0)
    module = MODULES[cell](D, 6, layers, batch_first=batch_first).double()
    inputs = draw(T, B, D)

    def predict(b, n, other):
        state = module(inputs[:, b - 1].unsqueeze(int(not batch_first)))[1] if other else None
        return module(inputs[T - n :, b].unsqueeze(int(not batch_first)), state)[0].flatten(0, 1)[-1]

    found = look_back(module, inputs.transpose(0, 1) if batch_first else inputs, SHARES)
    assert_same(found, by_loop(predict, B, [T] * B))
    assert (found.length, found.of_head, found.window.tolist()) == (T, False, list(range(1, T + 1)))
    assert found.start.change[-1] == 0


@torch.no_grad()
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("packed", [False, True])
def test_of_a_bidirectional_layer_and_unlike_lengths(direction, packed):
    torch.manual_seed(0)
    module, lengths = nn.LSTM(D, 5, 2, bidirectional=True).double(), [T, 5, 9, T]
    inputs = draw(T, B, D)
    back = direction == "backward"

    def predict(b, n, other):
        own = inputs[: lengths[b], b : b + 1]
        state = tuple(torch.zeros(4, 1, 5, dtype=torch.float64) for _ in range(2))
        if other:  # the other direction begins where no window is cut
            ends = module(inputs[: lengths[b - 1], [b - 1]])[1]
            for part, end in zip(state, ends, strict=True):
                part[int(back) :: 2] = end[int(back) :: 2]
        output = module(own[:n] if back else own[lengths[b] - n :], state)[0]
        return output[0, 0, 5:] if back else output[-1, 0, :5]

    given = pack_padded_sequence(inputs, torch.tensor(lengths), enforce_sorted=False) if packed else inputs
    found = look_back(module, given, SHARES, lengths=None if packed else lengths, direction=direction)
    assert_same(found, by_loop(predict, B, lengths))


@torch.no_grad()
@pytest.mark.parametrize("every_step, batch_first", list(product((False, True), repeat=2)))
def test_of_a_whole_model_it_is_its_output(every_step, batch_first):
    torch.manual_seed(0)
    net = Head(nn.GRU(D, 6, batch_first=batch_first), 2, every_step=every_step).double()
    inputs = draw(T, B, D)
    time = 1 if batch_first else 0

    def predict(b, n, other):
        rnn = net.rnn
        state = rnn(inputs[:, [b - 1]].transpose(0, time))[1] if other else None
        return net.out(rnn(inputs[T - n :, b : b + 1].transpose(0, time), state)[0].flatten(0, 1)[-1])

    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = look_back(net, inputs.transpose(0, time), SHARES)
    assert_same(found, by_loop(predict, B, [T] * B))
    assert found.of_head and net.training and not net.rnn._forward_hooks and not net.rnn._forward_pre_hooks
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


class Tagger(nn.Module):
    """Words with their lengths, packed, read in both directions."""

    def __init__(self):
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(9, D), nn.LSTM(D, 5, batch_first=True, bidirectional=True)
        self.out = nn.Linear(10, 3)

    def forward(self, words, lengths):
        packed = pack_padded_sequence(self.embedding(words), lengths, batch_first=True, enforce_sorted=False)
        padded, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
        return {"logits": self.out(padded)}


@torch.no_grad()
def test_of_a_model_that_packs_words_by_their_lengths():
    torch.manual_seed(0)
    net, lengths = Tagger().double(), [T, 5, 9, T]
    words = torch.randint(0, 9, (B, T), generator=torch.Generator().manual_seed(1))

    def predict(b, n, other):
        state = None
        if other:
            _, (h, c) = net.rnn(net.embedding(words[[b - 1], : lengths[b - 1]]))
            state = tuple(torch.cat([part[:1], torch.zeros_like(part[1:])]) for part in (h, c))
        return net.out(net.rnn(net.embedding(words[b : b + 1, lengths[b] - n : lengths[b]]), state)[0])[0, -1]

    assert_same(look_back(net, (words, torch.tensor(lengths)), SHARES), by_loop(predict, B, lengths))


class Loop(nn.Module):
    """A cell, called at every step."""

    def __init__(self):
        super().__init__()
        self.cell, self.out = nn.LSTMCell(D, 5), nn.Linear(5, 2)

    def forward(self, x):
        h = c = x.new_zeros(x.shape[1], 5)
        for column in x:
            h, c = self.cell(column, (h, c))
        return self.out(h), (h, c)


@torch.no_grad()
def test_of_a_model_that_calls_a_cell_and_of_the_cell():
    torch.manual_seed(0)
    net = Loop().double()
    inputs = draw(T, B, D)

    def run(b, n, other):
        h = c = torch.zeros(1, 5, dtype=torch.float64)
        if other:
            for column in inputs[:, [b - 1]]:
                h, c = net.cell(column, (h, c))
        for column in inputs[T - n :, b : b + 1]:
            h, c = net.cell(column, (h, c))
        return h

    assert_same(look_back(net, inputs, SHARES), by_loop(lambda *of: net.out(run(*of)), B, [T] * B))
    assert_same(look_back(net.cell, inputs, SHARES), by_loop(run, B, [T] * B))

    def step(x, state):
        return net.cell(x, state), {}

    zero = torch.zeros(B, 5, dtype=torch.float64)
    assert_same(look_back_steps(step, inputs, (zero, zero), SHARES), by_loop(run, B, [T] * B))


@torch.no_grad()
def test_a_list_is_pooled_and_a_given_state_begins_each_window():
    torch.manual_seed(0)
    modules = [nn.GRU(D, 5).double() for _ in range(2)]
    inputs, state = draw(T, B, D), draw(1, B, 5, seed=3)
    found = look_back(modules, inputs, SHARES, state)
    alone = [look_back(module, inputs, SHARES, state) for module in modules]
    assert np.array_equal(found.start.steps, np.concatenate([each.start.steps for each in alone], 1))

    def predict(b, n, other):
        start = modules[0](inputs[:, [b - 1]], state[:, [b - 1]])[1] if other else state[:, b : b + 1]
        return modules[0](inputs[T - n :, b : b + 1], start)[0][-1, 0]

    assert_same(alone[0], by_loop(predict, B, [T] * B))


@pytest.mark.parametrize("units", [1, 2, 7, 30])
@pytest.mark.parametrize("head", [False, True])
def test_of_a_delay_line_it_is_its_length(units, head):
    line = delay_line(units)
    if head:
        line = Head(line, 1, every_step=True)
        with torch.no_grad():
            line.out.weight.copy_(torch.eye(units)[-1:])
            line.out.bias.zero_()
    found = look_back(line, 1 + draw(40, 6, 1).abs().float(), (1e-6,))
    assert (found.start.steps == units).all() and (found.reached.steps == units).all()
    assert found.last_alone == (units == 1)


def test_long_windows_are_found_within_three_percent():
    found = look_back(delay_line(250), torch.ones(400, 2, 1), (0.001,))
    assert (found.start.steps >= 250).all() and (found.start.steps <= 1.03 * 250).all()
    assert len(found.window) < 160


@pytest.mark.parametrize("lag", [5, 10])
def test_of_a_network_trained_to_echo_it_is_its_lag(lag):
    torch.manual_seed(0)
    net = Head(nn.RNN(1, 32, batch_first=True), 1, every_step=True)
    nn.init.orthogonal_(net.rnn.weight_hh_l0)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(900):
        x = 2 * torch.rand(32, 40, 1) - 1
        loss = (net(x)[:, lag:] - x[:, :-lag]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = look_back(net, 2 * torch.rand(16, 60, 1) - 1)
    for windows in (found.start, found.reached):
        assert windows.median[0] - 1 == pytest.approx(lag, rel=0.1)  # the window holds the present too
        assert windows.decides_half - 1 == lag
    assert found.spread > 0.5 and not found.constant


def test_a_constant_and_nothing_at_all():
    net = Head(nn.LSTM(D, 4), 1, every_step=False).double()
    with torch.no_grad():
        net.out.weight.zero_()
    assert look_back(net, draw(T, B, D)).constant
    silent = look_back(nn.RNN(D, 4, bias=False), torch.zeros(T, B, D))
    assert np.isnan(silent.start.steps).all() and np.isnan(silent.start.median).all() and np.isnan(silent.spread)
    wild = nn.RNN(1, 2, nonlinearity="relu")
    nn.init.constant_(wild.weight_hh_l0, 1e6)
    assert np.isnan(look_back(wild, torch.ones(100, 2, 1)).start.decides_half)


class Strided(nn.Module):
    """The layer reads half as many time steps as the model."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(D, 4)

    def forward(self, x):
        return self.rnn(x[::2])[0][-1]


class Scalar(nn.Module):
    """A model that answers once for all sequences."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(D, 4)

    def forward(self, x):
        return self.rnn(x)[0].sum()


REFUSED = [
    (lambda: look_back(nn.GRU(D, 4), draw(T, B, D), (0.1, 1.5)), "shares=.0.1, 1.5.: expected some between 0 and 1"),
    (lambda: look_back(nn.GRU(D, 4), draw(T, B, D), ()), "shares"),
    (lambda: look_back(nn.GRU(D, 4), draw(T, B, D + 1)), r"inputs of shape \(14, 4, 4\): expected"),
    (lambda: look_back(nn.GRU(D, 4), draw(T, B, D), state=draw(2, B, 4)), r"state of shape \(2, 4, 4\): expected \(1"),
    (lambda: look_back(nn.GRU(D, 4), draw(T, B, D), direction="backward"), "reads forward alone"),
    (lambda: look_back(nn.GRU(D, 4), draw(T, B, D), direction="up"), "direction='up': expected"),
    (lambda: look_back(nn.GRU(D, 4), draw(T, B, D) / 0), "expected finite numbers"),
    (lambda: look_back(Strided().double(), draw(T, B, D)), "expected 7 time steps along the first or second axis"),
    (
        lambda: look_back(Scalar().double(), draw(T, B, D)),
        r"output of shape \(\): expected one for each of 4 sequences",
    ),
    (lambda: look_back(Scalar().double(), draw(T, B, D), state=draw(1, B, 4)), "state: given for a whole model"),
    (lambda: look_back(nn.Linear(D, 4), draw(T, B, D)), "Linear: expected nn.RNN, nn.LSTM or nn.GRU"),
]


@pytest.mark.parametrize("call, message", REFUSED)
def test_what_does_not_fit_is_refused(call, message):
    torch.manual_seed(0)
    with pytest.raises((TypeError, ValueError), match=message):
        call()
