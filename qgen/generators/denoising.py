"""What generators that denoise share, in whatever space: their checks, and how they sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from qgen.conditioning import LabelConditioning, TextConditioning
from qgen.diffusion import DiffusionSettings, SamplingSettings
from qgen.errors import ConfigError, InputError
from qgen.generators.protocols import BuildContext, Groups, Shape
from qgen.progress import ProgressCallback

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from qgen.backends import Backend
    from qgen.conditioning import Conditioning, ConditionSource
    from qgen.diffusion import Codec, DenoisingObjective
    from qgen.diffusion.samplers import Watch
    from qgen.generators.steps import DenoisingSteps
    from qgen.models import TextForm, TextSettings
    from qgen.settings import Settings

#: Images that are denoised together, at most.
BATCH = 64
#: How previews are sampled, where the run's own sampler takes longer.
PREVIEW = SamplingSettings(sampler="dpm-solver")
#: Groups of a run's settings.
GROUPS: Mapping[str, type[Settings]] = {"diffusion": DiffusionSettings, "sampling": SamplingSettings}


#: Settings of sampling, the conditionings that have a use for them, and what these are.
_CONDITIONAL = (
    ("labels", ("label",), "labels"),
    ("prompts", ("text",), "captions"),
    ("negative_prompt", ("text",), "captions"),
    ("guidance", ("text", "label"), "labels"),
    ("guidance_interval", ("text", "label"), "labels"),
)


class Conditioned(Protocol):
    """Settings of a model that may be conditioned."""

    @property
    def conditioning(self) -> str:
        """`none`, `label` or `text`."""
        ...


@dataclass(frozen=True)
class DenoisingGenerator(ABC):
    """A denoising network and the diffusion that it reverses.

    Attributes:
        network: all modules.
        sampling: sampler and its steps.
        objective: what training lowers; it has the schedule and the codec.
        shape: (C, H, W) of an image.
        backend: where its circuits run.
        conditioning: labels or prompts of a conditional model; None: unconditional.
    """

    groups: ClassVar[Mapping[str, type]] = GROUPS

    network: nn.Module
    sampling: SamplingSettings
    objective: DenoisingObjective
    shape: Shape
    backend: Backend
    conditioning: ConditionSource | None = None

    @staticmethod
    def check(settings: Conditioned, groups: Groups) -> None:
        """Refuse a sampler that takes more steps than the diffusion has, or conditions that the model does not know."""
        diffusion, sampling = cast(DiffusionSettings, groups["diffusion"]), cast(SamplingSettings, groups["sampling"])
        if sampling.steps is not None and sampling.steps > diffusion.steps:
            raise ValueError(
                f"sampling.steps = {sampling.steps} is more than diffusion.steps = {diffusion.steps}; "
                "a sampler can take at most as many steps as the diffusion has"
            )
        for name, kinds, what in _CONDITIONAL:
            if settings.conditioning not in kinds and name in sampling.plain():
                raise ValueError(
                    f"sampling.{name} is for models that are trained with {what} "
                    f"(`qgen train --set model.conditioning={kinds[-1]}`), and this one is not: leave it out"
                )

    @property
    @abstractmethod
    def denoiser(self) -> nn.Module:
        """The part of the network that denoises."""

    @property
    @abstractmethod
    def circuits_per_call(self) -> int:
        """Circuits that one call of the denoiser runs for one row."""

    @property
    def decoder_circuits(self) -> int:
        """Circuits that make one image of one state."""
        return 0

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
        """How many calls have how many rows for one image: two where it is guided, 0 where the codec decodes."""
        from qgen.diffusion import evaluations_by_rows

        by_rows = evaluations_by_rows(self.sampling, self.objective.schedule)
        made = by_rows if self.conditioning is not None else Counter({1: by_rows.total()})
        return {**made, 0: 1} if self.decoder_circuits else made

    @property
    def circuits_per_image(self) -> int:
        calls = sum(rows * calls for rows, calls in self.calls_by_rows.items())
        return self.circuits_per_call * calls + self.decoder_circuits

    def dry_run(self, device: torch.device | str = "cpu", *, rows: int = 1) -> None:
        import torch

        shape = self.codec.state_shape(self.shape)
        if rows == 0:
            self.codec.decode(torch.zeros(1, *shape, device=device))
            return
        self.denoiser(torch.zeros(rows, *shape, device=device), torch.zeros(rows, device=device), None)

    def sample(
        self,
        seeds: Sequence[int],
        conditioning: Conditioning | None = None,
        *,
        device: torch.device | str = "cpu",
        progress: ProgressCallback | None = None,
        preview: bool = False,
        watch: Watch | None = None,
    ) -> Tensor:
        from qgen.diffusion import Denoiser, num_function_evaluations, sample
        from qgen.generators.sampling import eval_mode

        schedule, codec, sampling = self.objective.schedule, self.codec, self.sampling
        if preview and self.num_calls > num_function_evaluations(PREVIEW, schedule):
            sampling = PREVIEW
        denoiser, shape = Denoiser(self.denoiser, schedule, self.objective.prediction), codec.state_shape(self.shape)
        # On hardware each call of a circuit is a job of its own: one for all images, then.
        batch = max(1, len(seeds)) if self.backend.capabilities.remote else BATCH
        with eval_mode(self.network, seeds):
            states = sample(
                denoiser,
                sampling,
                seeds,
                shape,
                conditioning=conditioning,
                negative=None if self.conditioning is None else self.conditioning.negative(len(seeds)),
                clip=codec.range,
                device=device,
                batch=batch,
                progress=progress,
                watch=watch,
            )
            return self._decode(states, seeds, batch, device)

    @property
    def circuits_per_step_image(self) -> int:
        """Circuits that make an image of one state on the way."""
        return self.decoder_circuits

    def sample_steps(
        self,
        seeds: Sequence[int],
        conditioning: Conditioning | None = None,
        *,
        frames: int,
        device: torch.device | str = "cpu",
        progress: ProgressCallback | None = None,
    ) -> DenoisingSteps:
        """Return samples with what they were on their way; see `HasSteps`.

        Raises:
            InputError: there are more images than one batch has.
        """
        import torch

        from qgen.diffusion import CLEAN, visited_times
        from qgen.generators.sampling import eval_mode
        from qgen.generators.steps import DenoisingSteps, chosen_steps

        if len(seeds) > BATCH:
            raise InputError(f"the steps of at most {BATCH} images are kept, not of {len(seeds)}")
        times = chosen_steps(visited_times(self.sampling, self.objective.schedule), max(1, frames - 1))
        seen: dict[int, tuple[Tensor, Tensor]] = {}

        def watch(time: int, states: Tensor, predicted: Tensor) -> None:
            if time in times:  # of a step with two evaluations the last one stays
                seen[time] = states.cpu(), predicted.cpu()

        images = self.sample(seeds, conditioning, device=device, progress=progress, watch=watch)
        kinds = []
        with eval_mode(self.network, seeds):
            for kind in range(2):
                decoded = [self._decode(seen[time][kind], seeds, BATCH, device) for time in times]
                kinds.append(torch.stack([*decoded, images], 1))
        return DenoisingSteps((*times, CLEAN), *kinds)

    @property
    def codec(self) -> Codec:
        """Between images and the states that are denoised."""
        return self.objective.codec

    def _decode(self, states: Tensor, seeds: Sequence[int], batch: int, device: torch.device | str) -> Tensor:
        """Return the images (N, C, H, W) of states (N, ...), on the CPU."""
        import torch

        from qgen.randomness import derive, image_streams

        images = [torch.empty(0, *self.shape)]
        for first in range(0, len(states), batch):
            rows = slice(first, first + batch)
            # Shots of their own: a stream counts its calls from 0, as those of the sampler do.
            with image_streams([derive(seed, "decode") for seed in seeds[rows]]):
                images.append(self.codec.decode(states[rows].to(device)).float().cpu())
        return torch.cat(images)


def label_conditioning(conditioning: str, context: BuildContext) -> LabelConditioning | None:
    """Return the labels of a model that is conditioned on them; None: it is not.

    Raises:
        ConfigError: a label that is to be sampled is none of the data.
    """
    sampling, classes = context.group(SamplingSettings), context.num_classes
    if conditioning != "label" or classes is None:
        return None
    wrong = [label for label in sampling.labels or () if label >= classes]
    if wrong:
        raise ConfigError(f"there is no class {wrong[0]} to sample: the classes are 0 to {classes - 1}")
    return LabelConditioning(classes, sampling.labels)


def text_conditioning(text: TextSettings, context: BuildContext) -> tuple[TextConditioning, TextForm]:
    """Return the prompts of a model that is conditioned on texts, and the form of their tokens.

    Raises:
        ConfigError: the data have no captions, or the encoder is not there.
        InputError: a prompt that is to be sampled has words that the model does not know.
    """
    from qgen.models import open_text_encoder

    sampling, facts = context.group(SamplingSettings), context.captions
    if facts is None:
        raise ConfigError(
            f"`model.conditioning=text` reads captions, and those of {context.data_name} are not asked for: set "
            "`data.captions` to `own`, `class` or `attributes`"
        )
    encoder = open_text_encoder(text, facts)
    found = TextConditioning(encoder, facts, sampling.prompts, sampling.negative_prompt)
    asked = [*(sampling.prompts or ()), *([sampling.negative_prompt] if sampling.negative_prompt else [])]
    if asked:  # before anything is spent
        encoder.encode(asked, prompts=True)
    return found, encoder.form


def denoising_objective(
    network: nn.Module, context: BuildContext, source: ConditionSource | None, codec: Codec | None = None
) -> DenoisingObjective:
    """Return the objective that the settings of a diffusion describe.

    Args:
        network: denoises.
        context: has the settings.
        source: what the network is conditioned on; None: nothing.
        codec: between images and states; None: they are the same.
    """
    from qgen.diffusion import DenoisingObjective, loss_weights, noise_schedule

    diffusion = context.group(DiffusionSettings)
    return DenoisingObjective(
        network,
        noise_schedule(diffusion),
        loss_weights(diffusion),
        diffusion.prediction,
        codec,
        condition_dropout=0.0 if source is None else diffusion.condition_dropout,
        times=diffusion.drawn_times,
    )
