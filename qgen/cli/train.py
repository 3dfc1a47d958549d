"""`qgen train`: a generator from a preset or a file, or one that goes on."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from qgen.cli import confirmation, options
from qgen.cli.output import check_folder, make_console, print_json
from qgen.cli.run_argument import named_run
from qgen.cli.tables import print_pairs
from qgen.launchers import find_place
from qgen.progress import progress_bar

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.runs import Run, RunConfig
    from qgen.training import Trained

EXAMPLES = """\b
Examples:
  qgen train  # a small hybrid on real 8x8 digits
  qgen train --backend aer --set training.steps=200
  qgen train qvunet-1hq --data-dir ~/datasets  # as published
  qgen train latent-unet --data-dir ~/datasets  # in codes of an autoencoder
  qgen train quanvunet --set model.variant=published --set data.limit=10000
  qgen train --backend aer --shots 256 --set training.steps=20
  qgen train --backend noisy:fake_fez  # with that device's noise
  qgen train --gradient parameter-shift:fraction=0.25
  qgen train my.yaml --name second-try
  qgen train --resume  # go on with the latest run
  qgen train runs/first-try --resume --set training.epochs=60
  qgen train --resume --backend ibm_fez --gradient spsa --dry-run
  qgen train qvunet-1fq --from runs/first-try --set training.epochs=1
  qgen train --list
  qgen train --keys  # all settings, as docs/settings.md has them"""


class Trackers(NamedTuple):
    """Which experiment trackers get the metrics too."""

    tensorboard: bool
    wandb: bool


def train(
    *,
    config: Annotated[
        str | None,
        typer.Argument(
            metavar="[CONFIG]", help="A preset (see --list) or a YAML file; with --resume, the folder of a run."
        ),
    ] = None,
    backend: options.BackendArgs,
    gradient: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="adjoint, parameter-shift or spsa; options as in spsa:directions=4,step=0.1."
        ),
    ] = None,
    spending: confirmation.SpendingArgs,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting (see --keys). Repeatable."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run: CONFIG, or the latest.")] = False,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Take over weights of another run, or those that come with a preset: all but a U-Net's vertex.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of weights, batches, noise and samples: short for --set training.seed=N.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The run's folder is runs/NAME.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The run's folder.")] = None,
    data_dir: options.DataDir = None,
    device: options.Device = "auto",
    devices: Annotated[int, typer.Option(min=1, help="How many devices train together.")] = 1,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write metrics and samples for TensorBoard too.")
    ] = False,
    wandb: Annotated[
        bool,
        typer.Option(
            "--wandb", help="Log metrics and samples to Weights & Biases; WANDB_MODE=offline needs no account."
        ),
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the presets instead.")] = False,
    keys: Annotated[bool, typer.Option("--keys", help="List the settings instead.")] = False,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Train a generator of images. Ctrl-C ends it after the step in hand; --resume goes on.

    The run's folder holds its settings, metrics.jsonl, checkpoints and grids of samples.
    """
    if list_ or keys:
        if list_:
            _print_presets(as_json)
        else:
            _print_keys(config, as_json)
        return
    if name is not None and out is not None:
        raise typer.BadParameter("Give --name or --out, not both.")
    circuits = backend.settings(gradient)
    new_only: dict[str, Any] = {"--from": from_, "--name": name, "--out": out, "--seed": seed}
    if resume and any(value is not None for value in new_only.values()):
        raise typer.BadParameter(f"--resume goes on with a run as it is; it takes none of {', '.join(new_only)}.")
    changes = [*(set_ or []), *([] if seed is None else [f"training.seed={seed}"])]
    if resume:
        run, settings = _old_run(config, changes, circuits)
    else:
        settings = _new_settings(config, circuits, from_, changes)
        _refuse_hardware(settings.backend.name)
        run = _new_run(config, name, out)
    confirmation.check_args(spending, settings.backend.name)
    options.check_backend(settings.backend, gradient=True)
    if device == "cuda":
        from qgen.training import choose_device

        choose_device(device)  # before images are loaded, or downloaded

    trackers = Trackers(tensorboard, wandb)
    _train(run, settings, resume, data_dir, device, devices, trackers, spending, as_json, quiet)


def _new_settings(config: str | None, circuits: dict[str, Any], source: Path | None, changes: list[str]) -> RunConfig:
    from qgen.runs import read_config, with_absolute_paths

    before: list[dict[str, Any]] = []
    if source is not None:
        found = named_run(source)
        before = [{"start": {"run": str(found.path.resolve()) if found.preset is None else found.address}}]
    return with_absolute_paths(read_config(config, [*before, *changes, {"backend": circuits}]))


def _new_run(config: str | None, name: str | None, out: Path | None) -> Run:
    from qgen.runs import new_run
    from qgen.runs.folder import HOME
    from qgen.runs.shipped import DEFAULT_PRESET

    if name is not None and (not name or Path(name).name != name):
        raise typer.BadParameter(f"{name!r} is not the name of a folder; for a path use --out.", param_hint="--name")
    place = HOME / name if name is not None else out
    check_folder(place or HOME / "any")
    return new_run(Path(config or DEFAULT_PRESET).stem, place)


def _old_run(folder: str | None, changes: list[str], circuits: dict[str, Any]) -> tuple[Run, RunConfig]:
    from qgen.runs import find_run

    run = find_run(Path(folder) if folder is not None else None)
    from qgen.runs import resume_config  # what settings are takes longer to load

    return run, resume_config(run, changes, circuits)


def _refuse_hardware(backend: str) -> None:
    from qgen.backends.registry import is_billed

    if is_billed(backend):
        raise typer.BadParameter(
            f"a whole training on {backend} is out of reach: train in simulation, then go on there for a few steps "
            f"with `qgen train RUN --resume --backend {backend} --gradient spsa`.",
            param_hint="--backend",
        )


def _train(
    run: Run,
    settings: RunConfig,
    resume: bool,
    data_dir: Path | None,
    device: Literal["auto", "cpu", "cuda"],
    devices: int,
    trackers: Trackers,
    spending: confirmation.SpendingArgs,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train a run, and before it those that it builds upon."""
    from qgen.runs.stages import pending_stages
    from qgen.training import ConsoleReport, Report, TensorBoardReport, TrainingSession, WandbReport, train_stages
    from qgen.training.trackers import import_wandb

    if trackers.wandb:
        import_wandb()  # refused before images are loaded
    place = find_place()
    console = make_console(as_json, quiet=quiet or place.rank != 0)
    asking = make_console(as_json, quiet=place.rank != 0)

    def report(run: Run) -> Report:
        shown: Report = ConsoleReport(console)
        if trackers.tensorboard:
            shown = TensorBoardReport(run.path / "tensorboard", shown)
        return WandbReport(run, shown) if trackers.wandb else shown

    session = TrainingSession(
        report,
        partial(progress_bar, console),
        partial(console.print, soft_wrap=True),
        lambda trainer: confirmation.confirm_training(asking, trainer, spending, as_json),
        data_dir,
        device,
        devices,
        place,
    )

    def train_one(one: Run, settings: RunConfig, resume: bool, is_stage: bool = True) -> None:
        trained = session.train(one, settings, resume)
        if trained is None:
            raise typer.Exit
        whole = run if is_stage else trained.run
        if place.rank == 0 and (trained.finished.stopped or not (is_stage and as_json)):
            _conclude(console, trained, whole, as_json)
        if trained.finished.stopped:
            raise typer.Exit(130)

    if pending_stages(settings):
        settings = train_stages(run, settings, train_one)
    train_one(run, settings, resume and not run.is_prepared, is_stage=False)


def _conclude(console: Console, trained: Trained, whole: Run, as_json: bool) -> None:
    """Say what was trained; `whole` is the run for which the command was called."""
    run, finished, exported = trained
    grid = run.grid(finished.step)
    if as_json:
        facts = {"run": str(run.path), "steps": finished.step, "stopped": finished.stopped, "metrics": finished.row}
        if exported is not None:
            facts |= exported.facts
        typer.echo(json.dumps(facts | {"grid": str(grid) if grid.exists() else None}, indent=2))
        return
    if finished.stopped:
        console.print(
            f"stopped after step {finished.step}; go on with: qgen train {whole.path} --resume", soft_wrap=True
        )
        return
    if exported is not None:
        for line in exported.lines:
            console.print(line, soft_wrap=True)
        return
    if grid.exists():
        console.print(f"samples: {grid}", soft_wrap=True)
    console.print(f"more of them: qgen sample {run.path}", soft_wrap=True)


def _print_presets(as_json: bool) -> None:
    from qgen.runs import preset_names, preset_summary
    from qgen.runs.pretrained import pretrained_names

    rows, having = {name: preset_summary(name) for name in preset_names()}, pretrained_names()
    if as_json:
        print_json({name: {"summary": summary, "weights": name in having} for name, summary in rows.items()})
        return
    console = make_console()
    if console.is_terminal:
        print_pairs(console, rows.items())
    else:  # a line each, for grep
        width = max(map(len, rows))
        for name, summary in rows.items():
            typer.echo(f"{name:<{width}} {summary}")
    typer.echo(f"\ntrained weights come with {', '.join(having)}: qgen sample {having[0]}")


def _print_keys(config: str | None, as_json: bool) -> None:
    from qgen.runs import RunConfig, read_config
    from qgen.runs.keys import list_keys

    settings = list(list_keys(RunConfig if config is None else type(read_config(config))))
    if as_json:
        typer.echo(json.dumps([key._asdict() for key in settings], indent=2, ensure_ascii=False))
        return
    for key in settings:
        typer.echo(key.line())
