"""Where a circuit lies on a device: today, and on the day when jobs with it were paid for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Measure
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.transpiler import Target

from qgen.backends.device.saved_layouts import SavedLayouts
from qgen.backends.ibm.runner import Request, Runner


class ElsewhereError(Exception):
    """The journal does not have the results that were asked for, in this layout of the circuit."""


@dataclass(frozen=True, eq=False)
class Layout:
    """One place of a circuit on a device.

    Attributes:
        pins: the circuit there.
        target: the device, with all that the circuit uses.
        number: of the layouts that the journal has of the circuit; 0: the first, or one that the user pinned.
        past: a gate of it is out of order by now: what was run there is answered from the journal, and nothing more
            runs.
    """

    pins: SavedLayouts
    target: Target
    number: int = 0
    past: bool = False


def as_it_was(target: Target, couplers: Sequence[tuple[int, int]], circuits: Iterable[QuantumCircuit]) -> Target:
    """A device with all of its gates, those included that are out of order today: nothing is to run on it.

    Circuits that were made for the device on another day come out on it as they did then.

    Args:
        target: the device today.
        couplers: all pairs of qubits that it was built with, in the directions of its gates.
        circuits: that ran on it, with gates that it may have nowhere today.
    """
    whole = Target(num_qubits=target.num_qubits, dt=target.dt, qubit_properties=target.qubit_properties)
    ran = {step.operation.name for circuit in circuits for step in circuit.data}
    operations = {name: target.operation_from_name(name) for name in target.operation_names}
    standard = get_standard_gate_name_mapping()
    operations |= {name: standard[name] for name in ran if name in standard and name not in operations}
    for name, operation in operations.items():
        if not isinstance(operation, Gate | Measure):
            continue
        today = target[name] if name in target.operation_names else {}
        known: dict[tuple[int, ...], Any] = {place: about for place, about in today.items() if place is not None}
        alone = operation.num_qubits == 1
        places = [(qubit,) for qubit in range(target.num_qubits)] if alone else [tuple(pair) for pair in couplers]
        whole.add_instruction(operation, dict.fromkeys(places) | known, name=name)
    return whole


def submit(runner: Runner, requests: Sequence[Request], only_known: bool) -> list[bytes]:
    """What the journal has of the requests, and what runs now where it may.

    Raises:
        ElsewhereError: nothing more may run, and the journal does not have all.
    """
    if not only_known:
        return runner.run(requests)
    known = runner.answer(requests)
    if known is None:
        raise ElsewhereError
    return known
