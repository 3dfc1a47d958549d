"""The fidelity that gates and waiting leave of a circuit's state, predicted from the numbers of its device.

Of a pure state, a channel on some of its qubits leaves sum over Kraus operators of |<K>|^2: what it does to a qubit
depends on where that is, and how mixed (`BlochMoments`), that is how much it is entangled with others. With <X>, <Y>
and <Z> of the qubit, relaxation in a time t leaves

    (1 + e1 + 2 e2) / 4 + (1 - e1) (<X>^2 + <Y>^2) / 4 + (1 + e1 - 2 e2) <Z>^2 / 4 + (1 - e1) <Z> / 2,

with e1 = exp(-t / T1) of populations and e2 = exp(-t / T2) of coherences: of an entangled qubit the first term, about
1 - t / 4 T1 - t / 2 T2, and of one in its ground state all. Depolarisation of d dimensions with probability lambda
leaves 1 - lambda (1 - p / d), where p is the purity of the gate's qubits. As in Aer's model of a device (`noise`), a
gate depolarises by as much as its reported error, an average infidelity, is beyond relaxation in its time.

Losses multiply. Only what can still reach a measured qubit counts, and a wait ends where a gate takes time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.noise.channels import Rates, Relaxation, depolarizing_beyond, relaxation, relaxation_rates
from qgen.transpilation.bloch_moments import BlochMoments
from qgen.transpilation.schedule import MIN_IDLE, NON_GATES, DeviceInstruction, alap_ends


class StateFidelity(NamedTuple):
    """What is left of a circuit's state, in [0, 1].

    Attributes:
        gates: by gates.
        idle: by waiting; 1 if the device gives no durations.
    """

    gates: float
    idle: float


def predict_fidelity(
    isa: QuantumCircuit, instructions: Sequence[DeviceInstruction], target: Target, measured: Iterable[int]
) -> StateFidelity:
    """Predict the fidelity of a circuit's state just before it is measured, as a mean over its open angles.

    Args:
        isa: in the device's own gates, on its physical qubits.
        instructions: the same, see `device_instructions`.
        target: the device.
        measured: the physical qubits that are read at the end.
    """
    reached, waits = light_cone(instructions, measured)
    qubits = {qubit for one in instructions for qubit in one.qubits}
    rates = {qubit: target_rates(target, qubit) for qubit in qubits}
    moments, gates, idle = BlochMoments(sorted(qubits)), 1.0, 1.0
    errors: dict[tuple[str, tuple[int, ...]], _GateErrors | None] = {}
    for step, one, counts, after in zip(isa.data, instructions, reached, waits, strict=True):
        if not counts:
            continue
        key = one.name, one.qubits
        if key not in errors:
            errors[key] = _gate_errors(one, [rates[qubit] for qubit in one.qubits])
        here = errors[key]
        purity = moments.purity(one.qubits) if here is not None and here.lost else 1.0
        moments.apply(one.name, step.params, one.qubits)
        if here is not None:
            gates *= max(0.0, 1 - here.lost * (1 - purity / (1 << len(one.qubits))))
            for qubit, left in zip(one.qubits, here.left, strict=True):
                gates *= relaxed_fidelity(moments, qubit, left)
        for qubit, seconds in after:
            idle *= relaxed_fidelity(moments, qubit, relaxation(rates[qubit], seconds))
    broken = any(counts and one.error == 1 for one, counts in zip(instructions, reached, strict=True))
    return StateFidelity(0.0 if broken else gates, idle)


class _GateErrors(NamedTuple):
    """The lambda of a gate's depolarisation, and what relaxation leaves of each of its qubits."""

    lost: float
    left: tuple[Relaxation, ...]


def _gate_errors(one: DeviceInstruction, rates: Sequence[Rates]) -> _GateErrors | None:
    """Return the errors of a gate; None if there are none."""
    if not one.error and not one.duration:
        return None
    left = tuple(relaxation(of_qubit, one.duration or 0.0) for of_qubit in rates)
    return _GateErrors(depolarizing_beyond(one.error or 0.0, left), left)


def relaxed_fidelity(moments: BlochMoments, qubit: int, left: Relaxation) -> float:
    """Return what relaxation leaves of a state in which a qubit has these moments."""
    (e1, e2), (_, x, y, z) = left, moments.square(qubit)
    even = (1 + e1 + 2 * e2) + (1 - e1) * (x + y) + (1 + e1 - 2 * e2) * z
    return min(1.0, max(0.0, even / 4 + (1 - e1) * moments.mean(qubit)[3] / 2))


def entangled_fidelity(rates: Rates, seconds: float) -> float:
    """Return what waiting leaves of a state in which the qubit is as mixed as can be."""
    e1, e2 = relaxation(rates, seconds)
    return (1 + e1 + 2 * e2) / 4


def target_rates(target: Target, qubit: int) -> Rates:
    """Return 1/T1 and 1/T2 of a qubit, in 1/s; 0 for a time that is not known."""
    properties = target.qubit_properties[qubit] if target.qubit_properties else None
    return relaxation_rates(getattr(properties, "t1", None), getattr(properties, "t2", None))


def light_cone(
    instructions: Sequence[DeviceInstruction], measured: Iterable[int]
) -> tuple[list[bool], list[list[tuple[int, float]]]]:
    """Return which instructions are gates that can reach a measured qubit, and who waits how long after each of them.

    All is as late as possible. A qubit waits until its next gate that takes time, or until it is measured, never before
    its first gate. Without the durations of all instructions nobody is known to wait.

    Args:
        instructions: of the circuit.
        measured: the physical qubits that are read at the end.

    Returns:
        For each instruction whether it counts, and (qubit, seconds) of those who wait after it.
    """
    ends = alap_ends(instructions)
    reached, counts = set(measured), [False] * len(instructions)
    waits: list[list[tuple[int, float]]] = [[] for _ in instructions]
    following: dict[int, float] = {}  # qubit -> seconds from the start of its next instruction to the circuit's end
    waited: dict[int, float] = {}
    for k in reversed(range(len(instructions))):
        one = instructions[k]
        end, length = (0.0, 0.0) if ends is None else (ends[k], one.duration or 0.0)
        is_gate, here = one.name not in NON_GATES, [qubit for qubit in one.qubits if qubit in reached]
        for qubit in here:
            more = end - following.get(qubit, 0.0) + (length if one.name == "delay" else 0.0)
            waited[qubit] = waited.get(qubit, 0.0) + more
        if is_gate and here:
            reached.update(one.qubits)
            counts[k] = True
            if one.takes_time:
                times = ((qubit, waited.pop(qubit, 0.0)) for qubit in one.qubits)
                waits[k] = [(qubit, seconds) for qubit, seconds in times if seconds >= MIN_IDLE]
        following.update(dict.fromkeys(one.qubits, end + length))
    return counts, waits
