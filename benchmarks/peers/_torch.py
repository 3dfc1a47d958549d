"""What the peers on torch share: a step out of a differentiable function, and <Z> out of a state."""

from __future__ import annotations

import torch


def z_signs(qubits, device="cpu"):
    """(2^n, n) of +1 and -1: row i holds the eigenvalues of Z_q in basis state i; qubit 0 is the leading bit."""
    index = torch.arange(2**qubits, device=device)[:, None]
    return 1.0 - 2.0 * ((index >> torch.arange(qubits - 1, -1, -1, device=device)) & 1).float()


def autograd_step(evaluate, device):
    """A step that differentiates `evaluate(x, w) -> values`; the copies back to NumPy wait for the device."""

    def step(x, w, g):
        tx, tw = (torch.from_numpy(a).to(device).requires_grad_() for a in (x, w))
        values = evaluate(tx, tw)
        grad_x, grad_w = torch.autograd.grad(values, (tx, tw), torch.from_numpy(g).to(device, values.dtype))
        return tuple(t.detach().cpu().numpy() for t in (values, grad_x, grad_w))

    return step
