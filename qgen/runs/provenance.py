"""Provenance of a run: versions, machine, backend and data."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from hashlib import sha256
from importlib import metadata
from typing import Any

import torch

from qgen.backends import Backend
from qgen.data import ImageSet
from qgen.generators.kinds import Kind
from qgen.version import __version__

PACKAGES = ("torch", "numpy", "qiskit", "qiskit-machine-learning", "qiskit-aer", "qiskit-ibm-runtime", "numba")


def machine(device: torch.device, devices: int = 1) -> dict[str, Any]:
    """Return versions, processor and device."""
    return {
        "qgen": __version__,
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "system": platform.platform(terse=True),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "devices": devices,
    }


def backend_facts(backend: Backend) -> dict[str, Any]:
    """Return the backend and what its values are."""
    can = backend.capabilities
    facts = {"name": backend.name, "exact": can.exact, "noisy": can.noisy, "remote": can.remote, "shots": can.shots}
    return facts | backend.facts()


def data_facts(images: ImageSet) -> dict[str, Any]:
    """Return the data set, its source and its digest."""
    facts = {"name": images.name, "images": len(images), "source": images.source, "sha256": images.sha256}
    return facts if images.captions is None else facts | {"captions": images.captions.digest()}


def generator_facts(kind: Kind) -> dict[str, Any]:
    """Return the file of a user's own generator and its digest; empty for the kinds of this package."""
    if kind.source is None:
        return {}
    return {"generator": {"file": str(kind.source), "sha256": sha256(kind.source.read_bytes()).hexdigest()}}


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
