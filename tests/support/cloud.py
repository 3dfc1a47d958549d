"""IBM's cloud on the loopback, for the tests of hardware: the stock client over real HTTP, and no account."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from qgen.backends.ibm import HardwareOptions, IBMBackend, open_hardware
from qgen.devserver import DeviceModel, DevServer

#: Seconds between two tries and two looks, for tests.
PACE = 0.02
Open = Callable[..., IBMBackend]


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


@contextmanager
def hardware(
    folder: Path, name: str = "ibm_guadalupe", allow: float | None = 10_000.0, **options: Any
) -> Iterator[IBMBackend]:
    """The device of a server, its journal in this folder; `shots` beside the fields of `HardwareOptions`."""
    shots = options.pop("shots", None)
    chosen = HardwareOptions(**options)
    backend = open_hardware(name, shots, chosen, folder / "jobs.sqlite", pace=PACE)
    try:
        if allow is not None:
            backend.allow(allow)
        yield backend
    finally:
        backend.close()
