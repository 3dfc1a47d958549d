"""Options that several commands share: each is declared here once, and so is what it means for settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from qgen.backends.settings import BackendSettings

Backend = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Where circuits run: see `qgen backends`; default: as the settings say."),
]
Shots = Annotated[int | None, typer.Option(min=1, help="Shots per circuit; default: exact values where possible.")]
NoiseScale = Annotated[float | None, typer.Option(min=0, help="Strength of a device's errors: 0 none, 1 as they are.")]
IdleNoise = Annotated[
    bool | None, typer.Option("--idle-noise/--no-idle-noise", help="Whether a device's qubits relax while they wait.")
]
Mitigation = Annotated[
    str | None,
    typer.Option(metavar="HOW", help="Against a device's errors: readout, zne:1,3, readout+zne:1,3,5, ...; or none."),
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
Sampler = Annotated[str | None, typer.Option(metavar="NAME", help="dpm-solver, unipc, ddim, ancestral, euler or heun.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Steps of the sampler; each runs the circuits.")]
Eta = Annotated[float | None, typer.Option(min=0, help="Noise that ddim or dpm-solver adds, from 0 to 1.")]
Guidance = Annotated[
    float | None, typer.Option(min=1, help="Closeness to label or prompt: 1 none; more runs twice as many circuits.")
]
GuidanceInterval = Annotated[
    tuple[float, float] | None,
    typer.Option(
        metavar="LOW HIGH",
        help="Guide in this part of the steps only, from clean (0) to noise (1), as 0.2 0.8: the others run no second "
        "circuits.",
    ),
]
Prompt = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="Images of this text; repeatable: of several in turn, a row of the grid each."),
]
NegativePrompt = Annotated[
    str | None, typer.Option(metavar="TEXT", help="A text that guided images are led away from.")
]
DataDir = Annotated[Path | None, typer.Option(envvar="QGEN_DATA", metavar="FOLDER", help="Where data sets lie.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the classical layers run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", help="Print errors only, and what --json asks for; a plan for hardware is still shown."),
]


@dataclass(frozen=True)
class BackendArgs:
    """Where circuits run: the settings of a backend that a command line gives."""

    backend: Backend = None
    shots: Shots = None
    noise_scale: NoiseScale = None
    idle_noise: IdleNoise = None
    mitigation: Mitigation = None
    method: Method = None
    paths: Paths = None
    tolerance: Tolerance = None
    layout: Layout = None
    hardware: Hardware = None

    def settings(self, gradient: str | None = None) -> dict[str, Any]:
        """Return what was given, as values for `BackendSettings`.

        Args:
            gradient: the gradient method; None: it was not given.

        Raises:
            typer.BadParameter: an option of --hardware is not `KEY=VALUE`.
            BackendError: `layout` cannot be read, or is not a file of layouts.
        """
        given = vars(self) | {"gradient": gradient}
        given["name"] = given.pop("backend")
        if self.layout is not None:
            from qgen.backends.device.layout_file import read_layout_file

            given["layout"] = os.path.expanduser(self.layout)
            read_layout_file(given["layout"])
        given["hardware"] = key_values(self.hardware, "--hardware", "tiles=auto") if self.hardware else None
        return {key: value for key, value in given.items() if value is not None}


@dataclass(frozen=True)
class SamplerArgs:
    """How a diffusion model is sampled."""

    sampler: Sampler = None
    steps: Steps = None
    eta: Eta = None
    guidance: Guidance = None
    guidance_interval: GuidanceInterval = None

    def settings(
        self,
        labels: list[int] | None = None,
        prompts: list[str] | None = None,
        negative_prompt: str | None = None,
    ) -> dict[str, Any]:
        """Return what was given, as changes to the settings of a run's sampler.

        Args:
            labels: the classes of the images; None: they were not given.
            prompts: the texts of the images; None: they were not given.
            negative_prompt: what they are led away from; None: it was not given.
        """
        asked = {"labels": labels, "prompts": prompts, "negative_prompt": negative_prompt}
        given = {key: value for key, value in (vars(self) | asked).items() if value is not None}
        # Another sampler has another default number of steps.
        return given if self.sampler is None else {"steps": None, "eta": 0.0} | given


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
