"""Generators of images: what a run trains and what it samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn

from qgen.adversarial import AdversarialSettings, DiscriminatorTurn, GeneratorTurn
from qgen.backends import Backend
from qgen.diffusion import Denoiser, DenoisingObjective, SamplingSettings, num_function_evaluations, sample
from qgen.models import GAN, UNet
from qgen.models.features import Classification, ConvClassifier
from qgen.randomness import derive, for_images, generator

Shape = tuple[int, int, int]
Progress = Callable[[int, int], None]

#: Images that are sampled together, at most: of a diffusion, and where one pass makes them.
BATCH, PASS = 64, 256
#: How samples are drawn on the way, where the run's own sampler takes longer.
QUICK = SamplingSettings(sampler="dpm-solver")


def _no_notes() -> dict[str, torch.Tensor]:
    return {}


@dataclass(frozen=True)
class Turn:
    """What one player does in a step: the objective that it lowers, and the parameters that it may change.

    `objective.draw(count, shape, generator)` draws what the objective needs for a whole batch;
    `objective(images, draws)` is its loss. A diffusion model has one turn, a GAN two.

    Attributes:
        name: of the player.
        objective: see above.
        trained: by their names in the network.
        rate: learning rate; None: that of the training's settings.
        labelled: whether the objective takes the labels of the images too, as a third argument.
        repeats: how often it moves in a step, each time on a batch of its own.
        notes: further numbers of the last move.
    """

    name: str
    objective: nn.Module
    trained: dict[str, nn.Parameter]
    rate: float | None = None
    labelled: bool = False
    repeats: int = 1
    notes: Callable[[], Mapping[str, torch.Tensor]] = field(default=_no_notes)


class Learner(Protocol):
    """What training asks of a model of any kind."""

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
    def averaged(self) -> dict[str, nn.Parameter]:
        """Parameters of the network whose average over training samples."""
        ...

    def turns(self) -> tuple[Turn, ...]:
        """The turns of one training step, in order."""
        ...

    @property
    def circuits_per_training_image(self) -> float:
        """Circuits evaluated forward for one image of one training step."""
        ...


class ImageGenerator(Learner, Protocol):
    """What sampling asks of a generator of any kind, too."""

    @property
    def circuits_per_image(self) -> int:
        """Circuits run to sample one image."""
        ...

    @property
    def sampler(self) -> nn.Module:
        """The part of the network that samples."""
        ...

    @property
    def how(self) -> Mapping[str, Any]:
        """How images are drawn, in plain values; `label` is a word for the names of files, `words` are for people."""
        ...

    @property
    def passes(self) -> int:
        """How often sampling runs its circuits, one time after the other."""
        ...

    def rehearse(self, device: torch.device | str = "cpu") -> None:
        """One such pass for one image, whatever comes out."""
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
        network: predicts what the objective says.
        sampling: how images are drawn.
        objective: what training lowers.
        shape: of an image.
        backend: where its circuits run.
    """

    network: UNet
    sampling: SamplingSettings
    objective: DenoisingObjective
    shape: Shape
    backend: Backend

    @property
    def averaged(self) -> dict[str, nn.Parameter]:
        return dict(self.network.named_parameters())

    def turns(self) -> tuple[Turn, ...]:
        return (Turn("denoiser", self.objective, _learned(self.network)),)

    @property
    def circuits_per_training_image(self) -> float:
        return self.network.circuits_per_call

    @property
    def passes(self) -> int:
        return num_function_evaluations(self.sampling, self.objective.schedule)

    @property
    def circuits_per_image(self) -> int:
        return self.network.circuits_per_call * self.passes

    @property
    def sampler(self) -> nn.Module:
        return self.network

    @property
    def how(self) -> Mapping[str, Any]:
        given = self.sampling
        label = f"{given.sampler}{self.passes}" + (f"-eta{given.eta:g}" if given.eta else "")
        return given.plain() | {"label": label, "words": f"{given.sampler} in {self.passes} steps"}

    def rehearse(self, device: torch.device | str = "cpu") -> None:
        self.network(torch.zeros(1, *self.shape, device=device), torch.zeros(1, device=device))

    def sample(
        self,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
        progress: Progress | None = None,
        quick: bool = False,
    ) -> torch.Tensor:
        sampling = self.sampling
        schedule, codec = self.objective.schedule, self.objective.codec
        if quick and num_function_evaluations(sampling, schedule) > num_function_evaluations(QUICK, schedule):
            sampling = QUICK
        denoiser = Denoiser(self.network, schedule, self.objective.prediction)
        shape = codec.state_shape(self.shape)
        with _at_rest(self.network, seeds):
            # On hardware each call of a circuit is a job of its own: one for all images, then.
            batch = max(1, len(seeds)) if self.backend.capabilities.remote else BATCH
            states = sample(
                denoiser, sampling, seeds, shape, clip=codec.range, device=device, batch=batch, progress=progress
            )
            return codec.decode(states)


@dataclass(frozen=True)
class AdversarialGenerator:
    """A generator that makes an image in one pass, and the discriminator that it is trained against.

    Attributes:
        network: both players.
        settings: of the game.
        shape: of an image.
        backend: where its circuits run.
    """

    network: GAN
    settings: AdversarialSettings
    shape: Shape
    backend: Backend

    @property
    def averaged(self) -> dict[str, nn.Parameter]:
        return {name: weight for name, weight in self.network.named_parameters() if name.startswith("generator.")}

    def turns(self) -> tuple[Turn, ...]:
        players = self.network.generator, self.network.discriminator, self.settings
        first, second = DiscriminatorTurn(*players), GeneratorTurn(*players)
        learned = _learned(self.network)
        mine = {
            player: {name: weight for name, weight in learned.items() if name.startswith(f"{player}.")}
            for player in ("discriminator", "generator")
        }
        given = self.settings
        return (
            Turn(
                "discriminator",
                first,
                mine["discriminator"],
                rate=given.discriminator_rate,
                repeats=given.discriminator_steps,
                notes=first.notes,
            ),
            Turn("generator", second, mine["generator"]),
        )

    @property
    def circuits_per_training_image(self) -> float:
        makes, scores, steps = *self._circuits, self.settings.discriminator_steps
        return makes + (2 + self.penalised) * scores + (makes + scores) / steps

    @property
    def passes(self) -> int:
        return 1 if self._circuits[0] else 0

    @property
    def circuits_per_image(self) -> int:
        return self._circuits[0]

    @property
    def sampler(self) -> nn.Module:
        return self.network.generator

    @property
    def how(self) -> Mapping[str, Any]:
        return {"label": "one-pass", "words": "one pass of the generator"}

    def rehearse(self, device: torch.device | str = "cpu") -> None:
        self.network(torch.zeros(1, self.network.generator.latents, device=device))

    def sample(
        self,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
        progress: Progress | None = None,
        quick: bool = False,
    ) -> torch.Tensor:
        made, count = self.network.generator, len(seeds)
        drawn = [made.draw(1, generator(seed, "image")) for seed in seeds] or [made.draw(0, generator(0))]
        latents = torch.cat(drawn)
        # On hardware all images are one job.
        step = max(1, count) if self.backend.capabilities.remote else PASS
        parts = []
        with _at_rest(self.network, seeds):
            for first in range(0, max(1, count), step):
                with for_images(seeds[first : first + step]):
                    parts.append(made(latents[first : first + step].to(device)).float())
                if progress is not None:
                    progress(min(first + step, count), count)
        return torch.cat(parts)

    @property
    def penalised(self) -> bool:
        """Whether training takes second derivatives of the discriminator."""
        return self.settings.loss == "wasserstein" and self.settings.penalty > 0

    @property
    def _circuits(self) -> tuple[int, int]:
        """Circuits for an image: to make it, and to score it."""
        return self.network.generator.circuits, self.network.discriminator.circuits


@dataclass(frozen=True)
class ClassifierLearner:
    """A classifier, whose features may serve a discriminator; it makes no images.

    Attributes:
        network: the classifier.
        backend: a place for circuits, of which it has none.
    """

    network: ConvClassifier
    backend: Backend

    @property
    def shape(self) -> Shape:
        return self.network.image_shape

    @property
    def averaged(self) -> dict[str, nn.Parameter]:
        return dict(self.network.named_parameters())

    def turns(self) -> tuple[Turn, ...]:
        objective = Classification(self.network)
        return (Turn("classifier", objective, _learned(self.network), labelled=True, notes=objective.notes),)

    @property
    def circuits_per_training_image(self) -> float:
        return 0


def image_seeds(seed: int, count: int) -> list[int]:
    """The seeds of images number 0 to `count` - 1: image 17 has the same one whatever is sampled beside it."""
    return [derive(seed, "image", number) for number in range(count)]


def _learned(network: nn.Module) -> dict[str, nn.Parameter]:
    return {name: weight for name, weight in network.named_parameters() if weight.requires_grad}


@contextmanager
def _at_rest(network: nn.Module, seeds: Sequence[int]) -> Iterator[None]:
    """Within this block the network is sampled: nothing in it changes."""
    was_training = network.training
    network.eval()
    try:
        # What cannot tell images apart draws from torch's global generator: a device that runs all of them as one.
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(derive(seeds[0] if seeds else 0, "shots"))
            yield
    finally:
        network.train(was_training)
