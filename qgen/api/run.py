"""TrainedRun: a run in Python: its metrics, its samples on any backend, how good they are, and what it is."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from qgen.backends.billing import as_billed
from qgen.backends.registry import check_settings
from qgen.circuits.arguments import whole_number
from qgen.data import open_images
from qgen.data.distributions import DISTRIBUTIONS
from qgen.errors import BudgetError, ConfigError, short_repr
from qgen.progress import make_console, progress_bar
from qgen.runs import Run, RunConfig, find_run, writing
from qgen.runs.hub import SCHEME as HUB
from qgen.runs.hub import pull_folder
from qgen.runs.pretrained import SCHEME, hides_pretrained
from qgen.sampling import (
    Trained,
    asking_captions,
    check_count,
    open_trained,
    sample_facts,
    sample_images,
    sample_name,
    sampling_config,
)
from qgen.training import choose_device

if TYPE_CHECKING:
    from qgen.api.images import Images
    from qgen.evaluation import Evaluation
    from qgen.models.description import ModelDescription
    from qgen.training.device import Device


def load(run: str | Path | None = None) -> TrainedRun:
    """Return a run.

    Args:
        run: its folder, or its name under `runs`; a preset whose trained weights come with qgen, as "digits", or
            "pretrained:digits" where a run has this name too; or `hf://user/name` on the Hugging Face hub, perhaps with
            `@revision`, which is downloaded into the hub's cache (extra `hub`); None: the one under `runs` that was
            trained last.

    Raises:
        RunError: there is none.
    """
    if isinstance(run, str) and run.startswith(HUB):
        run = pull_folder(run)
    given = None if run is None else Path(run)
    found = find_run(given)
    if hides_pretrained(given, found.preset):
        warnings.warn(f"{given} is the run {found.path}; {SCHEME}{given} has the weights of qgen", stacklevel=2)
    return TrainedRun(found)


class TrainedRun:
    """A run that was trained. Whatever is asked of it is read from its folder, and computed anew.

    Args:
        run: its folder.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def __repr__(self) -> str:
        return f"<run {self._run.address}: {self.config.model.kind}, {self.steps:,} steps>"

    @property
    def path(self) -> Path:
        """The folder; that of weights which come with qgen lies in the package, and nothing is written into it."""
        return self._run.path

    @property
    def config(self) -> RunConfig:
        """Its settings."""
        return self._run.config()

    @property
    def steps(self) -> int:
        """Training steps up to its last checkpoint."""
        return self._run.steps_taken

    @property
    def metrics(self) -> list[dict[str, float]]:
        """Rows of metrics.jsonl, oldest first: `pandas.DataFrame(run.metrics)` makes a table of them."""
        return [json.loads(line) for line in self._run.metrics.read_text("utf-8").splitlines()]

    def sample(
        self,
        count: int = 64,
        seed: int = 0,
        *,
        label: int | Sequence[int] | None = None,
        prompt: str | Sequence[str] | None = None,
        negative_prompt: str | None = None,
        backend: str | None = None,
        shots: int | None = None,
        backend_options: Mapping[str, Any] | None = None,
        sampler: str | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        device: Device = "auto",
        max_qpu_seconds: float | None = None,
        progress: bool = True,
    ) -> Images:
        """Sample images, as `qgen sample` does; equal arguments give equal images.

        Args:
            count: number of images.
            seed: of all images; the seed of each is derived from it and the image's index.
            label: class of the images, or several in turn; None: all classes in turn.
            prompt: of a model with text, what the images show, or several prompts in turn.
            negative_prompt: what they are led away from.
            backend: where circuits run, as "noisy:fake_fez" or "ibm_fez"; None: as in training.
            shots: measurements of each circuit; None: exact values where possible.
            backend_options: further settings of the backend: `{"noise_scale": 2, "mitigation": "readout"}`.
            sampler: of diffusions: "dpm-solver", "unipc", "ddim", "ancestral", "euler" or "heun"; None: as trained.
            steps: of the sampler; each runs the circuits.
            guidance: closeness to the label: 1 none; more runs twice as many circuits.
            device: where classical layers run: "auto", "cpu" or "cuda".
            max_qpu_seconds: on hardware, the limit of all that this run submits; nothing is submitted without it.
            progress: show a bar on a terminal.

        Raises:
            BudgetError: the plan takes more QPU seconds than may be spent, or no limit is given.
            ConfigError, BackendError: an option that is not allowed.
            RunError: the run has no checkpoint, or the images do not fit into memory.
        """
        from qgen.api.images import Images

        circuits = {"name": backend, "shots": shots, **(backend_options or {})}
        how = {
            "sampler": sampler,
            "steps": steps,
            "guidance": guidance,
            "labels": [int(label)] if isinstance(label, Integral) else label,
            "prompts": [prompt] if isinstance(prompt, str) else prompt,
            "negative_prompt": negative_prompt,
        }
        where, data = choose_device(device), self.config.data
        with self._opened(_given(circuits), _given(how)) as trained:
            check_count(count, trained.generator.shape)
            _authorize(trained, count, seed, max_qpu_seconds)
            with progress_bar(make_console(quiet=not progress), "sampling") as bar:
                values = sample_images(trained, count, seed, where, bar)
            facts = sample_facts(trained, count, seed, torch.device(where))
        return Images(values, facts, open_images(data) if data.name in DISTRIBUTIONS else None)

    def evaluate(
        self,
        count: int | None = None,
        seed: int = 0,
        *,
        controls: bool = True,
        held_out: bool = False,
        features: str = "fitted",
        weights: str | Path | None = None,
        backend: str | None = None,
        shots: int | None = None,
        backend_options: Mapping[str, Any] | None = None,
        out: str | Path | None = None,
        data_dir: str | Path | None = None,
        device: Device = "auto",
        max_qpu_seconds: float | None = None,
        progress: bool = True,
    ) -> Evaluation:
        """Measure how good samples are, as `qgen evaluate` does: with intervals, beside real images.

        The same files are left: a page, and the results as JSON beside it, which `qgen runs` reads.

        Args:
            count: number of images, at least 2; None: as many as real ones, at most 1,000.
            seed: of the images, see `sample`.
            controls: of a hybrid, also measure samples with the circuits' outputs replaced by their mean (no circuits)
                and shuffled (as many circuits again; not on devices).
            held_out: ask for, and compare with, the images that `data.hold_out` kept from training.
            features: what images are compared by, see `qgen evaluate --help`.
            weights: file or folder of the features' weights.
            backend: where circuits run, see `sample`.
            shots: measurements of each circuit.
            backend_options: further settings of the backend.
            out: the page, an HTML file; None: in the run's folder `evaluation`, named after what it depends on.
            data_dir: where data sets lie.
            device: where classical layers run.
            max_qpu_seconds: on hardware, the limit of all that this run submits.
            progress: show a bar on a terminal.

        Raises:
            QgenError: see `sample`; or real images or weights are missing, or the files cannot be written.
        """
        from qgen.api.evaluation import MAX_COUNT, ShownEvaluation, sample_for_evaluation
        from qgen.evaluation import PROTOCOLS, Evaluator, evaluation_page, open_reference, write_evaluations
        from qgen.metrics import open_feature_space

        page, file = None if out is None else Path(out), None if weights is None else Path(weights)
        if page is not None and page.suffix.lower() != ".html":
            raise ConfigError(f"`out` is the page, a file that ends in .html, not {short_repr(str(page))}")
        if count is not None:
            whole_number("count", count, 2)
        open_bar = partial(progress_bar, make_console(quiet=not progress))
        with open_bar("fetching images") as bar:
            folder = None if data_dir is None else Path(data_dir)
            reference = open_reference(self.config.data, folder, progress=bar, held_out=held_out)
        space = open_feature_space(features, reference.whole, file)
        wanted = min(MAX_COUNT, len(reference.real)) if count is None else count
        circuits = {"name": backend, "shots": shots, **(backend_options or {})}
        where = choose_device(device)
        with self._opened(_given(circuits), {}, reference.captions(wanted)) as trained:
            check_count(wanted, trained.generator.shape)
            _authorize(trained, wanted, seed, max_qpu_seconds)
            named = sample_name(trained, wanted, seed)
            page = page or evaluation_page(
                self._run, named, features, controls=controls, held_out=held_out, weights=file
            )
            with writing(page):
                page.parent.mkdir(parents=True, exist_ok=True)  # refused before anything runs
            sampled = sample_for_evaluation(trained, reference, wanted, seed, where, open_bar, controls=controls)
        found = sampled.evaluate(Evaluator(space, reference, PROTOCOLS["default"]), open_bar)
        write_evaluations([found], page)
        return ShownEvaluation.of(found)

    def describe(self) -> ModelDescription:
        """Return its layers, parameters and circuits."""
        trained = open_trained(self._run)
        with closing(trained.backend):
            return trained.generator.describe()

    def export(
        self, out: str | Path | None = None, push: str | None = None, public: bool = False, half: bool = False
    ) -> TrainedRun:
        """Write its averaged weights, its settings and a model card into a new folder, as `qgen export` does.

        Args:
            out: the folder; None: `exports/` and its name.
            push: a repository of the Hugging Face hub to upload it to, as `user/name` (extra `hub`); None: none.
            public: whether that repository, if it is a new one, can be seen by everybody.
            half: round weights to float16, for half the size and slightly other samples.

        Returns:
            The export, which gives the same samples unless it is rounded.

        Raises:
            RunError: it has no checkpoint, there is something at `out`, or it cannot be written; the hub refuses it.
        """
        from qgen.runs.exporting import export_run
        from qgen.runs.hub import check_push, push_folder

        if push is not None:
            check_push(push)
        made = export_run(self._run, None if out is None else Path(out), half).run
        if push is not None:
            push_folder(made.path, push, public)
        return TrainedRun(made)

    @contextmanager
    def _opened(
        self, circuits: dict[str, Any], how: dict[str, Any], captions: tuple[str, ...] | None = None
    ) -> Iterator[Trained]:
        """Open the generator with these changes to its backend and its sampler."""
        check_settings(sampling_config(self._run, circuits, how).backend)
        trained = asking_captions(open_trained(self._run, circuits, how), captions)
        with closing(trained.backend):
            yield trained

    def _repr_html_(self) -> str:
        from qgen.reports.html.templates import part

        rows = {"run": self._run.address, "kind": self.config.model.kind, "steps": f"{self.steps:,}"}
        rows |= {name: f"{value:.4g}" for name, value in (self.metrics or [{}])[-1].items() if name != "step"}
        return str(part("facts", rows.items()))


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _authorize(trained: Trained, count: int, seed: int, limit: float | None) -> None:
    """Let a backend that costs money spend what the plan takes, within the limit.

    Raises:
        BudgetError: there is no limit, or the plan takes more.
    """
    from qgen.costing.plan import check_limit, plan_sampling

    backend = as_billed(trained.backend)
    if backend is None:
        return
    plan = plan_sampling(trained.generator, trained.config, backend, count, seed)
    if limit is None and plan.left:
        raise BudgetError(
            f"{plan.task} on {plan.device} takes about {plan.left:,.1f} QPU seconds: nothing was submitted. "
            f"Give max_qpu_seconds={plan.left:.0f} or more to agree"
        )
    allowed = check_limit(plan, backend, limit)
    if limit is not None:
        backend.allow(limit)
    backend.authorize(allowed)
