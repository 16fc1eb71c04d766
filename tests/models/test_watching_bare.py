"""watch leaves nothing in a model and draws nothing: copies and files are bare, trainings the same to the bit."""

import copy
import gc
import io
import pickle
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from analysis import gradient_decay, record, watch
from analysis.models.plain import plain_layer
from tests.helpers.watched import Model, trained


class Dropped(nn.Module):
    """Weight drop, as in AWD-LSTM: a part of the recurrent weights is left out of each pass."""

    def forward(self, weight):
        return nn.functional.dropout(weight, 0.5, self.training)


def drop(module, name):
    parametrize.register_parametrization(module, name, Dropped())


KINDS = {
    "plain": lambda module, name: None,
    "weight drop": drop,
    "weight norm": nn.utils.parametrizations.weight_norm,
    "spectral norm": nn.utils.parametrizations.spectral_norm,
    "old weight norm": nn.utils.weight_norm,
    "old spectral norm": nn.utils.spectral_norm,
}


def model_of(kind, cell="lstm"):
    torch.manual_seed(3)
    model = Model(cell, layers=2)
    with warnings.catch_warnings(action="ignore"):  # of the old kinds, which torch deprecates
        KINDS[kind](model.recurrent, "weight_hh_l0")
    return model


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bits_with_and_without_a_watch(kind, cell):
    bare, watched = model_of(kind, cell), model_of(kind, cell)
    _, losses = trained(bare, 6)
    state = torch.random.get_rng_state()
    seen, same = trained(watched, 6, every=1)
    assert losses == same and torch.equal(torch.random.get_rng_state(), state)
    for a, b in zip(bare.parameters(), watched.parameters(), strict=True):
        assert torch.equal(a, b) and torch.equal(a.grad, b.grad)
    for a, b in zip(bare.buffers(), watched.buffers(), strict=True):
        assert torch.equal(a, b)
    assert len(seen.history) == 6 and not seen.skipped


@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_of_the_pass_are_measured(kind):
    model, inputs, used = model_of(kind), torch.randn(5, 12, 3), []
    model.recurrent.register_forward_hook(
        lambda layer, *_: used.extend(w.detach().clone() for w in layer._flat_weights)
    )
    with watch(model.recurrent, every=1) as watched:
        model(inputs).sum().backward()
    layer = plain_layer(model.recurrent, [weight.detach().clone() for weight in used])
    assert torch.equal(layer(inputs)[0].sum(), model_of_weights(layer, inputs))
    weight = model.head.weight.detach().double()[0]
    tape = record(layer, inputs, lambda output: output[:, -1] @ weight)
    assert np.allclose(watched.history[0].decay.relative, gradient_decay(tape).relative, rtol=1e-6)


def model_of_weights(layer, inputs):
    """The output's sum of a new module with a layer's weights."""
    module = nn.LSTM(3, 6, 2, batch_first=True)
    module.load_state_dict(layer.state_dict())
    return module(inputs)[0].sum()


def test_weights_of_a_functional_call_are_measured():
    module, other, inputs = nn.GRU(3, 6), nn.GRU(3, 6), torch.randn(12, 5, 3)
    weights = {name: weight.detach().mul(2).requires_grad_() for name, weight in other.named_parameters()}
    with watch(module, every=1) as watched:
        torch.func.functional_call(module, weights, (inputs,))[0][-1].sum().backward()
        module(inputs)[0][-1].sum().backward()
    other.load_state_dict(weights)
    for snapshot, measured in zip(watched.history, (other, module), strict=True):
        wanted = gradient_decay(record(measured, inputs, lambda output: output[-1].sum(-1)))
        assert np.allclose(snapshot.decay.relative, wanted.relative, rtol=1e-6)


def test_an_optimizer_that_steps_within_the_backward_pass():
    module, inputs = nn.GRU(3, 6), torch.randn(12, 5, 3)
    wanted = gradient_decay(record(module, inputs, lambda output: output[-1].sum(-1)))

    def step(weight):
        weight.data.sub_(weight.grad)

    for parameter in module.parameters():
        parameter.register_post_accumulate_grad_hook(step)
    with watch(module, every=1) as watched:
        module(inputs)[0][-1].sum().backward()
    assert np.allclose(watched.history[0].decay.relative, wanted.relative, rtol=1e-6)


def saved(model):
    file = io.BytesIO()
    torch.save(model, file)
    return file.getvalue()


@pytest.mark.parametrize("write", [saved, pickle.dumps])
def test_a_saved_model_holds_nothing_of_a_watch(write):
    model = Model()
    model.recurrent.register_forward_hook(print_nothing)
    before = write(model)
    with watch(model.recurrent, every=1) as watched:
        assert write(model) == before
        model(torch.randn(5, 12, 3)).sum().backward()
        model.zero_grad()
        assert write(model) == before
    assert write(model) == before and len(watched.history) == 1


def print_nothing(*_):
    """A hook of the user's own, which stays."""


@pytest.mark.parametrize("kind", ["plain", "weight drop"])
def test_a_copied_model_is_not_watched(kind):
    model, inputs = model_of(kind), torch.randn(5, 12, 3)
    handle = model.recurrent.register_forward_hook(print_nothing)
    with watch(model.recurrent, every=1) as watched:
        twins = [copy.deepcopy(model)]
        if kind == "plain":
            twins += [pickle.loads(pickle.dumps(model)), torch.load(io.BytesIO(saved(model)), weights_only=False)]
        for twin in twins:
            assert list(twin.recurrent._forward_hooks.values()) == [print_nothing]
            twin(inputs).sum().backward()
        assert watched.backwards == 0
        model(inputs).sum().backward()
        assert watched.backwards == 1
        handle.remove()
        assert not model.recurrent._forward_hooks


def test_torch_is_as_it_was_once_nothing_is_watched():
    gc.collect()
    kinds = nn.RNN, nn.LSTM, nn.GRU
    assert not any("__call__" in vars(kind) for kind in kinds)
    module, other = nn.GRU(3, 6), nn.GRU(3, 6)
    one, two = watch(module), watch(other)
    one.close()
    one.close()
    assert all("__call__" in vars(kind) for kind in kinds)
    two.close()
    assert not any("__call__" in vars(kind) for kind in kinds)
    watch(nn.GRU(3, 6))  # of a module that is gone
    assert not any("__call__" in vars(kind) for kind in kinds)


def test_hooks_of_ones_own_before_and_after_a_call():
    """What forward read and returned is measured, whatever hooks make of it before and after."""
    module, inputs, seen = nn.GRU(3, 6), torch.randn(12, 5, 3), []
    module.register_forward_pre_hook(lambda module, args: (2 * args[0],))
    module.register_forward_hook(lambda module, args, result: seen.append(args[0]) or result[0][:, :2])
    with watch(module, every=1) as watched:
        module(inputs)[-1].sum().backward()
    wanted = gradient_decay(record(module, 2 * inputs[:, :2], lambda output: output[-1].sum(-1)))
    assert torch.equal(seen[0], 2 * inputs)
    assert np.allclose(watched.history[0].decay.relative, wanted.relative, rtol=1e-6)


class Last(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = nn.GRU(3, 6)

    def forward(self, inputs):
        output, _ = self.recurrent(inputs)
        return output[-1]


def test_a_watched_module_can_be_scripted_and_traced():
    model, inputs = Last(), torch.randn(12, 5, 3)
    with watch(model.recurrent), warnings.catch_warnings(action="ignore"):  # torch deprecates both
        for made in (torch.jit.script(model), torch.jit.trace(model, inputs)):
            assert torch.equal(made(inputs), model(inputs))


@pytest.mark.parametrize("whole", [True, False])
def test_a_compiled_model_is_watched_and_is_not_compiled_anew(whole):
    graphs = []

    def compiler(graph, _):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    model, body = Last(), nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    run = torch.compile(nn.Sequential(body, model), backend=compiler)
    if not whole:
        body = torch.compile(body, backend=compiler)
        run = lambda inputs: model(body(inputs))  # noqa: E731
    run(torch.randn(12, 5, 3))
    made = len(graphs)
    with watch(model.recurrent, every=1) as watched:
        for _ in range(3):
            run(torch.randn(12, 5, 3)).sum().backward()
    assert len(graphs) == made and (whole or made) and not watched.skipped and len(watched.history) == 3


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpointed_call_is_measured(reentrant):
    module, inputs = nn.GRU(3, 6), torch.randn(12, 5, 3, requires_grad=True)
    run = partial(torch.utils.checkpoint.checkpoint, use_reentrant=reentrant)
    with watch(module, every=1) as watched:
        run(lambda read: module(read)[0], inputs)[-1].sum().backward()
    wanted = gradient_decay(record(module, inputs, lambda output: output[-1].sum(-1)))
    assert watched.backwards == 1
    assert np.allclose(watched.history[0].decay.relative, wanted.relative, rtol=1e-6)


def test_a_call_within_a_function_transform_is_skipped_with_a_reason():
    module, inputs = nn.GRU(3, 6), torch.randn(12, 5, 3)
    weights = {name: weight.detach() for name, weight in module.named_parameters()}

    def loss(weights):
        return torch.func.functional_call(module, weights, (inputs,))[0][-1].sum()

    wanted = torch.func.grad(loss)(weights)
    with watch(module, every=1) as watched:
        found = torch.func.grad(loss)(weights)
    assert all(torch.equal(wanted[name], found[name]) for name in weights)
    assert len(watched.history) + sum(watched.skipped.values()) == 1
