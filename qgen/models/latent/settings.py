"""Settings of a diffusion in the codes of an autoencoder."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from qgen.models.autoencoder.settings import AutoencoderDiscriminatorSettings, FirstStageSettings
from qgen.models.denoisers.settings import DenoiserSettings
from qgen.models.text.settings import TextSettings
from qgen.settings import Settings


class JointSettings(Settings):
    """The decoder, trained on against a discriminator of images that are decoded from the denoiser's samples.

    It keeps to the images of the data set by their reconstructions; no gradient comes to the denoiser or the encoder.
    """

    start: NonNegativeInt = 500
    """steps of the denoiser before the decoder moves"""
    steps: PositiveInt = 4
    """steps of the sampler that makes a batch of codes"""
    gan_weight: float = Field(0.25, ge=0)
    """size of the adversarial loss's gradient at the last layer, in sizes of that of the reconstruction"""
    learning_rate: float | None = Field(None, gt=0)
    """of decoder and discriminator; null: that of the denoiser"""
    discriminator: AutoencoderDiscriminatorSettings = AutoencoderDiscriminatorSettings()
    """scores images"""


class LatentDiffusionSettings(Settings):
    """A denoiser of the codes of an autoencoder that was trained before (Rombach et al. 2021, arXiv:2112.10752)."""

    added: ClassVar[frozenset[str]] = frozenset({"text", "joint"})

    kind: Literal["latent-diffusion"] = "latent-diffusion"
    """the kind of generator"""
    first_stage: str | None = None
    """the finished run of an autoencoder, or its `autoencoder.safetensors`; its weights become part of this run. Or a
    preset: `qgen train` then trains it first, in the folder `first-stage` of this run. Or `diffusers:FOLDER`: an
    `AutoencoderKL` that diffusers saved there (extra `latent`)"""
    autoencoder: FirstStageSettings | None = None
    """the settings of that autoencoder; null: as `first_stage` has them, which is what `qgen train` notes here"""
    denoiser: DenoiserSettings = DenoiserSettings()
    """the network that denoises codes"""
    conditioning: Literal["none", "label", "text"] = "none"
    """`label`: images of a class that is asked for, as `qgen sample --label` does; the data need labels. `text`: of a
    prompt, as `qgen sample --prompt` does; the data need captions (`data.captions`)"""
    text: TextSettings = TextSettings()
    """what reads prompts and captions, with `conditioning: text`"""
    joint: JointSettings | None = None
    """null: the decoder stays as the first stage has it; else it is trained along with the denoiser"""
