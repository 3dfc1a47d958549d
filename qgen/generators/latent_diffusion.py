"""Latent diffusion: a denoiser of the codes of an autoencoder, which was trained before and decodes the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from qgen.conditioning import LabelConditioning
from qgen.diffusion import SamplingSettings
from qgen.generators.denoising import DenoisingGenerator, denoising_objective, label_conditioning, text_conditioning
from qgen.generators.first_stage import build_codec, first_stage_paths
from qgen.generators.protocols import BuildContext, Export, Player, learned
from qgen.models import LatentDiffusionSettings
from qgen.models.latent.settings import JointSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from qgen.adversarial.joint import StateSampler
    from qgen.conditioning import Conditioning, ConditionSource
    from qgen.data import DataSettings
    from qgen.models import LatentCodec, LatentDiffusion, TextForm
    from qgen.models.denoisers import LatentDenoiser
    from qgen.models.description import ModelDescription


@dataclass(frozen=True)
class LatentDiffusionGenerator(DenoisingGenerator):
    """A denoiser of codes, and the frozen autoencoder that makes images of them.

    The encoder runs on the exact engine, once for each image that is learned from; denoiser and decoder run on the
    backend.

    Attributes:
        network: both; a checkpoint holds the autoencoder too, so that a run can be sampled alone.
        joint: how the decoder is trained along; None: it is not.
    """

    Settings: ClassVar = LatentDiffusionSettings
    parts: ClassVar = ("denoiser",)
    stages: ClassVar[Mapping[str, str]] = {"first_stage": "autoencoder"}
    distributed: ClassVar = True

    network: LatentDiffusion
    joint: JointSettings | None = None

    @classmethod
    def build(cls, settings: LatentDiffusionSettings, context: BuildContext) -> LatentDiffusionGenerator:
        """Return the generator with its initial weights, and those of its first stage where it is to be trained.

        Raises:
            ConfigError, BackendError, CircuitError: the settings contradict each other, the backend cannot serve them,
                or there is no first stage, or it is for other images.
            RunError: the file of the first stage is damaged.
        """
        from qgen.diffusion import EncodedBefore
        from qgen.models import CircuitContext, LatentDiffusion, build_denoiser
        from qgen.models.autoencoder import build_discriminator
        from qgen.randomness import derive

        seeds = derive(context.seed, "first stage"), derive(context.seed, "denoiser")
        codec = build_codec(settings.first_stage, settings.autoencoder, context, seeds[0])
        circuits = CircuitContext(context.backend, context.gradient, seeds[1])
        source, texts = _conditioning(settings, context)
        classes = source.num_classes if isinstance(source, LabelConditioning) else None
        denoiser = build_denoiser(settings.denoiser, codec.autoencoder.code_shape, circuits, classes, texts)
        joint, seed = settings.joint, derive(context.seed, "discriminator")
        scores = None if joint is None else build_discriminator(joint.discriminator, context.shape, seed)
        network = LatentDiffusion(codec, denoiser, scores)
        objective = denoising_objective(denoiser, context, source, EncodedBefore(network.codec))
        sampling, shape, backend = context.group(SamplingSettings), context.shape, context.backend
        return cls(network, sampling, objective, shape, backend, source, joint)

    @staticmethod
    def has_unused_parameters(settings: LatentDiffusionSettings) -> bool:
        """Whether some weights get no gradient: those of the denoiser, where the decoder is trained along."""
        return settings.joint is not None

    @staticmethod
    def needs_one_device(settings: LatentDiffusionSettings) -> str | None:
        """What cannot be trained on several devices: the decoder, whose losses are balanced by their gradients."""
        return None if settings.joint is None else "model.joint"

    @staticmethod
    def absolute_paths(settings: LatentDiffusionSettings) -> Mapping[str, Any]:
        """The folders of the first stage and of the text encoder, and the settings that the first stage's file has."""
        from qgen.models.text.settings import absolute_encoder

        found = dict(first_stage_paths(settings.first_stage))
        encoder = absolute_encoder(settings.text.encoder)
        return found if encoder == settings.text.encoder else found | {"text": {"encoder": encoder}}

    @staticmethod
    def identity(settings: LatentDiffusionSettings) -> Mapping[str, Any]:
        """All but the places of the first stage and of the text encoder."""
        from qgen.models.text.settings import PREFIXES

        known = {name: value for name, value in settings.plain().items() if name != "first_stage"}
        encoder = settings.text.encoder
        if encoder.startswith(PREFIXES):
            known["text"] = known["text"] | {"encoder": encoder.partition(":")[0]}
        return known

    @property
    def codec(self) -> LatentCodec:
        return self.network.codec

    @property
    def denoiser(self) -> LatentDenoiser:
        return self.network.denoiser

    @property
    def circuits_per_call(self) -> int:
        return self.network.denoiser.circuits_per_call

    @property
    def averaged(self) -> dict[str, nn.Parameter]:
        return {name: weight for name, weight in learned(self.network).items() if not name.startswith("discriminator.")}

    def players(self) -> tuple[Player, ...]:
        denoiser = Player("denoiser", self.objective, learned(self.network, "denoiser"), codes=True)
        return (denoiser,) if self.joint is None else (denoiser, *self._joint_players(self.joint))

    def _joint_players(self, joint: JointSettings) -> tuple[Player, ...]:
        """Return the decoder and its discriminator, as players."""
        from qgen.adversarial import DecodedDiscriminatorObjective, DecoderObjective, JointPlayers

        network, own = self.network, self.network.codec.autoencoder
        shared = JointPlayers(network, self._states_from(joint.steps), own.last_weight, joint.start, joint.gan_weight)
        decoder = {
            name: weight
            for part in own.decoder_parts
            for name, weight in learned(network, f"codec.autoencoder.{part}").items()
        }
        scores, rate = learned(network, "discriminator"), joint.learning_rate
        players = (
            Player("decoder", DecoderObjective(shared), decoder, rate),
            Player("discriminator", DecodedDiscriminatorObjective(shared), scores, rate),
        )
        return tuple(replace(player, starts_after=joint.start, start_setting="model.joint.start") for player in players)

    def _states_from(self, steps: int) -> StateSampler:
        """Return a function from noise and conditions to states, in a few steps of the probability flow, unguided."""
        from qgen.diffusion import Denoiser, ReverseProcess, euler, sampling_times

        schedule = self.objective.schedule
        times = sampling_times(schedule, min(steps, schedule.steps))
        denoiser = Denoiser(self.denoiser, schedule, self.objective.prediction)

        def sample(noise: Tensor, conditioning: Conditioning | None) -> Tensor:
            return euler(ReverseProcess(denoiser, times, lambda: noise, conditioning), noise)

        return sample

    @property
    def circuits_per_training_image(self) -> float:
        # Images are encoded once for the denoiser, whatever the number of steps.
        denoises, joint = self.denoiser.circuits_per_training_call, self.joint
        if joint is None:
            return denoises
        # The decoder's step encodes an image, samples a code, and decodes both; the discriminator scores these images.
        encodes, decodes = self.codec.autoencoder.circuits_in_training
        samples = min(joint.steps, self.objective.schedule.steps) * denoises
        return denoises + encodes + samples + 2 * decodes

    def joined(self) -> LatentDiffusionGenerator:
        return self if self.joint is None else replace(self, joint=self.joint.model_copy(update={"start": 0}))

    @property
    def decoder_circuits(self) -> int:
        return self.network.decoder_circuits

    def describe(self) -> ModelDescription:
        from qgen.models.latent import describe_latent_diffusion

        return describe_latent_diffusion(self.network)

    def export(self, folder: Path, data: DataSettings, data_dir: Path | None) -> Export | None:
        return None


def _conditioning(
    settings: LatentDiffusionSettings, context: BuildContext
) -> tuple[ConditionSource | None, TextForm | None]:
    """Return what the model is conditioned on, and the form of its texts."""
    if settings.conditioning == "text":
        return text_conditioning(settings.text, context)
    return label_conditioning(settings.conditioning, context), None
