"""2-norms of any size, each computed as if alone."""

from math import inf, nan

import numpy as np
import pytest

from analysis.engine.norms import norm

VECTORS = [  # entries, 2-norm
    ([3.0, 4.0], 5.0),
    ([3e-200, 4e-200], 5e-200),
    ([3e-300, -4e-300], 5e-300),
    ([3e200, 4e200], 5e200),
    ([0.0, 0.0], 0.0),
    ([5e-324, 0.0], 5e-324),
    ([1e308, 0.0], 1e308),
    ([inf, 1.0], inf),
    ([nan, 1.0], nan),
    ([inf, 1e200], inf),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("entries", "wanted"), VECTORS)
def test_norm_of_any_size(entries, wanted, dtype):
    with np.errstate(over="ignore"):
        vector = np.array(entries, dtype=dtype)
    if dtype == np.float32:  # what float32 makes of it: zero below 1e-45, infinite above 3e38
        wanted = np.linalg.norm(vector.astype(np.float64))
    found = norm(vector)
    assert found.dtype == np.float64
    assert found.item() == pytest.approx(wanted, rel=1e-15 if dtype == np.float64 else 1e-7, abs=0, nan_ok=True)


@pytest.mark.parametrize("other", [[0.0, 0.0, 0.0], [1e-200, 1e-200, 0.0], [inf, 0.0, 0.0], [nan, 0.0, 0.0]])
def test_norm_of_one_vector_doesnt_depend_on_the_others(other):
    vectors = np.random.default_rng(0).normal(size=(200, 3))
    np.testing.assert_array_equal(norm(np.vstack([vectors, other]))[:-1], norm(vectors))


def test_norm_along_any_axis():
    array = np.random.default_rng(0).normal(size=(4, 5, 6))
    array[0, 0] = 1e-250
    for axis in range(3):
        wanted = np.linalg.norm(array * 1e100, axis=axis) / 1e100
        np.testing.assert_allclose(norm(array, axis), wanted, rtol=1e-14)
