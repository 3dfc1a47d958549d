"""Couplers of a device as the pairs of an IQP circuit, which then runs there without a SWAP."""

from __future__ import annotations

import rustworkx

from qgen.circuits.ansatze.lattices import edge_layers
from qgen.devices import open_device
from qgen.devices.device import Device, is_calibrated
from qgen.errors import CircuitError

#: Before the name of a device, in a coupling.
DEVICE = "device:"


def find_coupling(coupling: str, qubits: int) -> str | list[tuple[int, int]]:
    """Return the pairs of `device:NAME`, layer by layer; what else a coupling is called, as it is.

    The couplers are those of the device's published snapshot: training contacts no device.

    Args:
        coupling: a name; see `iqp`.
        qubits: of the circuit, hidden ones among them.

    Raises:
        CircuitError: the device has fewer qubits.
        BackendError: there is no such device.
    """
    if not coupling.startswith(DEVICE):
        return coupling
    name = coupling.removeprefix(DEVICE).strip()
    device = open_device(f"fake_{name.removeprefix('ibm_')}" if name.startswith("ibm_") else name)
    place = {physical: qubit for qubit, physical in enumerate(choose_qubits(device, qubits))}
    pairs = sorted((place[a], place[b]) for a, b in _working(device) if a in place and b in place)
    return [pair for layer in edge_layers(pairs, qubits) for pair in layer]


def choose_qubits(device: Device, qubits: int) -> tuple[int, ...]:
    """Return physical qubits, ascending: the device without those that are worst connected, and then worst to read.

    What is left hangs together, where the device does. Couplers that could not be calibrated count as absent.

    Raises:
        CircuitError: the device has fewer.
    """
    if qubits > device.qubits:
        raise CircuitError(
            f"{device.name} has {device.qubits} qubits, fewer than {qubits}: take fewer bits or hidden qubits, or the "
            "couplers of a larger device"
        )
    graph = rustworkx.PyGraph()
    graph.add_nodes_from(range(device.qubits))
    graph.add_edges_from([(a, b, None) for a, b in _working(device)])
    errors = [1.0 if error is None else error for error in device.readout_errors]
    while graph.num_nodes() > qubits:
        parts = sorted(rustworkx.connected_components(graph), key=len)
        # Parts beside the largest go first; of that one a qubit which nothing hangs on.
        allowed = parts[0] if len(parts) > 1 else parts[0] - rustworkx.articulation_points(graph)
        graph.remove_node(min(allowed, key=lambda qubit: (graph.degree(qubit), -errors[qubit], qubit)))
    return tuple(sorted(graph.node_indices()))


def _working(device: Device) -> list[tuple[int, int]]:
    return sorted(pair for pair, error in device.coupler_errors.items() if is_calibrated(error))
