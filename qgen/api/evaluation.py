"""Samples of a run for an evaluation, with what stands beside them: controls of its circuits, trials, baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import torch

from qgen.errors import counted
from qgen.evaluation import (
    Baseline,
    ControlImages,
    Evaluation,
    Evaluator,
    Reference,
    TrialResult,
    compare_controls,
    run_trials,
    sample_baselines,
    sample_controls,
    text,
)
from qgen.evaluation.asked import Requested
from qgen.evaluation.control_text import summarised
from qgen.nn import output_means
from qgen.progress import ProgressCallback
from qgen.reports.html.templates import part, table
from qgen.sampling import Trained, sample_facts, sample_images

#: Opens a progress bar with a description.
OpenBar = Callable[[str], AbstractContextManager[ProgressCallback | None]]

#: Samples of a run that are evaluated, unless a number is given, at most.
MAX_COUNT = 1_000


class ShownEvaluation(Evaluation):
    """An evaluation that a notebook shows as a table."""

    @classmethod
    def of(cls, evaluation: Evaluation) -> Self:
        """Return the same evaluation."""
        return cls(**vars(evaluation))

    def __repr__(self) -> str:
        name, value, interval, *_ = next(text.rows(self))
        what = f"{counted(len(self.images), 'image')} by features {self.space.name}"
        return f"<evaluation of {self.name}, {what}: {name} {value} ({interval}) and more>"

    def _repr_html_(self) -> str:
        caption = f"{self.name}: {counted(len(self.images), 'sample')}"
        shown = part("table", **table(caption, ("", *text.HEADINGS), list(text.rows(self))))
        said = () if self.controls is None else self.controls.summary
        return str(shown) + "".join(str(part("note", line)) for line in said)


@dataclass(frozen=True)
class SampledRun:
    """Samples of a run, and what an evaluation shows beside them.

    Attributes:
        name: of the run.
        images: the samples, (N, C, H, W).
        facts: where they come from.
        requested: what was asked of each; None: nothing that can be checked.
        controls: samples with the circuits' outputs replaced.
        trials: of circuits that do not sample.
        baselines: reconstructions, and samples of Gaussians.
    """

    name: str
    images: torch.Tensor
    facts: Mapping[str, Any]
    requested: Requested | None
    controls: tuple[ControlImages, ...] = ()
    trials: tuple[TrialResult, ...] = ()
    baselines: tuple[Baseline, ...] = ()

    def evaluate(self, evaluator: Evaluator, open_bar: OpenBar) -> Evaluation:
        """Return how good the samples are, with the controls beside them."""

        def measure(images: torch.Tensor, name: str, facts: Mapping[str, Any]) -> Evaluation:
            with open_bar("measuring") as bar:
                return evaluator(images, name, facts, bar, self.requested)

        found = measure(self.images, self.name, self.facts)
        if not self.controls and not self.trials:
            return found
        return replace(found, controls=summarised(compare_controls(found, self.controls, measure), self.trials))

    def evaluate_baselines(self, evaluator: Evaluator, open_bar: OpenBar, suffix: str = "") -> list[Evaluation]:
        """Return how good each baseline is; the suffix is added to its name."""
        found = []
        for each in self.baselines:
            with open_bar("measuring") as bar:
                requested = self.requested if each.requested is None or self.requested is None else each.requested
                found.append(evaluator(each.images, each.name + suffix, each.facts, bar, requested))
        return found


def sample_for_evaluation(
    trained: Trained,
    reference: Reference,
    count: int,
    seed: int,
    device: torch.device | str,
    open_bar: OpenBar,
    *,
    controls: bool = True,
    baselines: bool = False,
) -> SampledRun:
    """Sample a run, and what an evaluation shows beside it.

    Args:
        trained: its generator, which may run circuits: on hardware, that is agreed.
        reference: real images.
        count: N.
        seed: of the samples; those of controls have the same seeds.
        device: where classical layers run.
        open_bar: shows a bar.
        controls: also sample with the circuits' outputs replaced by their mean and, on simulators, shuffled; and try
            circuits that do not sample.
        baselines: also bring real images back, and fit Gaussians to the codes of training images; see
            `sample_baselines`.
    """
    generator = trained.generator
    with open_bar("sampling") as bar, output_means(generator.sampler) as means:
        images = sample_images(trained, count, seed, device, bar)
    sampled = SampledRun(
        trained.run.name,
        images,
        sample_facts(trained, count, seed, torch.device(device)),
        Requested.of_samples(generator.conditioning, count, reference.whole),
    )
    if controls:
        with open_bar("sampling controls") as bar:
            again = partial(sample_images, trained, count, seed, device, bar)
            local, circuits = not trained.backend.capabilities.remote, generator.circuits_per_image * count
            made = tuple(sample_controls(generator.sampler, means, again, circuits, local))
            trials = run_trials(generator, reference.real_images(count), images, seed, device)
            sampled = replace(sampled, controls=made, trials=trials)
    if baselines:
        with open_bar("fitting baselines") as bar:
            fitted = tuple(sample_baselines(generator, reference, count, seed, device, bar))
            sampled = replace(sampled, baselines=fitted)
    return sampled
