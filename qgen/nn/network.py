"""A compiled circuit as a qiskit-machine-learning network: what the modules of this folder evaluate."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from qiskit_machine_learning.neural_networks import NeuralNetwork

from qgen.backends import Adjoint, Backend, Executable, GradientMethod, resolve_gradient
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError
from qgen.nn.arguments import checked_circuit, opened_backend
from qgen.randomness import Seed

Array = npt.NDArray[np.float64]


class CircuitNetwork(NeuralNetwork):
    """A compiled circuit as a qiskit-machine-learning `NeuralNetwork`, for use under a stock `TorchConnector`.

    Its `backward` answers whole Jacobians, as that interface asks for; `QuantumLayer` asks for products, which are
    O times cheaper.

    Args:
        circuit: the circuit.
        backend: a backend, or the name of one.
        gradient: a gradient method, or the name of one.
        shots: how often each circuit is measured; for a backend given by name.

    Raises:
        BackendError, CircuitError: see `QuantumLayer`.
    """

    def __init__(
        self,
        circuit: LayerCircuit,
        backend: str | Backend = "statevector",
        gradient: str | GradientMethod = "auto",
        shots: int | None = None,
    ) -> None:
        self.circuit = checked_circuit(circuit)
        self.executable: Executable = opened_backend(backend, shots).compile(circuit)
        self.gradient = resolve_gradient(gradient, self.executable)
        super().__init__(
            circuit.num_inputs,
            circuit.num_weights,
            sparse=False,
            output_shape=circuit.num_observables,
            input_gradients=True,
        )

    @property
    def second_derivatives(self) -> bool:
        """Whether gradients can be differentiated again, as a gradient penalty does; else that is refused."""
        return isinstance(self.gradient, Adjoint)

    def no_second_derivatives(self) -> BackendError:
        """What to raise where they were asked for, and there are none."""
        return BackendError(
            "a second derivative of a QuantumLayer was asked for (a gradient penalty, create_graph=True followed by "
            f"backward, or a Hessian), and there is none on {self.describe_run(gradients=True)}. Take backend "
            "`statevector` with gradient `adjoint`, or penalise finite differences of its values, or its weights."
        )

    def describe_run(self, gradients: bool = False) -> str:
        """See `describe_runs`."""
        run = f"{self.executable.backend.name} ({self.executable.method})"
        if not gradients:
            return run
        count = self.gradient.evaluations(self.executable, (self.num_inputs > 0, self.num_weights > 0))
        way = type(self.gradient).__name__
        return f"{run}, differentiated by {way}" + (f" ({count:,} runs for each)" if count > 1 else "")

    def jacobians(
        self, inputs: torch.Tensor, weights: torch.Tensor, wants: tuple[bool, bool], seed: Seed | None = None
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Jacobians (..., O, I) and (..., O, W) of the values, for those that are wanted.

        Every sample has weights of its own; all derivatives come from one record, in one submission. For `seed` see
        `Executable.streams`.
        """
        lead = torch.broadcast_shapes(inputs.shape[:-1], weights.shape[:-1])
        wide = [
            leaf.expand(*lead, leaf.shape[-1]) if wanted else leaf
            for leaf, wanted in zip((inputs, weights), wants, strict=True)
        ]
        values, pull_back = self.gradient.record(self.executable, wide[0], wide[1], wants, seed)
        units = torch.eye(values.shape[-1], dtype=values.dtype, device=values.device)
        rows = [pull_back(unit.expand_as(values)) for unit in units]
        found = [
            torch.stack([row[k] for row in rows], dim=-2) if wanted else None  # type: ignore[misc]
            for k, wanted in enumerate(wants)
        ]
        return found[0], found[1]

    def _forward(self, input_data: Array | None, weights: Array | None) -> npt.NDArray[Any]:
        return self.executable.expectations(*self._arrays(input_data, weights))

    def _backward(self, input_data: Array | None, weights: Array | None) -> tuple[Array | None, Array | None]:
        """Jacobians (N, O, I) and (N, O, W)."""
        inputs, theta = (torch.from_numpy(array) for array in self._arrays(input_data, weights))
        wants = self.input_gradients and self.num_inputs > 0, self.num_weights > 0
        found = self.jacobians(inputs, theta, wants)
        return tuple(None if each is None else each.numpy() for each in found)  # type: ignore[return-value]

    def _arrays(self, input_data: Array | None, weights: Array | None) -> tuple[Array, Array]:
        return (
            np.zeros((1, 0)) if input_data is None else input_data,
            np.zeros(0) if weights is None else weights,
        )
