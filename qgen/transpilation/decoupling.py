"""Dynamical decoupling as an option: pulses where qubits wait, what they cover, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

from qiskit import QuantumCircuit
from qiskit.circuit import Gate
from qiskit.circuit.library import RZGate, XGate
from qiskit.dagcircuit import DAGInNode, DAGOutNode
from qiskit.exceptions import QiskitError
from qiskit.transpiler import PassManager, Target
from qiskit.transpiler.passes import ALAPScheduleAnalysis, PadDynamicalDecoupling, TimeUnitConversion

from qgen.errors import BackendError
from qgen.transpilation.figures import MICROSECONDS, error_of, properties, read_steps, schedule

SequenceName = Literal["XX", "XpXm", "XY4"]
PULSE, FRAME = "x", "rz"


@dataclass(frozen=True, eq=False)
class Decoupled:
    """A circuit with pulses where its qubits wait, and what can be said of them.

    A snapshot can state their price and how much of the waiting they cover, but no gain: its T2 is measured with an
    echo, which has taken the slow dephasing out already, and it holds nothing of the crosstalk between neighbours.
    These two are what decoupling removes: whether it pays shows on the machine alone.

    Attributes:
        circuit: scheduled, with delays and pulses on physical qubits; parameters stay open. Up to a global phase it
            does what the circuit did before.
        sequence: which pulses.
        pulses: physical qubit -> how many; qubits without any are left out.
        idle_us: physical qubit -> microseconds in which it waits in the circuit before; see `Figures.idle_us`.
        covered_us: physical qubit -> microseconds of these that lie within sequences, pulses included.
        gates: the probability that no pulse fails, the product of 1 - error over all of them: what success by gates is
            multiplied with.
    """

    circuit: QuantumCircuit
    sequence: SequenceName
    pulses: dict[int, int]
    idle_us: dict[int, float]
    covered_us: dict[int, float]
    gates: float

    @property
    def total_pulses(self) -> int:
        """On all qubits."""
        return sum(self.pulses.values())

    @property
    def coverage(self) -> float:
        """The part of all waiting that lies within sequences, in [0, 1]; 0 where nobody waits."""
        waiting = sum(self.idle_us.values())
        return sum(self.covered_us.values()) / waiting if waiting else 0.0


class _Pulses(NamedTuple):
    """A sequence of pulses: each is x, seen from a frame that is turned about Z by its angle.

    Turned by pi, x is a rotation the other way round; by pi/2 it is Y. The turns are virtual.
    """

    frames: tuple[float, ...]

    def gates(self) -> list[Gate]:
        """In the device's gates, as Qiskit takes them."""
        return [gate for angle in self.frames for gate in _framed(angle)]

    def spacing(self) -> list[float]:
        """The parts of the free time before, between and after the gates: half a gap, whole ones, and half a one."""
        gap = 1 / len(self.frames)
        parts: list[float] = []
        for k, angle in enumerate(self.frames):
            inside = [0.0] * (len(_framed(angle)) - 1)
            parts += [gap if k else gap / 2, *inside]
        return [*parts, gap / 2]


#: XX: the plain echo, twice. XpXm: the second one back, so that pulses that are too long or too short make up for it.
#: XY4: about two axes (Maudsley 1986, J. Magn. Reson. 69, 488).
SEQUENCES = MappingProxyType(
    {
        "XX": _Pulses((0.0, 0.0)),
        "XpXm": _Pulses((0.0, math.pi)),
        "XY4": _Pulses((0.0, math.pi / 2, 0.0, math.pi / 2)),
    }
)


def decouple(
    isa: QuantumCircuit, target: Target, measured: Iterable[int], sequence: SequenceName = "XpXm"
) -> Decoupled:
    """Schedules a circuit as late as possible, and puts pulses wherever a qubit waits for long enough.

    Qubits wait between their gates and, if they are measured, from their last gate until all are. Before its first gate
    a qubit is in its ground state and after the last one of one that nobody reads nothing matters: there are no pulses.

    Args:
        isa: in the device's own gates, on its physical qubits, without measurements.
        target: the device. Its qubits need the gates x and rz; those without them get no pulses.
        measured: the physical qubits that are read at the end.
        sequence: "XX", "XpXm" or "XY4".

    Raises:
        BackendError: an unknown sequence; a device without x or rz, or that does not say how long its gates take; a
            circuit of another device.
    """
    read = frozenset(measured)
    _check(sequence, target)
    waits = schedule(read_steps(isa, target), read)
    if waits is None:
        raise BackendError("decoupling needs to know how long every gate takes, and the device does not say so")
    padding = _Padding(target, SEQUENCES[sequence], read)
    circuit = _scheduled(isa, target, padding)
    circuit._layout = isa.layout  # noqa: SLF001  # there is no other way to keep it
    return Decoupled(
        circuit=circuit,
        sequence=sequence,
        pulses=dict(sorted(padding.pulses.items())),
        idle_us={qubit: MICROSECONDS * time for qubit, time in sorted(waits.idle.items())},
        covered_us={qubit: MICROSECONDS * time for qubit, time in sorted(padding.covered.items())},
        gates=math.prod((1 - _error(target, qubit)) ** count for qubit, count in padding.pulses.items()),
    )


class _Padding(PadDynamicalDecoupling):  # type: ignore[misc]  # qiskit ships no types
    """Qiskit's pass, which leaves out what nobody waits for, and counts.

    Attributes:
        pulses: physical qubit -> how many.
        covered: physical qubit -> seconds within sequences.
    """

    def __init__(self, target: Target, pulses: _Pulses, read: frozenset[int]) -> None:
        super().__init__(dd_sequence=pulses.gates(), spacing=pulses.spacing(), target=target)
        self._target, self._count, self._read = target, len(pulses.frames), read
        self.pulses: dict[int, int] = {}
        self.covered: dict[int, float] = {}

    def _pad(self, dag: Any, qubit: Any, t_start: int, t_end: int, next_node: Any, prev_node: Any) -> None:
        place, last = dag.find_bit(qubit).index, isinstance(next_node, DAGOutNode)
        if last and (place not in self._read or isinstance(prev_node, DAGInNode)):
            return
        before = dag.size()
        super()._pad(dag, qubit, t_start, t_end, next_node, prev_node)
        if dag.size() > before + 1:  # more than one long delay
            self.pulses[place] = self.pulses.get(place, 0) + self._count
            self.covered[place] = self.covered.get(place, 0.0) + (t_end - t_start) * self._target.dt


def _scheduled(isa: QuantumCircuit, target: Target, padding: _Padding) -> QuantumCircuit:
    manager = PassManager([TimeUnitConversion(target=target), ALAPScheduleAnalysis(target=target), padding])
    try:
        return manager.run(isa)
    except QiskitError as error:
        raise BackendError(f"Qiskit cannot schedule this circuit for decoupling: {error.message}") from error


def _check(sequence: str, target: Target) -> None:
    if sequence not in SEQUENCES:
        raise BackendError(f"there is no sequence of pulses `{sequence}`; known: {', '.join(get_args(SequenceName))}")
    missing = [name for name in (PULSE, FRAME, "delay") if name not in target.operation_names]
    if missing:
        raise BackendError(
            f"decoupling is made of x, rz and delay, and the device has no `{missing[0]}`: "
            "take another device, or go without it"
        )
    if target.dt is None:
        raise BackendError("decoupling needs the clock of the device (dt), and the device does not give it")


def _framed(angle: float) -> Sequence[Gate]:
    return (RZGate(-angle), XGate(), RZGate(angle)) if angle else (XGate(),)


def _error(target: Target, qubit: int) -> float:
    return error_of(properties(target, PULSE, (qubit,))) or 0.0
