"""Inception's features, as FID, KID and Inception Score are defined by; its weights are never downloaded."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from qgen.data import to_uint8
from qgen.errors import ConfigError
from qgen.extras import install_command
from qgen.metrics.features import Features, FeatureSpace
from qgen.progress import ProgressCallback
from qgen.user_files import check_regular

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{WEIGHTS}"
_CHUNK = 32
#: What torch raises for files that are no weights, or those of another network.
_UNREADABLE = (RuntimeError, OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, pickle.PickleError)

#: From bytes (N, 3, H, W), uint8, to features (N, 2048) and logits without their bias (N, 1008).
Network = Callable[[Tensor], tuple[Tensor, ...]]


class InceptionSpace(FeatureSpace):
    """Inception's 2048 features, and the logits of its 1008 classes (Szegedy et al. 2016, arXiv:1512.00567).

    Images become bytes, as in a saved file; grey ones are repeated to RGB. torch-fidelity, whose network torchmetrics
    has, enlarges them to 299x299 bilinearly as TensorFlow 1 did in the FID's own code, and maps 0..255 to -1..0.99.

    Args:
        network: the network.
        shape: shape of an image, (C, H, W).
        digest: SHA-256 of its weights.

    Raises:
        ConfigError: images are neither grey nor in colour.
    """

    def __init__(self, network: Network, shape: tuple[int, int, int], digest: str) -> None:
        if shape[0] not in (1, 3):
            raise ConfigError(f"features `inception` are of images with 1 or 3 channels, not with {shape[0]}")
        description = f"Inception v3 of the FID's own code, weights {digest[:12]}, images enlarged as by TensorFlow 1"
        super().__init__("inception", description, shape)
        self._network = network

    def _extract(self, pixels: Tensor, progress: ProgressCallback | None) -> Features:
        features, logits, done = [], [], 0
        for chunk in pixels.split(_CHUNK):
            found = self._network(to_uint8(chunk).expand(-1, 3, -1, -1))
            features.append(found[0].double())
            logits.append(found[1].double())
            done += len(chunk)
            if progress is not None:
                progress(done, len(pixels))
        return Features(torch.cat(features).numpy(), None, torch.cat(logits).numpy())


def open_inception(shape: tuple[int, int, int], weights: Path | None = None) -> InceptionSpace:
    """Return Inception with weights that are on this machine.

    Args:
        shape: shape of an image, (C, H, W).
        weights: the file of its weights; None: that in torch's hub folder.

    Raises:
        ConfigError: the weights or torch-fidelity are missing, or the file holds something else.
    """
    path = find_weights(weights)
    network = load_network(path)
    return InceptionSpace(network, shape, sha256(path.read_bytes()).hexdigest())


def find_weights(given: Path | None = None) -> Path:
    """Return the file of the weights.

    Raises:
        ConfigError: there is none.
    """
    path = given or Path(torch.hub.get_dir(), "checkpoints", WEIGHTS)
    try:
        check_regular(path)
    except OSError as error:
        if given is not None:
            raise ConfigError(f"--weights {given}: {(error.strerror or str(error)).lower()}") from error
        raise ConfigError(
            "the weights of Inception are not on this machine, and qgen downloads nothing by itself: "
            f"fetch {URL} and put it at {path}, or name the file with --weights"
        ) from error
    return path


def load_network(path: Path) -> Network:
    """Load torch-fidelity's network, the one that torchmetrics uses.

    Raises:
        ConfigError: torch-fidelity is missing, or the file is damaged or holds something else.
    """
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except (ImportError, RuntimeError) as error:  # the second where torchvision is of another build than torch
        raise ConfigError(f"features `inception` need an extra: {install_command('inception')} ({error})") from error
    try:
        torch.load(path, map_location="cpu", weights_only=True)  # torch-fidelity would run what a pickle says
        with torch.random.fork_rng(devices=[]):  # it draws weights that are overwritten at once
            network = FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path)
            )
    except _UNREADABLE as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ConfigError(f"{path} does not hold the weights of Inception ({reason}): fetch {URL}") from error
    return network  # type: ignore[no-any-return]
