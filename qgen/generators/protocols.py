"""Protocols of what is trained and sampled: all that the training loop, sampling, costs and studies know of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeAlias, TypeGuard, TypeVar, runtime_checkable

from qgen.captions import CaptionFacts
from qgen.conditioning import Conditioning, ConditionSource
from qgen.progress import ProgressCallback
from qgen.settings import Settings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from qgen.backends import Backend, Executable
    from qgen.data import DataSettings
    from qgen.diffusion import Codec
    from qgen.models.description import ModelDescription

Shape: TypeAlias = tuple[int, int, int]
#: What a model is built for: to be trained, to sample with trained weights, or to be described and counted.
Purpose: TypeAlias = Literal["training", "sampling", "description"]
#: Groups of a run's settings, by name.
Groups: TypeAlias = Mapping[str, Settings]
SettingsT = TypeVar("SettingsT", bound=Settings)


class Draws(Protocol):
    """The random numbers of one loss, for a batch of images."""

    def part(self, rows: slice) -> Self:
        """Return the draws of some of the images."""
        ...

    def to(self, device: torch.device | str) -> Self:
        """Return the same draws on another device."""
        ...


class Objective(Protocol):
    """A loss as a torch module.

    All that is random in it is drawn before, from a generator that is a function of the run's seed and the step: so a
    resumed run takes the same steps, and several devices take their parts of one batch.
    """

    def draw(self, count: int, shape: Shape, generator: torch.Generator) -> Draws:
        """Return the draws for `count` images of `shape` (C, H, W), on the CPU."""
        ...

    def __call__(self, images: Tensor, draws: Any, conditioning: Any = None) -> Tensor:
        """Return the loss, a scalar.

        Args:
            images: (B, C, H, W), float32 in [-1, 1].
            draws: what `draw` returned, for as many images.
            conditioning: of these images; None for a model without conditioning.
        """
        ...

    def metrics(self) -> Mapping[str, Tensor]:
        """Return further scalars of the last call, for metrics.jsonl."""
        ...


@dataclass(frozen=True)
class Player:
    """An objective and the parameters that lower it. A diffusion model has one player, a GAN has two.

    Attributes:
        name: prefix of its metrics, and of its optimiser's state in a checkpoint.
        objective: its loss, a torch module.
        parameters: those that it changes, by their names in the network.
        learning_rate: its own; None: that of the training settings.
        steps_per_iteration: optimiser steps in one training step, each on its own batch.
        codes: whether its objective takes the codes of images in their place, as the codec of the model (`HasCodec`)
            encodes them: all images are encoded once, before the first step.
        starts_after: training steps in which its weights stay as they are, in the beginning.
        start_setting: name of the setting that says so, for messages.
    """

    name: str
    objective: Objective
    parameters: Mapping[str, nn.Parameter]
    learning_rate: float | None = None
    steps_per_iteration: int = 1
    codes: bool = False
    starts_after: int = 0
    start_setting: str = ""


@dataclass(frozen=True)
class Export:
    """Files that a trained model leaves for others, beside its checkpoints.

    Attributes:
        facts: plain values for `qgen train --json`.
        lines: messages for the terminal.
    """

    facts: Mapping[str, Any]
    lines: tuple[str, ...]


class TrainableModel(Protocol):
    """A model that the training loop can train."""

    @property
    def shape(self) -> Shape:
        """Shape (C, H, W) of an image."""
        ...

    @property
    def network(self) -> nn.Module:
        """The module with all weights; a checkpoint holds its state."""
        ...

    @property
    def backend(self) -> Backend:
        """Backend that runs its circuits."""
        ...

    @property
    def conditioning(self) -> ConditionSource | None:
        """What its images depend on beside noise; None: on nothing."""
        ...

    @property
    def averaged(self) -> dict[str, nn.Parameter]:
        """Parameters whose moving average samples, by their names in the network."""
        ...

    @property
    def circuits_per_training_image(self) -> float:
        """Circuits that are evaluated forward for one image of one training step, in which all players take part."""
        ...

    def players(self) -> tuple[Player, ...]:
        """Return the players of one training step, in order."""
        ...

    def describe(self) -> ModelDescription:
        """Return the parts, parameters and circuits of the network."""
        ...

    def export(self, folder: Path, data: DataSettings, data_dir: Path | None) -> Export | None:
        """Write what others need of the trained model into the folder of its run; None: nothing beside checkpoints."""
        ...


class Generator(TrainableModel, Protocol):
    """A model that makes images."""

    @property
    def sampler(self) -> nn.Module:
        """The part of the network that samples."""
        ...

    @property
    def sampling_info(self) -> Mapping[str, Any]:
        """How images are sampled, in plain values: `label` for names of files, `words` for people."""
        ...

    @property
    def num_calls(self) -> int:
        """Sequential calls of the sampler for a batch of images; 0 where it has no circuits."""
        ...

    @property
    def circuits_per_image(self) -> int:
        """Circuits that are run to sample one image."""
        ...

    def dry_run(self, device: torch.device | str = "cpu") -> None:
        """Call the sampler once for one image, whatever the result is."""
        ...

    def sample(
        self,
        seeds: Sequence[int],
        conditioning: Conditioning | None = None,
        *,
        device: torch.device | str = "cpu",
        progress: ProgressCallback | None = None,
        preview: bool = False,
    ) -> Tensor:
        """Return images (N, C, H, W), float32 in [-1, 1], on the CPU: image k follows from seed k alone.

        Args:
            seeds: one an image.
            conditioning: as many conditions; None: no condition.
            device: where the classical layers run.
            progress: called with the work that is done, and all work.
            preview: whether a quicker sampler will do, as while a run trains.
        """
        ...


@runtime_checkable
class UnequalCalls(Protocol):
    """What a generator has beside if the calls of its sampler differ, as guided ones and others do."""

    @property
    def calls_by_rows(self) -> Mapping[int, int]:
        """How many of the `num_calls` have how many rows for one image; 0 rows: what comes behind the sampler."""
        ...

    def dry_run(self, device: torch.device | str = "cpu", *, rows: int = 1) -> None:
        """Call the sampler once for one image, in so many rows; 0 rows: what comes behind it."""
        ...


@runtime_checkable
class HasCodec(Protocol):
    """What a generator has beside if its samples are decoded from codes, or are the codes themselves."""

    @property
    def codec(self) -> Codec:
        """Between images and codes."""
        ...

    @property
    def backend(self) -> Backend:
        """Backend that runs its circuits."""
        ...


@dataclass(frozen=True)
class Trial:
    """What a part of a model that does not sample does with images, in a number for each; more is better.

    Attributes:
        name: its key in JSON.
        label: its name for people.
        unit: `%`, of a share, or what is written behind the number.
        network: the part.
        run: (real images (B, C, H, W), samples (B, C, H, W)) -> numbers (B,); both in [-1, 1], on its device.
    """

    name: str
    label: str
    unit: str
    network: nn.Module
    run: Callable[[Tensor, Tensor], Tensor]


@runtime_checkable
class HasTrials(Protocol):
    """What a generator has beside if other parts of it than its sampler may have circuits, as a discriminator."""

    def trials(self) -> tuple[Trial, ...]:
        """Return how these parts are judged: with their circuits as they are, and without what the circuits say."""
        ...


@runtime_checkable
class HasLatePlayers(Protocol):
    """What a model has beside if some players take no part in the first steps, and a step then runs fewer circuits."""

    def joined(self) -> TrainableModel:
        """Return the same network, with all players in every step."""
        ...


@runtime_checkable
class DrawsShots(Protocol):
    """What a generator has beside if its images are shots of one circuit: image k is shot k."""

    @property
    def drawn(self) -> Executable | None:
        """The circuit; None: its codes are drawn without one."""
        ...


@runtime_checkable
class HasLimit(Protocol):
    """What a generator has beside if there may be a limit to the images of one request."""

    def check_count(self, count: int) -> None:
        """Refuse so many images.

        Raises:
            ConfigError: there are not so many.
        """
        ...


@dataclass(frozen=True)
class BuildContext:
    """All that a model is built from, beside its own settings.

    Attributes:
        shape: (C, H, W) of the images.
        backend: where its circuits run.
        gradient: how they are differentiated, by name.
        seed: of its initial weights; torch's own generator has it while `build` runs.
        groups: the settings of its kind's groups, by name.
        num_classes: classes of the data set; None: it has no labels.
        captions: what is to be known of the captions of the data set; None: it has none.
        data_name: name of the data set, for messages.
        purpose: what it is built for.
    """

    shape: Shape
    backend: Backend
    gradient: str = "auto"
    seed: int = 0
    groups: Groups = field(default_factory=dict)
    num_classes: int | None = None
    captions: CaptionFacts | None = None
    data_name: str = "the data set"
    purpose: Purpose = "training"

    def group(self, kind: type[SettingsT]) -> SettingsT:
        """Return the group of this class; its defaults where it is not given."""
        return next((group for group in self.groups.values() if isinstance(group, kind)), None) or kind()


def can_sample(model: TrainableModel) -> TypeGuard[Generator]:
    """Whether a model makes images."""
    return hasattr(type(model), "sample")


def input_shape(model: TrainableModel, player: Player) -> tuple[int, ...]:
    """Return the shape of what the objective of a player takes for an image: that of the image, or of its code."""
    if not player.codes:
        return model.shape
    assert isinstance(model, HasCodec), "a player that learns from codes belongs to a model with a codec"
    return tuple(model.codec.state_shape(model.shape))


def learned(network: nn.Module, part: str = "") -> dict[str, nn.Parameter]:
    """Return the parameters that are not frozen, by name: all of them, or those of the part of that name."""
    prefix = f"{part}." if part else ""
    named = network.named_parameters()
    return {name: weight for name, weight in named if weight.requires_grad and name.startswith(prefix)}
