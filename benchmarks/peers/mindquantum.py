"""MindQuantum: its C++ batched gradient, a full Jacobian in <Z_q>, contracted with the upstream gradient."""

from __future__ import annotations

NAME = "MindQuantum"
REQUIRES = {"mindquantum": "mindquantum>=0.12"}
STATES = (0.0, 0.0)
DEVICES = ("cpu",)


def build(spec, device="cpu"):
    import os

    import mindquantum as mq
    import numpy as np
    from mindquantum.core.circuit import Circuit
    from mindquantum.core.gates import RX, RZ
    from mindquantum.core.operators import Hamiltonian, QubitOperator
    from mindquantum.simulator import Simulator

    encoder, ansatz = Circuit(), Circuit()
    for gate in spec.gates:
        name = gate.source + str(gate.index)
        operation = (RZ if gate.name == "crz" else RX)(name)
        (encoder if gate.source == "x" else ansatz).append(operation.on(gate.qubits[-1], list(gate.qubits[:-1])))
    total = encoder.as_encoder() + ansatz.as_ansatz()
    z = [Hamiltonian(QubitOperator(f"Z{q}"), dtype=mq.complex64) for q in range(spec.qubits)]
    simulator = Simulator("mqvector", spec.qubits, dtype=mq.complex64)
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    ops = simulator.get_expectation_with_grad(z, total, parallel_worker=workers)

    def step(x, w, g):
        values, by_x, by_w = (a.real for a in ops(x, w))  # (B, n), (B, n, n), (B, n, P)
        return values, np.einsum("bo,boi->bi", g, by_x), np.einsum("bo,bop->p", g, by_w)

    return step
