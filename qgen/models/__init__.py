"""Image generators as torch modules, classical and hybrid."""

from typing import TYPE_CHECKING

from qgen.lazy import on_demand

if TYPE_CHECKING:
    from qgen.models.describe import describe_model as describe_model
    from qgen.models.description import ModelDescription as ModelDescription
    from qgen.models.extractors import ClassifierSettings as ClassifierSettings
    from qgen.models.gan import GAN as GAN
    from qgen.models.gan import GANSettings as GANSettings
    from qgen.models.gan import build_gan as build_gan
    from qgen.models.settings import QuanvolutionSettings as QuanvolutionSettings
    from qgen.models.settings import UNetSettings as UNetSettings
    from qgen.models.settings import VertexSettings as VertexSettings
    from qgen.models.unet import UNet as UNet
    from qgen.models.unet import build_unet as build_unet
else:
    __getattr__, __dir__ = on_demand(__name__)
