"""Diffusion models: a denoising U-Net, classical or hybrid, trained on noised images and sampled from noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from qgen.conditioning import LabelConditioning
from qgen.diffusion import DiffusionSettings, SamplingSettings
from qgen.errors import ConfigError
from qgen.generators.protocols import BuildContext, Export, Groups, Player, Shape, learned
from qgen.models import UNetSettings
from qgen.progress import ProgressCallback

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from qgen.backends import Backend
    from qgen.conditioning import Conditioning
    from qgen.data import DataSettings
    from qgen.diffusion import Codec, DenoisingObjective
    from qgen.models import UNet
    from qgen.models.description import ModelDescription

#: Images that are denoised together, at most.
BATCH = 64
#: How previews are sampled, where the run's own sampler takes longer.
PREVIEW = SamplingSettings(sampler="dpm-solver")


@dataclass(frozen=True)
class DiffusionGenerator:
    """A denoising network and the diffusion that it reverses.

    Attributes:
        network: predicts what the objective says.
        sampling: sampler and its steps.
        objective: what training lowers; it has the schedule and the codec.
        shape: (C, H, W) of an image.
        backend: where its circuits run.
        conditioning: labels of a class-conditional model; None: unconditional.
    """

    Settings: ClassVar = UNetSettings
    groups: ClassVar[Mapping[str, type]] = {"diffusion": DiffusionSettings, "sampling": SamplingSettings}
    parts: ClassVar = ("encoder", "vertex", "decoder")
    # De Falco et al., arXiv:2402.16147, section 3.3, train a new vertex between them.
    default_parts: ClassVar = ("encoder", "decoder")
    distributed: ClassVar = True

    network: UNet
    sampling: SamplingSettings
    objective: DenoisingObjective
    shape: Shape
    backend: Backend
    conditioning: LabelConditioning | None = None

    @classmethod
    def build(cls, settings: UNetSettings, context: BuildContext) -> DiffusionGenerator:
        """Return the generator with its initial weights.

        Raises:
            ConfigError, BackendError, CircuitError: the settings contradict each other, or the backend cannot serve
                them.
        """
        from qgen.diffusion import DenoisingObjective, loss_weights, noise_schedule
        from qgen.models import build_unet

        diffusion, sampling = context.group(DiffusionSettings), context.group(SamplingSettings)
        channels, size, _ = context.shape
        classes = context.num_classes
        network = build_unet(settings, channels, size, context.backend, context.gradient, context.seed, classes)
        labels = None
        if settings.conditioning == "label" and classes is not None:
            labels = LabelConditioning(classes, sampling.labels)
            _check_labels(sampling.labels or (), classes)
        objective = DenoisingObjective(
            network,
            noise_schedule(diffusion),
            loss_weights(diffusion),
            diffusion.prediction,
            condition_dropout=0.0 if labels is None else diffusion.condition_dropout,
            times=diffusion.drawn_times,
        )
        return cls(network, sampling, objective, context.shape, context.backend, labels)

    @staticmethod
    def check(settings: UNetSettings, groups: Groups) -> None:
        """Refuse a sampler that takes more steps than the diffusion has, or conditions that the model does not know."""
        diffusion, sampling = cast(DiffusionSettings, groups["diffusion"]), cast(SamplingSettings, groups["sampling"])
        if sampling.steps is not None and sampling.steps > diffusion.steps:
            raise ValueError(
                f"sampling.steps = {sampling.steps} is more than diffusion.steps = {diffusion.steps}; "
                "a sampler can take at most as many steps as the diffusion has"
            )
        if settings.conditioning == "none":
            unusable = [name for name in ("labels", "guidance", "guidance_interval") if name in sampling.plain()]
            if unusable:
                raise ValueError(
                    f"sampling.{unusable[0]} is for models that are trained with labels "
                    "(`qgen train --set model.conditioning=label`), and this one is not: leave it out"
                )

    @staticmethod
    def has_unused_parameters(settings: UNetSettings) -> bool:
        """Whether some weights get no gradient, as in the published variant."""
        return settings.variant == "published"

    @property
    def averaged(self) -> dict[str, nn.Parameter]:
        return dict(self.network.named_parameters())

    def players(self) -> tuple[Player, ...]:
        return (Player("denoiser", self.objective, learned(self.network)),)

    @property
    def circuits_per_training_image(self) -> float:
        return self.network.circuits_per_call

    def describe(self) -> ModelDescription:
        from qgen.models.unet.describe import describe_unet

        return describe_unet(self.network)

    def export(self, folder: Path, data: DataSettings, data_dir: Path | None) -> Export | None:
        return None

    @property
    def codec(self) -> Codec:
        """Between images and the states that are denoised."""
        return self.objective.codec

    @property
    def sampler(self) -> nn.Module:
        return self.network

    @property
    def sampling_info(self) -> Mapping[str, Any]:
        from qgen.diffusion import sampling_summary

        return sampling_summary(self.sampling, self.objective.schedule)

    @property
    def num_calls(self) -> int:
        return sum(self.calls_by_rows.values())

    @property
    def calls_by_rows(self) -> Mapping[int, int]:
        """How many calls have how many rows for one image: two where it is guided."""
        from qgen.diffusion import evaluations_by_rows

        by_rows = evaluations_by_rows(self.sampling, self.objective.schedule)
        return by_rows if self.conditioning is not None else Counter({1: by_rows.total()})

    @property
    def circuits_per_image(self) -> int:
        return self.network.circuits_per_call * sum(rows * calls for rows, calls in self.calls_by_rows.items())

    def dry_run(self, device: torch.device | str = "cpu", *, rows: int = 1) -> None:
        import torch

        shape = self.objective.codec.state_shape(self.shape)
        self.network(torch.zeros(rows, *shape, device=device), torch.zeros(rows, device=device))

    def sample(
        self,
        seeds: Sequence[int],
        conditioning: Conditioning | None = None,
        *,
        device: torch.device | str = "cpu",
        progress: ProgressCallback | None = None,
        preview: bool = False,
    ) -> Tensor:
        from qgen.diffusion import Denoiser, num_function_evaluations, sample
        from qgen.generators.sampling import eval_mode

        schedule, codec, sampling = self.objective.schedule, self.objective.codec, self.sampling
        if preview and self.num_calls > num_function_evaluations(PREVIEW, schedule):
            sampling = PREVIEW
        denoiser, shape = Denoiser(self.network, schedule, self.objective.prediction), codec.state_shape(self.shape)
        # On hardware each call of a circuit is a job of its own: one for all images, then.
        batch = max(1, len(seeds)) if self.backend.capabilities.remote else BATCH
        with eval_mode(self.network, seeds):
            states = sample(
                denoiser,
                sampling,
                seeds,
                shape,
                conditioning=conditioning,
                clip=codec.range,
                device=device,
                batch=batch,
                progress=progress,
            )
            return codec.decode(states)


def _check_labels(labels: Sequence[int], num_classes: int) -> None:
    """Refuse labels that the data do not have.

    Raises:
        ConfigError: there is no such class.
    """
    wrong = [label for label in labels if label >= num_classes]
    if wrong:
        raise ConfigError(f"there is no class {wrong[0]} to sample: the classes are 0 to {num_classes - 1}")
