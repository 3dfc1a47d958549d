"""Options that several commands share: each is declared here once, and so is what it means for settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from qgen.backends.settings import BackendSettings

Shots = Annotated[int | None, typer.Option(min=1, help="Shots per circuit; default: exact values where possible.")]
NoiseScale = Annotated[float | None, typer.Option(min=0, help="Strength of a device's errors: 0 none, 1 as they are.")]
IdleNoise = Annotated[
    bool | None, typer.Option("--idle-noise/--no-idle-noise", help="Whether a device's qubits relax while they wait.")
]
Method = Annotated[
    Literal["auto", "exact", "propagate", "paths"] | None,
    typer.Option(help="Of noisy: backends: how values are found."),
]
Paths = Annotated[int | None, typer.Option(min=1, help="Of method paths: how many for a value; default: 16.")]
Tolerance = Annotated[
    float | None, typer.Option(metavar="RMS", help="Of method propagate: error of values; default: 0.01.")
]
Layout = Annotated[
    str | None, typer.Option(metavar="FILE.json", help="Circuits put on the device before: `qgen transpile --pin`.")
]
Hardware = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="On IBM's hardware: tiles, mode, resilience, ... Repeatable."),
]
DataDir = Annotated[Path | None, typer.Option(envvar="QGEN_DATA", metavar="FOLDER", help="Where data sets lie.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the classical layers run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def backend_settings(
    name: str | None,
    shots: int | None,
    noise_scale: float | None,
    layout: str | None,
    hardware: list[str] | None,
    gradient: str | None = None,
    method: str | None = None,
    paths: int | None = None,
    tolerance: float | None = None,
    idle_noise: bool | None = None,
) -> dict[str, Any]:
    """Return the settings of a backend that the command line gives, as values for `BackendSettings`.

    Raises:
        typer.BadParameter: an option of --hardware is not `KEY=VALUE`.
        BackendError: `layout` cannot be read, or is not a file of layouts.
    """
    if layout is not None:
        from qgen.backends.device.layout_file import read_layout_file

        layout = os.path.expanduser(layout)
        read_layout_file(layout)
    given: dict[str, Any] = {"name": name, "shots": shots, "gradient": gradient}
    given |= {"noise_scale": noise_scale, "idle_noise": idle_noise, "layout": layout}
    given |= {"method": method, "paths": paths, "tolerance": tolerance}
    given["hardware"] = key_values(hardware, "--hardware", "tiles=auto") if hardware else None
    return {key: value for key, value in given.items() if value is not None}


def check_backend(settings: BackendSettings, gradient: bool = False) -> None:
    """Refuse a backend or a gradient method that cannot be, before anything that takes time.

    Args:
        settings: the backend.
        gradient: check the gradient method too, which imports torch.

    Raises:
        BackendError: there is no such backend or method, or an option that it has no use for.
    """
    from qgen.backends.registry import check_settings

    check_settings(settings)
    if gradient and settings.gradient != "auto":
        from qgen.backends.gradients.registry import parse_gradient

        parse_gradient(settings.gradient)


def key_values(options: Sequence[str], flag: str, example: str) -> dict[str, Any]:
    """Parse `--flag KEY=VALUE --flag KEY=VALUE`; the settings that take the values decide their types.

    Raises:
        typer.BadParameter: an option is not `KEY=VALUE`.
    """
    from qgen.yaml_values import Unquoted

    return {key: Unquoted(text) for key, text in (split_key_value(option, flag, example) for option in options)}


def split_key_value(option: str, flag: str, example: str) -> tuple[str, str]:
    """Split `KEY=VALUE`.

    Raises:
        typer.BadParameter: the option does not have this form.
    """
    key, equals, text = option.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"{option!r} is not KEY=VALUE; for example {example}.", param_hint=flag)
    return key, text
