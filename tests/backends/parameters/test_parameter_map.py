"""ParameterMap as functions of parameters; the gates that they are for are tested with each backend."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from qiskit.circuit import Parameter

from qgen.backends.parameters import ParameterMap

X, Y = Parameter("x"), Parameter("y")


def test_expressions_that_are_constant_after_all() -> None:
    """Merged rotations leave such sums; their parameters cancel, though Qiskit still names them."""
    constant = 0.5 * (abs(X) + Y * Y.sign()) - 0.5 * abs(X) - 0.5 * Y * Y.sign()
    angles = ParameterMap([constant, abs(X) * Y, 2 * X + 1], [X, Y])
    numbers = np.array([[0.3, -0.7], [-1.2, 0.4]])
    wanted = np.stack([np.zeros(2), abs(numbers[:, 0]) * numbers[:, 1], 2 * numbers[:, 0] + 1], axis=1)
    np.testing.assert_allclose(angles.values(numbers), wanted, atol=1e-12)
    upstream = np.array([[5.0, 1.0, 1.0]] * 2)
    slopes = np.stack([np.sign(numbers[:, 0]) * numbers[:, 1] + 2, abs(numbers[:, 0])], axis=1)
    np.testing.assert_allclose(angles.vjp(numbers, upstream), slopes, atol=1e-12)


def test_what_depends_on_what() -> None:
    angles = ParameterMap([2 * X, X * Y, Y.sin(), 0 * X + Y], [X, Y])
    assert angles.depends.tolist() == [[True, True, False, False], [False, True, True, True]]


def test_tensors_keep_their_graph() -> None:
    at = torch.tensor([[0.3, 0.2]], dtype=torch.float64, requires_grad=True)
    ParameterMap([X * Y, X], [X, Y])(at).sum().backward()
    torch.testing.assert_close(at.grad, torch.tensor([[1.2, 0.3]], dtype=torch.float64))


@given(st.integers(0, 2**32))
def test_a_row_is_rounded_alike_whatever_rows_are_beside_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parameters = [Parameter(f"p{k}") for k in range(rng.integers(1, 60))]
    places = [rng.integers(0, len(parameters), rng.integers(0, 5)) for _ in range(rng.integers(1, 40))]
    expressions = [sum((float(rng.normal()) * parameters[k] for k in of_one), 0 * parameters[0]) for of_one in places]
    angles = ParameterMap([expression + float(rng.normal()) for expression in expressions], parameters)
    numbers, upstream = rng.normal(size=(20, len(parameters))), rng.normal(size=(20, len(expressions)))
    values, slopes = angles.values(numbers), angles.vjp(numbers, upstream)
    by_torch = angles(torch.from_numpy(numbers)).numpy()
    np.testing.assert_allclose(values, by_torch, atol=1e-12)
    np.testing.assert_allclose((slopes * numbers).sum(), (upstream * (by_torch - angles.values(0 * numbers))).sum())
    row = int(rng.integers(20))
    np.testing.assert_array_equal(angles.values(numbers[row : row + 1])[0], values[row])
    np.testing.assert_array_equal(angles.vjp(numbers[row : row + 1], upstream[row : row + 1])[0], slopes[row])
