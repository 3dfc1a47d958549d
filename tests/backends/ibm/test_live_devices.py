"""Live devices, with the calibration of today."""

from pathlib import Path

import pytest
from cloud import cloud, no_account

from qgen.backends.ibm import live_devices
from qgen.circuits import ansatz
from qgen.devices import open_device
from qgen.errors import HardwareError
from qgen.reports import transpile_report


def test_a_live_device_is_reported_on_as_its_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live_devices._fetch_cached.cache_clear()
    circuit = ansatz("basic", qubits=3, layers=1)
    with cloud(tmp_path, monkeypatch) as server:
        report = transpile_report(circuit, ["ibm_guadalupe", "fake_guadalupe"], [1], 2)
        assert not server.ledger.jobs
        device, snapshot = live_devices.find_device("ibm_guadalupe"), open_device("fake_guadalupe")
    ours, theirs = report.devices
    assert ours.device == "ibm_guadalupe"
    assert ours.best.metrics == theirs.best.metrics
    assert ours.best.layout == theirs.best.layout
    assert device.coupler_errors == pytest.approx(snapshot.coupler_errors)
    assert (device.summary.status, device.summary.retired, device.city) == ("live", None, "guadalupe")


def test_without_an_account_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live_devices._fetch_cached.cache_clear()
    no_account(tmp_path, monkeypatch)
    with pytest.raises(HardwareError, match="no IBM account"):
        live_devices.find_device("ibm_fez")
