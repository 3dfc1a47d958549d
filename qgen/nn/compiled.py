"""Compiled circuits: what the modules of this folder evaluate and differentiate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from qgen.backends import Adjoint, Backend, Executable, GradientMethod, resolve_gradient
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError
from qgen.nn.arguments import checked_circuit, opened_backend
from qgen.randomness import Seed

#: Whether circuits wait until they are first used, or until their weights are bound.
_waits: ContextVar[bool] = ContextVar("waits", default=False)


@contextmanager
def compiled_later() -> Iterator[None]:
    """Within this block the circuits of new modules are not compiled yet: weights are loaded first, and then bound.

    What a backend refuses, it refuses then.
    """
    before = _waits.set(True)
    try:
        yield
    finally:
        _waits.reset(before)


@dataclass(frozen=True, eq=False)
class CompiledCircuit:
    """A circuit on a backend, with a gradient method.

    Attributes:
        circuit: the circuit.
        backend: where it runs.
        method: how it is differentiated there, as given: a name or a method.
        weights: (W,) or (K, W), float64: what it is compiled for; None: weights are open. See `Backend.compile`.
    """

    circuit: LayerCircuit
    backend: Backend
    method: str | GradientMethod = "auto"
    weights: npt.NDArray[np.float64] | None = None

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
        compiled = cls(checked_circuit(circuit), opened_backend(backend, shots), gradient)
        return compiled if _waits.get() else compiled.checked()

    @cached_property
    def executable(self) -> Executable:
        """The circuit as its backend runs it."""
        if self.weights is None:
            return self.backend.compile(self.circuit)
        return self.backend.compile(self.circuit, self.weights)

    @cached_property
    def gradient(self) -> GradientMethod:
        """How it is differentiated there."""
        return resolve_gradient(self.method, self.executable)

    def checked(self) -> CompiledCircuit:
        """Return itself, compiled by now.

        Raises:
            BackendError, CircuitError: see `QuantumLayer`.
        """
        assert self.gradient is not None
        return self

    def bound(self, weights: torch.Tensor | None) -> CompiledCircuit:
        """Return the circuit compiled for these weights, (W,) or (K, W); None: for any."""
        numbers = None if weights is None else weights.detach().double().cpu().numpy()
        return replace(self, weights=numbers).checked()

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
