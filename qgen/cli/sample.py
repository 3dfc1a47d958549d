"""`qgen sample`: sample images from a run, on any backend."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qgen.cli import confirmation, options
from qgen.cli.output import check_outputs, make_console, print_json
from qgen.cli.picture_options import PictureArgs
from qgen.cli.run_argument import RunArgument, named_run
from qgen.errors import counted
from qgen.progress import progress_bar

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.sampling import Samples

EXAMPLES = """\b
Examples:
  qgen sample  # 64 images from the latest run
  qgen sample digits  # of weights that come with qgen: nothing is trained
  qgen sample runs/first-try --count 256 --seed 7
  qgen sample --backend aer --steps 10
  qgen sample --backend aer --shots 1024 --count 16 --steps 5
  qgen sample --backend ibm_fez --count 4 --steps 3 --dry-run
  qgen sample --backend ibm_fez --count 4 --max-qpu-seconds 99 --yes
  qgen sample --backend ibm_fez --steps 1 --hardware tiles=auto --yes
  qgen sample --backend ibm_fez --place-anew --dry-run
  qgen sample --sampler ancestral  # all steps, as published
  qgen sample --interpolate 9 --count 36  # 4 rows, from image to image
  qgen sample --trajectory 10 --count 4  # from noise to images
  qgen sample --gif 12 --count 4  # the same, moving
  qgen sample --nearest --count 12  # above training images
  qgen sample --out digits.png --single"""


def sample(
    *,
    run: RunArgument = None,
    backend: options.BackendArgs,
    spending: confirmation.SpendingArgs,
    count: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many images; default: 64; 24 with --nearest, 16 with --gif, 6 with --trajectory."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Each image has a seed of its own, from this one and the image's number.")
    ] = 0,
    sampler: options.SamplerArgs,
    label: Annotated[
        list[int] | None,
        typer.Option(min=0, metavar="CLASS", help="Images of this class; repeatable: of several in turn."),
    ] = None,
    prompt: options.Prompt = None,
    negative_prompt: options.NegativePrompt = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The grid, .png (histograms also .svg, .pdf); default: in the run's folder."),
    ] = None,
    single: Annotated[bool, typer.Option("--single", help="Write every image as a file too.")] = False,
    columns: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Images in a row of the grid; default: about as many as rows."),
    ] = None,
    pictures: PictureArgs,
    data_dir: options.DataDir = None,
    device: options.Device = "auto",
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Sample images from a trained run: a grid, and a JSON file beside it that says where it came from."""
    number = pictures.count(count, single, columns)
    # All that can be refused without the model is refused first: building it takes seconds.
    if out is not None and out.suffix.lower() not in pictures.endings:
        raise typer.BadParameter(f"{str(out)!r} does not end in {pictures.suffix}.", param_hint="--out")
    changes = backend.settings(), sampler.settings(label, prompt, negative_prompt)
    trained_run = named_run(run)
    check_outputs(out or (None if spending.dry_run else trained_run.samples / "samples.png"), makes_folders=True)

    from qgen.data.distributions import DISTRIBUTIONS
    from qgen.sampling import check_request, sampling_config

    config = sampling_config(trained_run, *changes)
    if out is not None and out.suffix.lower() != pictures.suffix and config.data.name not in DISTRIBUTIONS:
        raise typer.BadParameter(f"{str(out)!r} is for histograms; images are a .png.", param_hint="--out")
    if columns is not None and config.data.name in DISTRIBUTIONS:
        raise typer.BadParameter(f"samples of {config.data.name} are drawn as histograms.", param_hint="--columns")
    check_request(trained_run, config, out, single)
    options.check_backend(config.backend)
    confirmation.check_args(spending, config.backend.name)

    from qgen.training import choose_device

    torch_device = choose_device(device)

    from qgen.generators.inspection import describe_circuits
    from qgen.sampling import open_trained, sample_run

    console, asking = make_console(as_json, quiet=quiet), make_console(as_json)
    trained = open_trained(trained_run, *changes)
    if not as_json:
        what = f"{counted(number, 'image')} of {trained.run.address} after {counted(trained.step, 'step')}"
        console.print(f"{what}: {describe_circuits(trained.generator, number)}", soft_wrap=True)
    with closing(trained.backend):
        training = pictures.check(trained, data_dir)
        if not confirmation.confirm_sampling(asking, trained, number, seed, spending, as_json):
            return
        with progress_bar(console, "sampling") as bar:
            confirmation.show_job_status(console, trained.backend, bar)
            samples = pictures.save(trained, out, number, seed, torch_device, bar, training)
            samples = samples or sample_run(trained, out, number, seed, single, torch_device, bar, columns)
    _print_result(console, samples, as_json)


def _print_result(console: Console, samples: Samples, as_json: bool) -> None:
    if as_json:
        files = {"grid": str(samples.grid), "provenance": str(samples.provenance)}
        singles = {"singles": [str(path) for path in samples.singles]}
        print_json(files | singles | samples.facts)
        return
    console.print(f"samples: {samples.grid}", soft_wrap=True)
    if samples.singles:
        console.print(f"each one: {samples.singles[0].parent}", soft_wrap=True)
