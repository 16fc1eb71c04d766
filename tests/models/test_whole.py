"""record of a layer in a whole model, against autograd through a loop over cells that takes the layer's place."""

import random
import warnings
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from analysis import gradient_decay, record
from tests.helpers.models import WORDS, LanguageModel, Listener, Translator
from tests.helpers.modules import CELLS, MODULES

CELL = {nn.RNN: nn.RNNCell, nn.LSTM: nn.LSTMCell, nn.GRU: nn.GRUCell}
B, T, D = 4, 7, 6


class Loop(nn.Module):
    """A recurrent layer as a loop over cells, which keeps every input and state, and their gradients."""

    def __init__(self, layer):
        super().__init__()
        self.lstm = isinstance(layer, nn.LSTM)
        self.cells = nn.ModuleList()
        for k in range(layer.num_layers):
            cell = CELL[type(layer)](layer.input_size if k == 0 else layer.hidden_size, layer.hidden_size).double()
            for name, parameter in cell.named_parameters():
                parameter.data.copy_(layer.get_parameter(f"{name}_l{k}"))
            self.cells.append(cell)

    def forward(self, inputs, state=None):
        self.read, self.states = inputs, []
        if inputs.requires_grad:
            inputs.retain_grad()
        below, final = inputs.unbind(1), []
        for k, cell in enumerate(self.cells):
            zero = inputs.new_zeros(len(inputs), cell.hidden_size)
            parts = (state if self.lstm else (state,)) if state is not None else None
            now = tuple(part[k] for part in parts) if parts else (zero, zero)[: 1 + self.lstm]
            row = []
            for x in below:
                new = cell(x, now if self.lstm else now[0])
                now = new if self.lstm else (new,)
                for part in now:
                    part.retain_grad()
                row.append(now)
            self.states.append(row)
            final.append(now)
            below = [parts[0] for parts in row]
        ends = tuple(torch.stack([parts[p] for parts in final]) for p in range(1 + self.lstm))
        return torch.stack(list(below), 1), ends if self.lstm else ends[0]

    def gradients(self, part):
        """Values and gradients of the hidden state, 0, or the cell state, 1: (L, T, B, H) each."""
        zero = torch.zeros_like(self.states[0][0][0])
        values = torch.stack([torch.stack([parts[part] for parts in row]) for row in self.states]).detach()
        grads = [[zero if (g := parts[part].grad) is None else g for parts in row] for row in self.states]
        return values, torch.stack([torch.stack(row) for row in grads])


def agrees(tape, loop):
    for part, name in enumerate(("hidden", "cell")[: 1 + loop.lstm]):
        values, grads = loop.gradients(part)
        for found, wanted in ((getattr(tape, name), values), (getattr(tape, f"{name}_grad"), grads)):
            assert found.shape[1:] == wanted.shape
            assert np.abs(found[0] - wanted.numpy()).max() <= 1e-9 * wanted.abs().max()
    if loop.read.grad is not None:
        wanted = loop.read.grad.transpose(0, 1)
        assert np.abs(tape.input_grad[0] - wanted.numpy()).max() <= 1e-9 * wanted.abs().max()


def words(*shape, seed=0):
    return torch.randint(WORDS, shape, generator=torch.Generator().manual_seed(seed))


def by_loop(model, path, inputs, loss):
    """Run a copy of a model where a loop stands in place of a layer, and back; return the loop."""
    model = deepcopy(model).eval()
    *parents, name = path.split(".")
    parent = model.get_submodule(".".join(parents))
    loop = Loop(parent.get_submodule(name))
    parent.add_module(name, loop)
    loss(model(*inputs) if isinstance(inputs, tuple) else model(inputs)).sum().backward()
    return loop


def spoken(logits):
    return nn.functional.cross_entropy(logits.flatten(0, -2), words(B, T, seed=1).flatten(), reduction="none")


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_language_model_equals_autograd(cell, layers):
    model, tokens = LanguageModel(MODULES[cell], layers=layers).double(), words(B, T)
    for loss in (spoken, lambda logits: spoken(logits).mean(), lambda logits: logits[:, -1].logsumexp(-1)):
        agrees(record(model, tokens, loss), by_loop(model, "rnn", tokens, loss))
    decay = gradient_decay(record(model, tokens, lambda logits: logits[:, -1].logsumexp(-1)), "input")
    assert len(decay.relative) == T  # a number for each word


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("part", ["encoder.rnn", "decoder"])
def test_a_translator_with_attention_equals_autograd(cell, part):
    """The encoder's final states start the decoder: the loss reaches h_n of both its layers, and an LSTM's c_n."""
    model, inputs = Translator(MODULES[cell]).double(), (words(B, 9), words(B, T, seed=2))
    tape = record(model, inputs, spoken, part=part)
    loop = by_loop(model, part, inputs, spoken)
    agrees(tape, loop)
    assert tape.hidden.shape == (1, 2, 9 if part == "encoder.rnn" else T, B, D)


@pytest.mark.parametrize("cell", CELLS)
def test_a_convolution_in_front_and_attention_on_top(cell):
    model, sound = Listener(MODULES[cell]).double(), torch.randn(B, T, 3).double()
    loss = lambda logits: logits.square().sum()  # noqa: E731
    agrees(record(model, sound, loss), by_loop(model, "rnn", sound, loss))


def test_at_keeps_one_time_steps_share():
    model, tokens = LanguageModel().double(), words(B, T)
    for at in (-1, T - 1, 2):
        wanted = record(model, tokens, lambda logits: spoken(logits).view(B, T)[:, at])  # noqa: B023
        tape = record(model, tokens, spoken, at=at)
        assert tape.loss_steps == wanted.loss_steps == (at % T,)
        np.testing.assert_allclose(tape.cell_grad, wanted.cell_grad, rtol=0, atol=1e-12)


def test_the_loss_is_called_in_the_models_own_dtype():
    model, tokens, seen = LanguageModel(), words(B, T), []
    tape = record(model, tokens, lambda logits: seen.append(logits.dtype) or spoken(logits))
    assert seen == [torch.float32] and tape.hidden.dtype == np.float64
    wanted = record(model.double(), tokens, spoken)
    assert np.abs(tape.cell_grad - wanted.cell_grad).max() <= 1e-5 * np.abs(wanted.cell_grad).max()


def test_without_a_loss_it_is_the_layers_own():
    model, tokens = LanguageModel(layers=2).double(), words(B, T)
    with torch.no_grad():
        inputs = model.embedding(tokens)
    tape, wanted = record(model, tokens, seed=3), record(model.rnn, inputs, seed=3)
    assert tape.loss_steps == wanted.loss_steps
    for name in ("hidden", "hidden_grad", "cell", "cell_grad", "input_grad", "weight_grad"):
        np.testing.assert_array_equal(getattr(tape, name), getattr(wanted, name))


def compiled(module):
    return torch.compile(module, backend="eager")


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of torch's compiler
@pytest.mark.parametrize("wrap", [nn.DataParallel, compiled, lambda model: nn.DataParallel(compiled(model))])
def test_a_wrapped_model(wrap):
    model, tokens = LanguageModel().double(), words(B, T)
    agrees(record(wrap(model), tokens, spoken), by_loop(model, "rnn", tokens, spoken))


@pytest.mark.filterwarnings("ignore:The .grad attribute")
def test_a_model_with_a_compiled_part():
    model, tokens = LanguageModel().double(), words(B, T)
    loop = by_loop(model, "rnn", tokens, spoken)
    model.rnn = compiled(model.rnn)
    model.embedding = compiled(model.embedding)
    agrees(record(model, tokens, spoken), loop)


def test_frozen_models_and_models_that_write_into_the_output():
    model, tokens = LanguageModel().double(), words(B, T)
    loop = by_loop(model, "rnn", tokens, lambda logits: spoken(logits).tanh())
    model.rnn.register_forward_hook(lambda module, args, result: (result[0].mul_(2).div_(2), result[1]))
    model.requires_grad_(False)
    with torch.no_grad():
        agrees(record(model, tokens, lambda logits: spoken(logits).tanh()), loop)
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("training", [True, False])
def test_the_model_and_the_world_stay_as_they_were(training):
    model, sound = Listener().train(training), torch.randn(B, T, 3)
    model(sound).sum().backward()

    def draw(*_):
        random.random(), np.random.rand(), torch.rand(1)

    draws = nn.Sequential(nn.Linear(3, 3), nn.Dropout(), model)
    model.rnn.register_forward_hook(draw)
    last, kept = model.last, model.kept
    hidden = kept[0]

    def world():
        return [
            {name: value.clone() for name, value in draws.state_dict().items()},
            [p.new_zeros(0) if p.grad is None else p.grad.clone() for p in draws.parameters()],
            [module.training for module in draws.modules()],
            [(len(m._forward_hooks), len(m._forward_pre_hooks), m.__dict__.keys()) for m in draws.modules()],
            (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()),
            (torch.is_grad_enabled(), torch.get_num_threads()),
        ]

    before = world()
    record(draws, sound, lambda logits: logits.sum(1))
    torch.testing.assert_close(world()[:2], before[:2], rtol=0, atol=0)
    assert str(world()[2:]) == str(before[2:])
    assert model.last is last and model.kept is kept and kept[0] is hidden
    with pytest.raises(ZeroDivisionError):
        record(draws, sound, lambda logits: 1 / 0)
    assert str(world()[2:]) == str(before[2:])


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.other = nn.GRU(3, D), nn.LSTM(3, D)

    def forward(self, inputs):
        return self.rnn(inputs)[0] + self.rnn(inputs)[0].detach()


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (LanguageModel, {"part": "lstm"}, r"part='lstm': expected the name of one layer, rnn \(LSTM, 6 inputs"),
        (Twice, {}, r"part=None: .* rnn \(GRU, 3 inputs, 6 units\), other \(LSTM, 3 inputs, 6 units\)"),
        (Twice, {"part": "rnn"}, "the model calls rnn 2 times on these inputs: expected one call"),
        (Twice, {"part": "other"}, "the model calls other 0 times"),
        (LanguageModel, {"loss": lambda logits: torch.ones(())}, "loss doesn't depend on what rnn returned"),
        (LanguageModel, {"loss": lambda logits: 3.0}, "loss returned float: expected a real loss per sample"),
        (LanguageModel, {"loss": lambda logits: logits}, r"loss returned \(4, 7, 11\) in torch.float32"),
        (LanguageModel, {"at": 9}, "at=9: expected -7 to 6 for 7 steps"),
        (LanguageModel, {"dtype": torch.float16}, "dtype=torch.float16: expected torch.float64"),
        (LanguageModel, {"state": torch.zeros(1, B, D)}, "state: given for a whole model"),
        (lambda: nn.GRU(3, D), {"part": "rnn"}, "part='rnn': it names a layer in a whole model, expected None"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(make, options, message):
    model = make()
    inputs = words(B, T) if isinstance(model, LanguageModel) else torch.randn(T, B, 3)
    with pytest.raises(ValueError, match=message):
        record(model, inputs, **{"loss": lambda output: output.sum(), **options})


def test_a_model_without_a_recurrent_layer_is_refused():
    with pytest.raises(TypeError, match=r"Sequential: expected nn\.RNN, nn\.LSTM or nn\.GRU"):
        record(nn.Sequential(nn.Linear(3, 3)), torch.randn(T, B, 3))


def test_inputs_of_a_layer_that_are_not_finite_are_refused():
    model = LanguageModel()
    model.embedding.weight.data[:] = np.nan
    with pytest.raises(ValueError, match="inputs of rnn: nan at"):
        record(model, words(B, T), spoken)


class Dropped(nn.Module):
    def forward(self, weight):
        return nn.functional.dropout(weight, 0.5, self.training)


@pytest.mark.parametrize("kind", ["weight norm", "spectral norm", "weight drop", "old weight norm"])
def test_weights_that_are_computed(kind):
    model, tokens = LanguageModel().double(), words(B, T)
    named = (model.rnn, "weight_hh_l0")
    if kind == "weight norm":
        nn.utils.parametrizations.weight_norm(*named)
    elif kind == "spectral norm":
        nn.utils.parametrizations.spectral_norm(*named)
    elif kind == "weight drop":
        nn.utils.parametrize.register_parametrization(*named, Dropped())
    else:
        with warnings.catch_warnings(action="ignore"):
            nn.utils.weight_norm(*named)
    for parameter in model.parameters():
        parameter.data.mul_(1.3)
    buffers, state = [buffer.clone() for buffer in model.buffers()], torch.get_rng_state()
    tape = record(model, tokens, spoken)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(buffers, model.buffers(), strict=True))
    plain = LanguageModel().double()
    model.eval()(tokens)
    used = {name: getattr(model.rnn, name).detach() for name in plain.rnn.state_dict()}
    plain.load_state_dict({f"rnn.{name}": weight for name, weight in used.items()}, strict=False)
    plain.embedding.load_state_dict(model.embedding.state_dict())
    plain.readout.load_state_dict(model.readout.state_dict())
    agrees(tape, by_loop(plain, "rnn", tokens, spoken))
