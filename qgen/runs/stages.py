"""Stages: models that a run builds upon, trained before it into folders of its own folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qgen.errors import ConfigError
from qgen.runs.config import RunConfig
from qgen.runs.config_files import override_config, read_config
from qgen.runs.folder import Run
from qgen.runs.shipped import preset_names


def pending_stages(config: RunConfig) -> dict[str, str]:
    """Return the presets of models that have to be trained first, by the setting of the model that names them."""
    named = {key: getattr(config.model, key) for key in config.kind.stages}
    return {key: name for key, name in named.items() if name in preset_names()}


def stage_run(run: Run, key: str) -> Run:
    """Return the run of a stage, in the folder of the run that builds upon it: `first-stage` for `first_stage`."""
    return Run(run.path / key.replace("_", "-"))


def stage_settings(config: RunConfig) -> Mapping[str, Any]:
    """Return what a stage has in common with the run that builds upon it: data, backend and seed."""
    return {
        "data": config.data.plain(),
        "backend": config.backend.plain(),
        "training": {"seed": config.training.seed},
    }


def with_stage(config: RunConfig, key: str, folder: Path) -> RunConfig:
    """Return settings in which a stage is the run in this folder."""
    return override_config(config, [{"model": {key: str(folder)}}])


def with_stages_noted(config: RunConfig) -> RunConfig:
    """Return settings that say what the models of presets are, so that these can be described untrained.

    Raises:
        ConfigError: one is of a kind that cannot be built upon.
    """
    for key, preset in pending_stages(config).items():
        note = config.kind.stages[key]
        if getattr(config.model, note) is None:
            try:
                config = override_config(config, [{"model": {note: read_config(preset).model.plain()}}])
            except ConfigError as error:
                raise ConfigError(f"model.{key} = {preset} does not fit: {error}") from error
    return config
