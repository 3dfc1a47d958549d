"""From settings to an extractor."""

from __future__ import annotations

from qgen.models.extractors.base import Entrance, Extractor, Pretrained, Shape
from qgen.models.extractors.conv import build_conv
from qgen.models.extractors.efficientnet import build_efficientnet_lite0
from qgen.models.extractors.files import find_classifier, load_classifier
from qgen.models.extractors.libraries import build_timm, build_torchvision
from qgen.models.extractors.mlp import build_mlp
from qgen.models.extractors.settings import ExtractorSettings


def build_extractor(settings: ExtractorSettings, shape: Shape, seed: int = 0) -> Extractor:
    """The extractor that settings describe, in training mode; torch's global generator is neither used nor changed.

    Args:
        settings: which one.
        shape: (C, H, W) of the images.
        seed: of the initial weights of one that is trained from scratch.

    Raises:
        ConfigError: a package or weights are missing, or the network cannot take these images or has fewer stages.
        RunError: the file of a classifier is damaged.
    """
    if settings.family == "conv":
        return build_conv(settings, shape, seed)
    if settings.family == "mlp":
        return build_mlp(settings, shape, seed)
    pretrained = {
        "classifier": _build_from_classifier,
        "efficientnet-lite0": build_efficientnet_lite0,
        "torchvision": build_torchvision,
        "timm": build_timm,
    }
    return pretrained[settings.family](settings, shape)


def _build_from_classifier(settings: ExtractorSettings, shape: Shape) -> Pretrained:
    network = load_classifier(find_classifier(settings.member))
    channels, *size = network.image_shape
    unchanged = [0.5] * channels  # it was trained with images in [-1, 1]
    entrance = Entrance(shape, (size[0], size[1]), unchanged, unchanged, settings.name)
    return Pretrained(network.body, dict(network.body.named_children()), entrance, shape, settings)
