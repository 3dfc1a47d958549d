"""DeepQuantum: a vmap over samples in torch, autograd."""

from __future__ import annotations

NAME = "DeepQuantum"
REQUIRES = {"deepquantum": "deepquantum>=4.5", "torch": "torch>=2.6,<2.14"}
STATES = (3.0, 4.0)
DEVICES = ("cpu", "cuda")


def build(spec, device="cpu"):
    import deepquantum as dq
    import torch

    from peers._torch import autograd_step, z_signs

    circuit = dq.QubitCircuit(spec.qubits)
    for gate in spec.gates:
        getattr(circuit, gate.name)(*gate.qubits, encode=True)
    circuit.to(torch.device(device))
    signs = z_signs(spec.qubits, device)

    def evaluate(x, w):
        # Encoders take their angles in the order of the gates: all inputs first, then all weights.
        state = circuit(torch.cat([x, w.expand(len(x), -1)], dim=-1))
        return (state.reshape(len(x), -1).abs() ** 2) @ signs

    return autograd_step(evaluate, device)
