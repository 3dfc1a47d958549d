"""Trained weights that come with some presets: exports, as package data, which are sampled without any training."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from qgen.errors import RunError
from qgen.runs.shipped import preset_names

#: What names the weights of a preset, also where a run has the preset's name: `pretrained:digits`.
SCHEME = "pretrained:"


def pretrained_names() -> tuple[str, ...]:
    """Return the names of the presets that come with trained weights."""
    return tuple(sorted(file.parent.name for file in _folder().glob("*/config.yaml")))


def pretrained_folder(preset: str) -> Path:
    """Return the export with the trained weights of a preset, which nothing is written into.

    Raises:
        RunError: it comes without, or there is no such preset.
    """
    having = pretrained_names()
    if preset in having:
        return _folder() / preset
    listed = f"those of {', '.join(having)} do"
    if preset in preset_names():
        raise RunError(
            f"{preset} is a preset whose weights do not come with qgen ({listed}): `qgen train {preset}` trains it; "
            "then name the folder of the run"
        )
    raise RunError(f"{SCHEME}{preset} is no preset with weights that come with qgen: {listed}")


def hides_pretrained(given: Path | None, preset: str | None) -> bool:
    """Return whether a name that a user gave is that of shipped weights, and was taken for a run.

    Args:
        given: what the user gave; None: nothing.
        preset: whose shipped weights were found under that name; None: a run was.
    """
    return preset is None and given is not None and str(given) in pretrained_names()


def _folder() -> Path:
    return Path(str(resources.files("qgen.runs") / "weights"))
