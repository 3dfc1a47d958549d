"""The adapter to qiskit-machine-learning: a compiled circuit as a `NeuralNetwork`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from qiskit_machine_learning.neural_networks import NeuralNetwork

from qgen.backends import Backend, GradientMethod
from qgen.circuits import LayerCircuit
from qgen.nn.compiled import CompiledCircuit

Array = npt.NDArray[np.float64]


class CircuitNetwork(NeuralNetwork):
    """A compiled circuit as a qiskit-machine-learning `NeuralNetwork`, for use under a stock `TorchConnector`.

    Its `backward` answers whole Jacobians, as that interface asks for; `QuantumLayer` asks for products, which are
    O times cheaper.

    Args:
        circuit: the circuit, or one that is compiled already.
        backend: a backend, or the name of one.
        gradient: a gradient method, or the name of one.
        shots: shots per circuit, for a backend given by name.

    Attributes:
        compiled: the compiled circuit.

    Raises:
        BackendError, CircuitError: see `QuantumLayer`.
    """

    def __init__(
        self,
        circuit: LayerCircuit | CompiledCircuit,
        backend: str | Backend = "statevector",
        gradient: str | GradientMethod = "auto",
        shots: int | None = None,
    ) -> None:
        if not isinstance(circuit, CompiledCircuit):
            circuit = CompiledCircuit.build(circuit, backend, gradient, shots)
        self.compiled = circuit
        super().__init__(
            circuit.circuit.num_inputs,
            circuit.circuit.num_weights,
            sparse=False,
            output_shape=circuit.circuit.num_observables,
            input_gradients=True,
        )

    def _forward(self, input_data: Array | None, weights: Array | None) -> npt.NDArray[Any]:
        return self.compiled.executable.expectations(*self._arrays(input_data, weights))

    def _backward(self, input_data: Array | None, weights: Array | None) -> tuple[Array | None, Array | None]:
        """Return Jacobians (N, O, I) and (N, O, W)."""
        inputs, theta = (torch.from_numpy(array) for array in self._arrays(input_data, weights))
        wants = self.input_gradients and self.num_inputs > 0, self.num_weights > 0
        jacobians = self.compiled.jacobians(inputs, theta, wants)
        return tuple(None if each is None else each.numpy() for each in jacobians)  # type: ignore[return-value]

    def _arrays(self, input_data: Array | None, weights: Array | None) -> tuple[Array, Array]:
        return (
            np.zeros((1, 0)) if input_data is None else input_data,
            np.zeros(0) if weights is None else weights,
        )
