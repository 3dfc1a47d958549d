"""Compiled circuits: what the modules of this folder evaluate and differentiate."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from qgen.backends import Adjoint, Backend, Executable, GradientMethod, resolve_gradient
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError
from qgen.nn.arguments import checked_circuit, opened_backend
from qgen.randomness import Seed


@dataclass(frozen=True, eq=False)
class CompiledCircuit:
    """A circuit on a backend, with a gradient method.

    Attributes:
        circuit: the circuit.
        executable: the circuit as its backend runs it.
        gradient: how it is differentiated there.
    """

    circuit: LayerCircuit
    executable: Executable
    gradient: GradientMethod

    @classmethod
    def build(
        cls,
        circuit: LayerCircuit,
        backend: str | Backend = "statevector",
        gradient: str | GradientMethod = "auto",
        shots: int | None = None,
    ) -> CompiledCircuit:
        """Compile a circuit; for the arguments see `QuantumLayer`.

        Raises:
            BackendError, CircuitError: see `QuantumLayer`.
        """
        executable = opened_backend(backend, shots).compile(checked_circuit(circuit))
        return cls(circuit, executable, resolve_gradient(gradient, executable))

    @property
    def adjoint(self) -> bool:
        """Whether gradients come from the adjoint method, one sweep for all observables."""
        return isinstance(self.gradient, Adjoint)

    @property
    def second_derivatives(self) -> bool:
        """Whether gradients can be differentiated again, as a gradient penalty does; else that is refused."""
        return self.adjoint and self.executable.second_derivatives

    def no_second_derivatives(self) -> BackendError:
        """Return the error to raise where second derivatives were asked for, and there are none."""
        return BackendError(
            "a second derivative of a QuantumLayer was asked for (a gradient penalty, create_graph=True followed by "
            f"backward, or a Hessian), and there is none on {self.describe_run(gradients=True)}. Take backend "
            "`statevector` with gradient `adjoint`, or penalise finite differences of its values, or its weights."
        )

    def describe_run(self, gradients: bool = False) -> str:
        """Return where and how the circuit runs, in words; see `describe_runs`."""
        run = f"{self.executable.backend.name} ({self.executable.method})"
        if not gradients:
            return run
        wants = self.circuit.num_inputs > 0, self.circuit.num_weights > 0
        count = self.gradient.evaluations(self.executable, wants)
        method = type(self.gradient).__name__
        return f"{run}, differentiated by {method}" + (f" ({count:,} runs for each)" if count > 1 else "")

    def jacobians(
        self, inputs: torch.Tensor, weights: torch.Tensor, wants: tuple[bool, bool], seed: Seed | None = None
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return Jacobians (..., O, I) and (..., O, W) of the values, for those that are wanted.

        Every sample has weights of its own; all derivatives come from one record, in one submission. For `seed` see
        `Executable.streams`.
        """
        lead = torch.broadcast_shapes(inputs.shape[:-1], weights.shape[:-1])
        wide = [
            leaf.expand(*lead, leaf.shape[-1]) if wanted else leaf
            for leaf, wanted in zip((inputs, weights), wants, strict=True)
        ]
        values, vjp = self.gradient.value_and_vjp(self.executable, wide[0], wide[1], wants, seed)
        units = torch.eye(values.shape[-1], dtype=values.dtype, device=values.device)
        rows = [vjp(unit.expand_as(values)) for unit in units]
        matrices = [
            torch.stack([row[k] for row in rows], dim=-2) if wanted else None  # type: ignore[misc]
            for k, wanted in enumerate(wants)
        ]
        return matrices[0], matrices[1]
