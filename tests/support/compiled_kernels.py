"""Kernels compiled before the first test, each by one process: those that need one at once would all compile it."""

from __future__ import annotations

SHARES = (("paths",), ("statevector", "exact", "propagate", "routing"))  # take about as long


def compile_share(worker: int, workers: int) -> None:
    """Compile this process' share of the kernels, values and gradients in both precisions; what is kept is loaded."""
    methods = [method for k, share in enumerate(SHARES) if k % workers == worker for method in share]
    if not methods:
        return
    import torch

    from qgen import QuantumLayer
    from qgen.backends import open_backend
    from qgen.circuits import ansatz
    from qgen.devices import open_device
    from qgen.transpilation.transpile import BLOCKS, TranspileOptions, transpile

    circuit = ansatz("hqconv", qubits=4, layers=1)
    for method in methods:
        if method == "routing":
            target = open_device("fake_lagos").target
            transpile(circuit.circuit, target, TranspileOptions(1, 0, BLOCKS, BLOCKS))
            continue
        backend = "statevector" if method == "statevector" else open_backend("noisy:fake_lagos", method=method)
        for dtype in (torch.float32, torch.float64):
            layer = QuantumLayer(circuit, backend=backend).to(dtype)
            layer(torch.zeros(3, circuit.num_inputs, dtype=dtype, requires_grad=True)).sum().backward()
