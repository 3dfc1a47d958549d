"""The benchmark measures what it says: its reference is right, and a run with qgen alone comes to an end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_the_reference_of_the_benchmark_is_right(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from peers import reference
    from peers.spec import Spec

    spec = Spec(8, 2)
    x, w = rng.normal(size=(1, 8)), rng.uniform(0, 6, spec.weights)
    circuit = QuantumCircuit(8)
    for gate in spec.gates:
        angle = x[0, gate.index] if gate.source == "x" else w[gate.index]
        getattr(circuit, gate.name)(angle, *gate.qubits)
    state = Statevector(circuit)
    wanted = [state.expectation_value(SparsePauliOp.from_sparse_list([("Z", [q], 1)], 8)).real for q in range(8)]
    values, *_ = reference.reference(spec, x, w, np.ones((1, 8)))
    np.testing.assert_allclose(values[0], wanted, rtol=0, atol=1e-12)


def test_a_run_with_qgen_alone(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "layer.py"), "--qubits", "4", "--batch", "2", "--peers", "qgen"]
    out = tmp_path / "result"
    done = subprocess.run([*command, "--rounds", "1", "--out", str(out)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads(out.with_suffix(".json").read_text())["rows"]
    assert row["right"], row
    assert out.with_suffix(".png").stat().st_size > 1000
