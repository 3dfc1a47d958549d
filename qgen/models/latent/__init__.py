"""Diffusion in the codes of an autoencoder."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.models.latent.describe import describe_latent_diffusion as describe_latent_diffusion
    from qgen.models.latent.network import LatentCodec as LatentCodec
    from qgen.models.latent.network import LatentDiffusion as LatentDiffusion
    from qgen.models.latent.settings import LatentDiffusionSettings as LatentDiffusionSettings
else:
    __getattr__, __dir__ = lazy_imports(__name__)
