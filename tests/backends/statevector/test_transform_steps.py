"""Transforms of which few entries are read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgen.backends.statevector import pauli
from qgen.backends.statevector.transform_steps import transform_steps


@given(bits=st.integers(0, 5), data=st.data())
def test_entries_are_signed_sums_and_the_way_back_is_the_transpose(bits: int, data: st.DataObject) -> None:
    rows, lanes = 1 << bits, 8
    entries = data.draw(st.lists(st.integers(0, rows - 1), min_size=1))
    numbers = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(rows, lanes))
    signs = np.array([[(-1.0) ** (z & row).bit_count() for row in range(rows)] for z in range(rows)])
    steps = np.array(transform_steps(entries, rows), dtype=np.int64).reshape(-1, 3)
    buffer = numbers.flatten()
    pauli._transform(buffer, 0, steps, 0, len(steps))
    np.testing.assert_allclose(buffer.reshape(rows, lanes)[entries], (signs @ numbers)[entries], atol=1e-12)
    read = np.zeros((rows, 1))
    read[entries] = 1
    buffer = (numbers * read).flatten()
    pauli._transform_back(buffer, 0, steps, 0, len(steps))
    np.testing.assert_allclose(buffer.reshape(rows, lanes), signs @ (numbers * read), atol=1e-12)


@pytest.mark.parametrize(("entries", "steps"), [([0], 7), ([1 << k for k in range(7)], 34), (range(128), 1)])
def test_no_more_steps_than_entries_need(entries: list[int], steps: int) -> None:
    assert len(transform_steps(entries, 128)) <= steps
