"""Generators of images, made from settings: what a run trains and what it samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import nn

from qgen.backends import Backend
from qgen.diffusion import NoisePrediction, SamplingSettings, Schedule, denoiser_calls, sample
from qgen.models import UNet, build_unet
from qgen.randomness import derive
from qgen.runs.config import RunConfig

Shape = tuple[int, int, int]
Progress = Callable[[int, int], None]

#: Images that are sampled together, at most.
BATCH = 64
#: How samples are drawn on the way, where the run's own sampler takes longer.
QUICK = SamplingSettings(sampler="dpm-solver")


class Turn(NamedTuple):
    """What one player does in a step: the objective that it lowers, and the parameters that it may change.

    `objective.draw(count, shape, generator)` draws what the objective needs for a whole batch;
    `objective(images, draws)` is its loss. A diffusion model has one turn, a GAN two.
    """

    name: str
    objective: nn.Module
    trained: dict[str, nn.Parameter]


class ImageGenerator(Protocol):
    """What training and sampling ask of a generator of any kind."""

    @property
    def shape(self) -> Shape:
        """Of an image: channels, height, width."""
        ...

    @property
    def network(self) -> nn.Module:
        """All that is learned; what a checkpoint holds."""
        ...

    @property
    def backend(self) -> Backend:
        """Where its circuits run."""
        ...

    @property
    def averaged(self) -> nn.Module:
        """The part whose weights are averaged while training, and which samples."""
        ...

    def turns(self) -> tuple[Turn, ...]:
        """The turns of one training step, in order."""
        ...

    @property
    def circuits_per_training_image(self) -> int:
        """Circuits evaluated forward for one image of one training step."""
        ...

    @property
    def circuits_per_image(self) -> int:
        """Circuits run to sample one image."""
        ...

    def sample(
        self,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
        progress: Progress | None = None,
        quick: bool = False,
    ) -> torch.Tensor:
        """Images (N, C, H, W), float32 in [-1, 1], one a seed; `quick`: good enough to see how training goes."""
        ...


@dataclass(frozen=True)
class DiffusionGenerator:
    """A denoising network and the diffusion that it undoes.

    Attributes:
        network: predicts the noise.
        schedule: of the diffusion.
        sampling: how images are drawn.
        objective: what training lowers.
        shape: of an image.
        backend: where its circuits run.
    """

    network: UNet
    schedule: Schedule
    sampling: SamplingSettings
    objective: NoisePrediction
    shape: Shape
    backend: Backend

    @property
    def averaged(self) -> nn.Module:
        return self.network

    def turns(self) -> tuple[Turn, ...]:
        trained = {name: weight for name, weight in self.network.named_parameters() if weight.requires_grad}
        return (Turn("denoiser", self.objective, trained),)

    @property
    def circuits_per_training_image(self) -> int:
        return self.network.circuits_per_call

    @property
    def denoiser_calls(self) -> int:
        """Calls of the network that sampling one image takes."""
        return denoiser_calls(self.sampling, self.schedule)

    @property
    def circuits_per_image(self) -> int:
        return self.network.circuits_per_call * self.denoiser_calls

    def sample(
        self,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
        progress: Progress | None = None,
        quick: bool = False,
    ) -> torch.Tensor:
        sampling = self.sampling
        if quick and denoiser_calls(sampling, self.schedule) > denoiser_calls(QUICK, self.schedule):
            sampling = QUICK
        was_training = self.network.training
        self.network.eval()
        try:
            # Circuits that are measured draw their shots from torch's global generator.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive(seeds[0] if seeds else 0, "shots"))
                # On hardware each call of a circuit is a job of its own: one for all images, then.
                batch = max(1, len(seeds)) if self.backend.capabilities.remote else BATCH
                return sample(self.network, self.schedule, sampling, seeds, self.shape, device, batch, progress)
        finally:
            self.network.train(was_training)


def build_generator(
    config: RunConfig, shape: Shape, backend: Backend | None = None, gradient: str = "auto"
) -> DiffusionGenerator:
    """The generator that settings describe, for images of shape (C, H, W), with its initial weights.

    Args:
        config: the settings.
        shape: channels, height and width; images are square.
        backend: where its circuits run; None: as the settings say, and so with the gradient.
        gradient: how circuits are differentiated on this backend.

    Raises:
        ConfigError, BackendError, CircuitError: the settings contradict each other, or the backend cannot serve them.
    """
    channels, size, _ = shape
    chosen = backend or config.backend.open()
    network = build_unet(
        config.model,
        channels,
        size,
        backend=chosen,
        gradient=config.backend.gradient if backend is None else gradient,
        seed=derive(config.training.seed, "weights"),
    )
    schedule = config.diffusion.noise_schedule()
    objective = NoisePrediction(network, schedule, config.diffusion.loss_weights())
    return DiffusionGenerator(network, schedule, config.sampling, objective, shape, chosen)


@contextmanager
def closing_on_error(backend: Backend) -> Iterator[None]:
    """Closes a backend, which may hold a lock, if what is done with it fails."""
    try:
        yield
    except BaseException:
        backend.close()
        raise


def image_seeds(seed: int, count: int) -> list[int]:
    """The seeds of images number 0 to `count` - 1: image 17 has the same one whatever is sampled beside it."""
    return [derive(seed, "image", number) for number in range(count)]
