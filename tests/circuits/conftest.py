"""The slow reference: qiskit's own Statevector."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from qiskit.quantum_info import Statevector

from qgen.circuits import LayerCircuit

Expectations = Callable[[LayerCircuit, ArrayLike, ArrayLike], NDArray[np.float64]]


@pytest.fixture
def expectations() -> Expectations:
    """One input (I,) and one set of weights (W,) to values (O,); a mixture is averaged setting by setting."""
    return _expectations


def _expectations(layer: LayerCircuit, inputs: ArrayLike, weights: ArrayLike) -> NDArray[np.float64]:
    if layer.mixture is not None:
        points = layer.mixture.points
        each = [_expectations(layer.conditional, np.concatenate([inputs, point]), weights) for point in points]
        return np.mean(each, axis=0)
    values = dict(zip(layer.inputs, inputs, strict=True)) | dict(zip(layer.weights, weights, strict=True))
    state = Statevector(layer.circuit.assign_parameters({k: float(v) for k, v in values.items()}))
    return np.array([state.expectation_value(observable).real for observable in layer.observables])
