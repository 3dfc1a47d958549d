"""A base for a user's own generators: one torch module that turns latent numbers into images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from qgen.generators.inspection import count_circuits, describe_module
from qgen.generators.protocols import BuildContext, Export, Player, input_shape
from qgen.generators.sampling import sample_in_batches
from qgen.interpolation import draw_each, spherical
from qgen.progress import ProgressCallback

if TYPE_CHECKING:
    from qgen.conditioning import Conditioning, LabelConditioning
    from qgen.data import DataSettings
    from qgen.models.description import ModelDescription

#: Images that one call makes, at most.
BATCH = 256


class TensorDraws(tuple[Tensor, ...]):
    """Draws that are tensors (B, ...), one row an image: `TensorDraws([noise, times])`."""

    def part(self, rows: slice) -> TensorDraws:
        """Return the draws of some of the images."""
        return TensorDraws(tensor[rows] for tensor in self)

    def to(self, device: torch.device | str) -> TensorDraws:
        """Return the same draws on another device."""
        return TensorDraws(tensor.to(device) for tensor in self)


class OnePassGenerator(ABC):
    """A `Generator` around a torch module: latents (B, *latents) -> images (B, C, H, W) in [-1, 1].

    Where images are conditioned, the module takes the conditions as a second argument.

    A subclass needs a class `Settings` (the fields of `model` in a run's settings), `build(settings, context)` and
    `players()`. Everything else has a default: all parameters are averaged, one call of the network samples, and its
    circuits are counted.

    Args:
        network: the module.
        latents: shape of the latent numbers of an image, or how many.
        context: as `build` got it.
    """

    conditioning: LabelConditioning | None = None

    def __init__(self, network: nn.Module, latents: int | Sequence[int], context: BuildContext) -> None:
        self.network, self.shape, self.backend = network, context.shape, context.backend
        self.latents = (latents,) if isinstance(latents, int) else tuple(latents)

    @abstractmethod
    def players(self) -> tuple[Player, ...]:
        """Return the players of one training step, in order."""

    def draw(self, count: int, source: torch.Generator) -> Tensor:
        """Return the latent numbers (count, *latents) of so many images: standard normal ones."""
        return torch.randn(count, *self.latents, generator=source)

    def between(self, first: Tensor, second: Tensor, share: float) -> Tensor:
        """Return latent numbers on the way from some to others: on a great circle, as befits normal ones."""
        return spherical(first, second, share)

    @property
    def averaged(self) -> dict[str, nn.Parameter]:
        """Parameters whose moving average samples."""
        return dict(self.network.named_parameters())

    @property
    def sampler(self) -> nn.Module:
        """The part of the network that samples."""
        return self.network

    @property
    def sampling_info(self) -> Mapping[str, Any]:
        """How images are sampled, for names of files and for people."""
        return {"label": "one-pass", "words": "one pass of the network"}

    @property
    def num_calls(self) -> int:
        """Calls of the network for a batch of images; 0 where it has no circuits."""
        return 1 if self.circuits_per_image else 0

    @cached_property
    def circuits_per_image(self) -> int:
        """Circuits that sampling runs for one image."""
        return count_circuits(self.network, self.dry_run)

    @cached_property
    def circuits_per_training_image(self) -> float:
        """Circuits that are evaluated forward for one image of one training step."""
        players = self.players()
        return sum(self._circuits(player) for player in players) / max(player.steps_per_iteration for player in players)

    def describe(self) -> ModelDescription:
        """Return the parts, parameters and circuits of the network."""
        return describe_module(self.network, self.shape, self.circuits_per_image)

    def export(self, folder: Path, data: DataSettings, data_dir: Path | None) -> Export | None:
        """Write nothing beside checkpoints."""
        return None

    def dry_run(self, device: torch.device | str = "cpu") -> None:
        """Call the network once for one image."""
        self.network(torch.zeros(1, *self.latents, device=device))

    def sample(
        self,
        seeds: Sequence[int],
        conditioning: Conditioning | None = None,
        *,
        device: torch.device | str = "cpu",
        progress: ProgressCallback | None = None,
        preview: bool = False,
    ) -> Tensor:
        """Return images (N, C, H, W), float32 in [-1, 1], on the CPU: image k follows from seed k alone."""
        latents = torch.cat([*self._latents(seeds), torch.empty(0, *self.latents)])
        # On hardware all images are one job.
        batch = max(1, len(seeds)) if self.backend.capabilities.remote else BATCH

        def call(rows: slice) -> Tensor:
            given = () if conditioning is None else (conditioning.part(rows).to(device),)
            images: Tensor = self.network(latents[rows].to(device), *given)
            return images.reshape(-1, *self.shape).clamp(-1, 1)

        return sample_in_batches(self.network, seeds, batch, call, progress)

    def _latents(self, seeds: Sequence[int]) -> Iterator[Tensor]:
        return draw_each(seeds, lambda source: self.draw(1, source), self.between)

    def _circuits(self, player: Player) -> int:
        """Circuits of a player in one training step, for one image of each of its batches."""
        draws = player.objective.draw(1, self.shape, torch.Generator())
        given = None if self.conditioning is None else self.conditioning.examples(1)
        images = torch.zeros(1, *input_shape(self, player))
        one = count_circuits(self.network, lambda: player.objective(images, draws, given))
        return player.steps_per_iteration * one
