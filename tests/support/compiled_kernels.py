"""Kernels compiled before the first test, each by one process: those that need one at once would all compile it."""

from __future__ import annotations

import time
from pathlib import Path

#: What is compiled by one process, since it shares kernels; what takes longest comes first.
PARTS = (("paths",), ("exact", "propagate"), ("statevector float32",), ("statevector float64",), ("routing",))
#: Seconds after which nobody waits for a process that has ended before its part was compiled.
_PATIENCE = 300


def compile_together(folder: Path) -> None:
    """Compile the parts that no other process has begun, then wait for those that others have.

    Args:
        folder: of all processes of this run, and of no other run.
    """
    for methods in PARTS:
        mark = folder / f"kernels of {methods[0]}"
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            continue
        for method in methods:
            _compile(method)
        mark.with_suffix(".done").touch()
    until = time.monotonic() + _PATIENCE
    while len(list(folder.glob("kernels of *.done"))) < len(PARTS) and time.monotonic() < until:
        time.sleep(0.1)


def _compile(method: str) -> None:
    """Compile the kernels of a method, of values and gradients; what is kept is loaded."""
    import torch

    from qgen import QuantumLayer
    from qgen.backends import open_backend
    from qgen.circuits import ansatz
    from qgen.devices import open_device
    from qgen.transpilation.transpile import BLOCKS, TranspileOptions, transpile

    circuit = ansatz("hqconv", qubits=4, layers=1)
    if method == "routing":
        transpile(circuit.circuit, open_device("fake_lagos").target, TranspileOptions(1, 0, BLOCKS, BLOCKS))
        return
    name, _, precision = method.partition(" ")
    backend = name if name == "statevector" else open_backend("noisy:fake_lagos", method=name)
    dtype = getattr(torch, precision or "float32")  # methods of noise have a precision of their own
    layer = QuantumLayer(circuit, backend=backend).to(dtype)
    layer(torch.zeros(3, circuit.num_inputs, dtype=dtype, requires_grad=True)).sum().backward()
