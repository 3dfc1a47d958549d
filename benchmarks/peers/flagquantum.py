"""FlagQuantum: batched states in torch, autograd."""

from __future__ import annotations

NAME = "FlagQuantum"
REQUIRES = {"flagquantum": "flagquantum>=0.3.1", "torch": "torch>=2.10,<2.14"}
STATES = (1.5, 4.0)
DEVICES = ("cpu", "cuda")


def build(spec, device="cpu"):
    import flagquantum as fq

    from peers._torch import autograd_step

    def evaluate(x, w):
        circuit = fq.Circuit(spec.qubits, bsz=len(x), device=device)
        for gate in spec.gates:
            angle = x[:, gate.index] if gate.source == "x" else w[gate.index]
            getattr(circuit, gate.name)(*gate.qubits, angle)
        return circuit.expectation_z()

    return autograd_step(evaluate, device)
