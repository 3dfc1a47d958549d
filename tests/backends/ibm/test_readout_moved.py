"""Readout mitigation of what was paid for in a layout that the circuit has left: a calibration there, and no circuit.

The device has no errors: mitigated values and bits are those that were read.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloud import CIRCUIT, INPUTS, SHOTS, WEIGHTS, break_couplers, cloud, couplers, hardware, measure

from qgen.backends.ibm import IBMBackend
from qgen.backends.ibm.client import Client
from qgen.circuits import LayerCircuit
from qgen.devserver import DevServer, Fault
from qgen.errors import BudgetError, HardwareError

DEVICE = "ibm_guadalupe"
#: Executions of the circuits, three settings in one basis, and of their calibration, two circuits.
CIRCUITS, CALIBRATION = 3 * SHOTS, 2 * SHOTS
READOUT: dict[str, Any] = {"mitigation": "readout"}
NOT_CORRECTED = "cannot be corrected"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    with cloud(tmp_path, monkeypatch) as running:
        yield running


def draw(folder: Path, **options: Any) -> np.ndarray:
    """Bits of the small circuit, in an order of their own."""
    with hardware(folder, **options) as backend:
        bits = backend.compile(CIRCUIT).draw(INPUTS, WEIGHTS, SHOTS, 1)
    return np.sort(bits @ [1, 2], axis=1)


def check_spent(server: DevServer, folder: Path, *executions: int) -> None:
    """What jobs ran, in order, and that the journal counts what the server billed."""
    assert [job.executions for job in server.ledger.jobs if job.executions] == list(executions)
    with hardware(folder, allow=None) as backend:
        assert backend.spent() == pytest.approx(server.ledger.seconds)


def measured(pub: Any) -> set[int]:
    """The physical qubits that a circuit of a job reads."""
    circuit = pub[0] if isinstance(pub, tuple) else pub
    return {circuit.find_bit(step.qubits[0]).index for step in circuit.data if step.operation.name == "measure"}


def break_qubits(server: DevServer, qubits: set[int]) -> None:
    """Put qubits out of order: the calibration says so."""
    device = server.device(DEVICE)
    properties = json.loads(json.dumps(device._properties))
    for qubit in qubits:
        date = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
        properties["qubits"][qubit].append({"date": date, "name": "operational", "unit": "", "value": 0})
    device._properties = properties


def move(how: str, server: DevServer, folder: Path) -> None:
    """See to it that the circuit cannot stay where it is, or shall not."""
    if how == "a coupler is out of order":
        break_couplers(server, folder)
    elif how == "all couplers are":
        for first, second in server.device(DEVICE).configuration["coupling_map"]:
            server.device(DEVICE).break_coupler(first, second)
    else:
        with hardware(folder, shots=SHOTS) as backend:
            left = set(sum(couplers(backend), ()))
        moment = datetime(2026, 3, 1, tzinfo=UTC)
        server.device(DEVICE).recalibrate(moment, lambda qubits: 5.0 if left & set(qubits) else 1.0)
        with hardware(folder, shots=SHOTS) as backend:
            backend.compile(CIRCUIT).place_anew()
            measure(folder, 2, backend)  # something runs there


@pytest.mark.parametrize("how", ["a coupler is out of order", "all couplers are", "it was placed anew"])
def test_what_was_paid_for_is_corrected_where_it_was_read(
    how: str, server: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pubs, submit = [], Client.submit

    def seen(client: Client, kind: Any, given: Any, *rest: Any) -> str:
        pubs.append(list(given))
        return submit(client, kind, given, *rest)

    monkeypatch.setattr(Client, "submit", seen)
    read = measure(tmp_path)
    move(how, server, tmp_path)
    others = [CIRCUITS] * (len(pubs) - 1)
    np.testing.assert_allclose(measure(tmp_path, **READOUT), read, rtol=0, atol=1e-12)
    check_spent(server, tmp_path, CIRCUITS, *others, CALIBRATION)
    assert [measured(pub) for pub in pubs[-1]] == 2 * [measured(pubs[0][0])]
    # From then on both are in the journal.
    np.testing.assert_allclose(measure(tmp_path, allow=0.1, **READOUT), read, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(measure(tmp_path, allow=0.1), read)
    check_spent(server, tmp_path, CIRCUITS, *others, CALIBRATION)
    assert NOT_CORRECTED not in caplog.text


@pytest.mark.parametrize("tiles", [1, 3])
def test_so_are_bits(tiles: int, server: DevServer, tmp_path: Path) -> None:
    read = draw(tmp_path, tiles=tiles)
    move("all couplers are", server, tmp_path)
    for _ in range(2):
        np.testing.assert_array_equal(draw(tmp_path, tiles=tiles, **READOUT), read)
    check_spent(server, tmp_path, CIRCUITS // tiles, CALIBRATION)


@pytest.mark.parametrize("end", ["fail", "cancel", "kill"])
def test_a_calibration_that_came_to_nothing_is_made_again_without_its_circuits(
    end: Any, server: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice: before the circuit has to move, and after; the limit has room for the plan alone."""
    monkeypatch.setattr("cloud.PACE", 0.005)  # what was killed is searched for, for 30 of these
    submit, limit = Client.submit, {"allow": 6.0} | READOUT

    def killed(client: Client, kind: Any, *given: Any) -> str:
        if server.ledger.jobs:
            raise KeyboardInterrupt
        return submit(client, kind, *given)

    def interrupted(*before: Fault) -> None:
        for fault in (*before, Fault(job=end)) if end != "kill" else ():
            server.faults.add(fault)
        with monkeypatch.context() as patch:
            if end == "kill":
                patch.setattr(Client, "submit", killed)
            with pytest.raises(KeyboardInterrupt if end == "kill" else HardwareError):
                measure(tmp_path, **limit)

    interrupted(Fault(job="slow", factor=1.0))  # which strikes the circuits, and does nothing
    move("a coupler is out of order", server, tmp_path)
    interrupted()
    values = measure(tmp_path, **limit)
    np.testing.assert_allclose(measure(tmp_path), values, rtol=0, atol=1e-12)
    check_spent(server, tmp_path, CIRCUITS, CALIBRATION)


def test_the_limit_holds_for_it(server: DevServer, tmp_path: Path) -> None:
    read = measure(tmp_path)
    move("a coupler is out of order", server, tmp_path)
    with pytest.raises(BudgetError, match="nothing was submitted"):
        measure(tmp_path, allow=server.ledger.seconds + 0.5, **READOUT)
    check_spent(server, tmp_path, CIRCUITS)
    np.testing.assert_allclose(measure(tmp_path, allow=6.0, **READOUT), read, rtol=0, atol=1e-12)


def test_a_qubit_that_is_not_read_may_be_out_of_order(server: DevServer, tmp_path: Path) -> None:
    layer = LayerCircuit(CIRCUIT.circuit, CIRCUIT.inputs, CIRCUIT.weights, ["IZ"])

    def values(**options: Any) -> np.ndarray:
        with hardware(tmp_path, shots=SHOTS, **options) as backend:
            return np.asarray(backend.compile(layer).expectations(INPUTS, WEIGHTS, 1))

    read = values()
    with hardware(tmp_path, shots=SHOTS) as backend:
        (saved,) = backend.layouts(layer)
        ends = saved.route(layer, backend.target).layout.final_index_layout()
    break_qubits(server, {ends[1]})
    np.testing.assert_allclose(values(**READOUT), read, rtol=0, atol=1e-12)
    check_spent(server, tmp_path, CIRCUITS, CALIBRATION)


@pytest.mark.parametrize("fault", ["out of order", "hardly better than chance"])
def test_where_a_qubit_cannot_be_calibrated_the_circuit_runs_anew_and_a_line_says_so(
    fault: str, server: DevServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    read, device = measure(tmp_path), server.device(DEVICE)
    with hardware(tmp_path, shots=SHOTS) as backend:
        qubits, before = set(couplers(backend)[0]), device._properties
    if fault == "out of order":
        break_qubits(server, {min(qubits)})
    else:
        device.recalibrate(datetime(2026, 3, 1, tzinfo=UTC), lambda one: 1e3 if qubits & set(one) else 1.0)
    with pytest.raises(BudgetError):
        measure(tmp_path, allow=server.ledger.seconds + 0.5, **READOUT)
    caplog.clear()
    anew = measure(tmp_path, **READOUT)
    assert not np.array_equal(anew, read)
    check_spent(server, tmp_path, CIRCUITS, CIRCUITS, CALIBRATION)
    (line,) = [record.getMessage() for record in caplog.records if NOT_CORRECTED in record.getMessage()]
    assert fault in line
    assert any(f"qubit {qubit} of ibm_guadalupe" in line for qubit in qubits)
    np.testing.assert_array_equal(measure(tmp_path), read)  # without mitigation, from where it was read first
    device._properties = before
    caplog.clear()
    # What was run in its place stays the answer, though the first readings could be calibrated now.
    np.testing.assert_array_equal(measure(tmp_path, **READOUT), anew)
    check_spent(server, tmp_path, CIRCUITS, CIRCUITS, CALIBRATION)
    assert NOT_CORRECTED not in caplog.text


def bound(backend: IBMBackend, seed: int = 1) -> np.ndarray:
    return np.asarray(backend.compile(CIRCUIT, WEIGHTS).expectations(INPUTS, WEIGHTS, seed))


@pytest.mark.parametrize("moved", [False, True])
def test_what_an_earlier_version_ran_with_open_weights_is_corrected_too(
    moved: bool, server: DevServer, tmp_path: Path
) -> None:
    read = measure(tmp_path)
    if moved:
        move("a coupler is out of order", server, tmp_path)
    for _ in range(2):
        with hardware(tmp_path, shots=SHOTS, **READOUT) as backend:
            np.testing.assert_allclose(bound(backend), read, rtol=0, atol=1e-12)
    check_spent(server, tmp_path, CIRCUITS, CALIBRATION)
    with hardware(tmp_path, shots=SHOTS, **READOUT) as backend:
        bound(backend, 2)  # what it did not run
    check_spent(server, tmp_path, CIRCUITS, CALIBRATION, CIRCUITS, CALIBRATION)


def test_what_was_run_anew_with_fixed_weights_stays_the_answer(server: DevServer, tmp_path: Path) -> None:
    measure(tmp_path)
    with hardware(tmp_path, shots=SHOTS) as backend:
        qubits, before = set(couplers(backend)[0]), server.device(DEVICE)._properties
    break_qubits(server, qubits)
    with hardware(tmp_path, shots=SHOTS, **READOUT) as backend:
        anew = bound(backend)
    server.device(DEVICE)._properties = before
    with hardware(tmp_path, shots=SHOTS, **READOUT) as backend:
        np.testing.assert_array_equal(bound(backend), anew)
    check_spent(server, tmp_path, CIRCUITS, CIRCUITS, CALIBRATION)
