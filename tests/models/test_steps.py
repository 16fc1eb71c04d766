"""record_steps: cells of one's own against `record`, against an autograd loop, and against closed forms."""

import doctest
import random

import numpy as np
import pytest
import torch
from torch import nn

import analysis
from analysis import activation_bounds, carry_decay, gate_saturation, gradient_decay, record, record_steps
from analysis.figures import bounds, decay, gates
from analysis.measures.gates import gate_sample
from analysis.models import steps
from analysis.report.documents import to_json
from tests.helpers.modules import MODULES
from tests.helpers.steps import CELLS, B, D, H, T, draw, min_gru, norm_lstm, step_of

LOSSES = {
    "none": None,
    "per sample": lambda output: output.sin().sum((0, 2)),
    "scalar": lambda output: output.sin().sum(),
    "one step": lambda output: output[4].square().sum(),
    "two steps": lambda output: (output[2] * output[6]).sum(),
}


def close(found, wanted, name=""):
    assert found.shape == wanted.shape, name
    assert np.abs(found - wanted).max() <= 1e-9 * np.abs(wanted).max(), name


@pytest.mark.parametrize("start", ["zero", "given"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("cell", MODULES)
def test_a_module_written_as_a_step_is_the_module(cell, loss, start):
    torch.manual_seed(0)
    module, x = MODULES[cell](D, H).double(), draw(T, B, D)
    parts = tuple(draw(B, H, seed=k + 1) * (start == "given") for k in range(1 + (cell == "lstm")))
    lifted = tuple(part[None] for part in parts)
    wanted = record(module, x, LOSSES[loss], state=lifted if cell == "lstm" else lifted[0])
    found = record_steps(step_of(cell, module), x, parts if cell == "lstm" else parts[0], LOSSES[loss])
    for name in ("hidden", "hidden_grad", "input_grad", *(("cell", "cell_grad") if cell == "lstm" else ())):
        close(getattr(found, name), getattr(wanted, name), name)
    assert list(found.gates) == list(wanted.gates)
    for name, gate in wanted.gates.items():
        close(found.gates[name], gate, name)
    for name in ("loss_steps", "keep_gate", "ranges"):
        assert getattr(found, name) == getattr(wanted, name)
    np.testing.assert_array_equal(found.lengths, wanted.lengths)
    if len(wanted.loss_steps) == 1:
        for of in ("memory", "hidden", "input"):
            ours, theirs = gradient_decay(found, of), gradient_decay(wanted, of)
            close(ours.relatives, theirs.relatives, of)
            assert ours.rate == pytest.approx(theirs.rate, rel=1e-9)
            assert ours.horizon == theirs.horizon
        if cell != "rnn":
            close(carry_decay(found).relative, carry_decay(wanted).relative)


def by_loop(step, x, state, loss):
    """States and ∂ℓ/∂state, by part (T, B, H), and ∂ℓ/∂x, through a plain loop with `retain_grad`."""
    x = x.clone().requires_grad_()
    lone = isinstance(state, torch.Tensor)
    now = state.clone().requires_grad_() if lone else tuple(part.clone().requires_grad_() for part in state)
    kept = []
    for column in x:
        now = step(column, now)
        now = now[0] if isinstance(now, tuple) and isinstance(now[1], dict) else now
        kept.append((now,) if lone else now)
        for part in kept[-1]:
            part.retain_grad()
    loss(torch.stack([parts[0] for parts in kept])).sum().backward()
    found = []
    for k in range(len(kept[0])):
        grads = [torch.zeros_like(parts[k]) if parts[k].grad is None else parts[k].grad for parts in kept]
        found.append((torch.stack([parts[k] for parts in kept]).detach(), torch.stack(grads)))
    return found, x.grad


def real(tensor):
    return (torch.view_as_real(tensor).flatten(-2) if tensor.is_complex() else tensor).numpy()


@pytest.mark.parametrize("loss", [name for name in LOSSES if LOSSES[name]])
@pytest.mark.parametrize("name", CELLS)
def test_other_cells_equal_an_autograd_loop(name, loss):
    step, state, memory = CELLS[name]()
    x = draw(T, B, D, seed=5)
    tape = record_steps(step, x, state, LOSSES[loss], memory=memory)
    parts, input_grad = by_loop(step, x, state, LOSSES[loss])
    close(tape.hidden[0, 0], real(parts[0][0]))
    close(tape.hidden_grad[0, 0], real(parts[0][1]))
    assert (tape.cell is None) == (len(parts) == 1)
    if len(parts) > 1:
        close(tape.cell[0, 0], real(parts[memory][0]))
        close(tape.cell_grad[0, 0], real(parts[memory][1]))
    close(tape.input_grad[0], input_grad.numpy())


def linear(factors):
    return lambda x, h: factors * h + x @ torch.ones(D, H, dtype=x.dtype).to(factors.dtype)


@pytest.mark.parametrize("factor", [0.9, 0.5, 1.0])
def test_a_linear_ind_rnn_decays_by_its_factor(factor):
    tape = record_steps(
        linear(torch.full((H,), factor, dtype=torch.float64)), draw(30, B, D), torch.zeros(B, H).double()
    )
    found = gradient_decay(tape)
    np.testing.assert_allclose(found.relative, factor ** np.arange(30), rtol=1e-9)
    assert found.factor == pytest.approx(factor, rel=1e-9)


def test_each_unit_of_a_diagonal_recurrence_decays_by_its_own_factor():
    factors = torch.tensor([0.99, 0.9, 0.5, -0.7, 0.1], dtype=torch.float64)
    grad = record_steps(linear(factors), draw(30, B, D), torch.zeros(B, H).double()).hidden_grad[0, 0]
    wanted = factors.numpy() ** np.arange(30)[::-1, None, None]
    np.testing.assert_allclose(grad / grad[-1], np.broadcast_to(wanted, grad.shape), rtol=1e-9)


@pytest.mark.parametrize("readout", ["the complex state", "a real part"])
def test_a_complex_recurrence_decays_by_its_size_whatever_its_angle(readout):
    factors = torch.polar(torch.full((H,), 0.8, dtype=torch.float64), torch.linspace(0, 3, H).double())
    memory = linear(factors)
    x, start = draw(30, B, D), torch.zeros(B, H, dtype=torch.complex128)
    if readout == "the complex state":
        tape = record_steps(lambda x, h: memory(x.to(h.dtype), h), x, start)
        assert tape.hidden.shape == (1, 1, 30, B, 2 * H)
    else:

        def step(x, state):
            h = memory(x.to(state[1].dtype), state[1])
            return h.real, h

        tape = record_steps(step, x, (torch.zeros(B, H).double(), start))
        assert (tape.hidden.shape[-1], tape.cell.shape[-1]) == (H, 2 * H)
    np.testing.assert_allclose(gradient_decay(tape).relative, 0.8 ** np.arange(30), rtol=1e-9)


def test_the_gate_alone_carries_all_of_a_min_gru():
    """Its gates ignore the state, so that the Jacobian of a time step is the gate."""
    step, state, _ = min_gru()
    tape = record_steps(step, draw(T, B, D), state)
    assert tape.keep_gate == "update"
    close(carry_decay(tape).relative, gradient_decay(tape).relative)


def test_memory_names_the_part_that_decays():
    """A slow and a fast part, both read by the output: each decays by its own factor."""

    def step(x, state):
        slow, fast = 0.9 * state[1] + x[:, :1], 0.5 * state[2] + x[:, :1]
        return slow + 2 * fast, slow, fast

    start = (torch.zeros(B, 1).double(),) * 3
    for memory, factor in ((-1, 0.5), (2, 0.5), (1, 0.9), (-2, 0.9)):
        tape = record_steps(step, draw(T, B, D), start, memory=memory)
        np.testing.assert_allclose(gradient_decay(tape).relative, factor ** np.arange(T), rtol=1e-9)
    first = record_steps(step, draw(T, B, D), start, memory=0)
    assert first.cell is None
    np.testing.assert_array_equal(first.hidden_grad[0, 0, :-1], 0)  # no later time step reads an output


def test_a_part_that_is_passed_on_has_a_gradient_at_every_time_step():
    """A slow part that changes at every third time step alone, and is the same tensor in between."""

    def step(x, state):
        slow = 0.5 * state[1] + x[:, :1] if next(count) % 3 == 0 else state[1]
        return slow + x[:, 1:2], slow

    count = iter(range(T))
    tape = record_steps(step, draw(T, B, D), (torch.zeros(B, 1).double(),) * 2)
    np.testing.assert_allclose(gradient_decay(tape).relative, 0.5 ** np.array([0, 0, 0, 1, 1, 1, 2, 2, 2]), rtol=1e-9)


def test_a_delay_line_has_a_gradient_in_each_of_its_parts():
    def step(x, state):
        return 0.5 * state[1] + x, state[0]  # what it reads is two time steps old

    start = (torch.zeros(B, D).double(),) * 2
    grads = record_steps(step, draw(T, B, D), start, memory=0).hidden_grad[0, 0, :, 0]
    sizes = np.linalg.norm(grads, axis=-1)
    np.testing.assert_allclose(sizes, [0.5**4, 0, 0.5**3, 0, 0.5**2, 0, 0.5, 0, 1], atol=1e-12)


def test_a_part_returned_twice_is_output_and_memory():
    tape = record_steps(lambda x, s: (h := 0.5 * s[1] + x, h), draw(T, B, D), (torch.zeros(B, D).double(),) * 2)
    np.testing.assert_allclose(gradient_decay(tape).relative, 0.5 ** np.arange(T), rtol=1e-9)
    np.testing.assert_array_equal(tape.hidden_grad[0, 0, :-1], 0)


def test_what_record_steps_returns_is_measured_drawn_and_exported():
    step, state, _ = min_gru()
    tape = record_steps(step, draw(T, B, D), state)
    measured = [gradient_decay(tape), gate_saturation(tape), activation_bounds(tape), gate_sample(tape)]
    assert tape.ranges == {"update": (0.0, 1.0), "candidate": None}
    assert to_json(measured)
    for name in ("gru", "minGRU", "my <cell>"):
        drawn = [
            decay.decay({name: measured[0]}, carry={name: carry_decay(tape)}, spread="seeds"),
            gates.histograms({name: measured[1]}),
            gates.saturated_units({name: measured[1]}),
            gates.sample_map({name: measured[3]}),
            gates.sample_mean({name: measured[3]}),
            bounds.sizes({name: measured[2]}),
            bounds.growth({name: measured[0]}),
        ]
        assert all(figure.data for figure in drawn)


def test_gates_without_one_that_keeps_are_drawn_too():
    def step(x, h):
        i = x.sigmoid()
        return 0.5 * h + i, {"input": i}

    tape = record_steps(step, draw(T, B, D), torch.zeros(B, D).double())
    sample = gate_sample(tape)
    np.testing.assert_array_equal(sample.units, range(D))
    np.testing.assert_allclose(sample.gates["input"], draw(T, B, D)[:, 0].sigmoid())
    with pytest.raises(ValueError, match=r"a tape of steps: .* a step giving one"):
        carry_decay(tape)
    with pytest.raises(ValueError, match="of='weights': this tape of steps holds no shares"):
        gradient_decay(tape, "weights")
    with pytest.raises(ValueError, match="of='cell': this tape of steps has no cell state"):
        gradient_decay(tape, "cell")


def test_a_state_that_leaves_the_finite_range_is_said_by_the_measures():
    tape = record_steps(lambda x, h: h.square() + 3, draw(12, B, D), torch.full((B, D), 2.0).double())
    assert activation_bounds(tape).overflow_step is not None
    assert gradient_decay(tape).excluded == 1


def test_gates_may_be_undefined_after_an_overflow():
    def step(x, h):
        gate = (h - h).sigmoid()  # NaN once h is infinite
        return gate * h + 1e300, {"forget": gate, "candidate": 1e300 * h}

    tape = record_steps(lambda x, h: step(x, 1e10 * h), draw(T, B, D), torch.ones(B, D).double())
    assert np.isnan(tape.gates["forget"]).any()
    assert tape.ranges == {"forget": (0.0, 1.0), "candidate": None}
    assert gate_saturation(tape)["forget"].counts.sum() < tape.hidden.size


def test_a_long_sequence_is_recorded():
    found = gradient_decay(record_steps(lambda x, h: 0.999 * h + x, draw(20_000, 1, 1), torch.zeros(1, 1).double()))
    assert found.factor == pytest.approx(0.999, rel=1e-9)
    assert found.horizon == 4602  # ln .01 / ln .999


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_state_gives_the_precision(dtype):
    seen = []

    def step(x, h):
        seen.append(x.dtype)
        return 0.5 * h + x

    tape = record_steps(step, torch.arange(T * B * D).view(T, B, D) % 3, torch.zeros(B, D, dtype=dtype))
    assert set(seen) == {dtype}
    assert tape.hidden.dtype == tape.input_grad.dtype == np.dtype(str(dtype).removeprefix("torch."))


def test_the_callers_things_and_the_world_stay_as_they_were():
    torch.manual_seed(3)
    module = nn.GRUCell(D, H).double()
    dropout = nn.Dropout(0.5)
    for k, parameter in enumerate(module.parameters()):
        parameter.grad = torch.full_like(parameter, float(k)) if k % 2 else None
    x, state = draw(T, B, D).requires_grad_(), draw(B, H).requires_grad_()
    calls = []
    for parameter in module.parameters():
        parameter.register_hook(calls.append)

    def world():
        return [
            [p.detach().tolist() for p in module.parameters()],
            [None if p.grad is None else p.grad.tolist() for p in module.parameters()],
            (x.tolist(), state.tolist(), x.grad, state.grad, x._backward_hooks, module._forward_hooks),
            (torch.is_grad_enabled(), torch.get_num_threads(), torch.get_rng_state().tolist()),
            (np.random.get_state()[1].tolist(), random.getstate()),
        ]

    before = world()
    record_steps(lambda x, h: module(dropout(x), h), x, state)
    assert world() == before
    assert not calls
    with pytest.raises(ZeroDivisionError):
        record_steps(lambda x, h: module(dropout(x), h), x, state, lambda output: 1 / 0)
    assert world() == before


def test_works_in_any_mode_and_with_frozen_weights():
    step, state, _ = norm_lstm()
    x = draw(T, B, D)
    wanted = record_steps(step, x, state)
    with torch.no_grad():
        assert record_steps(step, x, state) == wanted
    with torch.inference_mode():
        assert record_steps(step, x.clone(), tuple(part.clone() for part in state)) == wanted
    cell = nn.RNNCell(D, H).double()
    wanted = record_steps(cell, x, state[0])
    assert record_steps(cell.requires_grad_(False), x, state[0]) == wanted


def test_a_step_that_reads_no_input_is_recorded():
    tape = record_steps(lambda x, h: 0.5 * h, draw(T, B, D), draw(B, H))
    np.testing.assert_array_equal(tape.input_grad, np.zeros((1, T, B, D)))
    np.testing.assert_allclose(gradient_decay(tape).relative, 0.5 ** np.arange(T), rtol=1e-9)


def test_a_loss_without_gradient_is_a_tape_of_zeros():
    tape = record_steps(lambda x, h: 0.5 * h + x, draw(T, B, D), draw(B, D), lambda output: 0 * output.sum())
    assert tape.loss_steps == ()
    assert not tape.hidden_grad.any()
    assert not tape.input_grad.any()


def test_the_public_name():
    assert analysis.record_steps is record_steps
    assert "record_steps" in analysis.__all__


def test_examples_in_the_docstrings():
    failed, tried = doctest.testmod(steps)
    assert (failed, tried > 3) == (0, True)
