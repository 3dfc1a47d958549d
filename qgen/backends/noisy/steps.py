"""Steps: a routed circuit as rotations, fixed gates and noise, one after the other, on wires."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from qiskit.circuit import Barrier, CircuitInstruction, Delay, Parameter, ParameterExpression, QuantumCircuit
from qiskit.quantum_info import Operator

from qgen.backends.noisy.rotations import Angle, Rotation, is_open, rotations
from qgen.errors import BackendError, CircuitError
from qgen.noise.channels import GateNoise
from qgen.transpilation.schedule import SECONDS_PER_UNIT

Doubles = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]

#: Kinds of steps, see `Step`.
ROTATION, FIXED_1Q, FIXED_2Q, NOISE_1Q, NOISE_2Q, DELAY = range(6)
NO_COLUMN = -1
_PAULIS: Complexes = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
_SWAPPED = [0, 2, 1, 3]
_NOTHING = (1.0, 1.0)


class WireNoise(Protocol):
    """The noise of wires, as a `LocalNoise` of `qgen.noise` has it."""

    @property
    def confusion(self) -> Doubles:
        """Readout errors (k, 2, 2): confusion[wire, prepared, read]."""

    def after(self, name: str, wires: tuple[int, ...]) -> GateNoise | None:
        """Return the noise after a gate on these wires; None: there is none."""

    def rates(self, wire: int) -> tuple[float, float]:
        """Return 1/T1 and 1/T2 of a waiting wire, in 1/s."""


@dataclass(frozen=True, eq=False)
class Step:
    """One operation on one or two wires.

    Attributes:
        kind: ROTATION exp(-i angle/2 P); FIXED_1Q, FIXED_2Q: a unitary; NOISE_1Q, NOISE_2Q: depolarisation, then
            relaxation of each wire; DELAY: relaxation while a wire waits.
        wires: the wires; index bits and Pauli digits count from the first.
        pauli: of a rotation, a digit 0..3 (I, X, Y, Z) for each wire.
        column: column of the angle table that a rotation or delay depends on; -1: none.
        factor, offset: angle = factor * table[column] + offset, radians, seconds for a delay.
        unitary: of a fixed gate, (2, 2) or (4, 4).
        noise: of noise: lam, then e1 and e2 of each wire; of a delay: 1/T1 and 1/T2 per second.
        transfer: of operations that were merged: their Pauli transfer matrix, (4, 4) or (16, 16), the kind FIXED.
    """

    kind: int
    wires: tuple[int, ...]
    pauli: tuple[int, ...] = ()
    column: int = NO_COLUMN
    factor: float = 0.0
    offset: float = 0.0
    unitary: Complexes | None = None
    noise: tuple[float, ...] = ()
    transfer: Doubles | None = None

    def on(self, low: int, high: int) -> Step:
        """Return the step on the wires (low, high) in this order, or on the one of them that it acts on."""
        if self.wires != (high, low):
            return self
        unitary = None if self.unitary is None else self.unitary[np.ix_(_SWAPPED, _SWAPPED)]
        noise = (self.noise[0], *self.noise[3:5], *self.noise[1:3]) if self.noise else ()
        return replace(self, wires=(low, high), pauli=self.pauli[::-1], unitary=unitary, noise=noise)

    @property
    def fixed(self) -> bool:
        """Whether it is the same for all angles."""
        return self.column == NO_COLUMN

    def ptm(self) -> Doubles:
        """Return the Pauli transfer matrix of a fixed step, (4, 4) or (16, 16)."""
        if self.transfer is not None:
            return self.transfer
        if self.kind == DELAY:
            rate_1, rate_2 = self.noise
            return relaxation_ptm(float(np.exp(-rate_1 * self.offset)), float(np.exp(-rate_2 * self.offset)))
        if self.kind in (NOISE_1Q, NOISE_2Q):
            left = [relaxation_ptm(*self.noise[1 + 2 * k : 3 + 2 * k]) for k in range(len(self.wires))]
            matrix = _joined(left)
            matrix[:, 1:] *= 1 - self.noise[0]
            return matrix
        return unitary_ptm(self.matrix())

    def matrix(self) -> Complexes:
        """Return the unitary of a fixed gate or rotation, (2, 2) or (4, 4)."""
        if self.unitary is not None:
            return self.unitary
        string = _joined([_PAULIS[digit] for digit in self.pauli])
        cosine, sine = np.cos(self.offset / 2), np.sin(self.offset / 2)
        return np.asarray(cosine * np.eye(len(string)) - 1j * sine * string)


def _joined(factors: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The tensor product of factors, the first one of the lowest digit."""
    return reduce(lambda low, high: np.kron(high, low), factors)


def relaxation_ptm(e1: float, e2: float) -> Doubles:
    """Return the Pauli transfer matrix (4, 4) of relaxation that leaves e1 of Z and e2 of X and Y."""
    return np.array([[1.0, 0, 0, 0], [0, e2, 0, 0], [0, 0, e2, 0], [1 - e1, 0, 0, e1]])


def unitary_ptm(unitary: Complexes) -> Doubles:
    """Return the Pauli transfer matrix (4^q, 4^q) of a unitary (2^q, 2^q), q = 1 or 2."""
    return _unitary_ptm(len(unitary), np.ascontiguousarray(unitary).tobytes())


@lru_cache(maxsize=4096)
def _unitary_ptm(size: int, content: bytes) -> Doubles:
    unitary = np.frombuffer(content, dtype=np.complex128).reshape(size, size)
    strings = _PAULIS if size == 2 else np.array([np.kron(_PAULIS[k >> 2], _PAULIS[k & 3]) for k in range(16)])
    turned = unitary @ strings @ unitary.conj().T
    matrix = np.einsum("aij,bji->ab", strings, turned).real / size
    matrix.flags.writeable = False
    transfer: Doubles = matrix
    return transfer


def steps_of(
    circuit: QuantumCircuit,
    instructions: Iterable[CircuitInstruction],
    columns: Mapping[Parameter, int],
    noise: WireNoise,
    dt: float | None,
) -> Iterator[Step]:
    """Yield the steps of instructions of a routed circuit, each gate followed by its noise.

    Args:
        circuit: the routed circuit, on wires.
        instructions: some of its instructions, in order.
        columns: column of each open angle in the angle table.
        noise: of the wires.
        dt: seconds of a step of the device's clock; None: it has none.

    Raises:
        BackendError: a gate on more than two wires.
        CircuitError: a gate that has no rotations; see `rotations`.
    """
    for instruction in instructions:
        operation = instruction.operation
        wires = tuple(circuit.find_bit(bit).index for bit in instruction.qubits)
        if isinstance(operation, Barrier):
            continue
        if isinstance(operation, Delay):
            yield _delay(operation, wires[0], columns, noise, dt)
            continue
        if len(wires) > 2:
            raise BackendError(f"the noisy engine takes gates on one or two qubits, and `{operation.name}` is on more")
        yield from _gate_steps(operation, wires, columns)
        after = noise.after(operation.name, wires)
        if after is not None:
            left = tuple(value for one in after.relaxation for value in one)
            if after.depolarizing or any(value != 1 for value in left):
                kind = NOISE_1Q if len(wires) == 1 else NOISE_2Q
                yield Step(kind, wires, noise=(after.depolarizing, *left))


def _gate_steps(operation: Any, wires: tuple[int, ...], columns: Mapping[Parameter, int]) -> Iterator[Step]:
    if not is_open(operation):
        if operation.num_qubits:
            yield _fixed(operation, wires)
        return
    for part in rotations(operation):
        if not isinstance(part, Rotation):
            inner, qubits = part
            yield _fixed(inner, tuple(wires[k] for k in qubits))
            continue
        acting = [k for k, letter in enumerate(part.pauli) if letter != "I"]
        pauli = tuple("IXYZ".index(part.pauli[k]) for k in acting)
        yield Step(ROTATION, tuple(wires[k] for k in acting), pauli, *_place(part.angle, columns))


def _fixed(operation: Any, wires: tuple[int, ...]) -> Step:
    unitary = np.ascontiguousarray(Operator(operation).data)
    return Step(FIXED_1Q if len(wires) == 1 else FIXED_2Q, wires, unitary=unitary)


def _place(angle: Angle, columns: Mapping[Parameter, int]) -> tuple[int, float, float]:
    column = NO_COLUMN if angle.parameter is None else columns[angle.parameter]
    return column, angle.factor, angle.offset


def _delay(delay: Delay, wire: int, columns: Mapping[Parameter, int], noise: WireNoise, dt: float | None) -> Step:
    length, rates = delay.duration, noise.rates(wire)
    if isinstance(length, ParameterExpression) and length.parameters:
        (parameter,) = length.parameters  # a column: in seconds, see `qgen.transpilation.delays`
        return Step(DELAY, (wire,), column=columns[parameter], factor=1.0, noise=rates)
    if delay.unit == "dt" and dt is None:
        raise CircuitError("a delay is given in `dt`, and the device does not say how long that is: give it in ns")
    seconds = float(length) * (dt if delay.unit == "dt" and dt is not None else SECONDS_PER_UNIT[delay.unit])
    return Step(DELAY, (wire,), offset=seconds, noise=rates)
