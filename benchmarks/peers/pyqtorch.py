"""pyqtorch with torch's autograd; its adjoint failed our check where a control's number is above its target's."""

from __future__ import annotations

NAME = "pyqtorch"
REQUIRES = {"pyqtorch": "pyqtorch>=1.7", "torch": "torch>=2.6,<2.14"}
STATES = (2.0, 4.0)
DEVICES = ("cpu", "cuda")


def build(spec, device="cpu"):
    import pyqtorch as pyq
    import torch

    from peers._torch import autograd_step, z_signs

    operations = {"rx": pyq.RX, "crz": pyq.CRZ, "crx": pyq.CRX}
    gates = [operations[g.name](*g.qubits, param_name=g.source + str(g.index)) for g in spec.gates]
    circuit = pyq.QuantumCircuit(spec.qubits, gates).to(device=torch.device(device), dtype=torch.complex64)
    signs = z_signs(spec.qubits, device)

    def evaluate(x, w):
        values = {f"x{q}": x[:, q] for q in range(spec.qubits)}
        values.update((f"w{i}", w[i]) for i in range(spec.weights))
        state = pyq.run(circuit, circuit.init_state(batch_size=len(x)), values)  # (2, ..., 2, B)
        return (state.reshape(-1, len(x)).abs() ** 2).T @ signs

    return autograd_step(evaluate, device)
