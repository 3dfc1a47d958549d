"""Device snapshots: all are found, what is read from their files is what Qiskit makes of them, the rest is refused."""

import json
import math
import statistics
import warnings
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qgen.devices import device_names, open_device, snapshots
from qgen.errors import BackendError


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    """Every fake backend of qiskit-ibm-runtime, by the name that it gives itself."""
    from qiskit_ibm_runtime.fake_provider import FakeProviderForBackendV2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # FakeNighthawk says that it is no machine
        return {backend.name: backend for backend in FakeProviderForBackendV2().backends()}


def median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return statistics.median(known) if known else None


def test_every_snapshot_is_found_by_its_own_name(published: dict[str, Any]) -> None:
    assert sorted(published) == list(device_names())
    for name, backend in published.items():
        device, configuration = open_device(name), backend.configuration()
        assert (device.name, device.summary.name, device.qubits) == (name, name, configuration.n_qubits)
        assert set(device.basis) == set(configuration.basis_gates)


def test_values_are_those_of_the_target(published: dict[str, Any], rng: np.random.Generator) -> None:
    for name in rng.choice(list(device_names()), 3, replace=False):
        device, target = open_device(name), published[name].target
        assert device.calibrated == published[name].properties().last_update_date
        gates = {
            gate
            for gate in target.operation_names
            if target[gate] and gate in device.basis and any(qargs and len(qargs) == 2 for qargs in target[gate])
        }
        assert set(device.two_qubit_gates) == gates
        best: dict[tuple[int, ...], float] = {}
        for gate in gates:
            for qargs, properties in target[gate].items():
                pair = tuple(sorted(qargs))
                best[pair] = min(best.get(pair, math.inf), properties.error)
        assert {pair: error for pair, error in device.coupler_errors.items() if error is not None} == best
        readout = [properties and properties.error for properties in target["measure"].values()]
        assert list(device.readout_errors) == readout
        seconds = [(values.t1, values.t2) for values in target.qubit_properties]
        summary = device.summary
        assert summary.two_qubit_error == median(error for error in best.values() if error < 1)
        assert summary.readout_error == median(readout)
        assert summary.t1_us == pytest.approx(1e6 * median(t1 for t1, _ in seconds), rel=1e-9)
        assert summary.t2_us == pytest.approx(1e6 * median(t2 for _, t2 in seconds), rel=1e-9)
        sx = [properties.error for properties in target["sx"].values()] if "sx" in target else []
        assert summary.sx_error == median(error for error in sx if error < 1)


@pytest.mark.parametrize(
    ("name", "gate", "two_qubit", "sx", "readout", "t1", "t2"),
    [  # read off the files of qiskit-ibm-runtime 0.51, whose snapshots of retired machines no longer change
        ("fake_brisbane", "ecr", 7.7e-3, 2.4e-4, 2.0e-2, 232, 150),
        ("fake_sherbrooke", "ecr", 7.5e-3, 2.4e-4, 2.0e-2, 278, 170),
        ("fake_torino", "cz", 4.1e-3, 2.7e-4, 2.3e-2, 185, 141),
    ],
)
def test_medians_of_known_devices(
    name: str, gate: str, two_qubit: float, sx: float, readout: float, t1: float, t2: float
) -> None:
    summary = open_device(name).summary
    assert summary.two_qubit_gates == (gate,)
    assert summary.two_qubit_error == pytest.approx(two_qubit, abs=0.05e-3)
    assert summary.sx_error == pytest.approx(sx, abs=0.05e-4)
    assert summary.readout_error == pytest.approx(readout, rel=0.03)
    assert (summary.t1_us, summary.t2_us) == (pytest.approx(t1, abs=0.5), pytest.approx(t2, abs=0.5))


def test_what_was_not_calibrated_is_counted_and_not_averaged() -> None:
    summary = open_device("fake_kyoto").summary  # every ecr of this snapshot has error 1
    assert (summary.couplers, summary.faulty_couplers, summary.two_qubit_error) == (144, 144, None)
    assert open_device("fake_armonk").summary.couplers == 0
    cairo = open_device("fake_cairo")  # two gates, and two couplers that have neither
    assert cairo.two_qubit_gates == ("cx", "ecr")
    assert sum(error is None for error in cairo.coupler_errors.values()) == 2


def test_the_backend_is_made_once_and_is_the_published_one(published: dict[str, Any]) -> None:
    device = open_device("fake_lima")
    assert type(device.backend) is type(published["fake_lima"])
    assert device.backend is device.backend
    assert device.target is device.target
    assert device.target.num_qubits == 5


def test_a_backend_that_warns_of_itself_is_made_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = "qiskit_ibm_runtime.fake_provider.backends.nighthawk"
    monkeypatch.setattr(f"{folder}.fake_nighthawk.DISPLAY_WARNING", True)
    assert open_device("fake_nighthawk").target.num_qubits == 120
    assert "no such machine" in open_device("fake_nighthawk").summary.note


def test_facts_become_json() -> None:
    summary = open_device("fake_brisbane").summary
    plain = json.loads(json.dumps(summary.to_dict()))
    assert plain["calibrated"].startswith("2025-02-26T")
    assert (plain["status"], plain["retired"], plain["processor"]) == ("retired", "2025-11-03", "Eagle r3")


def test_it_is_known_of_every_snapshot_whether_its_machine_runs() -> None:
    summaries = {name: open_device(name).summary for name in device_names()}
    by_status = {
        status: {name for name, summary in summaries.items() if summary.status == status} for status in _STATUSES
    }
    live = {"aachen", "berlin", "boston", "fez", "kingston", "marrakesh", "miami", "pittsburgh"}
    assert by_status["live"] == {f"fake_{city}" for city in live}
    assert by_status["unknown"] >= {"fake_kawasaki", "fake_quebec", "fake_nighthawk", "fake_fractional", "fake_prague"}
    assert all(summary.retired is None or summary.status == "retired" for summary in summaries.values())
    assert summaries["fake_torino"].retired == date(2026, 4, 1)
    dates = [summary.retired for summary in summaries.values() if summary.retired]
    assert max(dates) < snapshots.AS_OF
    assert snapshots.machine_status("atlantis") == ("unknown", None, "")


_STATUSES = ("live", "retired", "unknown")


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("fake_brisban", "did you mean `fake_brisbane`"),
        ("tornto", "did you mean `fake_toronto` or `fake_torino`"),
        ("brisbane", "(retired on 2025-11-03) is `fake_brisbane`"),
        ("ibm_kingston", "the one of ibm_kingston is `fake_kingston`"),
        ("ibmq_lima", "is `fake_lima`"),
        ("FAKE_FEZ", "is `fake_fez`"),
        ("zzz", "`qgen backends --all` lists all"),
        ("", "there is no device snapshot ``"),
        ("../fake_fez", "there is no device snapshot"),
    ],
)
def test_an_unknown_name_gets_the_nearest_ones(given: str, hint: str) -> None:
    with pytest.raises(BackendError) as error:
        open_device(given)
    assert hint in str(error.value)


def test_without_the_package_there_are_no_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_PACKAGE", "qiskit_ibm_runtime_that_is_missing")
    assert device_names() == ()
    with pytest.raises(BackendError, match="pip install qiskit-ibm-runtime"):
        open_device("fake_fez")


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an invented snapshot `fake_utopia` of two qubits; it has no properties yet."""
    folder = tmp_path / "snapshots" / "fake_provider" / "backends" / "utopia"
    folder.mkdir(parents=True)
    (tmp_path / "snapshots" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(snapshots, "_PACKAGE", "snapshots")
    about = {"n_qubits": 2, "basis_gates": ["cz", "sx"], "coupling_map": [[1, 0], [0, 1]]}
    (folder / "conf_utopia.json").write_text(json.dumps(about))
    return folder


def test_a_snapshot_without_values_has_none(shipped: Path) -> None:
    assert shipped.is_dir()
    assert device_names() == ("fake_utopia",)
    device = open_device("fake_utopia")
    assert (device.coupler_errors, device.t1_us, device.calibrated) == ({(0, 1): None}, (None, None), None)
    assert (device.summary.faulty_couplers, device.summary.two_qubit_error, device.summary.status) == (
        1,
        None,
        "unknown",
    )


def test_odd_values_are_read_as_what_they_are(shipped: Path) -> None:
    def value(name: str, number: float | None, unit: str = "") -> dict[str, Any]:
        return {"name": name, "value": number, "unit": unit}

    gates = [
        {"gate": "cz", "qubits": [1, 0], "parameters": [value("gate_error", 1)]},
        {"gate": "cz", "qubits": [0, 1], "parameters": [value("gate_error", 0.25)]},
        {"gate": "sx", "qubits": [1], "parameters": [value("gate_length", 32, "ns")]},
        {"gate": "sx", "qubits": [0], "parameters": [value("gate_error", float("nan"))]},
    ]
    qubits = [[value("T1", 0.5, "ms"), value("T2", None, "us")], []]
    day = "2026-01-02T03:04:05Z"
    properties = {"qubits": qubits, "gates": gates, "last_update_date": day}
    (shipped / "props_utopia.json").write_text(json.dumps(properties))
    device = open_device("fake_utopia")
    assert device.coupler_errors == {(0, 1): 0.25}
    assert (device.sx_errors, device.readout_errors) == ((None, None), (None, None))
    assert (device.t1_us, device.t2_us) == ((500.0, None), (None, None))
    assert device.calibrated == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("text", ["{", "[]", '{"n_qubits": 2}'])
def test_a_damaged_snapshot_is_named(shipped: Path, text: str) -> None:
    (shipped / "conf_utopia.json").write_text(text)
    with pytest.raises(BackendError, match=r"`fake_utopia` in .* cannot be read"):
        open_device("fake_utopia")
