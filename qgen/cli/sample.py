"""`qgen sample`: images from a run, on any backend."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from qgen.cli import consent
from qgen.cli.output import check_outputs, make_console, print_json
from qgen.cli.progress import progress
from qgen.cli.words import key_values

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.sampling import Samples

EXAMPLES = """\b
Examples:
  qgen sample  # 64 images from the latest run
  qgen sample runs/first-try --count 256 --seed 7
  qgen sample --backend aer --steps 10
  qgen sample --backend aer --shots 1024 --count 16 --steps 5
  qgen sample --backend ibm_fez --count 4 --steps 3 --dry-run
  qgen sample --backend ibm_fez --count 4 --max-qpu-seconds 99 --yes
  qgen sample --backend ibm_fez --steps 1 --hardware tiles=auto --yes
  qgen sample --backend ibm_fez --place-anew --dry-run
  qgen sample --sampler ancestral  # all steps, as published
  qgen sample --out digits.png --single"""


def sample(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="The folder of a run; default: the latest.")
    ] = None,
    backend: Annotated[
        str | None, typer.Option(metavar="NAME", help="Where the circuits run; default: as in training.")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(min=1, help="Measure each circuit so often; default: exact where that can be had.")
    ] = None,
    noise_scale: Annotated[
        float | None, typer.Option(min=0, help="Strength of a device's errors: 0 none, 1 as they are.")
    ] = None,
    layout: Annotated[
        str | None, typer.Option(metavar="FILE.json", help="Circuits put on the device before: `qgen transpile --pin`.")
    ] = None,
    hardware: consent.Hardware = None,
    max_qpu_seconds: consent.MaxSeconds = None,
    beyond_account: consent.Beyond = False,
    place_anew: consent.PlaceAnew = False,
    yes: consent.Yes = False,
    dry_run: consent.DryRun = False,
    count: Annotated[int, typer.Option(min=1, help="How many images.")] = 64,
    seed: Annotated[
        int, typer.Option(min=0, help="Each image has a seed of its own, from this one and the image's number.")
    ] = 0,
    sampler: Annotated[str | None, typer.Option(metavar="NAME", help="dpm-solver, unipc, ddim or ancestral.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the sampler; each runs the circuits.")] = None,
    eta: Annotated[float | None, typer.Option(min=0, help="Noise that ddim or dpm-solver adds, from 0 to 1.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="The grid; default: in the run's folder `samples`.")
    ] = None,
    single: Annotated[bool, typer.Option("--single", help="Write every image as a file too.")] = False,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the classical layers run.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Sample images from a trained run: a grid, and a JSON file beside it that says where it came from."""
    from qgen.runs import find_run

    if out is not None and out.suffix.lower() != ".png":
        raise typer.BadParameter(f"{str(out)!r} does not end in .png.", param_hint="--out")
    found = find_run(run)
    check_outputs(out, makes_folders=True)
    given: dict[str, Any] = {"sampler": sampler, "steps": steps, "eta": eta}
    changes = {key: value for key, value in given.items() if value is not None}
    if "sampler" in changes:  # another sampler has another usual number of steps
        changes = {"steps": None, "eta": 0.0} | changes
    where: dict[str, Any] = {"name": backend, "shots": shots, "noise_scale": noise_scale, "layout": layout}
    where["hardware"] = key_values(hardware, "--hardware", "tiles=auto") if hardware else None

    from qgen.nn import describe_runs
    from qgen.sampling import open_trained, sample_run
    from qgen.training import choose_device

    console, said = (
        make_console(as_json),
        consent.Consent(max_qpu_seconds, yes, dry_run, beyond_account, place_anew),
    )
    trained = open_trained(found, {key: value for key, value in where.items() if value is not None}, changes)
    circuits = trained.generator.circuits_per_image * count
    if not as_json:
        what = f"{count} images of {trained.run.path} after {trained.step:,} steps"
        runs = describe_runs(trained.generator.sampler)
        console.print(f"{what}: {f'{circuits:,} circuits on {runs}' if runs else 'no circuits'}", soft_wrap=True)
    with closing(trained.backend):
        if not consent.sampling_agreed(console, trained, count, seed, said, as_json):
            return
        with progress(console, "sampling") as told:
            consent.watch(console, trained.backend, told)
            samples = sample_run(trained, out, count, seed, single, choose_device(device), told)
    _conclude(console, samples, as_json)


def _conclude(console: Console, samples: Samples, as_json: bool) -> None:
    if as_json:
        files = {"grid": str(samples.grid), "provenance": str(samples.provenance)}
        singles = {"singles": [str(path) for path in samples.singles]}
        print_json(files | singles | samples.facts)
        return
    console.print(f"samples: {samples.grid}", soft_wrap=True)
    if samples.singles:
        console.print(f"each one: {samples.singles[0].parent}", soft_wrap=True)
