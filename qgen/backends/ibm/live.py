"""Devices as they are today: IBM's machines with their last calibration, and snapshots, by name."""

from __future__ import annotations

from functools import lru_cache

from qgen.backends.devices import Device, open_device
from qgen.backends.devices.opening import read_device
from qgen.backends.ibm.client import Client
from qgen.backends.ibm.options import HardwareOptions


def is_hardware(name: str) -> bool:
    """Whether a backend's name is that of IBM's hardware."""
    return name.startswith("ibm_") or name == "least_busy"


def find_device(name: str) -> Device:
    """A snapshot, or for `ibm_...` and `least_busy` the live device with its last calibration.

    A live device is asked for once in a process.

    Raises:
        BackendError: there is no such snapshot.
        HardwareError: no account, no such device, or the service cannot be reached.
    """
    return _live(name) if is_hardware(name) else open_device(name)


@lru_cache(maxsize=16)
def _live(name: str) -> Device:
    machine = Client(name, HardwareOptions()).machine
    properties = machine.properties()
    measured = {} if properties is None else properties.to_dict()
    return read_device(str(machine.name), machine.configuration().to_dict(), measured, machine)
