"""What record refuses, and how it names what it got and what it accepts."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from analysis import gradient_matrix, record
from tests.engine.test_recording import B, D, H, T, build

REFUSED = {  # a module, inputs, further arguments, what is raised and what it says
    "linear": (lambda: nn.Linear(D, H), (T, B, D), {}, TypeError, r"Linear: expected nn\.RNN, nn\.LSTM or nn\.GRU"),
    "text": (lambda: "lstm", (T, B, D), {}, TypeError, r"str: expected nn\.RNN"),
    "none": (lambda: None, (T, B, D), {}, TypeError, r"NoneType: expected nn\.RNN"),
    "empty": (list, (T, B, D), {}, ValueError, "expected at least one"),
    "other": (lambda: [nn.LSTM(D, H), nn.Linear(D, H)], (T, B, D), {}, TypeError, "Linear: expected"),
    "kinds": (lambda: [nn.LSTM(D, H), nn.GRU(D, H)], (T, B, D), {}, ValueError, "module 1 is unlike module 0"),
    "sizes": (lambda: [nn.GRU(D, H), nn.GRU(D, H + 1)], (T, B, D), {}, ValueError, "module 1 is unlike module 0"),
    "layers": (lambda: [nn.GRU(D, H), nn.GRU(D, H, 2)], (T, B, D), {}, ValueError, "module 1 is unlike module 0"),
    "biases": (lambda: [nn.GRU(D, H), nn.GRU(D, H, bias=False)], (T, B, D), {}, ValueError, "module 1 is unlike"),
    "layouts": (lambda: [nn.GRU(D, H), nn.GRU(D, H, batch_first=True)], (T, B, D), {}, ValueError, "1 is unlike"),
    "activations": (
        lambda: [nn.RNN(D, H), nn.RNN(D, H, nonlinearity="relu")], (T, B, D), {}, ValueError, "module 1 is unlike"
    ),
    "channels": (lambda: nn.GRU(D, H), (T, B, D + 1), {}, ValueError, r"inputs of shape \(6, 4, 4\): expected.*3\)"),
    "axes": (lambda: nn.GRU(D, H), (2, T, B, D), {}, ValueError, r"inputs of shape \(2, 6, 4, 3\): expected"),
    "one axis": (lambda: nn.GRU(D, H), (D,), {}, ValueError, r"inputs of shape \(3,\): expected"),
    "no step": (lambda: nn.GRU(D, H), (0, B, D), {}, ValueError, r"inputs of shape \(0, 4, 3\): expected"),
    "at": (lambda: nn.GRU(D, H), (T, B, D), {"at": T}, ValueError, "at=6: expected -6 to 5 for 6 steps"),
    "at before": (lambda: nn.GRU(D, H), (T, B, D), {"at": -T - 1}, ValueError, "at=-7: expected -6 to 5"),
    "state": (
        lambda: nn.GRU(D, H), (T, B, D), {"state": torch.zeros(1, B + 1, H)}, ValueError,
        r"state of shape \(1, 5, 5\): expected \(1, 4, 5\)",
    ),
    "lone h0": (
        lambda: nn.LSTM(D, H), (T, B, D), {"state": torch.zeros(1, B, H)}, ValueError,
        r"state of shape \(1, 4, 5\): expected \(h0, c0\), both \(1, 4, 5\)",
    ),
    "loss shape": (
        lambda: nn.GRU(D, H), (T, B, D), {"loss": lambda output: output}, ValueError,
        r"loss returned \(6, 4, 5\): expected a loss per sample \(4,\) or their sum",
    ),
    "loss length": (
        lambda: nn.GRU(D, H), (T, B, D), {"loss": lambda output: output.sum((1, 2))}, ValueError,
        r"loss returned \(6,\)",
    ),
    "loss kind": (
        lambda: nn.GRU(D, H), (T, B, D), {"loss": lambda output: 1.0}, ValueError, "loss returned float: expected"
    ),
    "loss apart": (
        lambda: nn.GRU(D, H), (T, B, D), {"loss": lambda output: torch.zeros(())}, ValueError, "doesn't depend"
    ),
    "loss elsewhere": (
        lambda: nn.GRU(D, H), (T, B, D), {"loss": lambda output: torch.ones(B, requires_grad=True)}, ValueError,
        "doesn't depend",
    ),
}  # fmt: skip


ONLY_RECORD = {  # what record takes and measures of one direction and one length don't
    "bidirectional": (
        nn.LSTM(D, H, 2, bidirectional=True), torch.zeros(T, B, D), "with num_layers=2.*one layer; record takes more"
    ),
    "projections": (nn.LSTM(D, H, proj_size=2), torch.zeros(T, B, D), "proj_size=2.*expected 0; record takes"),
    "packed": (
        nn.LSTM(D, H), nn.utils.rnn.pack_padded_sequence(torch.zeros(T, 2, D), [T, T - 1]),
        "PackedSequence: expected a tensor; packed sequences are not.*record takes them",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ONLY_RECORD)
def test_a_gradient_matrix_refuses_what_only_record_takes(case):
    module, inputs, message = ONLY_RECORD[case]
    with pytest.raises(ValueError, match=message):
        gradient_matrix(module, inputs)


@pytest.mark.parametrize(
    ("settings", "shape", "place", "axes"),
    [
        ({}, (T, B, D), (2, 3, 1), "time step, sequence, input"),
        ({"batch_first": True}, (B, T, D), (3, 2, 1), "sequence, time step, input"),
        ({}, (T, D), (2, 1), "time step, input"),
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite_are_refused_by_place(settings, shape, place, axes, value):
    x = torch.zeros(shape)
    x[place] = value
    with pytest.raises(ValueError, match=re.escape(f"inputs: {value} at {place} ({axes}): expected finite numbers")):
        record(nn.GRU(D, H, **settings), x)


def test_inputs_beyond_the_precision_are_refused():
    with pytest.raises(ValueError, match=r"inputs: inf at \(0, 0, 0\)"):
        record(nn.GRU(D, H), torch.full((T, B, D), 1e300, dtype=torch.float64), dtype=torch.float32)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([[[0.0] * D] * B] * T, r"inputs=list: expected a tensor, an array.*torch\.as_tensor\(inputs\) makes"),
        (np.array([[["a"] * D]]), r"inputs of <U1: expected numbers; inputs\.astype\(float\) converts"),
    ],
)
def test_inputs_of_other_kinds_are_refused_with_what_to_do(inputs, message):
    with pytest.raises(ValueError, match=message):
        record(build("gru"), inputs)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_named(case):
    module, shape, settings, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        record(module(), torch.zeros(shape), **settings)


def test_a_batch_first_module_is_told_its_own_layout():
    with pytest.raises(ValueError, match=r"inputs of shape \(4, 6, 4\): expected \(batch, time, 3\)"):
        record(nn.GRU(D, H, batch_first=True), torch.zeros(B, T, D + 1))


@pytest.mark.parametrize("at", [1.0, "last"])
def test_at_is_a_whole_number(at):
    with pytest.raises(ValueError, match=f"at={at!r}: expected"):
        record(nn.GRU(D, H), torch.zeros(T, B, D), at=at)


def test_a_forward_of_its_own_is_refused():
    class Mine(nn.LSTM):
        def forward(self, inputs, state=None):
            return super().forward(2 * inputs, state)

    with pytest.raises(TypeError, match="Mine has a forward of its own: expected LSTM's"):
        record(Mine(2, 3), torch.zeros(4, 1, 2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int64])
def test_dtypes_the_engine_has_no_numbers_for_are_refused(dtype):
    with pytest.raises(ValueError, match=r"dtype=torch\..*expected torch.float64"):
        record(nn.GRU(2, 3), torch.zeros(4, 1, 2), dtype=dtype)


def test_a_state_with_a_part_missing_is_refused():
    with pytest.raises(ValueError, match=r"state of shape \(1, 1, 3\), None: expected"):
        record(nn.LSTM(2, 3), torch.zeros(4, 1, 2), state=(torch.zeros(1, 1, 3), None))


def test_the_error_of_a_loss_is_raised_as_it_is_in_the_modules_precision():
    head = nn.Linear(4, 1)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        record(nn.GRU(2, 3), torch.zeros(4, 1, 2), lambda output: head(output[-1]).sum())
