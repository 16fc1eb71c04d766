"""Inputs for a user's own layers: read in whatever order, cut to what can be recorded, or drawn."""

import numpy as np
import pytest
import torch

from analysis.files.errors import UnusableError
from analysis.models.inputs import describe_inputs, fit_inputs, random_inputs, read_inputs
from analysis.models.layers import RecurrentStack
from analysis.models.limits import STEPS
from tests.helpers.files import FOR, npy, npz


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8", "i8", "u1", "?", "f16"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_kind_of_number(dtype, order):
    array = np.array(np.arange(54).reshape(2, 9, 3), dtype, order=order)
    for data, name in ((npy(array), "x.npy"), (npz(x=array), "x.npz"), (npz(other=np.zeros(2), x=array), "x.npz")):
        inputs, cut = fit_inputs(FOR, read_inputs(data, name, FOR))
        assert inputs.dtype == torch.float64
        assert np.array_equal(inputs, array.astype(float))
        assert cut == ""


@pytest.mark.parametrize(
    "text", ["1,2,3\n4,5,6\n", "\ufeffa,b,c\n1,2,3\n4,5,6", "1;2;3\r\n4;5;6\r\n\r\n", "1\t2\t3\n4\t5\t6"]
)
def test_csv_of_several_kinds(text):
    inputs, _ = fit_inputs(FOR, read_inputs(text.encode(), "x.csv", FOR))
    assert inputs.tolist() == [[[1, 2, 3], [4, 5, 6]]]


SMOOTH = np.cumsum(np.random.default_rng(0).normal(size=(16, 40, 3)), axis=1)  # N, T, D


NOISE = np.random.default_rng(0).normal(size=(16, 40, 3))


READ = [
    (SMOOTH, False, "16 sequences of 40 time steps, 3 inputs", ""),
    (SMOOTH, True, "40 sequences of 16 time steps, 3 inputs", "16 sequences of 40 time steps"),
    (SMOOTH.swapaxes(0, 1), False, "40 sequences of 16 time steps, 3 inputs", "16 sequences of 40 time steps"),
    (SMOOTH.swapaxes(0, 1), True, "16 sequences of 40 time steps, 3 inputs", ""),
    (SMOOTH[:, :5], False, "16 sequences of 5 time steps, 3 inputs", ""),
    (NOISE, False, "16 sequences of 40 time steps, 3 inputs", ""),
    (NOISE, True, "40 sequences of 16 time steps, 3 inputs", ""),  # many short sequences are usual
    (
        np.eye(3)[np.random.default_rng(0).integers(0, 3, (1000, 50))],
        False,
        "1,000 sequences of 50 time steps, 3 inputs",
        "",
    ),
    (np.zeros((500, 50, 3)), False, "500 sequences of 50 time steps, 3 inputs", ""),
    (NOISE[0], True, "1 sequence of 40 time steps, 3 inputs", ""),
    (NOISE[:, :1, :1], False, "16 sequences of 1 time step, 1 input", "1 sequence of 16 time steps"),
    (np.zeros((1, 1, 1), "?"), False, "1 sequence of 1 time step, 1 input", ""),
    (
        np.full((9, 2, 3), 1e308) * np.array([-1, 1])[:, None],
        False,
        "9 sequences of 2 time steps, 3 inputs",
        "2 sequences of 9 time steps",
    ),
]


@pytest.mark.parametrize("array, time_first, description, likelier", READ)
def test_inputs_are_described_and_the_likelier_order_is_named(array, time_first, description, likelier):
    assert describe_inputs(array, time_first) == (description, likelier)


@pytest.mark.parametrize("array", [SMOOTH, SMOOTH[0], torch.from_numpy(SMOOTH)])
def test_time_may_come_first(array):
    inputs, _ = fit_inputs(FOR, array.swapaxes(0, 1) if array.ndim == 3 else array, time_first=True)
    assert np.array_equal(inputs, SMOOTH[: len(inputs)])


def test_one_step_has_no_distance():
    steps = read_inputs(npy(np.zeros((5, 1, 3))), "x.npy", FOR)
    with pytest.raises(UnusableError, match="5 sequences of one time step: expected at least 2, "):
        fit_inputs(FOR, steps)
    assert fit_inputs(FOR, steps, time_first=True)[0].shape == (1, 5, 3)


def test_ten_million_steps_are_cut_and_the_text_says_so():
    stack = RecurrentStack("", "gru", 1, 4, 1, True)
    steps = np.zeros((10_000_000, 1), "f4")
    steps[-STEPS:] = 1
    inputs, cut = fit_inputs(stack, read_inputs(npy(steps), "x.npy", stack))
    assert inputs.shape == (1, STEPS, 1) and inputs.min() == 1
    assert cut == "Used are of 10,000,000 time steps the last 1,000."
    inputs, cut = fit_inputs(stack, np.zeros((500, 2, 1)))
    assert inputs.shape == (64, 2, 1)
    assert cut == "Used are of 500 sequences the first 64."


def test_large_layers_get_less_data():
    stack = RecurrentStack("", "lstm", 1000, 1000, 2, True)
    inputs, cut = fit_inputs(stack, np.zeros((3, 500, 1000), "f4"))
    assert inputs.shape[1] < 250 and len(inputs) == 1
    assert "steps the last" in cut and "sequences the first 1" in cut


def test_inputs_beyond_float64_are_refused():
    with pytest.raises(UnusableError, match="inputs beyond float64"), np.errstate(over="ignore"):
        fit_inputs(
            FOR,
            np.full((5, 3), 1e4000, np.longdouble) if np.longdouble(1e300) ** 2 < np.inf else np.full((5, 3), np.inf),
        )


def test_random_inputs():
    stack = RecurrentStack("", "rnn", 50, 4, 1, True)
    inputs = random_inputs(stack, 200, 16, 9.0)
    assert inputs.shape == (16, 200, 50)
    assert inputs.var().item() == pytest.approx(9, rel=0.02)
    assert torch.equal(inputs, random_inputs(stack, 200, 16, 9.0))
    assert not random_inputs(stack, 5, 1, 0.0).any()
    for wrong in ({"steps": 1}, {"count": 0}, {"steps": 10**7}, {"variance": -1}, {"variance": np.nan}):
        with pytest.raises(UnusableError, match="expected"):
            random_inputs(stack, **wrong)
