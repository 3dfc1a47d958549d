"""Dynamical decoupling: pulses on idle qubits, how much of the idle time they cover, and what they cost."""

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
from qgen.transpilation.schedule import MICROSECONDS, device_instructions, gate_properties, reported_error, schedule

SequenceName = Literal["XX", "XpXm", "XY4"]
PULSE, FRAME = "x", "rz"


@dataclass(frozen=True, eq=False)
class DecoupledCircuit:
    """A circuit with decoupling pulses on its idle qubits.

    A snapshot determines the cost of the pulses and the idle time that they cover, but not their gain: its T2 is
    measured with an echo, which has removed the slow dephasing already, and it holds nothing of the crosstalk between
    neighbours. These two are what decoupling removes: its gain is seen on the machine only.

    Attributes:
        circuit: scheduled, with delays and pulses on physical qubits; parameters stay open. It equals the original up
            to a global phase.
        sequence: name of the pulse sequence.
        pulses: physical qubit -> number of pulses; qubits without pulses are left out.
        idle_us: physical qubit -> idle microseconds of the original; see `CircuitMetrics.idle_us`.
        covered_us: physical qubit -> microseconds of these within sequences, pulses included.
        gates: the probability that no pulse fails, the product of 1 - error over all of them: a factor of
            `Success.gates`.
    """

    circuit: QuantumCircuit
    sequence: SequenceName
    pulses: dict[int, int]
    idle_us: dict[int, float]
    covered_us: dict[int, float]
    gates: float

    @property
    def total_pulses(self) -> int:
        """The number of pulses on all qubits."""
        return sum(self.pulses.values())

    @property
    def coverage(self) -> float:
        """The share of the idle time within sequences, in [0, 1]; 0 if there is none."""
        idle = sum(self.idle_us.values())
        return sum(self.covered_us.values()) / idle if idle else 0.0


class _Pulses(NamedTuple):
    """A sequence of X pulses, each in a frame that is rotated about Z by its angle.

    In a frame rotated by pi, X is a rotation by -pi; by pi/2 it is Y. The frame changes are virtual.
    """

    frames: tuple[float, ...]

    def gates(self) -> list[Gate]:
        """Return the gates of the sequence."""
        return [gate for angle in self.frames for gate in _framed(angle)]

    def spacing(self) -> list[float]:
        """Return shares of the free time before, between and after the gates: half a gap, whole gaps, half a gap."""
        gap = 1 / len(self.frames)
        shares: list[float] = []
        for k, angle in enumerate(self.frames):
            inside = [0.0] * (len(_framed(angle)) - 1)
            shares += [gap if k else gap / 2, *inside]
        return [*shares, gap / 2]


#: XX: two echoes. XpXm: the second one backwards, so that errors in the length of the pulses cancel.
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
) -> DecoupledCircuit:
    """Schedule a circuit as late as possible, and insert pulses wherever a qubit is idle for long enough.

    Qubits are idle between their gates and, if they are measured, from their last gate until all are measured. There
    are no pulses before the first gate of a qubit, which is in its ground state, nor after the last gate of a qubit
    that is not measured.

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
    times = schedule(device_instructions(isa, target), read)
    if times is None:
        raise BackendError("decoupling needs to know how long every gate takes, and the device does not say so")
    padding = _Padding(target, SEQUENCES[sequence], read)
    circuit = _scheduled(isa, target, padding)
    circuit._layout = isa.layout  # noqa: SLF001  # there is no public setter
    return DecoupledCircuit(
        circuit=circuit,
        sequence=sequence,
        pulses=dict(sorted(padding.pulses.items())),
        idle_us={qubit: MICROSECONDS * time for qubit, time in sorted(times.idle.items())},
        covered_us={qubit: MICROSECONDS * time for qubit, time in sorted(padding.covered.items())},
        gates=math.prod((1 - _error(target, qubit)) ** count for qubit, count in padding.pulses.items()),
    )


class _Padding(PadDynamicalDecoupling):  # type: ignore[misc]  # qiskit ships no types
    """Qiskit's pass, without pulses that protect nothing, and with counts.

    Attributes:
        pulses: physical qubit -> number of pulses.
        covered: physical qubit -> seconds within sequences.
    """

    def __init__(self, target: Target, pulses: _Pulses, read: frozenset[int]) -> None:
        super().__init__(dd_sequence=pulses.gates(), spacing=pulses.spacing(), target=target)
        self._target, self._count, self._read = target, len(pulses.frames), read
        self.pulses: dict[int, int] = {}
        self.covered: dict[int, float] = {}

    def _pad(self, dag: Any, qubit: Any, t_start: int, t_end: int, next_node: Any, prev_node: Any) -> None:
        index, last = dag.find_bit(qubit).index, isinstance(next_node, DAGOutNode)
        if last and (index not in self._read or isinstance(prev_node, DAGInNode)):
            return
        before = dag.size()
        super()._pad(dag, qubit, t_start, t_end, next_node, prev_node)
        if dag.size() > before + 1:  # more than one long delay
            self.pulses[index] = self.pulses.get(index, 0) + self._count
            self.covered[index] = self.covered.get(index, 0.0) + (t_end - t_start) * self._target.dt


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
    return reported_error(gate_properties(target, PULSE, (qubit,))) or 0.0
