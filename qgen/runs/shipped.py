"""The presets of this package, as text: listing them imports no settings."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

DEFAULT_PRESET = "digits"


def preset_names() -> tuple[str, ...]:
    """Return the names of the presets."""
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in _presets().iterdir() if entry.suffix == ".yaml"))


def preset_text(name: str) -> str:
    """Return the YAML of a preset."""
    return (_presets() / f"{name}.yaml").read_text(encoding="utf-8")


def preset_summary(name: str) -> str:
    """Return the first comment of a preset, which describes it in one line."""
    return preset_text(name).partition("\n")[0].lstrip("# ")


def _presets() -> Path:
    return Path(str(resources.files("qgen.runs") / "presets"))
