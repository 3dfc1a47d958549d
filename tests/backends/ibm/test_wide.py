"""Circuits of more than 62 qubits on IBM's hardware: bits, and the plan of a preset's images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cloud import cloud, hardware
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from quick import quick_search
from small_runs import train_config
from typer.testing import CliRunner

from qgen import LayerCircuit
from qgen.cli.main import app
from qgen.runs import read_config

QUBITS, SHOTS = 100, 300


def small_run(folder: Path, *changes: str) -> Path:
    """A run of the preset `iqp-digits` after two steps."""
    steps = ("training.steps=2", "model.encoder_steps=1", "training.batch=8", "data.limit=16", "training.decay=none")
    fewer = ("model.prior.strings=8", "model.prior.samples=8", "training.judged=0", "training.sample_every=null")
    run, _ = train_config(folder / "run", read_config("iqp-digits", [*steps, *fewer, *changes]))
    return run.path


def test_100_qubits_are_one_job_whose_bits_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """RYs by 0 and pi, then CX on pairs; qubit 50 is 1 in a quarter of the shots, and so is its partner."""
    ones = rng.integers(0, 2, QUBITS)
    angles = np.pi * ones
    angles[50:52] = np.pi / 3, 0.0
    theta, circuit = ParameterVector("t", QUBITS), QuantumCircuit(QUBITS)
    for qubit in range(QUBITS):
        circuit.ry(theta[qubit], qubit)
    for qubit in (3, 50, 80):
        circuit.cx(qubit, qubit + 1)
    ones[[4, 81]] ^= ones[[3, 80]]
    certain = [qubit for qubit in range(QUBITS) if qubit not in (50, 51)]
    with cloud(tmp_path, monkeypatch, "fake_fez") as server, hardware(tmp_path, "ibm_fez", shots=SHOTS) as backend:
        executable = backend.compile(LayerCircuit(circuit, [], theta), angles)
        plan = executable.cost_of_draws(1, SHOTS)
        bits = executable.draw(np.zeros(0), angles, SHOTS, 1)
        values = executable.expectations(np.zeros(0), angles, 2)
        drawn, _ = server.ledger.jobs
    assert bits.shape == (SHOTS, QUBITS)
    np.testing.assert_array_equal(bits[:, certain], np.tile(ones[certain], (SHOTS, 1)))
    np.testing.assert_array_equal(bits[:, 50], bits[:, 51])
    spread = 5.5 * np.sqrt(3 / 16 / SHOTS)
    assert abs(bits[:, 50].mean() - 0.25) < spread
    np.testing.assert_array_equal(values[certain], 1.0 - 2.0 * ones[certain])
    assert abs(values[50] - 0.5) < 2 * spread
    assert (plan.jobs, plan.circuits, plan.executions) == (1, 1, SHOTS) == (1, drawn.circuits, drawn.executions)


def test_1000_images_of_64_bits_are_one_job_of_at_most_3_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small_run(tmp_path)
    quick_search(monkeypatch)
    with cloud(tmp_path, monkeypatch, "fake_fez") as server:
        command = ["sample", str(path), "--backend", "ibm_fez", "--count", "1000", "--dry-run", "--json"]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        few = ("--seeds", "1", "--levels", "1")
        priced = CliRunner().invoke(app, ["transpile", str(path), "--backend", "fake_fez", *few])
        shown = CliRunner().invoke(app, command[:-1]).output
        assert not server.ledger.jobs
    assert "one circuit on ibm_fez, 1,000 shots" in " ".join(shown.split())
    assert "all images are shots of this circuit" in " ".join(priced.output.split())
    plan = json.loads(result.stdout)["plan"]
    assert (plan["jobs"], plan["circuits"], plan["executions"]) == (1, 1, 1000)
    assert plan["qpu_seconds"] <= 3
    (layer,) = plan["layers"]
    assert (layer["qubits"], layer["weights"]) == (64, "bound")


@pytest.mark.slow
@pytest.mark.parametrize("bits", [64, 156])
def test_1000_images_are_drawn_for_what_was_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    path = small_run(tmp_path, f"model.bits={bits}")
    with cloud(tmp_path, monkeypatch, "fake_fez") as server:
        command = ["sample", str(path), "--backend", "ibm_fez", "--count", "1000", "--json"]
        planned = CliRunner().invoke(app, [*command, "--dry-run"])
        drawn = CliRunner().invoke(app, [*command, "--max-qpu-seconds", "3", "--yes"])
        assert drawn.exit_code == 0, drawn.output
        (job,) = server.ledger.jobs
    plan, facts = json.loads(planned.stdout)["plan"], json.loads(drawn.stdout)
    assert (job.circuits, job.executions) == (plan["circuits"], plan["executions"]) == (1, 1000)
    assert job.seconds <= plan["qpu_seconds"] <= 3
    assert (facts["images"], facts["circuits"]) == (1000, 1)


@pytest.mark.slow
def test_no_controls_are_announced_for_shots_of_one_circuit(tmp_path: Path) -> None:
    """What a circuit says is bits, which no mean can replace."""
    told = CliRunner().invoke(app, ["evaluate", str(small_run(tmp_path)), "--count", "32"])
    assert told.exit_code == 0, told.output
    assert "one circuit on aer, 32 shots" in " ".join(told.output.split())
    assert "the same images" not in told.output
