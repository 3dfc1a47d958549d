"""Controls of hybrids: what becomes of samples if circuits say nothing of them, and of what else circuits do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from qgen.evaluation.compare import differences
from qgen.evaluation.results import Control, ControlName, Difference, Evaluation, TrialResult, Verdict
from qgen.generators import Generator, Trial, image_seeds
from qgen.generators.protocols import HasTrials
from qgen.generators.sampling import sample_in_batches
from qgen.metrics.bootstrap import RESAMPLES, Interval, Resampling, interval
from qgen.nn import OutputMeans, mean_outputs, output_means, quantum_layers, shuffled_outputs
from qgen.randomness import derive

#: Images of a trial at once, and in all, at most.
BATCH, MAX_TRIED = 256, 1_000


@dataclass(frozen=True)
class ControlImages:
    """Samples of a control.

    Attributes:
        name: which.
        images: (N, C, H, W), of the same seeds as the samples.
        circuits: that ran for them.
    """

    name: ControlName
    images: Tensor
    circuits: int


def sample_controls(
    network: nn.Module, means: OutputMeans, sample: Callable[[], Tensor], circuits: int, shuffle: bool = True
) -> Iterator[ControlImages]:
    """Yield the samples of each control: the outputs of all circuits replaced by their means, then shuffled.

    The means are those over all images and, of a diffusion, all steps: the first control runs no circuits.

    Args:
        network: has the circuits.
        means: taken by `output_means` while the samples were made; without any, nothing is yielded.
        sample: makes the samples once more, of the same seeds.
        circuits: that this runs.
        shuffle: whether the second control is made, which runs as many circuits again.
    """
    if not means:
        return
    with mean_outputs(network, means):
        made = sample()
    yield ControlImages("mean", made, 0)
    if shuffle:
        with shuffled_outputs(network):
            made = sample()
        yield ControlImages("shuffled", made, circuits)


def compare_controls(
    first: Evaluation,
    made: Sequence[ControlImages],
    evaluate: Callable[[Tensor, str, Mapping[str, Any]], Evaluation],
) -> tuple[Control, ...]:
    """Return each control beside the samples.

    Args:
        first: the evaluation of the samples.
        made: the images of the controls.
        evaluate: evaluates them as the samples were: (images, name, facts) -> evaluation.
    """
    found = []
    for each in made:
        facts = dict(first.facts) | {"control": each.name, "control_circuits": each.circuits}
        evaluation = evaluate(each.images, f"{first.name}, {each.name}", facts)
        pixels = _seen(first.images), _seen(each.images)
        reordered = each.name == "shuffled" and not torch.equal(*pixels) and _counted(pixels[0]) == _counted(pixels[1])
        found.append(Control(each.name, evaluation, differences(first, evaluation), reordered))
    return tuple(found)


def run_trials(
    generator: Generator, real: Tensor, samples: Tensor, seed: int = 0, device: torch.device | str = "cpu"
) -> tuple[TrialResult, ...]:
    """Return what circuits that don't sample do, as they are and in each control; nothing on remote devices.

    Args:
        generator: may have trials.
        real: images that nothing was trained on, (M, C, H, W), in [-1, 1].
        samples: its samples, (N, C, H, W).
        seed: of shots.
        device: where classical layers run.
    """
    if not isinstance(generator, HasTrials):
        return ()
    count = min(len(real), len(samples), MAX_TRIED)
    return tuple(
        _tried(trial, real[:count], samples[:count], seed, device)
        for trial in generator.trials()
        if quantum_layers(trial.network) and not _remote(trial.network)
    )


def _tried(trial: Trial, real: Tensor, samples: Tensor, seed: int, device: torch.device | str) -> TrialResult:
    trial.network.to(device)
    seeds = [derive(each, "trial") for each in image_seeds(seed, len(real))]

    def values(change: AbstractContextManager[object]) -> Tensor:
        with change:
            return sample_in_batches(
                trial.network, seeds, BATCH, lambda rows: trial.run(real[rows].to(device), samples[rows].to(device))
            ).double()

    with output_means(trial.network) as means:
        own = values(nullcontext())
    others: dict[ControlName, Tensor] = {
        "mean": values(mean_outputs(trial.network, means)),
        "shuffled": values(shuffled_outputs(trial.network)),
    }
    found = {name: _difference(other - own) for name, other in others.items()}
    return TrialResult(trial, len(own), float(own.mean()), _mean_interval(own), found)


def _difference(values: Tensor) -> Difference:
    ends = _mean_interval(values)
    verdict: Verdict = "not resolved"
    if not ends.low <= 0 <= ends.high:
        verdict = "better" if ends.low > 0 else "worse"
    return Difference(float(values.mean()), ends, True, verdict)


def _mean_interval(values: Tensor) -> Interval:
    drawn = values.numpy()[Resampling(RESAMPLES).indices("samples", len(values))]
    return interval(float(values.mean()), drawn.mean(axis=1))


def _remote(network: nn.Module) -> bool:
    layers = quantum_layers(network).values()
    return any(layer.compiled.executable.backend.capabilities.remote for layer in layers)


def _seen(images: Tensor) -> Tensor:
    """Return images as they are seen on a screen, uint8."""
    return (images.clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8)


def _counted(pixels: Tensor) -> Counter[bytes]:
    """Return how often each image is there."""
    return Counter(image.numpy().tobytes() for image in pixels)
