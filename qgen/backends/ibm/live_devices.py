"""Live devices of the account, with their last calibration and their queue; and any device by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from qgen.backends.ibm.client import Client
from qgen.backends.ibm.options import HardwareOptions
from qgen.backends.registry import is_billed
from qgen.devices import Device, open_device
from qgen.devices.snapshots import parse_device
from qgen.errors import HardwareError


@dataclass(frozen=True)
class LiveDevice:
    """A device of the account.

    Attributes:
        device: the device with its last calibration.
        online: whether it is online.
        waiting: number of jobs in its queue.
    """

    device: Device
    online: bool
    waiting: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values for JSON."""
        return self.device.summary.to_dict() | {"online": self.online, "waiting": self.waiting}


def find_device(name: str) -> Device:
    """Return a snapshot, or for `ibm_...` and `least_busy` the live device with its last calibration.

    A live device is fetched once in a process.

    Raises:
        BackendError: there is no such snapshot.
        HardwareError: no account, no such device, or the service cannot be reached.
    """
    return _fetch_cached(name) if is_billed(name) else open_device(name)


def find_live_device(name: str) -> LiveDevice:
    """Return the device of that name, or for `least_busy` the one with the shortest queue.

    Raises:
        HardwareError: no account, no such device, or the service cannot be reached.
    """
    return _fetch(Client(name, HardwareOptions(), brief=True))


def live_devices() -> list[LiveDevice]:
    """Return all devices that the account sees, sorted by name.

    Raises:
        HardwareError: no account, or the service cannot be reached.
    """
    client = Client("least_busy", HardwareOptions(), brief=True)
    return [_fetch(client.for_device(name)) for name in client.device_names()]


@lru_cache(maxsize=16)
def _fetch_cached(name: str) -> Device:
    return _read(Client(name, HardwareOptions()))


def _fetch(client: Client) -> LiveDevice:
    device = _read(client)
    return LiveDevice(device, *client.device_status())


def _read(client: Client) -> Device:
    machine, calibrated = client.machine, client.calibration_time()
    try:
        properties = {} if calibrated is None else machine.properties().to_dict()
        return parse_device(str(machine.name), machine.configuration().to_dict(), properties, machine)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HardwareError(
            f"what IBM's service says of {client.name} cannot be read ({type(error).__name__}): try again later"
        ) from None
