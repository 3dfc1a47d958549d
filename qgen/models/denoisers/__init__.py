"""Denoisers of codes: a U-Net or a transformer over a map, or dense layers over a vector."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.models.denoisers.build import LatentDenoiser as LatentDenoiser
    from qgen.models.denoisers.build import build_denoiser as build_denoiser
    from qgen.models.denoisers.dit import LatentDiT as LatentDiT
    from qgen.models.denoisers.latent_unet import LatentUNet as LatentUNet
    from qgen.models.denoisers.mlp import LatentMLP as LatentMLP
    from qgen.models.denoisers.settings import DenoiserSettings as DenoiserSettings
    from qgen.models.denoisers.transformer_unet import TransformerUNet as TransformerUNet
else:
    __getattr__, __dir__ = lazy_imports(__name__)
