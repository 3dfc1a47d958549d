"""Settings of a diffusion in the codes of an autoencoder."""

from __future__ import annotations

from typing import ClassVar, Literal

from qgen.models.autoencoder.settings import FirstStageSettings
from qgen.models.denoisers.settings import DenoiserSettings
from qgen.models.text.settings import TextSettings
from qgen.settings import Settings


class LatentDiffusionSettings(Settings):
    """A denoiser of the codes of an autoencoder that was trained before (Rombach et al. 2021, arXiv:2112.10752)."""

    added: ClassVar[frozenset[str]] = frozenset({"text"})

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
