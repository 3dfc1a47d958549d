"""Mixture as a value."""

import numpy as np
import pytest
from qiskit.circuit import Parameter, ParameterVector

from qgen.circuits import Mixture
from qgen.errors import CircuitError

M = ParameterVector("m", 2)


def test_it_holds_read_only_points(rng: np.random.Generator) -> None:
    points = rng.normal(size=(5, 2))
    mixture = Mixture(M, points)
    assert mixture.parameters == tuple(M)
    assert mixture.points.dtype == np.float64
    assert np.array_equal(mixture.points, points)
    assert len(mixture) == 5
    points[0] = 0
    assert not np.array_equal(mixture.points, points)
    with pytest.raises(ValueError, match="read-only"):
        mixture.points[0, 0] = 1
    with pytest.raises(AttributeError):
        mixture.points = points  # type: ignore[misc]


def test_it_is_equal_by_content() -> None:
    mixture = Mixture(M, [[0, 1], [1, 0]])
    assert mixture == Mixture(list(M), np.array([[-0.0, 1.0], [1.0, 0.0]]))
    assert hash(mixture) == hash(Mixture(M, [[-0.0, 1], [1, 0]]))
    assert mixture != Mixture(M, [[1, 0], [0, 1]])
    assert mixture != Mixture(reversed(M), [[0, 1], [1, 0]])
    assert mixture != "mixture"


@pytest.mark.parametrize(
    ("parameters", "points", "message"),
    [
        ([], [[]], "needs at least one parameter"),
        ([M[0], M[0]], [[0, 1]], "more than once"),
        (["m"], [[0]], "must be qiskit Parameters"),
        (M, [0, 1], r"shape \(2,\); give shape \(K, 2\)"),
        (M, [[0, 1, 2]], r"shape \(1, 3\)"),
        (M, np.zeros((0, 2)), r"shape \(0, 2\)"),
        (M, [[0, np.nan]], "must be finite"),
        (M, [[0, np.inf]], "must be finite"),
        (M, [["a", "b"]], r"must be real numbers of shape \(K, 2\)"),
        (M, [[0], [0, 1]], r"must be real numbers of shape \(K, 2\)"),
        ([Parameter("a")], [[1j]], r"must be real numbers of shape \(K, 1\)"),
    ],
)
def test_bad_mixtures_are_refused(parameters: object, points: object, message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        Mixture(parameters, points)  # type: ignore[arg-type]
