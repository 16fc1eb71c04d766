"""Every gradient of every cell, against autograd through the textbook's equations and by finite differences."""

from itertools import product

import pytest
import torch
from torch import nn

from analysis.engine.unroll import Unroll
from tests.helpers.modules import CELLS

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "identity": lambda x: x}
CASES = list(product(CELLS, ACTIVATIONS, (1, 2, 3), ("last", "every")))
GATES = {"rnn": (), "lstm": ("input", "forget", "candidate", "output"), "gru": ("reset", "update", "candidate")}
MODULES = {
    ("rnn", "tanh"): nn.RNN,
    ("rnn", "relu"): lambda *sizes, **kw: nn.RNN(*sizes, nonlinearity="relu", **kw),
    ("lstm", "tanh"): nn.LSTM,
    ("gru", "tanh"): nn.GRU,
}
S, T, B, D, H = 2, 7, 3, 2, 5


def case(cell, activation, layers, S=S, T=T, B=B, D=D, H=H, seed=0):
    """Weights, inputs (T, S, B, D), initial states and what the loss multiplies each output with, (T, S, H, B)."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    rows = max(1, len(GATES[cell])) * H
    weights = {}
    for k in range(layers):
        weights[f"weight_ih_l{k}"] = normal(S, rows, H if k else D) * 0.7
        weights[f"weight_hh_l{k}"] = normal(S, rows, H) * 0.5
        weights[f"bias_ih_l{k}"], weights[f"bias_hh_l{k}"] = normal(S, rows) * 0.3, normal(S, rows) * 0.3
    states = [tuple(normal(S, H, B) for _ in range(2 if cell == "lstm" else 1)) for _ in range(layers)]
    return weights, normal(T, S, B, D), states, normal(T, S, H, B)


def step(cell, φ, W_ih, W_hh, b_ih, b_hh, x, h, c=None):
    """One step as torch documents it, for x (B, D), h and c (B, H); W_hh has a copy per sample, (B, GH, H)."""
    by_input, by_hidden = x @ W_ih.T + b_ih, torch.einsum("bgh,bh->bg", W_hh, h) + b_hh
    if cell == "rnn":
        return φ(by_input + by_hidden), None, ()
    if cell == "lstm":
        i, f, g, o = (by_input + by_hidden).chunk(4, dim=1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), φ(g), o.sigmoid()
        c = f * c + i * g
        return o * φ(c), c, (i, f, g, o)
    (ir, iz, i_n), (hr, hz, hn) = by_input.chunk(3, dim=1), by_hidden.chunk(3, dim=1)
    r, z = (ir + hr).sigmoid(), (iz + hz).sigmoid()
    n = φ(i_n + r * hn)
    return (1 - z) * n + z * h, None, (r, z, n)


def stacked(table):
    return torch.stack([torch.stack(row) for row in table])


def state_grads(table):  # a state that nothing reads has no gradient at all
    return stacked([[torch.zeros_like(p) if p.grad is None else p.grad for p in row] for row in table])


def textbook(cell, activation, weights, s, inputs, states, output_grad):
    """Model s by autograd: every array of a tape, (L, T, B, H) or (T, B, D), and the weights' gradients."""
    φ, layers = ACTIVATIONS[activation], len(states)
    T, _, B, _ = inputs.shape
    own = {name: weight[s].clone().requires_grad_() for name, weight in weights.items()}
    # A leaf of W_hh for each layer, step and sample: its gradient is what that step adds in that sample.
    recurrent = [
        [own[f"weight_hh_l{k}"].detach().repeat(B, 1, 1).requires_grad_() for _ in range(T)] for k in range(layers)
    ]
    x = inputs[:, s].clone().requires_grad_()
    start = [tuple(part[s].mT.clone().requires_grad_() for part in state) for state in states]
    hidden, cells, gates = ([[] for _ in range(layers)] for _ in range(3))
    read = list(x.unbind(0))
    for k in range(layers):
        state = start[k]
        for t in range(T):
            *new, gate = step(
                cell, φ, own[f"weight_ih_l{k}"], recurrent[k][t], own[f"bias_ih_l{k}"], own[f"bias_hh_l{k}"],
                read[t], *state,
            )  # fmt: skip
            state = tuple(part for part in new if part is not None)
            for part in state:
                part.retain_grad()  # h's consumers leave c out; c's include h of the same step
            hidden[k].append(state[0])
            cells[k].extend(state[1:])
            gates[k].append(gate)
        read = hidden[k]
    loss = sum((h.mT * grad).sum() for h, grad in zip(hidden[-1], output_grad[:, s], strict=True))
    loss.backward()
    found = {
        "hidden": stacked(hidden),
        "hidden_grad": state_grads(hidden),
        "input_grad": x.grad,
        "weight_grad": stacked([[W.grad.flatten(1).norm(dim=1) for W in row] for row in recurrent]),
        "start_grad": start,
    }
    if cell == "lstm":
        found |= {"cell": stacked(cells), "cell_grad": state_grads(cells)}
    for g, name in enumerate(GATES[cell]):
        found[name] = stacked([[gate[g] for gate in row] for row in gates])
    for k in range(layers):
        own[f"weight_hh_l{k}"].grad = sum(W.grad.sum(0) for W in recurrent[k])
    found["weights"] = {name: weight.grad for name, weight in own.items()}
    return found


def run(cell, activation, weights, inputs, states, output_grad):
    T, _, B, _ = inputs.shape
    unroll = Unroll(cell, activation, weights, T, B)
    unroll.start(states)
    unroll.forward(inputs)
    unroll.backward(output_grad, by_weights=True)
    return unroll


def close(found, wanted, tolerance=1e-9):
    """To `tolerance` relative to the largest entry."""
    found, wanted = torch.as_tensor(found), torch.as_tensor(wanted).detach()
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() <= tolerance * wanted.abs().max()


@pytest.mark.parametrize(("cell", "activation", "layers", "steps"), CASES)
def test_everything_on_the_tape_equals_autograd_through_the_textbook(cell, activation, layers, steps):
    weights, inputs, states, output_grad = case(cell, activation, layers)
    if steps == "last":
        output_grad[:-1] = 0
    unroll = run(cell, activation, weights, inputs, states, output_grad[-1] if steps == "last" else output_grad)
    tape = unroll.tape()
    assert list(tape.gates) == list(GATES[cell])
    for s in range(S):
        wanted = textbook(cell, activation, weights, s, inputs, states, output_grad)
        assert wanted["input_grad"].abs().min() > 0 or activation == "relu"  # nothing compares zeros
        for name in ("hidden", "hidden_grad", "input_grad", "weight_grad", "cell", "cell_grad"):
            if name in wanted:
                close(getattr(tape, name)[s], wanted[name])
        for name in GATES[cell]:
            close(tape.gates[name][s], wanted[name])
        for name, grad in unroll.weight_grads().items():
            close(grad[s], wanted["weights"][name])
        for found, parts in zip(unroll.earlier(), wanted["start_grad"], strict=True):
            for own, part in zip(found, parts, strict=True):
                close(own[s], part.grad.mT)
    if cell != "lstm":
        assert tape.cell is None
        assert tape.cell_grad is None


@pytest.mark.parametrize(("cell", "activation", "layers", "steps"), CASES)
def test_gradients_equal_central_differences(cell, activation, layers, steps):
    """Along one random direction of all weights, inputs and initial states, for each of them."""
    weights, inputs, states, output_grad = case(cell, activation, layers, seed=3)
    if steps == "last":
        output_grad[:-1] = 0
    unroll = run(cell, activation, weights, inputs, states, output_grad)
    generator, ε = torch.Generator().manual_seed(1), 1e-6

    def loss(weights, inputs, states):
        forward = Unroll(cell, activation, weights, T, B, backward=False)
        forward.start(states)
        return (forward.forward(inputs) * output_grad).sum()

    def direction(tensor):
        return torch.randn(tensor.shape, generator=generator, dtype=torch.float64)

    def check(change, grads, directions):
        wanted = sum((grad * v).sum() for grad, v in zip(grads, directions, strict=True)).item()
        found = (loss(*change(ε)) - loss(*change(-ε))).item() / (2 * ε)
        assert found == pytest.approx(wanted, rel=1e-6, abs=1e-7)
        assert abs(wanted) > 1e-4

    for name, grad in unroll.weight_grads().items():
        v = direction(grad)
        check(lambda ε, name=name, v=v: ({**weights, name: weights[name] + ε * v}, inputs, states), [grad], [v])
    v = direction(inputs)
    input_grad = torch.tensor(unroll.tape().input_grad).transpose(0, 1)
    check(lambda ε: (weights, inputs + ε * v, states), [input_grad], [v])
    flat = [part for state in states for part in state]
    vs, n = list(map(direction, flat)), len(states[0])

    def moved(ε):
        parts = [part + ε * v for part, v in zip(flat, vs, strict=True)]
        return weights, inputs, [tuple(parts[k : k + n]) for k in range(0, len(parts), n)]

    check(moved, [part for state in unroll.earlier() for part in state], vs)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(("cell", "activation"), MODULES)
def test_outputs_and_gradients_equal_torchs_modules(cell, activation, layers):
    weights, inputs, states, output_grad = case(cell, activation, layers)
    unroll = run(cell, activation, weights, inputs, states, output_grad)
    for s in range(S):
        module = MODULES[cell, activation](D, H, layers).double()
        for name, parameter in module.named_parameters():
            parameter.data.copy_(weights[name][s])
        start = [torch.stack([state[p][s].mT for state in states]) for p in range(len(states[0]))]
        x = inputs[:, s].clone().requires_grad_()
        output, _ = module(x, tuple(start) if cell == "lstm" else start[0])
        (output * output_grad[:, s].mT).sum().backward()
        tape = unroll.tape()
        close(tape.hidden[s, -1], output)
        close(tape.input_grad[s], x.grad)
        for name, grad in unroll.weight_grads().items():
            close(grad[s], module.get_parameter(name).grad)


@pytest.mark.parametrize("cell", CELLS)
def test_relu_has_no_slope_where_it_is_shut(cell):
    weights, inputs, states, output_grad = case(cell, "relu", 1)
    candidate = {"rnn": slice(0, H), "lstm": slice(2 * H, 3 * H), "gru": slice(2 * H, 3 * H)}[cell]
    weights["bias_ih_l0"][:, candidate] = -1e3  # every pre-activation far below 0
    unroll = run(cell, "relu", weights, inputs, states, output_grad)
    grads = unroll.weight_grads()
    assert (grads["weight_ih_l0"][:, candidate] == 0).all()
    assert (grads["bias_ih_l0"][:, candidate] == 0).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("size", [1e3, 1e6])
def test_gates_driven_far_stay_finite_and_exact(cell, size):
    """σ and tanh saturate without overflow: σ(-1e6) is 0, and slopes there are exactly 0 rather than NaN."""
    weights, inputs, states, output_grad = case(cell, "tanh", 1)
    weights["weight_ih_l0"] *= size
    unroll = run(cell, "tanh", weights, inputs, states, output_grad)
    for s in range(S):
        wanted = textbook(cell, "tanh", weights, s, inputs, states, output_grad)
        close(unroll.tape().hidden_grad[s], wanted["hidden_grad"])
        close(unroll.tape().hidden[s], wanted["hidden"])
