"""`qgen backends`: every place where circuits run, every device with its errors, and the map of one."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from cloud import no_account
from typer.testing import CliRunner

from qgen.backends import backend_names, open_backend
from qgen.backends.device import provider
from qgen.cli.main import app
from qgen.devices import device_names, open_device, snapshots

PNG = b"\x89PNG\r\n\x1a\n"
FACTS = {
    *("name", "qubits", "processor", "basis", "two_qubit_gates", "couplers", "faulty_couplers", "two_qubit_error"),
    *("sx_error", "readout_error", "t1_us", "t2_us", "calibrated", "status", "retired", "note"),
}


@pytest.fixture(autouse=True)
def _no_account(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    no_account(tmp_path_factory.mktemp("home"), monkeypatch)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["backends", *map(str, arguments)])


def shown(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def told(*arguments: object) -> Any:
    return json.loads(shown(*arguments, "--json"))


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that offers a backend `island`, and cannot be imported."""
    entry = EntryPoint("island", "no_such_package.backends:Island", "qgen.backends")
    monkeypatch.setattr(provider, "entry_points", lambda group: (entry,) if group == entry.group else ())


def test_list_names_every_backend_and_form() -> None:
    text, facts = shown(), told()
    assert [row["name"] for row in facts["backends"]] == list(backend_names())
    for row in facts["backends"]:
        assert row["name"] in text
        assert row["exact"] is open_backend(row["name"]).capabilities.exact
    for form in facts["forms"]:
        assert form["form"] in text
        assert form["about"] in text


def test_list_fits_eighty_columns_with_all_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = shown("--all")
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert {name for name in device_names() if name in text} == set(device_names())


def test_small_devices_of_former_years_are_listed_only_if_asked_for() -> None:
    few, every = shown(), shown("--all")
    assert "fake_lima" not in few
    assert "small devices of former years more: qgen backends --all" in few
    for name in device_names():
        assert name in every
        assert (name in few) is (open_device(name).qubits > 27)


def test_rows_say_what_the_device_is() -> None:
    rows = {line.split()[0]: line.split() for line in shown("--all").splitlines() if line.startswith("fake_")}
    assert rows["fake_brisbane"][1:7] == ["127", "ecr", "7.7e-3", "2.0e-2", "232", "2025-02,"]
    assert rows["fake_brisbane"][-2:] == ["retired", "2025"]
    assert rows["fake_kingston"][-1] == "live"
    assert rows["fake_armonk"][2:4] == ["-", "-"]


def test_json_has_all_devices_latest_and_largest_first() -> None:
    devices = told()["devices"]
    assert {row["name"] for row in devices} == set(device_names())
    assert all(row.keys() == FACTS for row in devices)
    keys = [(row["calibrated"][:7], row["qubits"]) for row in devices]
    assert keys == sorted(keys, reverse=True)
    brisbane = next(row for row in devices if row["name"] == "fake_brisbane")
    assert brisbane["two_qubit_error"] == open_device("fake_brisbane").summary.two_qubit_error
    assert (brisbane["status"], brisbane["retired"]) == ("retired", "2025-11-03")


@pytest.mark.usefixtures("offered")
def test_what_packages_offer_is_listed_without_loading_it() -> None:
    assert told()["providers"] == ["provider:island"]
    assert "what installed packages offer: provider:island" in shown()
    assert told("show", "provider:island")["object"] == "no_such_package.backends:Island"


def test_without_snapshots_the_rest_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_PACKAGE", "qiskit_ibm_runtime_that_is_missing")
    text = shown()
    assert "statevector" in text
    assert "pip install qiskit-ibm-runtime" in text
    assert told()["devices"] == []


def test_show_a_device(tmp_path: Path) -> None:
    text = " ".join(shown("show", "fake_brisbane", "--figure", tmp_path / "map.png").split())
    assert "fake_brisbane, Eagle r3, 127 qubits, 144 couplers" in text
    assert "ecr 0.77%, sx 0.024%, readout 2%" in text
    assert "calibrated 2025-02-26" in text
    assert "retired on 2025-11-03, as of 2026-09-25" in text
    assert "not calibrated 24-25" in text
    assert "--backend noisy:fake_brisbane" in text
    assert (tmp_path / "map.png").read_bytes().startswith(PNG)


def test_show_tells_the_worst_of_a_device() -> None:
    facts, device = told("show", "aer:fake_torino"), open_device("fake_torino")
    assert facts.keys() == FACTS | {"worst_qubits", "worst_couplers", "not_calibrated", "figure"}
    readout = sorted((error for error in device.readout_errors if error), reverse=True)
    assert [row["readout_error"] for row in facts["worst_qubits"]] == readout[:5]
    working = sorted((error for error in device.coupler_errors.values() if error and error < 1), reverse=True)
    assert [row["error"] for row in facts["worst_couplers"]] == working[:5]
    for row in facts["worst_couplers"]:
        assert device.coupler_errors[tuple(row["qubits"])] == row["error"]
    assert len(facts["not_calibrated"]) == facts["faulty_couplers"]
    assert "no two-qubit gate works in this snapshot" in shown("show", "fake_kyoto")


def test_show_a_simulator() -> None:
    facts = told("show", "statevector")
    assert (facts["name"], facts["exact"], facts["adjoint"]) == ("statevector", True, True)
    assert "exact values" in shown("show", "statevector")


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("show", "ibm_brisbane"), 1, "is `fake_brisbane`"),
        (("show", "fake_brisban"), 1, "did you mean `fake_brisbane`"),
        (("show", "statevectr"), 1, "did you mean `statevector`?"),
        (("show", "provider:nobody"), 1, "there is no"),
        (("show", "fake_lima", "--figure", "no/such/folder/map.png"), 1, "Cannot write"),
        (("show", "fake_lima", "--figure", "map.jpg"), 2, "does not end in .png"),
        (("show", "aer", "--figure", "map.png"), 2, "there is no map to draw"),
        (("--all", "show", "aer"), 2, "go without `show`"),
        (("show",), 2, "NAME"),
        (("shwo",), 2, "shwo"),
    ],
)
def test_errors_name_what_is_wrong(
    arguments: tuple[str, ...], code: int, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert named in " ".join(result.stderr.split())
    assert not result.stdout
    assert not any(tmp_path.iterdir())
