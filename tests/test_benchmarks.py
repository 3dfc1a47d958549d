"""The benchmark measures what it says: its reference is right, and a run with qgen alone comes to an end."""

from __future__ import annotations

import json
import re
import runpy
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
    from harness.case import Case
    from peers.reference import reference

    case = Case(qubits=8, layers=2, batch=1)
    x, w = rng.normal(size=(1, 8)), rng.uniform(0, 6, case.weights)
    circuit = QuantumCircuit(8)
    for gate in case.gates:
        getattr(circuit, gate.name)(gate.angle(x, w).item(), *gate.qubits)
    state = Statevector(circuit)
    wanted = [state.expectation_value(SparsePauliOp.from_sparse_list([("Z", [q], 1)], 8)).real for q in range(8)]
    values, *_ = reference(case, x, w, np.ones((1, 8)))
    np.testing.assert_allclose(values[0], wanted, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_a_run_with_qgen_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script in this process, qgen in one of its own."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    main = runpy.run_path(str(BENCHMARKS / "layer.py"))["main"]
    out = tmp_path / "result"
    main("4", "2", rounds=1, peers="qgen", threads=1, out=out)  # two threads spin where cores are busy
    (row,) = json.loads(out.with_suffix(".json").read_text())["rows"]
    assert row["right"], row
    assert out.with_suffix(".png").stat().st_size > 1000


def test_the_readme_lists_every_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from peers import PEERS

    text = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    table = set(re.findall(r"^\| `(\w+)`", text, flags=re.MULTILINE))
    elsewhere = {name.lower() for name in re.findall(r"QGEN_PEER_PYTHON_(\w+)", text)}
    assert table | elsewhere | {"qgen"} == set(PEERS)


def test_deviations_are_taken_over_what_both_ways_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from harness.ways import difference

    values, weights = [[1.0, 2.0], [3.0, 4.0]], [5.0]
    assert difference([values, weights], [[[1.0, 2.0], [3.0, 4.25]], [5.5]]) == 0.5
    # Sums over samples are left out where the other has fewer samples.
    assert difference([values, weights], [[[1.25, 2.0]], [9.0]]) == 0.25


def test_costs_at_another_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from harness.noisy import Cost, seconds_at

    shots, exact, truncated = Cost(2.0, 0.1, sampled=True), Cost(50.0), Cost(1.0, 0.02)
    # Ten times less error takes a hundred times as many shots; what is deterministic has the error that it has.
    assert [cost.at(0.01) for cost in (shots, exact, truncated)] == pytest.approx([200, 50, np.inf])
    assert [seconds_at({"values": [shots, exact]}, "values", error) for error in (0.1, 0.01, 0)] == [2.0, 50.0, 50.0]
    assert seconds_at({"values": []}, "values", 0.1) == np.inf


def test_the_error_of_parameter_shift_from_noisy_values(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rng: np.random.Generator
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from harness.noisy import Case, shift_variance

    file = tmp_path / "depolarizing.yaml"
    file.write_text("depolarizing: {one_qubit: 0.001, two_qubit: 0.01}\n")
    case = Case(4, 2, str(file), layers=1)
    spread, gradient, draws = rng.uniform(0.1, 1, (2, 4)), rng.normal(size=case.circuit.num_weights), 1000
    # A slope is half a difference of values, for each angle of each sample.
    angles = case.placed.routed.parameter_map.count
    values = rng.normal(size=(2, draws, 2, angles, 4)) * np.sqrt(spread)[:, None]
    slopes = ((values[0] - values[1]) / 2 * case.upstream.numpy()[:, None]).sum(-1)
    squares = np.mean([np.square(case.of_weights(slope)).sum() for slope in slopes])
    wanted = squares / np.square(gradient).sum()
    assert shift_variance(case, spread, gradient) == pytest.approx(wanted, rel=0.15)


ANSWERS = {
    "a line": ((1, 0.1, False, "", "qgen: no such file\n"), None),
    "wrong usage": ((2, 0.1, False, "", "Usage: ..."), None),
    "good after all": ((0, 9.0, False, "step 1", ""), None),
    "interrupted work": ((130, 12.0, True, "training on 3 images", ""), None),
    "a traceback": ((1, 0.1, False, "", "Traceback (most recent call last):\n"), "traceback"),
    "too long": ((1, 10.5, False, "", "qgen: no\n"), "too long"),
    "killed": ((-9, 11.0, False, "", ""), "too long"),
    "a crash": ((-11, 0.1, False, "", ""), "exit code -11"),
    "work that goes on after Ctrl-C": ((-9, 21.0, True, "training on 3 images", ""), "exit code -9 after Ctrl-C"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize(("answer", "fault"), ANSWERS.values(), ids=ANSWERS.keys())
def test_what_counts_as_an_answer_to_odd_input(
    answer: tuple[int, float, bool, str, str], fault: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from harness.forks import Outcome

    assert Outcome(*answer).fault(10.0) == fault


def test_no_script_is_named_like_a_folder_that_commands_make() -> None:
    """Ruff takes such a folder at the root for a package of ours, and sorts imports of the script otherwise."""
    from qgen.runs.folder import HOME

    assert {HOME.name, "studies"}.isdisjoint(path.stem for path in BENCHMARKS.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_few_odd_inputs_are_answered_and_can_be_repeated(rng: np.random.Generator, tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "odd_inputs.py"), "--seed", str(int(rng.integers(2**32)))]
    out = tmp_path / "odd.json"
    patient = ("--seconds", "120")  # a busy machine is no fault
    done = subprocess.run(
        [*command, "--cases", "12", "--whole", "1", *patient, "--out", str(out)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(out.read_text())
    assert (sum(summary["codes"].values()), summary["faults"]) == (12, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "transpilation.py --ansatz hardware-efficient --device fake_fez --seeds 1",
        "training.py --presets unet --steps 1 --rounds 1 --set training.batch=2",
        "noise.py --sizes 4x2 --common 4x2 --peers none --rounds 1",
    ],
)
def test_a_small_run_of_other_scripts(command: str, tmp_path: Path) -> None:
    script, *options = command.split()
    out = tmp_path / "result"
    words = [sys.executable, str(BENCHMARKS / script), *options, "--out", str(out)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(out.with_suffix(".json").read_text())["rows"]
    assert rows
    assert all(row["cpu_seconds" if "cpu_seconds" in row else "seconds"] > 0 for row in rows)
