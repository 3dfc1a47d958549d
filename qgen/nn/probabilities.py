"""QuantumProbabilities: the probabilities of a circuit's outcomes, and of some given what others read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy.typing as npt
import torch

from qgen.backends import Backend, GradientMethod
from qgen.backends.measurement.walsh import walsh_hadamard
from qgen.circuits import LayerCircuit, with_z_products
from qgen.circuits.arguments import whole_number
from qgen.circuits.probabilities import check_qubits
from qgen.errors import CircuitError, short_repr
from qgen.nn.arguments import checked_circuit
from qgen.nn.initialisers import Initialiser
from qgen.nn.layer import QuantumLayer

ROUNDING = 4.0  # units of the floating-point type: less than this is a probability of zero; one shot is more


class QuantumProbabilities(torch.nn.Module):
    """A parameterised circuit as a torch module: inputs (..., I) -> probabilities (..., 2^n) of its outcomes.

    Bit j of an outcome is what qubit j reads. The circuit's own observables do not matter. Where values are sampled,
    the probabilities are the relative frequencies of the shots, which one basis measures.

    With ancillas, which are measured and whose reading is checked, it is the distribution of the other qubits, in their
    order, given that every ancilla reads 0: (..., 2^(n - a)), with a sum of 1; or all 0 where that never happens.
    Source of such a step, which is not linear in the state: Huang et al., "Experimental quantum generative adversarial
    networks for image generation", 2021, arXiv:2010.06201.

    Probabilities are a linear transform of expectation values, and are not clamped, so that their derivatives are right
    where they are 0: rounding may leave -1e-8 there in float32. Clamp them before a logarithm or a root.

    Args:
        circuit: the circuit; its n qubits are at most 12.
        ancillas: the qubits that have to read 0, fewer than all.
        backend: see `QuantumLayer`, as with all that follow.
        gradient: how it is differentiated.
        shots: shots per circuit.
        seed: of the initial weights.
        initial: where the weights start.
        copies: None, or K for K circuits of one form, each with weights of its own: inputs (..., K, I) ->
            probabilities (..., K, 2^n), in one call of the backend.

    Attributes:
        circuits: the `QuantumLayer` that holds the weights.

    Raises:
        BackendError, CircuitError: the backend or its gradient cannot serve this circuit, it has too many qubits, or
            ancillas are not some of them.
        InputError: see `QuantumLayer`.
    """

    def __init__(
        self,
        circuit: LayerCircuit,
        ancillas: Sequence[int] = (),
        backend: str | Backend = "statevector",
        gradient: str | GradientMethod = "auto",
        shots: int | None = None,
        seed: int | None = 0,
        initial: Initialiser | npt.ArrayLike | None = None,
        copies: int | None = None,
    ) -> None:
        super().__init__()
        self.ancillas = _checked_ancillas(ancillas, checked_circuit(circuit).qubits)
        self.circuits = QuantumLayer(with_z_products(circuit), backend, gradient, shots, seed, initial, copies)

    def joint(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return probabilities (..., 2^n) of all outcomes of all qubits, ancillas among them, at inputs (..., I)."""
        values: torch.Tensor = self.circuits(inputs)
        # In double precision: where one survivor in a million shots counts, so does a sum's rounding.
        return (walsh_hadamard(values.double()) / values.shape[-1]).to(values.dtype)

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # the graph goes around the circuit
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return probabilities (..., 2^(n - a)) of the outcomes of the other qubits, at inputs (..., I)."""
        joint = self.joint(inputs)
        if not self.ancillas:
            return joint
        accepted = self._where_ancillas_are_0(joint)
        total = accepted.sum(dim=-1, keepdim=True)
        survived = total > ROUNDING * torch.finfo(total.dtype).eps
        # The inner choice is for gradients: behind the outer one alone, that of a division by zero would be NaN.
        return torch.where(survived, accepted / torch.where(survived, total, 1), 0)

    def _where_ancillas_are_0(self, joint: torch.Tensor) -> torch.Tensor:
        """Return the part (..., 2^(n - a)) of joint probabilities (..., 2^n)."""
        qubits = self.circuits.circuit.qubits
        zeros = tuple(0 if qubit in self.ancillas else slice(None) for qubit in reversed(range(qubits)))
        grid = joint.reshape(*joint.shape[:-1], *[2] * qubits)
        return grid[..., *zeros].reshape(*joint.shape[:-1], 1 << (qubits - len(self.ancillas)))

    def extra_repr(self) -> str:
        """Return the line that torch prints for this module."""
        return f"ancillas={self.ancillas}"


def _checked_ancillas(given: Any, qubits: int) -> tuple[int, ...]:
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise CircuitError(f"ancillas = {short_repr(given)} are no qubits: give their numbers, as ancillas=[0]")
    ancillas = tuple(whole_number("an ancilla", qubit, 0) for qubit in given)
    check_qubits("ancillas", ancillas, qubits)
    if len(ancillas) == qubits:
        raise CircuitError(f"All {qubits} qubits are ancillas: leave at least one that is none.")
    return ancillas
