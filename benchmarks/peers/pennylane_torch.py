"""PennyLane's `default.qubit` under torch: parameter broadcasting, backpropagation."""

from __future__ import annotations

NAME = "PennyLane + torch"
REQUIRES = {"pennylane": "pennylane>=0.45", "torch": "torch>=2.6,<2.14"}
STATES = (4.0, 4.0)
DEVICES = ("cpu", "cuda")


def build(spec, device="cpu"):
    import pennylane as qml
    import torch

    from peers._torch import autograd_step

    operations = {"rx": qml.RX, "crz": qml.CRZ, "crx": qml.CRX}

    @qml.qnode(qml.device("default.qubit", wires=spec.qubits), interface="torch", diff_method="backprop")
    def circuit(x, w):
        for gate in spec.gates:
            angle = x[:, gate.index] if gate.source == "x" else w[gate.index]
            operations[gate.name](angle, wires=gate.qubits)
        return [qml.expval(qml.PauliZ(q)) for q in range(spec.qubits)]

    return autograd_step(lambda x, w: torch.stack(circuit(x, w), dim=-1), device)
