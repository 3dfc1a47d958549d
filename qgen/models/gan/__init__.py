"""Generative adversarial networks, each player classical or with circuits."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.models.gan.describe import describe_gan as describe_gan
    from qgen.models.gan.discriminator import Discriminator as Discriminator
    from qgen.models.gan.network import GAN as GAN
    from qgen.models.gan.network import build_gan as build_gan
    from qgen.models.gan.settings import BlockSettings as BlockSettings
    from qgen.models.gan.settings import ConvGeneratorSettings as ConvGeneratorSettings
    from qgen.models.gan.settings import DiscriminatorSettings as DiscriminatorSettings
    from qgen.models.gan.settings import GANSettings as GANSettings
    from qgen.models.gan.settings import PatchGeneratorSettings as PatchGeneratorSettings
    from qgen.models.gan.settings import StyleGeneratorSettings as StyleGeneratorSettings
else:
    __getattr__, __dir__ = lazy_imports(__name__)
