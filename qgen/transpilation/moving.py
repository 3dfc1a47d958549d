"""A transpiled circuit moved to other qubits of its device, with all that Qiskit knows of its layout."""

from __future__ import annotations

from collections.abc import Mapping

from qiskit import QuantumCircuit
from qiskit.transpiler import Layout, Target, TranspileLayout

from qgen.transpilation.turning import relocated, turned


def move(isa: QuantumCircuit, places: Mapping[int, int], target: Target) -> QuantumCircuit:
    """The same circuit elsewhere; gates that the device has in one direction alone are turned around.

    Args:
        isa: in the device's gates, with a layout, as the transpiler leaves it.
        places: physical qubit -> its new place, for all in use; places differ, and lie as the qubits lay.
        target: the device.

    Raises:
        BackendError: a gate that the device does not have there in either direction.
    """
    whole = _completed(places, target.num_qubits)
    moved = turned(relocated(isa, dict(enumerate(whole)), target.num_qubits), target)
    moved._layout = _moved_layout(isa.layout, whole, moved)  # noqa: SLF001  # there is no other way to set it
    return moved


def starts_of(isa: QuantumCircuit) -> tuple[int, ...]:
    """The physical qubit on which each logical qubit starts."""
    return tuple(isa.layout.initial_index_layout(filter_ancillas=True))


def ends_of(isa: QuantumCircuit) -> tuple[int, ...]:
    """The physical qubit on which each logical qubit ends."""
    return tuple(isa.layout.final_index_layout(filter_ancillas=True))


def _completed(places: Mapping[int, int], width: int) -> list[int]:
    """A place for every qubit of the device: those not in use go, in order, where nobody else does."""
    free = iter(sorted(set(range(width)) - set(places.values())))
    return [places[qubit] if qubit in places else next(free) for qubit in range(width)]


def _moved_layout(layout: TranspileLayout, whole: list[int], moved: QuantumCircuit) -> TranspileLayout:
    starts = layout.initial_layout.get_virtual_bits()
    ends = layout.final_index_layout(filter_ancillas=False)
    final = {}
    for virtual, index in layout.input_qubit_mapping.items():
        final[moved.qubits[whole[starts[virtual]]]] = whole[ends[index]]
    return TranspileLayout(
        initial_layout=Layout({virtual: whole[start] for virtual, start in starts.items()}),
        input_qubit_mapping=layout.input_qubit_mapping,
        final_layout=Layout(final),
        _input_qubit_count=len(layout.initial_index_layout(filter_ancillas=True)),
        _output_qubit_list=list(moved.qubits),
    )
