"""record against autograd through torch's own cells, and what it leaves alone, accepts and refuses."""

import random
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from analysis import record

D, H, B, T = 3, 5, 4, 6
KINDS = {
    "rnn": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (nn.LSTM, {}),
    "gru": (nn.GRU, {}),
}
LAYOUTS = {  # batch_first, axes of the inputs
    "time first": (False, 3),
    "batch first": (True, 3),
    "one sequence": (False, 2),
    "one, batch first": (True, 2),
}
LOSSES = {
    "none": None,
    "per sample": lambda output: output.sin().sum((0, 2)),
    "scalar": lambda output: output.sin().sum(),
    "last": lambda output: output[-1].square().sum(),
}


def build(kind, layers=1, seed=0, **settings):
    made, own = KINDS[kind]
    torch.manual_seed(seed)
    module = made(D, H, layers, **own, **settings)
    for parameter in module.parameters():
        parameter.data.mul_(1.5)
    return module


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_cells(module, x, state, loss):
    """h, ∂ℓ/∂h, c, ∂ℓ/∂c, (L, T, B, H), and ∂ℓ/∂x, through nn.RNNCell and the like: x (T, B, D)."""
    lstm = isinstance(module, nn.LSTM)
    cells = []
    for k in range(module.num_layers):
        settings = {"bias": module.bias, "dtype": torch.float64}
        if isinstance(module, nn.RNN):
            settings["nonlinearity"] = module.nonlinearity
        made = {nn.RNN: nn.RNNCell, nn.LSTM: nn.LSTMCell, nn.GRU: nn.GRUCell}[type(module)]
        cells.append(made(D if k == 0 else H, H, **settings))
        for name, parameter in cells[-1].named_parameters():
            parameter.data.copy_(module.get_parameter(f"{name}_l{k}"))
    x = x.clone().requires_grad_()
    read, kept = list(x), []
    for k, cell in enumerate(cells):
        now = tuple(part[k] for part in state)
        kept.append([])
        for t in range(len(x)):
            new = cell(read[t], now if lstm else now[0])
            now = new if lstm else (new,)
            for part in now:
                part.retain_grad()
            kept[-1].append(now)
        read = [parts[0] for parts in kept[-1]]
    loss(torch.stack(read)).sum().backward()
    found = {"input_grad": x.grad}
    for p, name in enumerate(("hidden", "cell")[: 1 + lstm]):
        found[name] = torch.stack([torch.stack([parts[p] for parts in layer]) for layer in kept]).detach()
        grads = [[parts[p].grad for parts in layer] for layer in kept]  # None where nothing reads a state
        zero = torch.zeros_like(found[name][0, 0])
        found[f"{name}_grad"] = torch.stack([torch.stack([zero if g is None else g for g in row]) for row in grads])
    return found


def agree(tape, wanted, s=0):
    for name, array in wanted.items():
        found = torch.tensor(getattr(tape, name)[s])
        assert found.shape == array.shape, name
        assert (found - array).abs().max() <= 1e-9 * array.abs().max(), name


VARIANTS = [  # kind, layers, bias, layout, initial state
    *product(KINDS, (1, 2, 3), [True], LAYOUTS, ["zero", "given"]),
    *product(KINDS, (1, 2), [False], ["time first"], ["zero", "given"]),
]


@pytest.mark.parametrize(("kind", "layers", "bias", "layout", "start"), VARIANTS)
def test_a_tape_equals_autograd(kind, layers, bias, layout, start):
    batch_first, axes = LAYOUTS[layout]
    module = build(kind, layers, bias=bias, batch_first=batch_first)
    batch = B if axes == 3 else 1
    x = draw(T, batch, D)
    state = [draw(layers, batch, H, seed=k + 1) * (start == "given") for k in range(1 + (kind == "lstm"))]
    own = [part.squeeze(1) if axes == 2 else part for part in state]
    given = None if start == "zero" else tuple(own) if kind == "lstm" else own[0]
    inputs = x.squeeze(1) if axes == 2 else x.transpose(0, 1) if batch_first else x
    layouts = []

    def loss(output):
        layouts.append(output.shape)
        return output.sin().sum()

    tape = record(module, inputs, loss, state=given)
    output, _ = module.double()(inputs, given)
    assert layouts == [output.shape]
    agree(tape, by_cells(module, x, state, lambda output: output.sin()))
    assert tape.hidden.shape == (1, layers, T, batch, H)
    assert tape.input_grad.shape == (1, T, batch, D)
    assert tape.weight_grad.shape == (1, layers, T, batch)
    assert tape.model == module.mode.lower()[:4].rstrip("_")
    assert tape.activation == ("relu" if kind == "relu" else "tanh")
    assert tape.loss_steps == tuple(range(T))
    assert (tape.cell is None) == (kind != "lstm")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("at", "steps"), [(None, range(T)), (0, [0]), (T - 1, [T - 1]), (-1, [T - 1]), (-T, [0]), (2, [2])]
)
def test_at_keeps_one_steps_share(kind, at, steps):
    module, x = build(kind, 2), draw(T, B, D)
    with torch.no_grad():
        output, _ = build(kind, 2).double()(x)
    grad = torch.zeros_like(output)
    grad[list(steps)] = (output.cos() * output[0])[list(steps)]  # of a loss that mixes steps
    grad[0] += output.sin().sum(0) * (0 in steps)
    tape = record(module, x, lambda output: (output.sin() * output[0]).sum(), at=at)
    zero = [torch.zeros(2, B, H, dtype=torch.float64)] * (1 + (kind == "lstm"))
    agree(tape, by_cells(module, x, zero, lambda output: output * grad))
    assert tape.loss_steps == tuple(steps)


@pytest.mark.parametrize(("kind", "name"), list(product(KINDS, LOSSES)))
def test_modules_together_are_each_alone(kind, name):
    modules, x = [build(kind, 2, seed=s) for s in range(3)], draw(T, B, D)
    together = record(modules, x, LOSSES[name])
    for s, module in enumerate(modules):
        alone = record(module, x, LOSSES[name])
        for array in ("hidden", "hidden_grad", "input_grad", "weight_grad"):
            wanted = getattr(alone, array)[0]
            np.testing.assert_allclose(getattr(together, array)[s], wanted, rtol=0, atol=1e-12 * abs(wanted).max())
    assert record(nn.ModuleList(modules), x, LOSSES[name]) == record(tuple(modules), x, LOSSES[name]) == together


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_per_sample_is_its_sum(kind):
    module, x = build(kind), draw(T, B, D)
    assert record(module, x, LOSSES["per sample"]) == record(module, x, LOSSES["scalar"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_loss_is_one_direction_for_all(kind):
    modules = [build(kind, seed=s) for s in range(3)]
    tape = record(modules, draw(T, B, D))
    last = tape.hidden_grad[:, -1, -1]  # (S, B, H)
    assert tape.loss_steps == (T - 1,)
    np.testing.assert_array_equal(last, np.broadcast_to(last[0, 0], last.shape))
    assert np.linalg.norm(last[0, 0]) == pytest.approx(1)
    direction = torch.tensor(last[0, 0])
    assert record(modules, draw(T, B, D), lambda output: output[-1] @ direction) == tape
    assert record(modules, draw(T, B, D), seed=0) == tape
    assert record(modules, draw(T, B, D), seed=1) != tape
    np.testing.assert_array_equal(record(build("gru"), draw(9, 2, D)).hidden_grad[0, 0, -1, 0], last[0, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_recorded_isnt_overwritten_by_the_next(kind):
    module = build(kind)
    tape = record(module, draw(T, B, D))
    hidden, grad = tape.hidden.copy(), tape.hidden_grad.copy()
    record(module, draw(T, B, D, seed=7))
    np.testing.assert_array_equal(tape.hidden, hidden)
    np.testing.assert_array_equal(tape.hidden_grad, grad)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_the_module_and_the_world_stay_as_they_were(kind, training):
    module = build(kind, 2, dropout=0.5).train(training)
    next(module.parameters()).requires_grad_(False)
    x = draw(T, B, D).requires_grad_()
    for k, parameter in enumerate(module.parameters()):
        parameter.grad = torch.full_like(parameter, float(k)) if k % 2 else None

    def world():
        return [
            [p.detach().clone() for p in module.parameters()],
            [None if p.grad is None else p.grad.clone() for p in module.parameters()],
            [p.requires_grad for p in module.parameters()],
            [p.dtype for p in module.parameters()],
            [p.data_ptr() for p in module.parameters()],
            (module.training, module.dropout, x.grad, torch.is_grad_enabled(), torch.get_default_dtype()),
            torch.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),
            random.getstate(),
            torch.get_num_threads(),
        ]

    before = world()
    record(module, x)
    record(module, x, LOSSES["scalar"], at=0)
    after = world()
    for found, wanted in zip(after[:2], before[:2], strict=True):
        assert all(a is b is None or torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert after[2:] == before[2:]


def test_threads_are_given_back_after_an_error():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            record(build("gru"), draw(T, B, D), lambda output: 1 / 0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("name", ["none", "scalar"])
@pytest.mark.parametrize("kind", KINDS)
def test_works_in_any_mode(kind, name):
    module, x = build(kind, 2), draw(T, B, D)
    wanted = record(module, x, LOSSES[name])
    with torch.no_grad():
        assert record(module.eval(), x, LOSSES[name]) == wanted
    with torch.inference_mode():
        assert record(module, x, LOSSES[name]) == wanted
        assert record(module, x.clone(), LOSSES[name]) == wanted  # an inference tensor
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    assert record(module, x, LOSSES[name]) == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_another_dtype_computes_in_it(kind):
    module, x = build(kind), draw(T, B, D).float()
    seen = []
    single = record(module, x, lambda output: seen.append(output.dtype) or output.sum(), dtype=torch.float32)
    double = record(module, x, lambda output: seen.append(output.dtype) or output.sum())
    assert seen == [torch.float32, torch.float64]
    assert (single.hidden.dtype, double.hidden.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(single.hidden_grad, double.hidden_grad, atol=1e-5)
    output, _ = module(x)
    np.testing.assert_allclose(single.hidden[0, -1], output.detach(), atol=1e-6)


def test_inputs_of_whole_numbers_are_read_as_numbers():
    x = torch.arange(T * B * D).view(T, B, D) % 3
    assert record(build("gru"), x) == record(build("gru"), x.double())


@pytest.mark.parametrize("name", ["weight_hh_l0", "weight_ih_l0", "bias_hh_l0"])
def test_a_parametrized_module_is_read_as_it_computes(name):
    module, x = build("gru"), draw(T, B, D)
    plain = build("gru")
    nn.utils.parametrizations.weight_norm(module, name, dim=0 if "weight" in name else None)
    tape, wanted = record(module, x), record(plain, x)
    np.testing.assert_allclose(tape.hidden_grad, wanted.hidden_grad, atol=1e-6)


def test_an_array_is_inputs():
    x = draw(T, B, D)
    assert record(build("gru"), x.numpy()) == record(build("gru"), x)
    assert record(build("gru"), x.float().numpy()[:, ::-1]) == record(build("gru"), x.float().flip(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_loss_with_a_head_is_called_in_its_precision(dtype):
    """A head in float32 can't take the engine's float64; what follows from its gradient is in float64 again."""
    module = build("lstm").to(dtype)
    head, x, targets = nn.Linear(H, 3).to(dtype), draw(T, B, D), torch.tensor([0, 1, 2, 0])
    seen = []

    def loss(output):
        seen.append(output.dtype)
        return nn.functional.cross_entropy(head(output[-1]), targets, reduction="none")

    tape = record(module, x, loss)
    assert seen[-1] == dtype
    assert tape.hidden_grad.dtype == np.float64
    wanted = record(module, x, lambda output: nn.functional.cross_entropy(
        nn.functional.linear(output[-1], head.weight.double(), head.bias.double()), targets, reduction="none"
    ))  # fmt: skip
    scale = np.abs(wanted.hidden_grad).max()
    np.testing.assert_allclose(tape.hidden_grad, wanted.hidden_grad, rtol=0, atol=1e-6 * scale)
    vector = torch.tensor(tape.hidden_grad[0, -1, -1])
    again = record(module, x, lambda output: (output[-1] * vector).sum())  # the same gradient at the output
    np.testing.assert_array_equal(again.cell_grad, tape.cell_grad)


def test_a_state_as_a_list_is_a_state():
    state = [draw(1, B, H), draw(1, B, H, seed=1)]
    arrays = [part.numpy() for part in state]
    assert record(build("lstm"), draw(T, B, D), state=arrays) == record(build("lstm"), draw(T, B, D), state=state)
    assert record(build("lstm"), draw(T, B, D), state=state) == record(build("lstm"), draw(T, B, D), state=tuple(state))


def test_small_states_keep_their_digits():
    """One impulse, then nothing: the state of an RNN shrinks by many orders, each as exact as the first."""
    torch.manual_seed(0)
    module, inputs = nn.RNN(2, 8, bias=False).double(), torch.zeros(60, 1, 2, dtype=torch.float64)
    inputs[0] = 1
    wanted = module(inputs)[0].detach().numpy()
    assert np.abs(wanted[-1]).max() < 1e-6 * np.abs(wanted[0]).max()
    found = record(module, inputs).hidden[0, 0]
    assert (np.abs(found - wanted).max(-1) <= 1e-12 * np.abs(wanted).max(-1)).all()
