"""The line about a qubit that dominates the errors of a placed circuit."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qgen.backends.device.dominant_qubit import dominance_warning, dominant_qubit
from qgen.backends.device.routing import route_layer
from qgen.circuits import LayerCircuit, ansatz
from qgen.devices import open_device
from qgen.noise import DeviceNoise, FileNoise, NoiseSettings


def test_a_bad_qubit_in_the_default_placement_is_named() -> None:
    """12 qubits of `fake_brisbane` by default: qubit 119 has a T1 of 10 microseconds."""
    target = open_device("fake_brisbane").target
    routed, _ = route_layer(ansatz("hqconv", qubits=12, layers=3), target)
    assert 119 in routed.physical
    noise = DeviceNoise(target, "fake_brisbane").local(routed.physical)
    found = dominant_qubit(routed, noise)
    assert found is not None
    assert found[0] == 119
    assert 0.05 < found[1].no_error < 0.08 < 0.17 < found[1].without
    line = dominance_warning(routed, noise)
    assert line is not None
    assert "qubit 119" in line
    assert "qgen transpile --pin" in line
    assert "\n" not in line
    quiet = DeviceNoise(target, "fake_brisbane").local(routed.physical, scale=0)
    assert dominance_warning(routed, quiet) is None


def test_a_qubit_that_waits_is_named() -> None:
    """Delays count with their lengths; one of open length does not."""
    circuit, open_length = QuantumCircuit(3), Parameter("t")
    circuit.sx(range(3))
    circuit.delay(20, 1, unit="us")
    circuit.delay(open_length, 2, unit="us")
    layer = LayerCircuit(circuit, [open_length], [], ["ZZZ"])
    relaxation = {"t1_us": 50, "one_qubit_ns": 100, "two_qubit_ns": 400}
    source = FileNoise(NoiseSettings.read({"relaxation": relaxation}))
    routed, _ = route_layer(layer, source.target(3))
    found = dominant_qubit(routed, source.local(routed.physical))
    assert found is not None
    assert found[0] == routed.physical[routed.wires[1]]
