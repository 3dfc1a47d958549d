"""Transpiled circuits, remembered by content: equal ones on equal devices are transpiled once in a process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from hashlib import sha256
from threading import Lock
from typing import Any

from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.circuits import LayerCircuit
from qgen.circuits.expressions import with_parameters_of
from qgen.errors import CircuitError
from qgen.transpilation.transpile import BACKEND_DEFAULT, TranspileOptions, transpile

#: Circuits that are remembered; those of a model with its weights bound are as many as its layers.
MOST = 128
_known: OrderedDict[str, QuantumCircuit] = OrderedDict()
_lock = Lock()


def transpiled(circuit: LayerCircuit, target: Target, options: TranspileOptions = BACKEND_DEFAULT) -> QuantumCircuit:
    """Return a layer's circuit in a device's gates, with the parameters of this circuit; see `transpile`.

    What was remembered is equal to what would be found anew.

    Raises:
        BackendError: see `transpile`.
    """
    conditional = circuit.conditional
    own = conditional.circuit
    try:
        key = _key(conditional.digest, own, target, options)
    except CircuitError:  # an operation has no identity
        return transpile(own, target, options)
    with _lock:
        found = _known.get(key)
        if found is not None:
            _known.move_to_end(key)
    if found is None:
        found = transpile(own, target, options)
        with _lock:
            _known[key] = found
            while len(_known) > MOST:
                _known.popitem(last=False)
    return with_parameters_of(found, own.parameters)


def _key(digest: str, circuit: QuantumCircuit, target: Target, options: TranspileOptions) -> str:
    """Hash the circuit's content and the order of its operations, by which the transpiler goes; device and options."""
    index = {qubit: k for k, qubit in enumerate(circuit.qubits)}
    order = [(one.operation.name, [index[qubit] for qubit in one.qubits]) for one in circuit.data]
    return sha256(repr((digest, order, list(_content(target)), options)).encode()).hexdigest()


def _content(target: Target) -> Iterator[tuple[Any, ...]]:
    """Yield all that the transpiler reads of a device."""
    yield target.num_qubits, target.dt, target.granularity, target.pulse_alignment, target.acquire_alignment
    for name in target.operation_names:
        operation = target.operation_from_name(name)
        places = target[name] or {}
        kind = operation if isinstance(operation, type) else (operation.base_class, operation.params)
        entries = [(qubits, entry and (entry.duration, entry.error)) for qubits, entry in places.items()]
        yield name, repr(kind), sorted(entries, key=repr)
    for qubit in target.qubit_properties or ():
        yield getattr(qubit, "t1", None), getattr(qubit, "t2", None)
