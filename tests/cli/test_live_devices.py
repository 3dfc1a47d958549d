"""`qgen backends` with an account: the devices as they are now; and what is said where they cannot be asked for."""

from __future__ import annotations

import json
import re
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloud import cloud, no_account
from typer.testing import CliRunner

from qgen.backends.ibm import client
from qgen.backends.ibm.errors import RetryPolicy
from qgen.backends.ibm.live_devices import _fetch_cached
from qgen.cli.main import app
from qgen.devices import open_device
from qgen.devserver import DevServer, Fault

#: What is asked of each device.
ASKED = ("configuration", "properties", "status")
HOSTILE = "\x1b[2J\x1b]0;x\x07 [/bold]" + "x" * 100_000


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY_POLICY", RetryPolicy(pace=0.02, answer=5.0, max_wait=0.1))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    with cloud(tmp_path, monkeypatch, "fake_guadalupe", queue_seconds=600) as running:
        yield running


def run(*arguments: object, columns: int = 80) -> Any:
    return CliRunner().invoke(app, ["backends", *map(str, arguments)], env={"COLUMNS": str(columns)})


def shown(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def calibrate(server: DevServer, hours: float) -> None:
    """The device was calibrated so long ago."""
    moment = datetime.now(UTC) - timedelta(hours=hours)
    server.device("ibm_guadalupe").properties["last_update_date"] = moment.isoformat()


def test_the_list_has_live_devices_with_their_queue_and_the_age_of_their_calibration(server: DevServer) -> None:
    calibrate(server, 3)
    text = shown()
    (row,) = [line.split() for line in text.splitlines() if line.startswith("ibm_guadalupe")]
    snapshot = open_device("fake_guadalupe").summary
    assert row[:3] == ["ibm_guadalupe", "16", "cx"]
    assert float(row[3]) == pytest.approx(snapshot.two_qubit_error, rel=0.1)
    assert row[6:9] == ["3", "h", "ago"]
    assert row[-1] == "0"
    assert max(map(len, text.splitlines())) <= 80
    (live,) = json.loads(shown("--json"))["live"]
    assert (live["name"], live["online"], live["waiting"], live["status"]) == ("ibm_guadalupe", True, 0, "live")
    assert live["two_qubit_error"] == snapshot.two_qubit_error
    server.device("ibm_guadalupe").online = False
    assert re.search("ibm_guadalupe.*offline", shown())
    assert json.loads(shown("--json"))["live"][0]["online"] is False


def test_one_device_is_shown_as_it_is_now(server: DevServer, tmp_path: Path) -> None:
    calibrate(server, 100)
    figure = tmp_path / "map.png"
    text = " ".join(shown("show", "ibm_guadalupe", "--figure", figure).split())
    assert "4 d ago" in text
    assert "machine online, 0 jobs wait for it" in text
    assert "worst couplers" in text
    assert "--backend ibm_guadalupe" in text
    assert figure.read_bytes().startswith(b"\x89PNG")
    facts = json.loads(shown("show", "least_busy", "--json"))
    assert (facts["name"], facts["waiting"], facts["couplers"]) == ("ibm_guadalupe", 0, 16)
    refused = run("show", "ibm_fez")
    assert refused.exit_code == 1
    assert "it has ibm_guadalupe" in refused.stderr
    assert "the one of ibm_fez is `fake_fez`" in " ".join(refused.stderr.split())


def test_without_an_account_it_is_as_it_was_with_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_account(tmp_path, monkeypatch)
    assert "live devices: there is no IBM account here: `qgen backends login` saves one" in shown()
    found = json.loads(shown("--json"))
    assert found["live"] is None
    assert "no IBM account" in found["live_problem"]
    refused = run("show", "ibm_fez")
    assert refused.exit_code == 1
    assert "no IBM account here" in refused.stderr
    assert "`fake_fez`" in refused.stderr


PATHS = ["/identity/token", "/backends", *(f"/backends/*/{one}" for one in ASKED)]
FAULTS = [{"status": 503}, {"status": 429, "retry_after": 86_400}, {"drop": True}, {"body": "[]"}]


@pytest.mark.rows(2)
@pytest.mark.parametrize("path", PATHS)
def test_a_service_that_fails_is_said_in_a_line(path: str, rng: np.random.Generator, server: DevServer) -> None:
    fail(FAULTS[rng.integers(len(FAULTS))], path, server)


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_service_that_fails_in_any_way_is_said_in_a_line(fault: dict[str, Any], path: str, server: DevServer) -> None:
    fail(fault, path, server)


def fail(fault: dict[str, Any], path: str, server: DevServer) -> None:
    server.faults.add(Fault(path=path, times=None, **fault))
    began = time.monotonic()
    text = shown()
    assert sum(line.startswith("live devices: ") for line in text.splitlines()) == 1
    assert "fake_fez" in text
    refused = run("show", "ibm_guadalupe")
    assert refused.exit_code == 1
    assert len(refused.stderr.strip().splitlines()) == 1
    assert time.monotonic() - began < 30


def test_offline_is_said_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cloud(tmp_path, monkeypatch) as server:
        pass
    assert server
    began = time.monotonic()
    assert "IBM's service cannot be reached" in shown()
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("status", [403, 503])
def test_hostile_words_do_not_reach_the_terminal(status: int, server: DevServer) -> None:
    server.faults.add(Fault(path="/backends", status=status, reason=HOSTILE, times=None))
    result = run(columns=200)
    assert result.exit_code == 0
    assert f"live devices: IBM's service answers GET /backends with {status} ([/bold]xxx" in result.output
    assert "\x1b" not in result.output
    assert len(result.output) < 20_000


STATUSES = [401, 403, 404, 429, 503]


@pytest.mark.rows(2)
@pytest.mark.parametrize("path", PATHS[:4])
def test_a_command_that_needs_the_device_ends_with_one_line(
    path: str, rng: np.random.Generator, server: DevServer
) -> None:
    need(int(rng.choice(STATUSES)), path, server)


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS[:4])
@pytest.mark.parametrize("status", STATUSES)
def test_a_command_that_needs_the_device_ends_with_one_line_whatever_is_answered(
    status: int, path: str, server: DevServer
) -> None:
    need(status, path, server)


def need(status: int, path: str, server: DevServer) -> None:
    _fetch_cached.cache_clear()
    server.faults.add(Fault(path=path, status=status, times=None, reason=HOSTILE))
    result = CliRunner().invoke(app, ["transpile", "--circuit", "basic:3,1", "--backend", "ibm_guadalupe"])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("qgen: ")
    assert "IBM" in line
    assert len(line) < 1000
    assert server.token not in result.output
    assert "\x1b" not in result.output
    traced = CliRunner().invoke(app, ["--debug", "transpile", "--circuit", "basic:3,1", "--backend", "ibm_guadalupe"])
    shown = "".join(traceback.format_exception(traced.exception))
    assert server.token not in shown
    assert not any(token in shown for token in server.service.identity.issued)
    assert "\x1b" not in shown
