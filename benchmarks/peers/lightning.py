"""PennyLane's `lightning.qubit`: a C++ statevector, one adjoint product a sample."""

from __future__ import annotations

NAME = "PennyLane lightning"
REQUIRES = {"pennylane": "pennylane>=0.45", "pennylane_lightning": "pennylane-lightning>=0.45", "torch": "torch>=2.6"}
STATES = (0.0, 0.0)
DEVICES = ("cpu",)


def build(spec, device="cpu"):
    import numpy as np
    import pennylane as qml
    import torch

    from peers._torch import autograd_step

    operations = {"rx": qml.RX, "crz": qml.CRZ, "crx": qml.CRX}
    simulator = qml.device("lightning.qubit", wires=spec.qubits, c_dtype=np.complex64)

    @qml.qnode(simulator, interface="torch", diff_method="adjoint", device_vjp=True)
    def circuit(x, w):
        for gate in spec.gates:
            angle = x[:, gate.index] if gate.source == "x" else w[gate.index]
            operations[gate.name](angle, wires=gate.qubits)
        return [qml.expval(qml.PauliZ(q)) for q in range(spec.qubits)]

    return autograd_step(lambda x, w: torch.stack(circuit(x, w), dim=-1), device)
