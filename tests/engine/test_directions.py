"""record of bidirectional and projected modules against an autograd loop."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from analysis import gradient_decay, record
from tests.engine.test_recording import KINDS, B, D, H, T, draw
from tests.helpers.loops import agree, by_loop

P = 3
LOSSES = {
    "every step": lambda output: output.sin(),
    "last": lambda output: output[-1].square(),
    "both ends": lambda output: torch.cat([output[-1, :, : output.shape[-1] // 2], output[0]], -1).square(),
}
SHAPES = {  # settings of a module
    "both": {"bidirectional": True},
    "projected": {"proj_size": P},
    "both, projected": {"bidirectional": True, "proj_size": P},
}
CASES = [
    (kind, shape, layers, bias, start)
    for kind, shape, layers, bias, start in product(KINDS, SHAPES, (1, 2, 3), (True, False), ("zero", "given"))
    if kind == "lstm" or "projected" not in shape
]


def build(kind, layers=1, seed=0, **settings):
    made, own = KINDS[kind]
    torch.manual_seed(seed)
    module = made(D, H, layers, **own, **settings).double()
    for parameter in module.parameters():
        parameter.data.mul_(1.5)
    return module


def initial(module, batch=B):
    """A state (h0,) or (h0, c0) for each layer and direction."""
    count = module.num_layers * (1 + module.bidirectional)
    sizes = [module.proj_size or module.hidden_size, module.hidden_size][: 1 + isinstance(module, nn.LSTM)]
    return tuple(draw(count, batch, size, seed=9 + k) for k, size in enumerate(sizes))


def summed(loss):
    return lambda output: loss(output).sum()


def as_given(state):
    return state if len(state) == 2 else state[0]


@pytest.mark.parametrize(("kind", "shape", "layers", "bias", "start"), CASES)
def test_a_tape_equals_autograd(kind, shape, layers, bias, start):
    module, x = build(kind, layers, bias=bias, **SHAPES[shape]), draw(T, B, D)
    state = None if start == "zero" else initial(module)
    directions = ["forward", "backward"][: 1 + module.bidirectional]
    for name, direction in product(LOSSES, directions):
        tape = record(module, x, summed(LOSSES[name]), state=state and as_given(state), direction=direction)
        agree(tape, by_loop(module, x, LOSSES[name], state=state, direction=direction))


@pytest.mark.parametrize("kind", KINDS)
def test_the_output_is_the_modules_own_in_its_layout(kind):
    module, x = build(kind, 2, bidirectional=True, batch_first=True), draw(B, T, D)
    seen = []
    tape = record(module, x, lambda output: seen.append(output) or output.square().sum())
    torch.testing.assert_close(seen[0], module(x)[0], rtol=1e-12, atol=1e-14)
    agree(tape, by_loop(module, x.transpose(0, 1), lambda output: output.square()))
    agree(record(module, x[1], lambda output: output.square().sum()),
          by_loop(module, x[1][:, None], lambda output: output.square()))  # fmt: skip


@pytest.mark.parametrize(("direction", "at"), list(product(("forward", "backward"), (-1, 0, 2, -T))))
def test_at_counts_in_the_direction_of_reading(direction, at):
    module, x = build("gru", 2, bidirectional=True), draw(T, B, D)
    step = at % T if direction == "forward" else T - 1 - at % T
    tape = record(module, x, lambda output: output.sin().sum(), at=at, direction=direction)
    agree(tape, by_loop(module, x, lambda output: output[step].sin(), direction=direction))
    assert tape.loss_steps == (at % T,)


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_loss_is_where_the_direction_ends(kind):
    module, x = build(kind, 2, bidirectional=True), draw(T, B, D)
    vector = torch.tensor(record(build(kind), x).hidden_grad[0, 0, -1, 0])
    agree(record(module, x), by_loop(module, x, lambda output: output[-1, :, :H] @ vector))
    backward = record(module, x, direction="backward")
    agree(backward, by_loop(module, x, lambda output: output[0, :, H:] @ vector, direction="backward"))
    assert backward.loss_steps == (T - 1,)


def test_the_last_output_holds_the_backward_direction_after_one_time_step():
    """Who reads output[-1] reads a backward state that has seen the last input alone."""
    module, x = build("lstm", bidirectional=True), draw(T, B, D)
    assert record(module, x, lambda output: output[-1].sum(), direction="backward").loss_steps == (0,)
    whole = record(module, x, lambda output: output[-1].sum(), direction="forward")
    assert gradient_decay(whole).distance[-1] == T - 1


def test_a_direction_backward_is_a_module_that_reads_backwards():
    module, x = build("gru", bidirectional=True), draw(T, B, D)
    alone = nn.GRU(D, H).double()
    alone.load_state_dict({name.removesuffix("_reverse"): value for name, value in module.state_dict().items()
                           if name.endswith("_reverse")})  # fmt: skip
    found, wanted = record(module, x, direction="backward"), record(alone, x.flip(0))
    for name in ("hidden", "hidden_grad", "weight_grad", "input_grad"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(gradient_decay(found).relative, gradient_decay(wanted).relative, rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_modules_together_are_each_alone(shape):
    modules, x = [build("lstm", 2, seed=s, **SHAPES[shape]) for s in range(3)], draw(T, B, D)
    together = record(modules, x, lambda output: output[-1].square().sum())
    for s, module in enumerate(modules):
        agree(together, by_loop(module, x, LOSSES["last"]), s)


@pytest.mark.parametrize("shape", SHAPES)
def test_weight_shares_are_the_norms_of_what_each_step_adds(shape):
    """By finite sums: the share of the only step of a sequence with a given state is the norm of its gradient."""
    module = build("lstm", **SHAPES[shape])
    state = initial(module, 1)
    x = draw(1, 1, D)
    tape = record(module, x, lambda output: output.square().sum(), state=state)
    module(x, state)[0].square().sum().backward()
    assert tape.weight_grad[0, 0, 0, 0] == pytest.approx(module.weight_hh_l0.grad.norm().item(), rel=1e-12)


REFUSED = {
    "direction": (lambda: nn.GRU(D, H), {"direction": "both"}, "direction='both': expected forward or backward"),
    "backward": (
        lambda: nn.GRU(D, H), {"direction": "backward"}, r"reads forward alone, expected bidirectional=True"
    ),
    "state of both": (
        lambda: nn.GRU(D, H, bidirectional=True), {"state": torch.zeros(1, B, H)},
        r"state of shape \(1, 4, 5\): expected \(2, 4, 5\)",
    ),
    "projected state": (
        lambda: nn.LSTM(D, H, proj_size=P), {"state": (torch.zeros(1, B, H), torch.zeros(1, B, H))},
        r"expected \(h0, c0\), \(1, 4, 3\) and \(1, 4, 5\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_named(case):
    module, settings, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        record(module(), torch.zeros(T, B, D), **settings)
