"""fastQML's kernels gate by gate, on real and imaginary parts; its fused layers build dense 2^n x 2^n matrices."""

from __future__ import annotations

NAME = "fastQML"
REQUIRES = {"fastqml": "fastqml>=0.2", "torch": "torch>=2.6,<2.14"}
STATES = (2.5, 4.0)
DEVICES = ("cpu", "cuda")


def build(spec, device="cpu"):
    import torch
    from fastqml import torch_sim_real as kernels

    from peers._torch import autograd_step, z_signs

    operations = {"rx": kernels.apply_rx, "crz": kernels.apply_crz, "crx": kernels.apply_crx}
    signs = z_signs(spec.qubits, device)

    def evaluate(x, w):
        real = torch.zeros(len(x), 2**spec.qubits, device=device)
        real[:, 0] = 1
        real = real.reshape([len(x)] + [2] * spec.qubits)
        imaginary = torch.zeros_like(real)
        for gate in spec.gates:
            angle = x[:, gate.index] if gate.source == "x" else w[gate.index]
            real, imaginary = operations[gate.name](real, imaginary, angle, *gate.qubits, spec.qubits)
        return (real**2 + imaginary**2).reshape(len(x), -1) @ signs

    return autograd_step(evaluate, device)
