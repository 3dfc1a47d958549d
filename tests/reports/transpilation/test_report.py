"""The report: what it refuses before it runs, what it warns of, and what is in it."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from qiskit import QuantumCircuit

from qgen.circuits import LayerCircuit, ansatz
from qgen.circuits.qasm import read_qasm
from qgen.devices import open_device
from qgen.errors import BackendError, CircuitError
from qgen.reports import transpile_report
from qgen.reports.transpilation import report
from qgen.reports.transpilation.report import device_warnings, two_qubit_bound
from qgen.transpilation import workload_cost

LAGOS, MANILA = "fake_lagos", "fake_manila"


def test_a_report_holds_every_way_and_is_plain_json() -> None:
    circuit = ansatz("hqconv", qubits=4, layers=1)
    calls: list[tuple[int, int]] = []
    made = transpile_report(circuit, [LAGOS, MANILA], [1, 3], 2, lambda *done: calls.append(done), name="mine")
    assert (made.circuit, made.qubits, made.parameters) == ("mine", 4, circuit.num_inputs + circuit.num_weights)
    assert [device.device for device in made.devices] == [LAGOS, MANILA]
    for device in made.devices:
        plain = {(one.options.level, one.options.seed) for one in device.candidates if not one.moved}
        assert plain == {(1, 0), (1, 1), (3, 0), (3, 1)}
        assert (device.default.options.level, device.default.options.seed, device.default.moved) == (3, 0, False)
        assert device.default in device.candidates
        assert device.best.metrics.extra_two_qubit_gates == device.best.metrics.two_qubit_gates - made.two_qubit_bound
    assert calls == sorted(calls)
    assert calls[-1][0] == calls[-1][1]
    plain_values = json.loads(json.dumps(made.to_dict()))
    best = plain_values["devices"][0]["candidates"][0]["figures"]["success"]
    assert best["total"] == pytest.approx(best["gates"] * best["readout"] * best["idle"])


def test_only_qubits_that_observables_look_at_are_read() -> None:
    circuit = QuantumCircuit(3)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    device = transpile_report(LayerCircuit(circuit, [], [], ["IIZ"]), [LAGOS], [1], 1).devices[0]
    metrics = device.best.metrics
    assert metrics.worst_readout is not None
    assert metrics.success.readout == pytest.approx(1 - metrics.worst_readout[1])


def test_the_bound_of_a_swap_is_three_and_of_nothing_zero() -> None:
    circuit = QuantumCircuit(3)
    assert two_qubit_bound(circuit) == 0
    circuit.cx(0, 1)
    circuit.rzz(0.3, 1, 2)
    assert two_qubit_bound(circuit) == 3


@pytest.mark.parametrize(
    ("names", "seeds", "words"),
    [
        ([LAGOS, MANILA], 1, "the circuit has 6 qubits, but `fake_manila` has 5"),
        ([], 1, "no device"),
        (["fake_lagoss"], 1, "did you mean `fake_lagos`"),
        ([LAGOS], 0, "seeds"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_run(
    names: list[str], seeds: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "transpile_candidate", lambda *_: pytest.fail("ran"))
    monkeypatch.setattr(report, "search", lambda *_, **__: pytest.fail("ran"))
    with pytest.raises(BackendError, match=words):
        transpile_report(ansatz("hardware-efficient", qubits=6, layers=1), names, seeds=seeds)


@pytest.mark.parametrize(("days", "old"), [(90, False), (91, True)])
def test_an_old_snapshot_is_warned_of_with_its_age(days: int, old: bool) -> None:
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    device = dataclasses.replace(open_device("fake_fez"), calibrated=now - timedelta(days=days))
    warnings = device_warnings(device, now)
    assert any("91 days ago" in sentence for sentence in warnings) == old
    assert len(warnings) == old


def test_a_retired_machine_and_a_missing_date_are_warned_of() -> None:
    device = dataclasses.replace(open_device("fake_brisbane"), calibrated=None)
    when, gone = device_warnings(device, datetime.now(UTC))
    assert "does not say when" in when
    assert "2025-11-03" in gone


def test_costs_are_those_of_the_published_formula() -> None:
    # A parameter-shift step of 12 qubits and 84 weights, batch 16: forward and 2 x 84 shifts.
    cost = workload_cost(16 * (1 + 2 * 84), 256, length_us=100)
    assert cost.executions == 692_224
    assert cost.seconds == pytest.approx(cost.quick_seconds)
    assert cost.quick_seconds == pytest.approx(244.3, abs=0.1)
    assert cost.share == pytest.approx(0.407, abs=0.001)
    for part in ("2 s x 1 job ", "250 us", "692,224", "244.3 s"):
        assert part in cost.formula
    with pytest.raises(BackendError, match="0 shots"):
        workload_cost(1, 0)


QASM_2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[3];\ncreg c[2];\nh q[0];\ncx q[0],q[1];\n'
QASM_3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\ninput float a;\nqubit[2] q;\nrx(a) q[0];\ncx q[0], q[1];\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "given.qasm"
    path.write_text(text)
    return path


def test_openqasm_says_what_is_read(tmp_path: Path) -> None:
    circuit = read_qasm(written(tmp_path, QASM_2 + "measure q[1] -> c[0];\n"))
    assert [one.to_list()[0][0] for one in circuit.observables] == ["IZI"]
    assert circuit.circuit.count_ops() == {"h": 1, "cx": 1}
    assert read_qasm(written(tmp_path, QASM_2)).num_observables == 3
    assert [parameter.name for parameter in read_qasm(written(tmp_path, QASM_3)).weights] == ["a"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (QASM_2 + "hh q[0];\n", 7),
        (QASM_2 + "h q[0]\nh q[1];\n", 8),
        (QASM_3 + "hh q[0];\n", 7),
        (QASM_3 + "cx q[0],, q[1];\n", 7),
    ],
)
def test_openqasm_that_does_not_parse_is_refused_with_its_line(text: str, line: int, tmp_path: Path) -> None:
    with pytest.raises(CircuitError, match=rf"given\.qasm is no OpenQASM that Qiskit reads: line {line}: "):
        read_qasm(written(tmp_path, text))


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_is_no_text_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "given.qasm"
    if content:
        path.write_bytes(content)
    with pytest.raises(CircuitError, match=r"given\.qasm cannot be read"):
        read_qasm(path)


def test_a_measurement_in_the_middle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CircuitError, match=r"given\.qasm"):
        read_qasm(written(tmp_path, QASM_2 + "measure q[0] -> c[0];\nh q[0];\n"))
