"""Routed circuits: transpiled once for a device, cut down to the qubits in use, every angle a column of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import Barrier, ClassicalRegister, ControlledGate, Gate, Instruction, Parameter, ParameterExpression
from qiskit.transpiler import Target

from qgen.backends.device.basis_changes import BasisChanges
from qgen.backends.device.saved_layouts import SavedLayouts
from qgen.backends.device.transpiled import transpiled
from qgen.backends.measurement import Basis, Measurement
from qgen.backends.parameters import ParameterMap
from qgen.backends.parameters.shift_form import Frequencies, angle_frequencies
from qgen.circuits import LayerCircuit
from qgen.circuits.observables import support
from qgen.errors import BackendError
from qgen.transpilation.delays import delay_parameters
from qgen.transpilation.folding import fold_two_qubit_gates
from qgen.transpilation.idle_delays import insert_idle_delays
from qgen.transpilation.transpile import BACKEND_DEFAULT, TranspileOptions, transpile

NO_WIRE = -1


@dataclass(frozen=True, eq=False)
class RoutedCircuit:
    """A circuit on some qubits of a device, one variant for each measurement basis.

    Attributes:
        circuits: one for each basis, in the device's gates on wires 0..k-1, without measurements; the gates that turn
            the axes onto Z come last. Every open angle is a parameter of its own, and Aer binds all of them rightly.
        parameters: the C columns, the same objects in all circuits and in the order of their names.
        parameter_map: from the numbers (rows, P) of the circuit's own parameters to the columns (rows, C).
        physical: the physical qubit of each wire, ascending.
        wires: the wire on which each logical qubit ends; -1 for one that no gate touches and no basis reads.
        bases: as given.
        device_qubits: of how many qubits the device is.
        size: instructions of each circuit before the rotations of its basis.
    """

    circuits: tuple[QuantumCircuit, ...]
    parameters: tuple[Parameter, ...]
    parameter_map: ParameterMap
    physical: tuple[int, ...]
    wires: tuple[int, ...]
    bases: tuple[Basis, ...]
    device_qubits: int
    size: int

    @property
    def read(self) -> tuple[int, ...]:
        """The logical qubits that some basis reads, ascending."""
        return tuple(sorted({qubit for basis in self.bases for qubit in basis.read}))

    @property
    def has_open_delays(self) -> bool:
        """Whether a delay is as long as a parameter says."""
        return any(map(delay_parameters, self.circuits))

    def frequencies(self, circuit: LayerCircuit) -> tuple[Frequencies, ...]:
        """The frequencies of every column for shift rules, where the observables of this circuit are measured.

        Raises:
            BackendError: a column is the length of a delay, or the angle of a gate of which no shift rule is known.
        """
        if self.has_open_delays:
            raise BackendError(
                "no shift rule gives derivatives of values by the length of a delay, which decay as it grows: take "
                "gradient spsa, or give the delay a number"
            )
        measured = [self.wires[qubit] for qubit in support(circuit.observables)]
        if not self.circuits:  # nothing is measured
            return ((),) * len(self.parameters)
        return angle_frequencies(self.circuits[0], self.parameters, measured)

    def physical_circuits(self, measure: bool) -> tuple[QuantumCircuit, ...]:
        """Return the circuits on all qubits of the device.

        Args:
            measure: end with a measurement of each logical qubit q that the basis reads, into bit q of a register
                `meas` with a bit for every logical qubit.
        """
        return tuple(
            self._widened(circuit, basis, measure) for circuit, basis in zip(self.circuits, self.bases, strict=True)
        )

    def _widened(self, circuit: QuantumCircuit, basis: Basis, measure: bool) -> QuantumCircuit:
        wide = QuantumCircuit(self.device_qubits).compose(circuit, self.physical)
        if measure:
            wide.add_register(ClassicalRegister(len(self.wires), "meas"))
            wide.barrier(self.physical)  # no qubit is read while others are still at work
            wide.measure([self.physical[self.wires[qubit]] for qubit in basis.read], basis.read)
        return wide


def route_layer(
    circuit: LayerCircuit, target: Target, seed: int = 0, saved: SavedLayouts | None = None, idle: bool = False
) -> tuple[RoutedCircuit, Measurement]:
    """Transpile a layer's circuit for a device, once for each basis that its observables are measured in.

    Args:
        circuit: the layer's circuit.
        target: the device's gates and coupling.
        seed: of the transpiler.
        saved: routed circuits to choose from; None: the circuit is transpiled now.
        idle: put a `delay` wherever a qubit waits.

    Raises:
        BackendError: the circuit does not fit on the target, or is none of the saved ones; with `idle`, a time that is
            not known.
    """
    (routed,), measurement = route_folded(circuit, target, (1,), seed, saved, idle)
    return routed, measurement


def route_folded(
    circuit: LayerCircuit,
    target: Target,
    factors: Sequence[int],
    seed: int = 0,
    saved: SavedLayouts | None = None,
    idle: bool = False,
) -> tuple[tuple[RoutedCircuit, ...], Measurement]:
    """Transpile a layer's circuit once, and fold its gates on two qubits so many times; see `fold_two_qubit_gates`.

    Args:
        circuit: the layer's circuit.
        target: the device's gates and coupling.
        factors: noise factors.
        seed: of the transpiler.
        saved: routed circuits to choose from; None: the circuit is transpiled now.
        idle: put a `delay` wherever a qubit waits in the folded circuits, which take longer.

    Raises:
        BackendError: see `route_layer`; or a gate cannot be folded.
    """
    conditional = circuit.conditional
    measurement = Measurement(conditional.observables)
    parameters = conditional.inputs + conditional.weights
    if saved is None:
        _check_width(circuit.qubits, target)
        isa = transpiled(circuit, target, replace(BACKEND_DEFAULT, seed=seed))
    else:
        isa = saved.route(circuit, target)
    routed = (
        route(conditional.circuit, parameters, target, measurement.bases, isa=fold_two_qubit_gates(isa, n), idle=idle)
        for n in factors
    )
    return tuple(routed), measurement


def refuse_open_delays(routed: RoutedCircuit, backend: str) -> None:
    """Refuse delays as long as a parameter says, on a backend that takes none.

    Raises:
        BackendError: there is one.
    """
    if routed.has_open_delays:
        raise BackendError(f"`{backend}` takes delays of a fixed length only: give this one a number")


def route(
    circuit: QuantumCircuit,
    parameters: Sequence[Parameter],
    target: Target,
    bases: Sequence[Basis],
    seed: int = 0,
    level: int = 2,
    isa: QuantumCircuit | None = None,
    idle: bool = False,
) -> RoutedCircuit:
    """Transpile a circuit for a device and make it ready to be measured.

    Controlled rotations that share a pair of qubits are merged before (`merge_rotations`).

    The global phase is left out: no expectation value depends on it.

    Args:
        circuit: n qubits, unitary.
        parameters: the P parameters of the circuit, in the order of the numbers that `parameter_map` takes.
        target: the device's gates and coupling; one without a number of qubits takes any.
        bases: what is to be measured, by logical qubits.
        seed: of the transpiler; equal arguments give equal results.
        level: the transpiler's optimisation level, 0 to 3.
        isa: the circuit in the device's gates on its qubits, made before by Qiskit's transpiler, with the same
            parameters; None: it is transpiled now.
        idle: put a `delay` wherever a qubit waits; see `insert_idle_delays` and `BasisChanges`.

    Raises:
        BackendError: more qubits than the device has, or the transpiler cannot do it; with `idle`, a time that is not
            known.
    """
    isa = _transpile(circuit, target, seed, level) if isa is None else isa
    ends = isa.layout.final_index_layout() if isa.layout is not None else range(circuit.num_qubits)
    read = {ends[qubit] for basis in bases for qubit in basis.read}
    isa = insert_idle_delays(isa, target, read) if idle else isa
    physical = tuple(sorted(read | _touched(isa)))
    wire_of = {position: wire for wire, position in enumerate(physical)}
    body, columns, expressions = _cut(isa, wire_of)
    wires = tuple(wire_of.get(end, NO_WIRE) for end in ends)
    changes = BasisChanges(target, bases, wires, physical, idle)
    circuits = tuple(changes.append(body, basis) for basis in bases)
    parameter_map = ParameterMap(expressions, parameters)
    return RoutedCircuit(
        circuits, columns, parameter_map, physical, wires, tuple(bases), isa.num_qubits, len(body.data)
    )


def _transpile(circuit: QuantumCircuit, target: Target, seed: int, level: int = 2) -> QuantumCircuit:
    _check_width(circuit.num_qubits, target)
    return transpile(circuit, target, TranspileOptions(level, seed, merge_rotations=True))


def _check_width(qubits: int, target: Target) -> None:
    width = target.num_qubits
    if width is not None and qubits > width:
        raise BackendError(
            f"the circuit has {qubits} qubits, but the device has {width}: take a smaller circuit or a larger device"
        )


def _touched(isa: QuantumCircuit) -> set[int]:
    return {
        isa.find_bit(qubit).index
        for instruction in isa.data
        if not isinstance(instruction.operation, Barrier)
        for qubit in instruction.qubits
    }


def _cut(
    isa: QuantumCircuit, wire_of: Mapping[int, int]
) -> tuple[QuantumCircuit, tuple[Parameter, ...], list[ParameterExpression]]:
    """The circuit on the wires alone, with a column for each open angle; the columns, and what they were before."""
    expressions = [angle for instruction in isa.data for angle in instruction.params if _is_open(angle)]
    digits = len(str(len(expressions)))  # with leading zeros the order of names is that of columns
    columns = tuple(Parameter(f"angle{k:0{digits}}") for k in range(len(expressions)))
    body, unused = QuantumCircuit(len(wire_of)), iter(columns)
    for instruction in isa.data:
        positions = [isa.find_bit(qubit).index for qubit in instruction.qubits]
        wires = [wire_of[position] for position in positions if position in wire_of]
        operation = instruction.operation
        if isinstance(operation, Barrier):
            body.barrier(wires)
            continue
        if any(isinstance(angle, ParameterExpression) for angle in operation.params):
            angles = [next(unused) if _is_open(angle) else _number(angle) for angle in operation.params]
            operation = _with_angles(operation, angles)
        body.append(operation, wires)
    return body, columns, expressions


def _is_open(angle: Any) -> bool:
    return isinstance(angle, ParameterExpression) and bool(angle.parameters)


def _number(angle: Any) -> Any:
    return angle.numeric() if isinstance(angle, ParameterExpression) else angle


def _with_angles(operation: Instruction, angles: Sequence[Any]) -> Instruction:
    """The operation with other angles, as a gate that Aer binds rightly.

    Qiskit's controlled rotations keep their angles in the gate that is controlled. Aer does not look there, and leaves
    these angles at zero; a plain gate of the same name it binds.
    """
    changed = operation.to_mutable()
    changed.params = list(angles)
    changed.definition = None  # made anew, with these angles, once it is asked for
    if not isinstance(changed, ControlledGate) or changed.is_parameterized():
        return changed
    plain = Gate(changed.name, changed.num_qubits, list(angles), label=changed.label)
    plain.definition = changed.definition
    return plain
