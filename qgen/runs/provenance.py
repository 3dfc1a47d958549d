"""Where numbers come from: the versions, the machine and the data that a run was made with."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from qgen import __version__
from qgen.backends import Backend
from qgen.data import ImageSet

PACKAGES = ("torch", "numpy", "qiskit", "qiskit-machine-learning", "qiskit-aer", "qiskit-ibm-runtime", "numba")


def machine(device: torch.device, devices: int = 1) -> dict[str, Any]:
    """What ran, on what: versions, processor, device."""
    return {
        "qgen": __version__,
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "system": platform.platform(terse=True),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "devices": devices,
    }


def backend_facts(backend: Backend) -> dict[str, Any]:
    """Which backend ran, and what its values are."""
    can = backend.capabilities
    facts = {"name": backend.name, "exact": can.exact, "noisy": can.noisy, "remote": can.remote, "shots": can.shots}
    return facts | backend.facts()


def data_facts(images: ImageSet) -> dict[str, Any]:
    """Which images, where they came from, and their digest."""
    return {"name": images.name, "images": len(images), "source": images.source, "sha256": images.sha256}


def now() -> str:
    """This moment in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
