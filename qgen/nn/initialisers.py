"""Where the weights of a quantum layer start."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import isfinite, pi

import torch
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from qgen.circuits import LayerCircuit
from qgen.circuits.scale import angle_scales
from qgen.errors import CircuitError

MOST_CHECKED = 20  # qubits up to which IdentityBlock makes sure that it has made an identity


class Initialiser(ABC):
    """A rule for initial weights."""

    @abstractmethod
    def draw(self, circuit: LayerCircuit, generator: torch.Generator) -> torch.Tensor:
        """Initial weights (W,), float64; the same for the same state of the generator."""


@dataclass(frozen=True)
class UniformAngle(Initialiser):
    """Weights such that the angles they set are uniform over one turn [0, 2 pi): the default.

    Where a gate turns by 2 pi w (`hqconv`, `fqconv`), w is uniform over [0, 1), as in the code of De Falco et al.,
    arXiv:2402.16147. (One turn covers all that a rotation can do; a controlled one has a period of two.)
    """

    def draw(self, circuit: LayerCircuit, generator: torch.Generator) -> torch.Tensor:
        turn = torch.tensor([2 * pi / scale for scale in angle_scales(circuit)], dtype=torch.float64)
        return turn * torch.rand(circuit.num_weights, dtype=torch.float64, generator=generator)


@dataclass(frozen=True)
class Uniform(Initialiser):
    """Weights uniform over [low, high)."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (isfinite(self.low) and isfinite(self.high) and self.low < self.high):
            raise CircuitError(f"Uniform({self.low}, {self.high}): give finite numbers, the lower one first")

    def draw(self, circuit: LayerCircuit, generator: torch.Generator) -> torch.Tensor:
        unit = torch.rand(circuit.num_weights, dtype=torch.float64, generator=generator)
        return self.low + (self.high - self.low) * unit


@dataclass(frozen=True)
class Normal(Initialiser):
    """Angles normal about zero with a small spread (radians), so that the circuit starts near its bare encoding.

    Zhang et al., "Escaping from the barren plateau via Gaussian initializations", 2022, arXiv:2203.09376, show that
    gradients then need not vanish, with a spread that shrinks as circuits get deeper.
    """

    spread: float = 0.1

    def __post_init__(self) -> None:
        if not (isfinite(self.spread) and self.spread > 0):
            raise CircuitError(f"Normal({self.spread}): the spread must be a positive number of radians")

    def draw(self, circuit: LayerCircuit, generator: torch.Generator) -> torch.Tensor:
        width = torch.tensor([self.spread / scale for scale in angle_scales(circuit)], dtype=torch.float64)
        return width * torch.randn(circuit.num_weights, dtype=torch.float64, generator=generator)


@dataclass(frozen=True)
class IdentityBlock(Initialiser):
    """Pairs of layers that undo each other, so that training starts from the identity, with random angles inside.

    For circuits built with `ansatz(..., mirrored=True)`: of each two layers the second is the first one's inverse,
    with weights of its own in the same order. Source: Grant et al., "An initialization strategy for addressing barren
    plateaus in parametrized quantum circuits", Quantum 3, 214 (2019), arXiv:1903.05076.

    Args:
        layers: how many layers the circuit has: an even number that divides its weights. Up to 20 qubits, that they
            do undo each other is checked.
    """

    layers: int

    def draw(self, circuit: LayerCircuit, generator: torch.Generator) -> torch.Tensor:
        if self.layers < 2 or self.layers % 2 or circuit.num_weights % self.layers:
            raise CircuitError(
                f"IdentityBlock(layers={self.layers}): give the even number of layers among which "
                f"the circuit's {circuit.num_weights} weights divide evenly"
            )
        weights = UniformAngle().draw(circuit, generator).reshape(self.layers // 2, 2, -1)
        weights[:, 1] = weights[:, 0]
        flat = weights.reshape(-1)
        if circuit.qubits <= MOST_CHECKED and not _is_identity(circuit, flat):
            raise CircuitError(
                "IdentityBlock: this circuit's layers do not undo each other. "
                "Build it with ansatz(..., mirrored=True), and give the same number of layers here"
            )
        return flat


def _is_identity(circuit: LayerCircuit, weights: torch.Tensor) -> bool:
    """Whether the part of the circuit that depends on no input leaves a generic product state as it is."""
    bound = circuit.circuit.assign_parameters(dict(zip(circuit.weights, weights.tolist(), strict=True)))
    learned = QuantumCircuit(bound.num_qubits)
    for qubit in range(bound.num_qubits):
        learned.u(0.3 + qubit, 0.7 * qubit + 0.1, 0.2, qubit)
    before = Statevector(learned)
    for instruction in bound.data:
        if not instruction.is_parameterized():
            learned.append(instruction.operation, [bound.find_bit(qubit).index for qubit in instruction.qubits])
    return bool(abs(before.inner(Statevector(learned))) > 1 - 1e-9)
