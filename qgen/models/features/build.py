"""Builds feature extractors from settings."""

from __future__ import annotations

from qgen.models.features.base import FeatureExtractor, Preprocess, Pretrained, Shape
from qgen.models.features.classifier import find_classifier, load_classifier
from qgen.models.features.libraries import build_efficientnet_lite0, build_timm, build_torchvision
from qgen.models.features.scratch import build_conv, build_mlp
from qgen.models.features.settings import ExtractorSettings


def build_feature_extractor(settings: ExtractorSettings, shape: Shape, seed: int = 0) -> FeatureExtractor:
    """Return the extractor that settings describe, in training mode; torch's global generator stays as it is.

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
    preprocess = Preprocess(shape, (size[0], size[1]), unchanged, unchanged, settings.name)
    return Pretrained(network.body, dict(network.body.named_children()), preprocess, shape, settings)
