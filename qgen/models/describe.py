"""Description of a model of any kind."""

from __future__ import annotations

from torch import nn

from qgen.errors import InputError
from qgen.models.description import ModelDescription
from qgen.models.gan.describe import describe_gan
from qgen.models.gan.network import GAN
from qgen.models.unet.describe import describe_unet
from qgen.models.unet.network import UNet


def describe_model(model: nn.Module) -> ModelDescription:
    """Describe a U-Net or a GAN; nothing is run.

    Raises:
        InputError: it is neither.
    """
    if isinstance(model, GAN):
        return describe_gan(model)
    if isinstance(model, UNet):
        return describe_unet(model)
    raise InputError(f"a {type(model).__name__} is neither a U-Net nor a GAN")
