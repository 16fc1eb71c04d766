"""What record_steps refuses, and how it names what it got and what it accepts."""

import numpy as np
import pytest
import torch
from torch import nn

from analysis import record_steps
from analysis.models.steps import IN_PLACE

D, H, B, T = 3, 3, 4, 6
X = torch.randn(T, B, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
H0 = torch.zeros(B, H, dtype=torch.float64)
C0 = torch.zeros(B, H, dtype=torch.complex128)


def leak(x, h):
    """A step that does nothing wrong."""
    return 0.5 * h + x


def holding(value, *place):
    wrong = X.clone()
    wrong[place] = value
    return wrong


GIVEN = {  # step, inputs, state, further arguments, what is raised and what it says
    "no step": ("lstm", X, H0, {}, TypeError, r"step=str: expected a function step\(x_t, state\) -> state"),
    "array": (leak, X.numpy(), H0, {}, TypeError, r"inputs=ndarray: expected a tensor \(T, B, D\)"),
    "packed": (
        leak, nn.utils.rnn.pack_sequence([X[:, 0], X[:3, 0]]), H0, {}, TypeError, "inputs=PackedSequence: expected"
    ),
    "one sequence": (leak, X[:, 0], H0, {}, ValueError, r"inputs of \(6, 3\) in float64: expected real .*\(T, B, D\)"),
    "no time step": (leak, X[:0], H0, {}, ValueError, r"inputs of \(0, 4, 3\) in float64: expected"),
    "complex": (leak, X + 1j, H0, {}, ValueError, r"inputs of \(6, 4, 3\) in complex128: expected real numbers"),
    "nan": (
        leak, holding(np.nan, 3, 1, 2), H0, {}, ValueError,
        r"inputs: nan at \(3, 1, 2\) \(time step, sequence, input\): expected finite numbers",
    ),
    "inf": (leak, holding(-np.inf, 0, 0, 1), H0, {}, ValueError, r"inputs: -inf at \(0, 0, 1\)"),
    "too large": (leak, holding(1e300, 2, 0, 1), H0.float(), {}, ValueError, r"inputs: inf at \(2, 0, 1\)"),
    "no state": (leak, X, None, {}, TypeError, r"state: NoneType: expected a tensor \(B, H\), or a tuple of them"),
    "empty state": (leak, X, (), {}, TypeError, "state: no tensor: expected"),
    "state in part": (leak, X, (H0, None), {}, TypeError, r"state: \(4, 3\) in float64 and NoneType: expected"),
    "batch": (
        leak, X, torch.zeros(5, H).double(), {}, ValueError,
        r"part 0 of the state: \(5, 3\) in float64: expected \(4, H\), B = 4 as in the inputs \(6, 4, 3\)",
    ),
    "batch of a part": (leak, X, (H0, H0[:2]), {}, ValueError, r"part 1 of the state: \(2, 3\) in float64: expected"),
    "layers": (leak, X, H0[None], {}, ValueError, r"part 0 of the state: \(1, 4, 3\) in float64: expected \(4, H\)"),
    "no unit": (leak, X, H0[:, :0], {}, ValueError, r"part 0 of the state: \(4, 0\) in float64: expected"),
    "whole": (leak, X, H0.long(), {}, ValueError, "in int64: expected .* in float32, float64, complex64 or complex128"),
    "half": (leak, X, H0.half(), {}, ValueError, "in float16: expected .* in float32, float64"),
    "precisions": (leak, X, (H0, H0.float()), {}, ValueError, "float64 and .* float32: expected one precision"),
    "state of nan": (
        leak, X, H0.clone().index_put((torch.tensor(1), torch.tensor(2)), torch.tensor(np.nan).double()), {},
        ValueError, r"part 0 of the state: nan at \(1, 2\) \(sequence, unit\): expected finite",
    ),
    "memory": (leak, X, H0, {"memory": 1}, ValueError, r"memory=1: expected -1 to 0 for \(4, 3\) in float64"),
    "memory by name": (leak, X, H0, {"memory": "cell"}, ValueError, "memory='cell': expected -1 to 0"),
    "no loss": (leak, X, H0, {"loss": "mse"}, TypeError, r"loss=str: expected a function of the outputs \(T, B, H\)"),
    "loss shape": (
        leak, X, H0, {"loss": lambda output: output}, ValueError,
        r"loss returned \(6, 4, 3\): expected a loss per sample \(4,\) or their sum",
    ),
    "loss length": (leak, X, H0, {"loss": lambda output: output.sum((1, 2))}, ValueError, r"loss returned \(6,\)"),
    "loss kind": (leak, X, H0, {"loss": lambda output: 1.0}, ValueError, "loss returned float: expected"),
    "loss apart": (leak, X, H0, {"loss": lambda output: torch.zeros(())}, ValueError, "doesn't depend"),
    "complex loss": (
        lambda x, h: 0.5 * h + x, X, C0, {"loss": lambda output: output.sum()}, ValueError,
        r"loss returned numbers in torch.complex128: expected real ones",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GIVEN)
def test_what_is_given_is_named(case):
    step, inputs, state, settings, error, message = GIVEN[case]
    with pytest.raises(error, match=message):
        record_steps(step, inputs, state, **settings)


def pair(x, state):
    return leak(x, state[0]), leak(x, state[1])


def gates(**named):
    return lambda x, h: (leak(x, h), {name: make(x) for name, make in named.items()})


SOON = r"at time step 0: expected a tensor, \(4, 3\) in float64, as the state before, or that and a dict of gates"
RETURNED = {  # step, state, what the ValueError says
    "shape": (lambda x, h: leak(x, h)[:, :2], H0, rf"step returned \(4, 2\) in float64 {SOON}"),
    "batch": (lambda x, h: leak(x, h)[:2], H0, rf"step returned \(2, 3\) in float64 {SOON}"),
    "dtype": (lambda x, h: leak(x, h).float(), H0, rf"step returned \(4, 3\) in float32 {SOON}"),
    "nothing": (lambda x, h: None, H0, rf"step returned NoneType {SOON}"),
    "number": (lambda x, h: 1.0, H0, rf"step returned float {SOON}"),
    "gates alone": (lambda x, h: {"forget": h}, H0, rf"step returned dict {SOON}"),
    "a tuple": (lambda x, h: (leak(x, h),), H0, rf"step returned \(4, 3\) in float64 {SOON}"),
    "a tensor": (
        lambda x, s: leak(x, s[0]), (H0, H0),
        r"step returned \(4, 3\) in float64 at time step 0: expected a tuple of 2, \(4, 3\) in float64 and \(4, 3\)",
    ),
    "three parts": (lambda x, s: (*pair(x, s), x), (H0, H0), "step returned .* expected a tuple of 2"),
    "one part": (lambda x, s: pair(x, s)[:1], (H0, H0), "step returned .* expected a tuple of 2"),
    "a part's shape": (
        lambda x, s: (leak(x, s[0]), s[1][:, :1]), (H0, H0), r"step returned .* and \(4, 1\) in float64 at time step 0"
    ),
    "gate's name": (
        gates(write=torch.sigmoid), H0,
        "gate 'write': expected names among input, forget, candidate, output, reset, update",
    ),
    "gate's shape": (
        gates(forget=lambda x: x[:, :1].sigmoid()), H0,
        r"gate 'forget' at time step 0: \(4, 1\) in float64: expected \(4, 3\) in float64, as the memory",
    ),
    "gate's kind": (gates(forget=lambda x: 0.5), H0, "gate 'forget' at time step 0: float: expected"),
    "gate's dtype": (gates(forget=lambda x: x.sigmoid().float()), H0, r"\(4, 3\) in float32: expected \(4, 3\) in"),
    "gate's values": (
        gates(forget=lambda x: torch.full_like(x, 1.5)), H0,
        r"gate 'forget' at time step 0: 1.5 at \(0, 0\) \(sequence, unit\): expected values from 0 to 1",
    ),
    "gate below": (gates(update=lambda x: x.sigmoid() - 1), H0, "gate 'update' at time step 0: -.*: expected values"),
    "gates of a complex memory": (
        lambda x, h: (leak(x, h), {"forget": x.sigmoid()}), C0,
        "gate 'forget' of a complex memory: expected no gates",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RETURNED)
def test_what_a_step_returns_is_named(case):
    step, state, message = RETURNED[case]
    with pytest.raises(ValueError, match=message):
        record_steps(step, X, state)


def by_time(*steps):
    """A step that is the first of these at time step 0, and so on; the last from then on."""
    times = iter(range(T))
    return lambda x, h: steps[min(next(times), len(steps) - 1)](x, h)


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (leak, "gates at time step 1: none: expected forget, as at time step 0"),
        (gates(update=torch.sigmoid), "gates at time step 1: update: expected forget, as at time step 0"),
        (gates(forget=lambda x: x[:1]), r"gate 'forget' at time step 1: \(1, 3\)"),
        (gates(forget=lambda x: x.sigmoid() + 1), "gate 'forget' at time step 1: .* at .0, 0."),
        (lambda x, h: h[:, :2], r"step returned \(4, 2\) in float64 at time step 1: expected"),
    ],
)
def test_what_changes_on_the_way_is_named(later, message):
    with pytest.raises(ValueError, match=message):
        record_steps(by_time(gates(forget=torch.sigmoid), later), X, H0)


def without_grad(x, h):
    with torch.no_grad():
        return leak(x, h)


FIX = r"expected a state computed from the one before by torch, without detach\(\), no_grad\(\)"
DETACHED = {  # what a step does to its state, and what the ValueError says
    "result": (lambda x, h: leak(x, h).detach(), "part 0 of the state after time step 0 has no gradient"),
    "data": (lambda x, h: leak(x, h).data, "part 0 of the state after time step 0 has no gradient"),
    "no_grad": (without_grad, "part 0 of the state after time step 0 has no gradient"),
    "constant": (lambda x, h: torch.zeros_like(h), "part 0 of the state after time step 0 has no gradient"),
    "numpy": (lambda x, h: torch.tensor(np.tanh(h.numpy())) + x, "step leaves torch for numpy at time step 0"),
    "array": (lambda x, h: torch.tensor(np.asarray(h)) + x, "step leaves torch for numpy at time step 0"),
    "before": (lambda x, h: leak(x, h.detach()), "state after time step 5 doesn't depend on the one after time step 4"),
    "item": (lambda x, h: x + h[0, 0].item(), "state after time step 5 doesn't depend on the one after time step 4"),
    "once": (
        by_time(leak, leak, leak, lambda x, h: leak(x, h.detach()), leak),
        "state after time step 3 doesn't depend on the one after time step 2",
    ),
}


@pytest.mark.parametrize("case", DETACHED)
def test_a_step_that_detaches_its_state_is_told_what_to_do(case):
    step, message = DETACHED[case]
    with pytest.raises(ValueError, match=f"{message}.*{FIX}"):
        record_steps(step, X, H0)


def test_a_loss_that_ends_before_a_detached_step_is_recorded():
    step = by_time(leak, leak, leak, leak, lambda x, h: leak(x, h.detach()))
    assert record_steps(step, X, H0, lambda output: output[3].sum()).loss_steps == (3,)


def test_a_memory_that_the_output_does_not_read_is_named():
    with pytest.raises(ValueError, match="memory=1: the output after time step 5 doesn't depend on part 1"):
        record_steps(lambda x, s: (leak(x, s[0]), leak(x, s[1])), X, (H0, H0))
    with pytest.raises(ValueError, match=r"memory=1: .* as the same tensor, or memory=0"):
        record_steps(lambda x, s: ((c := leak(x, s[1])).tanh(), c.clone()), X, (H0, H0))


def add_to(x, h):
    h += x
    return h


def write_into(x, h):
    h[:, 0] = x[:, 0]
    return 0.5 * h


def scale_input(x, h):
    return leak(x.mul_(2), h)


def write_without_grad(x, h):
    new = leak(x, h)
    with torch.no_grad():
        h.mul_(0)
    return new


def write_output(x, h):
    return (0.5 * h + x).tanh().add_(1)


def write_data(x, h):
    return torch.add(h, x, out=torch.empty_like(h))


def one_buffer():
    buffer = torch.zeros(B, H, dtype=torch.float64)

    def step(x, h):
        buffer.copy_(leak(x, h))
        return buffer

    return step


def one_gate_buffer():
    buffer = torch.zeros(B, H, dtype=torch.float64)
    return lambda x, h: (leak(x, h), {"forget": buffer.copy_(x.detach().sigmoid())})


IN_PLACE_STEPS = {
    "state": add_to, "entries": write_into, "input": scale_input, "no_grad": write_without_grad, "saved": write_output,
    "out": write_data, "buffer": one_buffer(), "gates": one_gate_buffer(),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE_STEPS)
def test_a_step_that_writes_in_place_is_told_what_to_do(name):
    with pytest.raises(ValueError, match=r"step writes in place \(.*\): expected new tensors, h = h \+ …, not h \+= …"):
        record_steps(IN_PLACE_STEPS[name], X, H0)


def test_autograds_errors_on_writing_in_place_are_known():
    """The words that autograd uses at present, without record_steps."""
    leaf = torch.zeros(2, requires_grad=True)
    written = leaf.tanh()
    for write in (lambda: leaf.add_(1), lambda: leaf.unbind(0)[0].add_(1), lambda: written.add_(1).sum().backward()):
        with pytest.raises(RuntimeError, match=IN_PLACE.pattern):
            write()


def test_a_new_state_written_in_place_before_it_is_returned_is_recorded():
    def step(x, h):
        new = torch.empty_like(h)
        new[:, :1] = 0.5 * h[:, :1]
        new[:, 1:] = x[:, 1:] + 0.5 * h[:, 1:]
        return new

    grads = record_steps(step, X, H0).hidden_grad[0, 0]
    np.testing.assert_allclose(grads[0], 0.5 ** (T - 1) * grads[-1], rtol=1e-9)


def test_an_error_of_the_step_tells_what_it_was_called_with():
    cell = nn.GRUCell(D, H)  # in float32
    with pytest.raises(RuntimeError) as caught:
        record_steps(cell, X, H0)
    assert caught.value.__notes__ == [
        "raised by step at time step 0, called with x_t (4, 3) in float64, state (4, 3) in float64"
    ]
    with pytest.raises(ZeroDivisionError) as caught:
        record_steps(by_time(leak, leak, lambda x, h: 1 / 0), X, H0)
    assert "at time step 2" in caught.value.__notes__[0]
    with pytest.raises(IndexError) as caught:
        record_steps(pair, X, (H0,))
    assert "state (4, 3) in float64" in caught.value.__notes__[0]


def test_an_error_on_the_way_back_tells_what_to_do():
    class Forward(torch.autograd.Function):
        @staticmethod
        def forward(ctx, h):
            return h.clone()

        @staticmethod
        def backward(ctx, grad):
            raise RuntimeError("no way back")

    with pytest.raises(RuntimeError, match="no way back") as caught:
        record_steps(lambda x, h: leak(x, Forward.apply(h)), X, H0)
    assert "on the way back through step" in caught.value.__notes__[0]
