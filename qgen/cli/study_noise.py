"""`qgen study noise` and `qgen study shots`: images of trained generators under noise, shots and mitigation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qgen.cli.output import make_console
from qgen.cli.study_options import StudyArgs, run_and_report
from qgen.cli.tables import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.studies import Executor
    from qgen.studies.noise import NoiseStudy

NOISE_EXAMPLES = """\b
Examples:
  qgen study noise digits gan-quantum-g patch-gan --images 20000
  qgen study noise runs/my-gan --backend fake_fez --backend fake_torino
  qgen study noise runs/my-gan --kinds all,gates,relaxation,readout
  qgen study noise runs/my-gan --backend noisy:noise.yaml --scales 0,1,10
  qgen study noise runs/my-gan --mitigation readout --mitigation zne:1,3
  qgen study noise gan-quantum-g --train --scales 0,1,3 --images 16000
  qgen study noise digits --dry-run --json"""

SHOTS_EXAMPLES = """\b
Examples:
  qgen study shots runs/my-gan --shots 128,1024,exact
  qgen study shots gan-quantum-g --backend fake_fez --images 16000
  qgen study shots patch-gan --backend fake_fez --mitigation readout"""

Sources = Annotated[list[str], typer.Argument(metavar="SOURCE", help="Folders of runs, presets, or YAML files.")]


@dataclass(frozen=True)
class SampledArgs:
    """Options of both studies: what is sampled, and what is trained for it.

    Attributes:
        mitigation: ways of mitigating errors.
        seeds: number of seeds.
        count: images of each cell.
        images: training images that each preset sees; None: as it says.
        set_: changes to the settings of presets.
    """

    mitigation: Annotated[
        list[str] | None, typer.Option(metavar="WAY", help="none, readout, zne:1,3, readout+zne:1,3,5. Repeatable.")
    ] = None
    seeds: Annotated[
        int, typer.Option(min=1, max=1000, help="Of trainings and images; two or more give intervals.")
    ] = 3
    count: Annotated[int, typer.Option(min=2, help="Images that are sampled and judged in each cell.")] = 500
    images: Annotated[
        int | None, typer.Option(min=1, help="Training images that each preset sees; default: as it says.")
    ] = None
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of all presets. Repeatable."),
    ] = None


def noise(
    *,
    sources: Sources,
    backend: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="noisy:DEVICE, aer:DEVICE, noisy:FILE.yaml; default: fake_fez. Repeatable."),
    ] = None,
    scales: Annotated[str, typer.Option(metavar="LIST", help="Of the noise: 1 as it is, 0 none.")] = "0,0.5,1,2,3",
    kinds: Annotated[
        list[str] | None,
        typer.Option(metavar="LIST", help="all, gates, relaxation, readout, gates+readout; default: all. Repeatable."),
    ] = None,
    shots: Annotated[str, typer.Option(metavar="LIST", help="Of each circuit, as in 128,1024,exact.")] = "exact",
    train: Annotated[bool, typer.Option("--train", help="Also train presets under the noise of each scale.")] = False,
    sampled: SampledArgs,
    common: StudyArgs,
) -> None:
    """Sample trained generators under a device's noise, and say what it costs.

    Every combination of backend, scale, kind of error, shots, mitigation and
    seed is a cell. All cells of a generator sample images of the same seeds,
    so that differences are paired. A folder of a run is sampled as it is;
    presets and YAML files are trained here, once for each seed. The study's
    folder then holds noise.html, noise.md, noise.json and figures.
    """
    from qgen.studies.noise import conditions as axes
    from qgen.studies.noise import make_noise_study

    folder, runner = common.prepare("noise")
    study = make_noise_study(
        sources,
        [axes.read_backend(name) for name in backend or ["fake_fez"]],
        axes.read_scales([scales]),
        sampled.seeds,
        kinds=axes.read_kinds(kinds or [axes.ALL]),
        shots=axes.read_shots([shots]),
        mitigations=axes.read_mitigations(sampled.mitigation or []),
        count=sampled.count,
        images=sampled.images,
        changes=sampled.set_ or [],
        train=train,
    )
    _run(study, folder, runner, common)


def shots(
    *,
    sources: Sources,
    backend: Annotated[
        str, typer.Option(metavar="NAME", help="aer (no noise), or a device with its noise, as fake_fez.")
    ] = "aer",
    shots: Annotated[str, typer.Option(metavar="LIST", help="Of each circuit.")] = "128,1024,exact",
    sampled: SampledArgs,
    common: StudyArgs,
) -> None:
    """Sample trained generators with fewer and more shots, and say how many do.

    The same study as `qgen study noise`, along shots on one backend. The
    study's folder then holds shots.html, shots.md, shots.json and figures.
    """
    from qgen.studies.noise import conditions as axes
    from qgen.studies.noise import make_noise_study

    folder, runner = common.prepare("shots")
    noiseless = backend == axes.NOISELESS
    study = make_noise_study(
        sources,
        [backend if noiseless else axes.read_backend(backend)],
        (0.0,) if noiseless else (1.0,),
        sampled.seeds,
        kinds=(axes.KINDS,),
        shots=axes.read_shots([shots]),
        mitigations=axes.read_mitigations(sampled.mitigation or []),
        count=sampled.count,
        images=sampled.images,
        changes=sampled.set_ or [],
        kind="shots",
    )
    _run(study, folder, runner, common)


def _run(study: NoiseStudy, folder: Path, runner: Executor, common: StudyArgs) -> None:
    console = make_console(common.as_json)
    if common.dry_run:
        _print_plan(console, study, common.as_json)
    else:
        run_and_report(console, study, folder, runner, common.data_dir, common.as_json)


def _print_plan(console: Console, study: NoiseStudy, as_json: bool) -> None:
    """Print what would be run."""
    trained = [generation.name for generation in study.generations() if generation.source.run is None]
    cells = [cell.name for cell in study.cells()]
    if as_json:
        typer.echo(json.dumps(study.plain() | {"runs": trained, "cells": cells}, indent=2))
        return
    numbers = ("parameters in circuits", "circuits an image", "training images")
    rows = []
    for source in study.sources:
        training = "as it is" if source.run is not None else f"{source.training_images:,}"
        rows.append((source.name, f"{source.quantum_parameters:,}", f"{source.circuits_per_image:,}", training))
    print_table(console, ("generator", *numbers), rows, numbers, gap=2)
    for condition in study.conditions:
        console.print(condition.name, soft_wrap=True)
    circuits = sum(cell.generation.source.circuits_per_image for cell in study.cells()) * study.count
    console.print(
        f"{len(trained)} trainings and {len(cells)} cells of {study.count:,} images: {circuits:,} circuits",
        soft_wrap=True,
    )
