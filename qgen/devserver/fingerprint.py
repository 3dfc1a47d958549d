"""What a job asks for, as a number: the seed of its results, which so repeat when it is sent again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from qiskit import QuantumCircuit


class Fingerprint:
    """A running SHA-256 over plain values, each with its kind and length."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, *parts: Any) -> None:
        """Take in text, numbers, arrays, or None."""
        for part in parts:
            if isinstance(part, np.ndarray):
                text = f"{part.dtype.str}{part.shape}".encode() + np.ascontiguousarray(part).tobytes()
            else:
                text = repr(part).encode()
            self._hash.update(f"{type(part).__name__}{len(text)}:".encode() + text)

    def add_circuit(self, circuit: QuantumCircuit) -> None:
        """Take in what a circuit does; not the identities of its parameters, which differ from process to process."""
        self.add(circuit.num_qubits, [(register.name, register.size) for register in circuit.cregs])
        self.add([parameter.name for parameter in circuit.parameters])
        for found in circuit.data:
            qubits = [circuit.find_bit(bit).index for bit in found.qubits]
            clbits = [circuit.find_bit(bit).index for bit in found.clbits]
            self.add(found.operation.name, qubits, clbits, [str(angle) for angle in found.operation.params])

    def number(self) -> int:
        """Below 2^256."""
        return int.from_bytes(self._hash.digest(), "big")


def fingerprint(items: Iterable[Any], *parts: Any) -> int:
    """Of a program's items, and of plain values."""
    found = Fingerprint()
    found.add(*parts)
    for item in items:
        found.add_circuit(item.circuit)
        found.add(*_arguments(item))
    return found.number()


def _arguments(item: Any) -> list[Any]:
    """What an item asks for beside its circuit, as plain values."""
    if not hasattr(item, "samplex"):
        return [item.circuit_arguments]
    given = item.samplex_arguments
    parts: list[Any] = [tuple(item.shape)]
    for name in sorted(given, key=_natural):
        value = given[name]
        parts += [_natural(name)[0], value if isinstance(value, np.ndarray | int | bool) else value.to_sparse_list()]
    # A samplex as text holds identities that differ from process to process; what it draws does not.
    drawn = dict(item.samplex.sample(given[(0,) * given.ndim], num_randomizations=1, rng=np.random.default_rng(0)))
    return parts + [part for name in sorted(drawn) for part in (name, drawn[name])]


def _natural(name: str) -> list[Any]:
    """Of `basis2` before `basis10`. Such numbers go on counting from one program of a client to its next."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
