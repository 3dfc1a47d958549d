"""What is asked of a run: the settings that it is sampled with, checked before torch is imported and a model built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgen.data.distributions import DISTRIBUTIONS
from qgen.errors import ConfigError, RunError
from qgen.runs.config import RunConfig
from qgen.runs.folder import Run, writing


def sampling_config(
    run: Run, backend: dict[str, Any] | None = None, sampling: dict[str, Any] | None = None
) -> RunConfig:
    """Return the settings of a run, changed for sampling.

    Args:
        run: the run.
        backend: changes to the backend of training, as `{"shots": 1024}`; another `name` resets all other settings.
        sampling: changes to the settings of the sampler, as `{"steps": 50}`; for a diffusion only.

    Raises:
        RunError: the folder is not a run.
        ConfigError: a setting is not allowed, or the generator has no sampler.
    """
    config = run.config()
    base = {} if "name" in (backend or {}) else config.backend.plain()
    changes = {"backend": base | (backend or {})}
    if sampling:
        usual = config.groups.get("sampling")
        if usual is None:
            raise ConfigError(
                f"{run.address} makes an image in one pass: it has no sampler, and takes none of its options"
            )
        changes["sampling"] = usual.plain() | sampling
    return RunConfig.read(config.plain() | changes)


def check_request(run: Run, config: RunConfig, out: Path | None, single: bool) -> None:
    """Refuse a request that cannot be met, as far as that is known without the model.

    Args:
        run: the run.
        config: its settings for sampling.
        out: the PNG file of the grid; None: not known yet.
        single: whether single images are written, into a folder beside the grid.

    Raises:
        RunError: the run has no checkpoint, or single images cannot be written.
    """
    if not run.checkpoints():
        raise RunError(f"{run.path} has no checkpoint yet: continue it with `qgen train {run.path} --resume`")
    if single and config.data.name in DISTRIBUTIONS:
        raise RunError("samples of a distribution are no images to write one by one: leave --single out")
    if single and out is not None:
        folder = out.with_suffix("")
        with writing(folder):
            if folder.exists():
                raise RunError(f"{folder} exists already, and single images go there; name another --out, or remove it")
