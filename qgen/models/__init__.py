"""Image generators as torch modules, classical and hybrid."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.models.autoencoder import VAEGAN as VAEGAN
    from qgen.models.autoencoder import Autoencoder as Autoencoder
    from qgen.models.autoencoder import AutoencoderSettings as AutoencoderSettings
    from qgen.models.autoencoder import build_autoencoder as build_autoencoder
    from qgen.models.autoencoder import build_vae_gan as build_vae_gan
    from qgen.models.branch_settings import BranchSettings as BranchSettings
    from qgen.models.circuit_context import CircuitContext as CircuitContext
    from qgen.models.denoisers import DenoiserSettings as DenoiserSettings
    from qgen.models.denoisers import build_denoiser as build_denoiser
    from qgen.models.description import ModelDescription as ModelDescription
    from qgen.models.features import ClassifierSettings as ClassifierSettings
    from qgen.models.gan import GAN as GAN
    from qgen.models.gan import GANSettings as GANSettings
    from qgen.models.gan import build_gan as build_gan
    from qgen.models.gan import describe_gan as describe_gan
    from qgen.models.latent import LatentCodec as LatentCodec
    from qgen.models.latent import LatentDiffusion as LatentDiffusion
    from qgen.models.latent import LatentDiffusionSettings as LatentDiffusionSettings
    from qgen.models.quantum_branch import QuantumBranch as QuantumBranch
    from qgen.models.text import TextForm as TextForm
    from qgen.models.text import TextSettings as TextSettings
    from qgen.models.text import open_text_encoder as open_text_encoder
    from qgen.models.unet.describe import describe_unet as describe_unet
    from qgen.models.unet.network import UNet as UNet
    from qgen.models.unet.network import build_unet as build_unet
    from qgen.models.unet.settings import QuanvolutionSettings as QuanvolutionSettings
    from qgen.models.unet.settings import UNetSettings as UNetSettings
    from qgen.models.unet.settings import VertexSettings as VertexSettings
else:
    __getattr__, __dir__ = lazy_imports(__name__)
