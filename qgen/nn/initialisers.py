"""Initial weights of a quantum layer: rules that draw them, or numbers that are given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import isfinite, pi
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from qgen.circuits import LayerCircuit
from qgen.circuits.angle_scales import angle_scales
from qgen.errors import CircuitError, InputError, short_repr
from qgen.randomness import derive

ALLOWED = "give an Initialiser, as Normal() of qgen.nn.initialisers, or the numbers themselves"
MOST_CHECKED = 20  # qubits up to which IdentityBlock makes sure that it has made an identity


class Initialiser(ABC):
    """A rule for initial weights."""

    @abstractmethod
    def draw(self, circuit: LayerCircuit, generator: torch.Generator) -> torch.Tensor:
        """Draw initial weights (W,), float64; the same for the same state of the generator."""


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


@dataclass(frozen=True)
class InitialWeights:
    """The initial weights of a layer, drawn whenever they are asked for.

    Attributes:
        circuit: the circuit.
        initial: an `Initialiser`, or the numbers; None: `UniformAngle`.
        seed: of what is drawn; None: from torch's global generator.
        copies: K circuits, which start apart; None: one, without an axis for them.

    Raises:
        InputError: the numbers are none, not finite, or of another shape than the weights.
    """

    circuit: LayerCircuit
    initial: Initialiser | npt.ArrayLike | None
    seed: int | None
    copies: int | None

    def __post_init__(self) -> None:
        if self.initial is not None and not isinstance(self.initial, Initialiser):
            object.__setattr__(self, "initial", _numbers(self.initial, self.shape))

    @property
    def shape(self) -> tuple[int, ...]:
        """(W,), or (K, W)."""
        single = (self.circuit.num_weights,)
        return single if self.copies is None else (self.copies, *single)

    def draw(self) -> torch.Tensor:
        """Return weights of that shape, float64, on the CPU."""
        if isinstance(self.initial, np.ndarray):
            return torch.tensor(self.initial, device="cpu")
        if self.copies is None:
            return self._draw_one(self.seed)
        # One more number mixed in for each, so that K circuits of one seed do not start as copies of one another.
        seeds = [None if self.seed is None else derive(self.seed, "circuit", k) for k in range(self.copies)]
        return torch.stack([self._draw_one(seed) for seed in seeds])

    def _draw_one(self, seed: int | None) -> torch.Tensor:
        initialiser = self.initial if isinstance(self.initial, Initialiser) else UniformAngle()
        with torch.device("cpu"):  # also where a module is built on another device, or on none
            generator = torch.Generator()
            generator.manual_seed(int(torch.randint(2**62, ()).item()) if seed is None else seed)
            drawn = initialiser.draw(self.circuit, generator)
        if drawn.shape != (self.circuit.num_weights,) or not drawn.isfinite().all():
            raise InputError(
                f"{initialiser} drew weights of shape {tuple(drawn.shape)}, or some that are not finite; this circuit "
                f"has {self.circuit.num_weights} weights"
            )
        return drawn


def _as_array(values: npt.ArrayLike) -> npt.NDArray[Any]:
    if not isinstance(values, torch.Tensor):
        return np.array(values)
    tensor = values.detach().cpu()
    return (tensor.double() if tensor.is_floating_point() else tensor).numpy()  # NumPy knows no bfloat16


def _numbers(values: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return initial weights as an array of their own.

    Raises:
        InputError: see `InitialWeights`.
    """
    if isinstance(values, str | type) or (isinstance(values, torch.Tensor) and values.is_meta):
        given = short_repr(values)
        raise InputError(f"initial = {given} is no rule for initial weights, and holds no numbers: {ALLOWED}")
    try:
        array = _as_array(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"initial weights are not numbers in rows of one length ({error}): {ALLOWED}") from error
    if array.dtype == bool or not (np.isrealobj(array) and np.can_cast(array.dtype, np.float64)):
        raise InputError(f"initial = {short_repr(values)} holds no real numbers: {ALLOWED}")
    if array.shape != shape:
        raise InputError(f"initial weights have shape {array.shape}; give shape {shape}, one number a weight")
    if not np.isfinite(array).all():
        raise InputError("initial weights hold NaN or infinity; give finite numbers")
    return array.astype(np.float64)


def _is_identity(circuit: LayerCircuit, weights: torch.Tensor) -> bool:
    """Return whether the part of the circuit that depends on no input leaves a generic product state as it is."""
    bound = circuit.circuit.assign_parameters(dict(zip(circuit.weights, weights.tolist(), strict=True)))
    learned = QuantumCircuit(bound.num_qubits)
    for qubit in range(bound.num_qubits):
        learned.u(0.3 + qubit, 0.7 * qubit + 0.1, 0.2, qubit)
    before = Statevector(learned)
    for instruction in bound.data:
        if not instruction.is_parameterized():
            learned.append(instruction.operation, [bound.find_bit(qubit).index for qubit in instruction.qubits])
    return bool(abs(before.inner(Statevector(learned))) > 1 - 1e-9)
