"""A vector times a number: when it leaves floating point, what tanh holds it at, which vectors are refused."""

from math import tanh

import numpy as np
import pytest

from analysis.lesson.repetition import fixed_point, parse_vector, repeat

FACTORS = [0.1, 0.25, 0.5, 0.7, 0.9, 1.1, 1.25, 1.5, 2, 2.7, 3, 4, 5, -0.5, -2, -3]
STARTS = [1.0, 2.0, 0.5, 0.1, -0.3, 1e-3, 1e6, -7.0]


def first_step_beyond(start, factor, kind):
    """Multiply until the largest float is passed, or the smallest normal one; return the step of either."""
    value, info = kind(start), np.finfo(kind)
    with np.errstate(over="ignore", under="ignore"):
        for k in range(20_000):
            if np.isinf(value) or abs(value) < info.tiny:
                return (k, None) if np.isinf(value) else (None, k)
            value = value * kind(factor)
    raise AssertionError("never")


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_step_that_leaves_floating_point_is_the_closed_form(factor, kind):
    for start in STARTS:
        result, name = repeat([0.0, start], factor), kind.__name__
        assert (result.overflow[name], result.underflow[name]) == first_step_beyond(start, factor, kind), start


def test_tripling_one_leaves_float32_at_81_and_float64_at_647():
    assert repeat([1.0], 3).overflow == {"float32": 81, "float64": 647}


@pytest.mark.parametrize("factor", [1, -1])
def test_a_factor_of_one_never_leaves(factor):
    assert {*repeat([2.0], factor).overflow.values(), *repeat([2.0], factor).underflow.values()} == {None}


def test_zero_as_number_or_as_vector():
    assert repeat([3.0], 0).underflow == {"float32": 1, "float64": 1}
    assert repeat([0.0, 0.0], 5).overflow == {"float32": None, "float64": None}
    assert not repeat([0.0], 5).plain.any()


@pytest.mark.parametrize("factor", [1.05, 1.5, 3, 5])
def test_tanh_tends_to_its_fixed_point_from_any_start(factor):
    limit = fixed_point(factor)
    assert tanh(factor * limit) == pytest.approx(limit, abs=1e-12)
    np.testing.assert_allclose(np.abs(repeat([0.01, -1, 40], factor, 2000).bounded[-1]), limit, rtol=1e-6)
    np.testing.assert_allclose(np.abs(repeat([0.01, -1, 40], -factor, 2000).bounded[-1]), limit, rtol=1e-6)


def test_tripled_entries_end_at_point_995():
    assert repeat([0.02, -1.0], 3).bounded[-1] == pytest.approx([0.995, -0.995], abs=1e-3)
    assert fixed_point(0.9) == fixed_point(1) == 0


def test_a_vector_is_read():
    np.testing.assert_array_equal(parse_vector(" 0.5, -1;2e3  .1 "), [0.5, -1, 2000, 0.1])


@pytest.mark.parametrize("text", ["", " , ", "a", "1, two", "nan", "inf", "-inf", "1e7", "1e999", "1 " * 9, "0x1", "'"])
def test_a_bad_vector_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match="expected 1 to 8 numbers") as error:
        parse_vector(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 150


@pytest.mark.parametrize("start, factor", [([], 3), ([np.nan], 3), ([1], np.inf), ([[1]], 3)])
def test_what_is_not_finite_is_refused(start, factor):
    with pytest.raises(ValueError, match="finite"):
        repeat(start, factor)
