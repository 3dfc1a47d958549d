"""qgen's own layer: `QuantumLayer` over the in-process statevector engine."""

from __future__ import annotations

import math

NAME = "qgen"
REQUIRES = {"torch": "torch>=2.6,<2.14", "numba": "numba", "qgen.nn": "qgen", "qgen.circuits": "qgen"}
STATES = (0.0, 0.0)
DEVICES = ("cpu", "cuda")


def build(spec, device="cpu"):
    import torch

    from qgen import QuantumLayer
    from qgen.circuits import ansatz

    layer = QuantumLayer(ansatz("hqconv", qubits=spec.qubits, layers=spec.layers), backend="statevector").to(device)
    turn = 2 * math.pi  # qgen's weights count turns, the neutral description radians

    def step(x, w, g):
        tx = torch.from_numpy(x).to(device).requires_grad_()
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(w / turn))
        values = layer(tx)
        grad_x, grad_w = torch.autograd.grad(values, (tx, layer.weight), torch.from_numpy(g).to(device))
        return values.detach().cpu().numpy(), grad_x.cpu().numpy(), grad_w.cpu().numpy() / turn

    return step
