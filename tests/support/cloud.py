"""IBM's cloud on the loopback, for the tests of hardware: the stock client over real HTTP, and no account."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qgen.backends.ibm import HardwareOptions, IBMBackend, open_hardware
from qgen.backends.mitigation.method import Mitigation
from qgen.circuits import ansatz
from qgen.devserver import DeviceModel, DevServer

#: Seconds between two tries and two looks, for tests.
PACE = 0.02
Open = Callable[..., IBMBackend]
#: A small circuit, and how it is measured: one job of 3 settings, 50 shots each.
CIRCUIT, SHOTS = ansatz("basic", qubits=2, layers=1), 50
INPUTS, WEIGHTS = np.linspace(-1, 1, 6).reshape(3, 2), np.linspace(-2, 2, CIRCUIT.num_weights)


@contextmanager
def cloud(
    folder: Path, monkeypatch: pytest.MonkeyPatch, device: str = "fake_guadalupe", noisy: bool = False, **settings: Any
) -> Iterator[DevServer]:
    """A server with one device, named `ibm_...`; the client of this process, and of its children, finds it."""
    no_account(folder, monkeypatch)
    model = DeviceModel(device, name=device.replace("fake_", "ibm_"), noisy=noisy)
    with DevServer([model], seed=7, **settings) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


def no_account(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without an account, and none in the environment; the client takes the true home when it is imported."""
    monkeypatch.setenv("HOME", str(folder))
    file = folder / ".qiskit" / "qiskit-ibm.json"
    monkeypatch.setattr("qiskit_ibm_runtime.accounts.management._DEFAULT_ACCOUNT_CONFIG_JSON_FILE", str(file))
    for name in [name for name in os.environ if name.startswith("QISKIT_IBM_")]:
        monkeypatch.delenv(name)
    no_usage_data(monkeypatch)


def no_usage_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opt out of usage data: for it IBM's client reads the source of every caller, deep ones in a test, per request."""
    monkeypatch.setenv("USAGE_DATA_OPT_OUT", "True")


@contextmanager
def hardware(
    folder: Path, name: str = "ibm_guadalupe", allow: float | None = 10_000.0, **options: Any
) -> Iterator[IBMBackend]:
    """The device of a server, its journal here; `shots` and `mitigation` beside the fields of `HardwareOptions`."""
    shots, mitigation = options.pop("shots", None), options.pop("mitigation", None)
    mitigates = None if mitigation is None else Mitigation.parse(mitigation)
    chosen = HardwareOptions(**options)
    backend = open_hardware(name, shots, chosen, folder / "jobs.sqlite", pace=PACE, mitigation=mitigates)
    try:
        if allow is not None:
            backend.allow(allow)
        yield backend
    finally:
        backend.close()


def measure(folder: Path, seed: int = 1, backend: IBMBackend | None = None, **options: Any) -> np.ndarray:
    """Values of the small circuit, through the journal in this folder: one job, unless it is there."""
    opened = hardware(folder, **{"shots": SHOTS} | options) if backend is None else nullcontext(backend)
    with opened as device:
        return np.asarray(device.compile(CIRCUIT).expectations(INPUTS, WEIGHTS, seed))


def couplers(backend: IBMBackend) -> list[tuple[int, int]]:
    """The couplers that the small circuit runs on, in its last layout."""
    (*_, pins) = backend.layouts(CIRCUIT)
    isa = pins.route(CIRCUIT, backend.target)
    pairs = [tuple(isa.find_bit(qubit).index for qubit in step.qubits) for step in isa.data]
    return [pair for pair in pairs if len(pair) == 2]


def break_couplers(server: DevServer, folder: Path, **options: Any) -> None:
    """Put them out of order: the small circuit has to move."""
    with hardware(folder, shots=SHOTS, **options) as backend:
        for first, second in couplers(backend):
            server.device(backend.name).break_coupler(first, second)
