"""Live devices, with their last calibration and their queue; and any device by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from qgen.backends.ibm.client import Client
from qgen.backends.ibm.options import HardwareOptions
from qgen.devices import Device, open_device
from qgen.devices.snapshots import parse_device
from qgen.errors import HardwareError


@dataclass(frozen=True)
class LiveDevice:
    """A device of the account as it is now.

    Attributes:
        device: with its last calibration.
        online: whether it runs.
        waiting: how many jobs wait for it.
    """

    device: Device
    online: bool
    waiting: int

    def plain(self) -> dict[str, Any]:
        """As plain values, ready for JSON."""
        return self.device.summary.to_dict() | {"online": self.online, "waiting": self.waiting}


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


def find_live(name: str) -> LiveDevice:
    """The device of that name, or the one with the shortest queue for `least_busy`.

    Raises:
        HardwareError: no account, no such device, or the service cannot be reached.
    """
    return _look(Client(name, HardwareOptions(), brief=True))


def live_devices() -> list[LiveDevice]:
    """All devices that the account sees, by their names.

    Raises:
        HardwareError: no account, or the service cannot be reached.
    """
    client = Client("least_busy", HardwareOptions(), brief=True)
    return [_look(client.beside(name)) for name in client.devices()]


@lru_cache(maxsize=16)
def _live(name: str) -> Device:
    return _read(Client(name, HardwareOptions()))


def _look(client: Client) -> LiveDevice:
    device = _read(client)
    return LiveDevice(device, *client.status())


def _read(client: Client) -> Device:
    machine, calibrated = client.machine, client.calibrated()
    try:
        measured = {} if calibrated is None else machine.properties().to_dict()
        return parse_device(str(machine.name), machine.configuration().to_dict(), measured, machine)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HardwareError(
            f"what IBM's service says of {client.name} cannot be read ({type(error).__name__}): try again later"
        ) from None
