"""Feature spaces by name."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from qgen.data import ImageSet
from qgen.errors import ConfigError, short_repr, suggestion
from qgen.metrics.clip import check_folder, open_clip
from qgen.metrics.features import Features, FeatureSpace
from qgen.metrics.fitted import open_fitted_space
from qgen.metrics.inception import find_weights, open_inception
from qgen.models.features import ExtractorSettings, build_feature_extractor
from qgen.models.features.classifier import find_classifier, load_classifier
from qgen.progress import ProgressCallback

#: The one that is fitted to the real images themselves, and cached.
FITTED = "fitted"
NAMES = (FITTED, "inception", "clip", "efficientnet-lite0", "digits", "classifier:NAME_OR_FILE")
#: Those whose weights a user names.
_WITH_WEIGHTS = ("inception", "clip")
#: A classifier of 8x8 digits that comes with qgen.
_DIGITS = "classifier:digits-from-mnist"
#: Pixels that EfficientNet-Lite0 was trained with.
_LITE0_SIZE = 224
_CHUNK = 64


class NetworkSpace(FeatureSpace):
    """The features of a network that was trained before.

    Args:
        network: from images (N, C, H, W) in [-1, 1] to features (N, F).
        head: from features to logits (N, L); None: there are no classes.
        name: of the space.
        description: for people.
        shape: shape of an image, (C, H, W).
    """

    def __init__(
        self, network: nn.Module, head: nn.Module | None, name: str, description: str, shape: tuple[int, int, int]
    ) -> None:
        super().__init__(name, description, shape)
        self._network = network.eval().requires_grad_(False)
        self._head = None if head is None else head.eval().requires_grad_(False)

    def _extract(self, pixels: Tensor, progress: ProgressCallback | None) -> Features:
        parts: list[Tensor] = []
        for chunk in pixels.split(_CHUNK):
            parts.append(self._network(chunk))
            if progress is not None:
                progress(sum(map(len, parts)), len(pixels))
        features = torch.cat(parts)
        logits = None if self._head is None else self._head(features).double().numpy()
        return Features(features.double().numpy(), None, logits)


class ValuesSpace(FeatureSpace):
    """The samples of a distribution themselves: images of one pixel, (N, D, 1, 1)."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__("values", f"the samples themselves, of {shape[0]} dimension{'s' * (shape[0] > 1)}", shape)

    def _extract(self, pixels: Tensor, progress: ProgressCallback | None) -> Features:
        return Features(pixels.flatten(1).double().numpy(), None, raw=True)


def check_name(name: str) -> None:
    """Check that a feature space of this name may exist.

    Raises:
        ConfigError: there is none.
    """
    if not isinstance(name, str):
        raise ConfigError(f"features are named, not {short_repr(name)}; allowed: {', '.join(NAMES)}")
    family, _, member = name.partition(":")
    if (family in NAMES and not member) or (family == "classifier" and member):
        return
    near = suggestion(name, [known.partition(":")[0] for known in NAMES])
    raise ConfigError(f"there are no features `{name}`; allowed: {', '.join(NAMES)}.{near}")


def check_weights(name: str, weights: Path | None) -> None:
    """Check that the weights of a feature space are there, without loading them.

    Raises:
        ConfigError: they are missing, or it takes none.
    """
    if weights is not None and name not in _WITH_WEIGHTS:
        raise ConfigError(f"--weights are those of {' and '.join(_WITH_WEIGHTS)}: features `{name}` take none")
    if name == "inception":
        find_weights(weights)
    if name == "clip":
        check_folder(weights)


def open_feature_space(name: str, images: ImageSet, weights: Path | None = None) -> FeatureSpace:
    """Return a feature space by its name.

    Args:
        name: one of NAMES.
        images: the real images, all of the training split: `fitted` learns from them, others see their shape.
        weights: the file of Inception's weights, None: that in torch's hub folder; or the folder of CLIP's.

    Raises:
        ConfigError: there is no such space; a package or weights are missing; or it cannot take these images.
        DataError: there are fewer than two images.
        RunError: the file of a classifier is damaged.
    """
    check_name(name)
    check_weights(name, weights)
    if images.shape[1:] == (1, 1):
        if name != FITTED:
            raise ConfigError(f"{images.name} is a distribution: its samples are no images for features `{name}`")
        return ValuesSpace(images.shape)
    if name == FITTED:
        return open_fitted_space(images)
    if name == "inception":
        return open_inception(images.shape, weights)
    if name == "clip":
        return open_clip(images.shape, weights)
    if name == "efficientnet-lite0":
        settings = ExtractorSettings(name=name, size=_LITE0_SIZE)
        description = f"EfficientNet-Lite0 trained on ImageNet, images enlarged to {_LITE0_SIZE}x{_LITE0_SIZE}"
        return NetworkSpace(build_feature_extractor(settings, images.shape), None, name, description, images.shape)
    settings = ExtractorSettings(name=_DIGITS if name == "digits" else name)
    network = build_feature_extractor(settings, images.shape)
    head = load_classifier(find_classifier(settings.member)).head
    description = f"the classifier {settings.member} of {head[-1].out_features} classes"
    return NetworkSpace(network, head, name, description, images.shape)
