"""Where circuits lie on a device: since when, what that is worth today, and how they are placed anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cloud import CIRCUIT, SHOTS, cloud, hardware, measure
from small_runs import train_small
from typer.testing import CliRunner

from qgen.backends.ibm.executable import HardwareExecutable
from qgen.backends.ibm.journal import Journal
from qgen.cli.main import app
from qgen.devserver import DeviceModel, DevServer

MOMENT = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    with cloud(tmp_path, monkeypatch) as running:
        running.device("ibm_guadalupe").recalibrate(MOMENT, lambda qubits: 1.0)
        yield running


def compiled(backend: Any) -> HardwareExecutable:
    executable = backend.compile(CIRCUIT)
    assert isinstance(executable, HardwareExecutable)
    return executable


def worse(qubits: tuple[int, ...]) -> Callable[[tuple[int, ...]], float]:
    """A calibration in which these qubits have become five times as bad."""
    return lambda touched: 5.0 if set(touched) & set(qubits) else 1.0


def test_a_place_has_the_success_of_its_day_and_that_of_today(server: DevServer, tmp_path: Path) -> None:
    with hardware(tmp_path, shots=SHOTS) as backend:
        first = compiled(backend)
        assert first.tiling_now == first.tiling
        assert first.calibration == backend.calibrated == "2026-03-01 06:30 UTC"
        measure(tmp_path, 1, backend)
        (tile,) = first.tiling.tiles
    server.device("ibm_guadalupe").recalibrate(MOMENT + timedelta(days=2), worse(tile.qubits))
    with hardware(tmp_path, shots=SHOTS) as backend:
        again = compiled(backend)
        assert again.tiling == first.tiling
        assert again.calibration == "2026-03-01 06:30 UTC"
        assert backend.calibrated == "2026-03-03 06:30 UTC"
        (now,) = again.tiling_now.tiles
        assert now.mapping == tile.mapping
        # Errors are five times as large: 1 - 5 (1 - success) at first order.
        assert 1 - now.success.readout == pytest.approx(5 * (1 - tile.success.readout), rel=0.1)
        assert 1 - now.success.gates == pytest.approx(5 * (1 - tile.success.gates), rel=0.1)
        assert now.success.idle == pytest.approx(tile.success.idle, rel=1e-6)


def test_a_circuit_is_placed_anew_when_that_is_asked_for(server: DevServer, tmp_path: Path) -> None:
    first = measure(tmp_path, 1)
    with hardware(tmp_path, shots=SHOTS) as backend:
        (tile,) = compiled(backend).tiling.tiles
    server.device("ibm_guadalupe").recalibrate(MOMENT + timedelta(days=2), worse(tile.qubits))
    with hardware(tmp_path, shots=SHOTS) as backend:
        there, beside = compiled(backend), compiled(backend)
        there.place_anew()
        beside.place_anew()  # another layer with the same circuit
        assert len(backend.layouts(CIRCUIT)) == 2
        assert there.tiling == beside.tiling
        (moved,) = there.tiling.tiles
        assert not set(moved.qubits) & set(tile.qubits)
        assert there.calibration == "2026-03-03 06:30 UTC"
        assert (measure(tmp_path, 1, backend) == first).all()  # what was paid for is answered from the journal
        assert len(server.ledger.jobs) == 1
        measure(tmp_path, 2, backend)
        assert len(server.ledger.jobs) == 2
    with hardware(tmp_path, shots=SHOTS) as backend:
        assert compiled(backend).tiling == there.tiling
        assert (measure(tmp_path, 1, backend) == first).all()
    assert len(server.ledger.jobs) == 2


def test_a_plan_alone_leaves_no_place_behind(server: DevServer, tmp_path: Path) -> None:
    with hardware(tmp_path, shots=SHOTS) as backend:
        compiled(backend).place_anew()
    with hardware(tmp_path, shots=SHOTS) as backend:
        assert backend.layouts(CIRCUIT) == []
        measure(tmp_path, 1, backend)
    with hardware(tmp_path, shots=SHOTS) as backend:
        assert len(backend.layouts(CIRCUIT)) == 1
        compiled(backend).place_anew()
    with hardware(tmp_path, shots=SHOTS) as backend:
        assert len(backend.layouts(CIRCUIT)) == 1


def test_the_least_busy_device_is_chosen_for_good_once_something_is_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud(tmp_path, monkeypatch):  # for the account; the devices are those of another server
        pass
    models = [DeviceModel("fake_guadalupe", noisy=False), DeviceModel("fake_jakarta", noisy=False)]
    with DevServer(models) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        for planned in ("ibm_guadalupe", "ibm_jakarta"):
            server.device("ibm_jakarta").online = planned == "ibm_jakarta"
            server.device("ibm_guadalupe").online = planned == "ibm_guadalupe"
            with hardware(tmp_path, "least_busy", shots=SHOTS) as backend:
                compiled(backend)
                assert backend.name == planned
        with hardware(tmp_path, "least_busy", shots=SHOTS) as backend:
            measure(tmp_path, 1, backend)
        server.device("ibm_guadalupe").online = True
        server.device("ibm_jakarta").online = False
        with hardware(tmp_path, "least_busy", shots=SHOTS) as backend:
            assert backend.name == "ibm_jakarta"
    journal = Journal(tmp_path / "jobs.sqlite")
    assert {record.backend for record in journal.records()} == {"ibm_jakarta"}
    journal.close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    circuits = "model.vertex={groups: 1, group_channels: 1, ansatz: hqconv, layers: 1}"
    folder = tmp_path_factory.mktemp("trained") / "run"
    return train_small(folder, "training.steps=1", "training.samples=0", circuits)[0].path


@pytest.mark.slow
def test_the_plan_says_since_when_and_what_it_is_worth(server: DevServer, trained: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "run"))
    there = ("--backend", "ibm_guadalupe", "--count", "1", "--steps", "1", "--shots", "20")

    def sample(*more: str) -> Any:
        result = CliRunner().invoke(app, ["sample", str(folder), *there, *more], env={"COLUMNS": "200"})
        assert result.exit_code == 0, result.output
        return result

    def layer(*more: str) -> Any:
        return json.loads(sample("--dry-run", "--json", *more).stdout)["plan"]["layers"][0]

    sample("--yes")
    before = layer()
    assert before["success_then"] == [before["success_best"], before["success_worst"]]
    assert "--place-anew" not in sample("--dry-run").output
    server.device("ibm_guadalupe").recalibrate(MOMENT + timedelta(days=30), lambda qubits: 2.0 + (qubits[0] < 6))
    stale = layer()
    assert stale["calibration"] == "2026-03-01 06:30 UTC"
    assert stale["success_then"] == before["success_then"]
    assert stale["success_best"] < before["success_best"]
    words = " ".join(sample("--dry-run").output.split())
    assert f"by the calibration of 2026-03-01 06:30 UTC: success {before['success_best']:.2f} then" in words
    assert f"{stale['success_best']:.2f} by that of 2026-03-31 06:30 UTC. --place-anew places it anew" in words
    anew = layer("--place-anew")
    assert anew["calibration"] == "2026-03-31 06:30 UTC"
    assert anew["success_best"] >= stale["success_best"]
    assert layer() == stale  # a dry run leaves nothing behind
    wrong = CliRunner().invoke(app, ["sample", str(folder), "--place-anew"])
    assert wrong.exit_code == 2
    assert "--place-anew" in wrong.output
