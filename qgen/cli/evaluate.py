"""`qgen evaluate`: how good the images of a run or a folder are, with intervals, beside real images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from qgen.cli import confirmation, evaluation_output, options
from qgen.cli.output import check_outputs, make_console
from qgen.cli.run_argument import named_run
from qgen.errors import counted
from qgen.progress import Bar, progress_bar

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.api.evaluation import SampledRun
    from qgen.data import DataSettings
    from qgen.evaluation import Evaluation, Evaluator, Protocol, Reference
    from qgen.metrics import FeatureSpace
    from qgen.runs import Run
    from qgen.sampling import Trained

EXAMPLES = """\b
Examples:
  qgen evaluate  # the latest run
  qgen evaluate runs/first-try --count 256 --seed 7
  qgen evaluate digits --count 64  # weights that come with qgen
  qgen evaluate runs/first-try --count 64 --backend aer --shots 1024
  qgen evaluate --count 64 --features digits --json
  qgen evaluate runs/first-try --compare runs/first-try --count 64
  qgen evaluate runs/first-try --baselines --count 64
  qgen evaluate runs/first-try --no-controls --count 64
  qgen evaluate images --reference digits --size 8

A hybrid is evaluated beside its controls, which train nothing: the same
images with the outputs of its circuits replaced by their mean (no circuits
run), and shuffled (as many again, so twice the time; never on a device).
Controls that are trained, as a classical twin or a model without circuits,
are runs of their own: --compare RUN, or `qgen study compare`.

Of a model with labels or prompts it is also counted how many samples are of
the class, and have the attributes, that they were asked for. Without
--prompt these are the captions of the reference images, in turn. Of captions
in words of their own, as those of emoji, it is counted how many samples have
the picture of that caption as their nearest real image, and the colour that
it names.

FID, KID and Inception Score of publications are of Inception's features:
--protocol defalco2024, with weights that you have (--weights FILE.pth).
CMMD is of CLIP's: --features clip --weights FOLDER."""


class Request(NamedTuple):
    """What is asked of every set of images."""

    protocol: Protocol
    features: str
    weights: Path | None
    image_count: int | None
    seed: int
    data_dir: Path | None
    device: Literal["auto", "cpu", "cuda"]
    baselines: bool = False
    controls: bool = True
    held_out: bool = False


class Sampling(NamedTuple):
    """How a run is sampled: changes to its backend and its sampler, and what may be spent."""

    backend: dict[str, Any]
    sampler: dict[str, Any]
    spending: confirmation.SpendingArgs

    @property
    def given(self) -> bool:
        """Whether any option asks for it."""
        return bool(self.backend or self.sampler or self.spending.given)


def evaluate(
    *,
    what: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN|FOLDER]",
            help="A run, a preset that comes with weights, or a folder of images; default: the latest run.",
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=2, help="Images; default: as many as real ones, at most 1,000.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the samples, as in `qgen sample`.")] = 0,
    features: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="fitted (a small classifier of the real images; the default), inception, clip, efficientnet-lite0, "
            "digits, classifier:NAME_OR_FILE.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Inception's weights, by default in torch's hub folder; or the folder of CLIP's.",
        ),
    ] = None,
    compare: Annotated[
        list[Path] | None, typer.Option(metavar="RUN", help="Another run of the same data. Repeatable.")
    ] = None,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines",
            help="Also reconstructions of real images, and Gaussians of the model's codes (of pixels, without an "
            "autoencoder), decoded as its samples are.",
        ),
    ] = False,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls/--no-controls",
            help="Of a hybrid: also with its circuits' outputs replaced by their mean, and shuffled (as many circuits "
            "again; not on devices).",
        ),
    ] = True,
    held_out: Annotated[
        bool,
        typer.Option(
            "--held-out",
            help="Ask for, and compare with, the images that data.hold_out kept from training: combinations of words "
            "that the model never saw.",
        ),
    ] = False,
    protocol: Annotated[
        Literal["default", "defalco2024"], typer.Option(help="Measure as a paper does: its features and counts.")
    ] = "default",
    reference: Annotated[
        str | None, typer.Option(metavar="NAME", help="What a folder is compared with: a data set or a folder.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Pixels to which a folder and its reference are resized.")
    ] = None,
    backend: options.BackendArgs,
    spending: confirmation.SpendingArgs,
    sampler: options.SamplerArgs,
    prompt: options.Prompt = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="The page; default: in the run's folder `evaluation`."),
    ] = None,
    data_dir: options.DataDir = None,
    device: options.Device = "auto",
    as_json: options.AsJson = False,
) -> None:
    """Measure how good images are: distances from real images, variety, and whether training images are copied.

    Real images are those of the split that the generator has not trained on.
    Every number has a 95 % interval, and beside it stands the same number of
    real images in place of the samples: what a perfect generator would reach.
    """
    if out is not None and out.suffix.lower() != ".html":
        raise typer.BadParameter(f"{str(out)!r} does not end in .html.", param_hint="--out")
    request = _request(protocol, features, weights, count, seed, data_dir, device)
    request = request._replace(baselines=baselines, controls=controls, held_out=held_out)
    sampling = Sampling(backend.settings(), sampler.settings(prompts=prompt), spending)
    console = make_console(as_json)
    if what is not None and what.is_dir() and not (what / "config.yaml").is_file():
        if sampling.given or compare or baselines or held_out:
            raise typer.BadParameter(
                "a folder of images is not sampled: leave --compare, --baselines, --held-out and options of backends "
                "and samplers out."
            )
        evaluations, path = _of_folder(console, what, reference, size, request, out)
    else:
        if reference is not None or size is not None:
            raise typer.BadParameter("--reference and --size are for folders: a run is compared with its own data.")
        runs = [named_run(each) for each in (what, *(compare or ()))]
        evaluations, path = _of_runs(console, runs, request, sampling, out, as_json)
    if evaluations:
        from qgen.evaluation import write_evaluations

        evaluation_output.show(console, evaluations, write_evaluations(evaluations, path), as_json)


def _request(
    name: str,
    features: str | None,
    weights: Path | None,
    count: int | None,
    seed: int,
    data_dir: Path | None,
    device: Literal["auto", "cpu", "cuda"],
) -> Request:
    """Return what is asked for, once it is sure that the features may exist, and fit the protocol."""
    from qgen.evaluation.protocol import PROTOCOLS

    protocol = PROTOCOLS[name]
    if protocol.features is not None and features not in (None, protocol.features):
        raise typer.BadParameter(f"{name} is of {protocol.features}, not of {features}.", param_hint="--features")
    if protocol.count is not None and count not in (None, protocol.count):
        raise typer.BadParameter(f"{name} is of {protocol.count:,} images, not of {count:,}.", param_hint="--count")

    from qgen.metrics.spaces import FITTED, check_name, check_weights

    features = protocol.features or features or FITTED
    check_name(features)
    check_weights(features, weights)
    return Request(protocol, features, weights, protocol.count or count, seed, data_dir, device)


def _of_runs(
    console: Console, runs: list[Run], request: Request, sampling: Sampling, out: Path | None, as_json: bool
) -> tuple[list[Evaluation], Path]:
    """Sample runs and evaluate the images; none after a dry run. All that can be refused is refused first."""
    from qgen.evaluation import evaluation_page
    from qgen.runs.rows import EVALUATIONS
    from qgen.sampling import check_request, sampling_config

    configs = [sampling_config(run, sampling.backend, sampling.sampler) for run in runs]
    for run, config in zip(runs, configs, strict=True):
        check_request(run, config, None, single=False)
        options.check_backend(config.backend)
        confirmation.check_args(sampling.spending, config.backend.name)
    if len(runs) > 1 and sampling.spending.dry_run:
        raise typer.BadParameter("plan one run at a time: leave --compare out.", param_hint="--dry-run")
    folder = runs[0].home / EVALUATIONS
    check_outputs(out or (None if sampling.spending.dry_run else folder / "x.html"), makes_folders=True)
    evaluators = _open(console, [config.data for config in configs], request)

    open_bar = partial(progress_bar, console)
    evaluations, names = [], []
    for run, evaluator in zip(runs, evaluators, strict=True):
        made = _sample(console, run, evaluator.reference, request, sampling, as_json)
        if made is None:
            return [], folder
        sampled, file_name = made
        names.append(file_name)
        evaluations.append(sampled.evaluate(evaluator, open_bar))
        evaluations += sampled.evaluate_baselines(evaluator, open_bar, f" of {run.name}" if len(runs) > 1 else "")
    path = out or evaluation_page(
        runs[0],
        names[0],
        request.features,
        runs[1:],
        baselines=request.baselines,
        controls=request.controls,
        held_out=request.held_out,
        weights=request.weights,
        protocol=request.protocol.name,
    )
    return evaluations, path


def _sample(
    console: Console, run: Run, reference: Reference, request: Request, sampling: Sampling, as_json: bool
) -> tuple[SampledRun, str] | None:
    """Return samples of a run, with what is shown beside them, and a name of a file; None after a dry run."""
    from qgen.api.evaluation import MAX_COUNT, sample_for_evaluation
    from qgen.evaluation import check_baselines
    from qgen.generators.inspection import describe_circuits
    from qgen.nn import quantum_layers
    from qgen.sampling import asking_captions, check_count, open_trained, sample_name
    from qgen.training import choose_device

    device = choose_device(request.device)
    trained = open_trained(run, sampling.backend, sampling.sampler)
    count, seed = request.image_count or min(MAX_COUNT, len(reference.real)), request.seed
    trained = asking_captions(trained, reference.captions(count))

    @contextmanager
    def open_bar(text: str) -> Iterator[Bar | None]:
        with progress_bar(console, text) as bar:
            confirmation.show_job_status(console, trained.backend, bar)
            yield bar

    with closing(trained.backend):
        generator = trained.generator
        if request.baselines:
            check_baselines(generator, reference.train)
        check_count(count, generator.shape)
        circuits = generator.circuits_per_image * count
        if not as_json:
            what = f"{counted(count, 'image')} of {run.address} after {counted(trained.step, 'step')}"
            console.print(f"{what}: {describe_circuits(generator, count)}", soft_wrap=True)
            if request.controls and circuits and quantum_layers(generator.sampler):
                console.print(_cost_of_controls(trained, circuits), soft_wrap=True)
        if not confirmation.confirm_sampling(console, trained, count, seed, sampling.spending, as_json):
            return None
        shown = {"controls": request.controls, "baselines": request.baselines}
        sampled = sample_for_evaluation(trained, reference, count, seed, device, open_bar, **shown)
        return sampled, sample_name(trained, count, seed)


def _cost_of_controls(trained: Trained, circuits: int) -> str:
    if trained.backend.capabilities.remote:
        return "control: the same images with the mean of the circuits' outputs in their place, which runs no circuits"
    return (
        f"controls: the same images with the circuits' outputs replaced by their mean, and shuffled: {circuits:,} "
        "circuits more; --no-controls leaves them out"
    )


def _of_folder(
    console: Console, folder: Path, against: str | None, size: int | None, request: Request, out: Path | None
) -> tuple[list[Evaluation], Path]:
    """Evaluate the images of a folder."""
    from qgen.data import DataSettings, image_shape, open_images
    from qgen.errors import ConfigError, DataError

    if against is None:
        raise typer.BadParameter("say what these are compared with: --reference digits.", param_hint="--reference")
    path = out or Path(f"evaluation-{folder.resolve().name}.html")
    check_outputs(path)
    own, real = DataSettings(name=str(folder), size=size), DataSettings(name=against, size=size)
    shapes = image_shape(own), image_shape(real)
    if shapes[0][1:] != shapes[1][1:]:
        sides = " and ".join(f"{shape[2]}x{shape[1]}" for shape in shapes)
        raise ConfigError(f"the images of {folder} and {against} have {sides} pixels: --size resizes both")
    channels = max(shape[0] for shape in shapes)
    own, real = (each.model_copy(update={"channels": channels}) for each in (own, real))
    say = partial(console.print, soft_wrap=True)
    with progress_bar(console, "reading images") as bar:
        try:
            found = open_images(own.model_copy(update={"limit": request.image_count}), progress=bar, message=say)
        except DataError as error:
            if request.protocol.count is None:
                raise
            raise DataError(f"{request.protocol.name} is of {request.protocol.count:,} images: {error}") from error
    (evaluator,) = _open(console, [real], request)

    import torch

    images = found.scaled(torch.arange(len(found)))
    facts = {"folder": found.source, "sha256": found.sha256}
    with progress_bar(console, "measuring") as bar:
        return [evaluator(images, str(folder), facts, bar)], path


def _open(console: Console, settings: list[DataSettings], request: Request) -> list[Evaluator]:
    """Open the real images of each run, and the features that all of them share; equal settings share all.

    Raises:
        ConfigError: two runs learned from other data.
    """
    from qgen.errors import ConfigError
    from qgen.evaluation import Evaluator, open_reference
    from qgen.metrics import open_feature_space

    different = [each for number, each in enumerate(settings) if each not in settings[:number]]
    with progress_bar(console, "fetching images") as bar:
        say, count = partial(console.print, soft_wrap=True), request.protocol.real_count
        held = request.held_out
        references = [open_reference(each, request.data_dir, count, bar, say, held) for each in different]
    first = references[0]
    for reference in references:
        if reference.whole.sha256 != first.whole.sha256:
            raise ConfigError(
                f"runs that are compared have learned from the same data, though not from as many images: these from "
                f"{first.whole.name} {first.whole.shape} and {reference.whole.name} {reference.whole.shape}"
            )
    with progress_bar(console, "preparing the features"):
        space: FeatureSpace = open_feature_space(request.features, first.whole, request.weights)
    evaluators = [Evaluator(space, reference, request.protocol) for reference in references]
    return [evaluators[different.index(each)] for each in settings]
