"""Absolute paths in settings: a run may be resumed from another folder, and a worker of a study has its own."""

from __future__ import annotations

import os

from qgen.data.distributions import DISTRIBUTIONS
from qgen.data.sets import CAPTIONED_SETS, KNOWN_SETS
from qgen.data.sources import expand_home
from qgen.devices import simulated
from qgen.noise.settings import ENDINGS
from qgen.runs.config import RunConfig
from qgen.runs.config_files import nested, override_config
from qgen.runs.pretrained import SCHEME
from qgen.runs.stages import pending_stages


def with_absolute_paths(settings: RunConfig) -> RunConfig:
    """Return the settings with absolute paths, where those that are relative count from the current folder."""
    changes = []
    images = expand_home(settings.data.name)
    if settings.data.name not in {*KNOWN_SETS, *CAPTIONED_SETS, *DISTRIBUTIONS} and os.path.isdir(images):
        changes.append(nested("data.name", str(images.resolve())))
    if settings.backend.layout is not None:
        changes.append(nested("backend.layout", os.path.abspath(expand_home(settings.backend.layout))))
    if settings.start is not None and not settings.start.run.startswith(SCHEME):
        changes.append(nested("start.run", os.path.abspath(expand_home(settings.start.run))))
    backend = absolute_backend_name(settings.backend.name)
    if backend != settings.backend.name:
        changes.append(nested("backend.name", backend))
    if not pending_stages(settings):  # whose files are yet to be made
        changes.append({"model": dict(settings.kind.absolute_paths(settings.model))})
    return override_config(settings, changes)


def absolute_backend_name(name: str) -> str:
    """Return the name of a backend with the absolute path of its noise file, if it has one: `aer:FILE.yaml`."""
    noise = expand_home(simulated(name))
    if noise.suffix.lower() not in ENDINGS or not os.path.isfile(noise):
        return name
    prefix = name.removesuffix(simulated(name)) or "aer:"
    return f"{prefix}{noise.resolve()}"
