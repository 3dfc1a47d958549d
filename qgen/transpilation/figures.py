"""What a transpiled circuit is on its device: counts, times, and how likely nothing goes wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple, TypeVar

from qiskit import QuantumCircuit
from qiskit.circuit import Delay, ParameterExpression
from qiskit.transpiler import InstructionProperties, Target

from qgen.errors import BackendError
from qgen.transpilation.result import Figures, Success

MICROSECONDS = 1e6
#: What a circuit may hold beside gates. A barrier orders, a delay waits, a measurement is counted by `Success.readout`.
BESIDES = ("barrier", "delay", "measure")
#: Gates that are changes of a qubit's frame; they take no time even where a device does not say so.
_VIRTUAL = ("rz", "p", "u1", "id")
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12}

Place = TypeVar("Place", int, tuple[int, int])


class Step(NamedTuple):
    """One instruction of a circuit on a device.

    Attributes:
        name: of the gate, "barrier" or "delay".
        qubits: physical ones.
        duration: in seconds; None where the device does not say.
        error: in [0, 1], or None where the device has no usable number.
    """

    name: str
    qubits: tuple[int, ...]
    duration: float | None
    error: float | None

    @property
    def takes_time(self) -> bool:
        """Whether it is a gate that is more than a change of frame."""
        return self.name not in BESIDES and (self.name not in _VIRTUAL if self.duration is None else self.duration > 0)


class Waits(NamedTuple):
    """The schedule of a circuit, as late as possible.

    Attributes:
        duration: seconds from the first gate to the last one's end.
        idle: physical qubit -> seconds in which it waits; see `Figures.idle_us`.
    """

    duration: float
    idle: dict[int, float]


def measure(isa: QuantumCircuit, target: Target, measured: Sequence[int], two_qubit_bound: int) -> Figures:
    """The figures of a circuit that is in a device's own gates, on its physical qubits.

    Where the device has no number, as for a T1 that was not measured, nothing is lost there; an error of 1 makes
    success impossible.

    Args:
        isa: the transpiled circuit.
        target: the device.
        measured: the physical qubits that are read at the end.
        two_qubit_bound: see `Figures.extra_two_qubit_gates`.

    Raises:
        BackendError: the device does not have one of the gates on its qubits.
    """
    steps = read_steps(isa, target)
    gates = [step for step in steps if step.name not in BESIDES]
    pairs = [step for step in gates if len(step.qubits) == 2]
    waits = schedule(steps, measured)
    readout = {qubit: known(readout_error(target, qubit)) for qubit in measured}
    success = Success(
        gates=math.prod(1 - step.error for step in gates if step.error is not None),
        readout=math.prod(1 - error for error in readout.values() if error is not None),
        idle=_undisturbed(waits.idle, target) if waits else 1.0,
    )
    return Figures(
        two_qubit_gates=len(pairs),
        two_qubit_depth=_layers(pairs),
        depth=_layers(step for step in gates if step.takes_time),
        gates=dict(sorted(Counter(step.name for step in gates).items())),
        extra_two_qubit_gates=len(pairs) - two_qubit_bound,
        duration_us=MICROSECONDS * waits.duration if waits else None,
        idle_us={qubit: MICROSECONDS * time for qubit, time in sorted(waits.idle.items())} if waits else {},
        success=success,
        worst_coupler=_worst({(min(step.qubits), max(step.qubits)): step.error for step in _by_error(pairs)}),
        worst_readout=_worst(readout),
    )


def read_steps(isa: QuantumCircuit, target: Target) -> list[Step]:
    """The instructions, with what the device says of each.

    Raises:
        BackendError: the device does not have one of the gates on its qubits.
    """
    facts: dict[tuple[str, tuple[int, ...]], InstructionProperties | None] = {}
    index = {qubit: k for k, qubit in enumerate(isa.qubits)}
    steps = []
    for instruction in isa.data:
        name, qubits = instruction.operation.name, tuple(index[qubit] for qubit in instruction.qubits)
        if name in BESIDES:
            steps.append(Step(name, qubits, _waiting(instruction.operation, target) if name == "delay" else 0.0, None))
            continue
        if (name, qubits) not in facts:
            facts[name, qubits] = properties(target, name, qubits)
        about = facts[name, qubits]
        duration = None if about is None else about.duration
        steps.append(Step(name, qubits, 0.0 if duration is None and name in _VIRTUAL else duration, error_of(about)))
    return steps


def properties(target: Target, name: str, qubits: tuple[int, ...]) -> InstructionProperties | None:
    """What the device says of this gate on these qubits; None where it says nothing.

    Raises:
        BackendError: it does not have the gate there.
    """
    places = target.get(name) or {}
    if qubits in places:
        return places[qubits]
    if None in places:  # everywhere
        return None
    raise BackendError(f"the device has no gate `{name}` on qubits {list(qubits)}: transpile the circuit for it first")


def error_of(about: InstructionProperties | None) -> float | None:
    """The error that a device reports, if it is a number."""
    return None if about is None else known(about.error)


def known(error: float | None) -> float | None:
    """An error as a probability; None where it is missing or not a number."""
    return None if error is None or not math.isfinite(error) else min(max(float(error), 0.0), 1.0)


def readout_error(target: Target, qubit: int) -> float | None:
    """How often this qubit is read wrongly, over what was prepared; None where the device does not say."""
    return error_of((target.get("measure") or {}).get((qubit,)))


def lifetime(target: Target, qubit: int) -> float:
    """The shorter one of T1 and T2 in seconds; infinite where neither is known."""
    about = target.qubit_properties[qubit] if target.qubit_properties else None
    times = (getattr(about, "t1", None), getattr(about, "t2", None))
    return min((time for time in times if time is not None and time > 0), default=math.inf)


def schedule(steps: Sequence[Step], measured: Iterable[int]) -> Waits | None:
    """When everything happens, each as late as possible; None where the time of a gate is not known.

    Late, because a qubit cannot lose what it does not hold yet: before its first gate it is in its ground state.
    """
    read = set(measured)
    after: dict[int, float] = {}  # qubit -> seconds from the start of its next step to the end of the circuit
    start: dict[int, float] = {}  # the same from the start of its first gate
    busy: dict[int, float] = {}
    tail: dict[int, float] = {}  # from the end of its last gate, where nobody reads it
    for step in reversed(steps):
        if step.duration is None:
            return None
        left = max((after.get(qubit, 0.0) for qubit in step.qubits), default=0.0)
        for qubit in step.qubits:
            after[qubit] = left + step.duration
            if step.takes_time:
                start[qubit] = left + step.duration
                busy[qubit] = busy.get(qubit, 0.0) + step.duration
                if qubit not in read:
                    tail.setdefault(qubit, left)
    idle = {qubit: max(start[qubit] - busy[qubit] - tail.get(qubit, 0.0), 0.0) for qubit in busy}
    return Waits(max(start.values(), default=0.0), idle)


def _waiting(delay: Delay, target: Target) -> float | None:
    """The seconds of a delay; None where it is open, or in a device's units of unknown length."""
    unit = target.dt if delay.unit == "dt" else _SECONDS.get(delay.unit)
    if unit is None or isinstance(delay.duration, ParameterExpression):
        return None
    return float(delay.duration * unit)


def _undisturbed(idle: Mapping[int, float], target: Target) -> float:
    return math.exp(-sum(time / lifetime(target, qubit) for qubit, time in idle.items()))


def _by_error(steps: Iterable[Step]) -> list[Step]:
    """The largest errors last: they stay where several gates share a coupler."""
    return sorted(steps, key=lambda step: -1.0 if step.error is None else step.error)


def _layers(steps: Iterable[Step]) -> int:
    depth: dict[int, int] = {}
    for step in steps:
        depth.update(dict.fromkeys(step.qubits, 1 + max(depth.get(qubit, 0) for qubit in step.qubits)))
    return max(depth.values(), default=0)


def _worst(errors: Mapping[Place, float | None]) -> tuple[Place, float] | None:
    """The place with the largest error; of equal ones the first."""
    numbers = {place: error for place, error in sorted(errors.items()) if error is not None}
    return max(numbers.items(), key=itemgetter(1), default=None)
