"""Complex lanes against NumPy's complex numbers; kernels are compiled once, whatever constants they are called with."""

from typing import Any

import numpy as np
import pytest
from numba import njit

from qgen.backends.statevector.complex_lanes import (
    accumulate_pair,
    add_times_conjugate,
    flip_pair,
    load_pair,
    row_of_lanes_times,
    row_times,
    store_pair,
    zero_pair,
)
from qgen.backends.statevector.lanes import internal, width


@njit
def _everything(x: Any, c: Any, out: Any, sums: Any, bit: int) -> None:
    size = 2 * width(x)
    a, b, d, e = load_pair(x, 0), load_pair(x, size), load_pair(x, 2 * size), load_pair(x, 3 * size)
    store_pair(out, 0, row_times(c, 3, a, b, d, e))
    store_pair(out, size, row_of_lanes_times(x, size, a, b, d, e))
    store_pair(out, 2 * size, flip_pair(a, bit))
    store_pair(out, 3 * size, add_times_conjugate(zero_pair(x), a, b))
    store_pair(out, 4 * size, add_times_conjugate(d, a, b))
    accumulate_pair(sums, 1, e)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_is_what_numpy_computes(dtype: type, rng: np.random.Generator) -> None:
    lanes, bit = (16 if dtype is np.float32 else 8), int(rng.integers(3))
    x = rng.normal(size=(5, 2, lanes)).astype(dtype)
    numbers, coefficients = rng.normal(size=11).astype(dtype), rng.normal(size=(5, 2, lanes))
    out, sums = np.empty((5, 2, lanes), dtype=dtype), np.concatenate([[7.0], coefficients[0].reshape(-1)])

    _everything(x.reshape(-1), numbers, out.reshape(-1), sums, bit)

    z = x[:, 0] + 1j * x[:, 1]
    c = numbers[3:11:2] + 1j * numbers[4:11:2]
    expected = [c @ z[:4], (z[1:] * z[:4]).sum(axis=0), z[0][np.arange(lanes) ^ 1 << bit], z[0] * z[1].conj()]
    expected.append(z[2] + expected[-1])
    np.testing.assert_allclose(out[:, 0] + 1j * out[:, 1], expected, rtol=0, atol=50 * np.finfo(dtype).eps)
    assert sums[0] == 7.0
    assert np.array_equal(sums[1:].reshape(2, lanes), coefficients[0] + x[3])


def test_a_constant_compiles_no_kernel_anew() -> None:
    @internal
    def add(x: int, flag: bool) -> int:
        return x + 1 if flag else x

    @njit
    def call(x: int) -> int:
        return add(x, True) + add(2, False) + add(3, x > 0)

    assert call(5) == 12
    assert len(add.signatures) == 1
