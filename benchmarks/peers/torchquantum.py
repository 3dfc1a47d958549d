"""torchquantum-ng: batched states in torch, autograd."""

from __future__ import annotations

import sys
from unittest import mock

NAME = "torchquantum-ng"
REQUIRES = {"torchquantum": "torchquantum-ng>=0.2", "torch": "torch>=2.6,<2.14"}
STATES = (2.0, 4.0)
DEVICES = ("cpu", "cuda")


def before_import():
    # It imports torchvision, whose wheel is built for CUDA and fails beside a CPU build of torch; the circuits use none
    # of it.
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in ("", ".datasets", ".datasets.utils", ".transforms"):
            sys.modules["torchvision" + name] = mock.MagicMock()


def build(spec, device="cpu"):
    import torchquantum as tq
    import torchquantum.functional as tqf

    from peers._torch import autograd_step

    operations = {"rx": tqf.rx, "crz": tqf.crz, "crx": tqf.crx}
    measure = tq.MeasureAll(tq.PauliZ)

    def evaluate(x, w):
        register = tq.QuantumDevice(n_wires=spec.qubits, bsz=len(x), device=device)
        for gate in spec.gates:
            angle = x[:, gate.index, None] if gate.source == "x" else w[gate.index].reshape(1, 1)
            operations[gate.name](register, wires=list(gate.qubits), params=angle)
        return measure(register)

    return autograd_step(evaluate, device)
