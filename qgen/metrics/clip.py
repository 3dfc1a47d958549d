"""CLIP's image embeddings, which CMMD is of; its weights lie in a folder, and are never downloaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from qgen.data import to_uint8
from qgen.errors import ConfigError
from qgen.extras import install_command
from qgen.metrics.features import Features, FeatureSpace
from qgen.progress import ProgressCallback
from qgen.user_files import read_text

#: The model of the paper, by its name on Hugging Face.
MODEL = "openai/clip-vit-large-patch14-336"
#: Mean and standard deviation by channel of the images that OpenAI's models learned from, of values in [0, 1].
_MEAN, _DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_CHUNK = 32

#: From images (N, 3, S, S), normalised, to embeddings (N, F).
Network = Callable[[Tensor], Tensor]


class ClipSpace(FeatureSpace):
    """CLIP's image embeddings of unit length (Radford et al. 2021, arXiv:2103.00020).

    Images become bytes, as in a saved file; grey ones are repeated to RGB. They are resized bicubically, antialiased
    where they shrink, as CMMD's code does (Jayasumana et al. 2024, arXiv:2401.09603), and not cropped.

    Args:
        network: the network.
        shape: shape of an image, (C, H, W).
        size: height and width of the images that the network takes.
        digest: SHA-256 of its weights.
        mean: by channel, of values in [0, 1].
        deviation: by channel.

    Raises:
        ConfigError: images are neither grey nor in colour.
    """

    def __init__(
        self,
        network: Network,
        shape: tuple[int, int, int],
        size: int,
        digest: str,
        mean: tuple[float, ...] = _MEAN,
        deviation: tuple[float, ...] = _DEVIATION,
    ) -> None:
        if shape[0] not in (1, 3):
            raise ConfigError(f"features `clip` are of images with 1 or 3 channels, not with {shape[0]}")
        description = f"unit embeddings of CLIP, weights {digest[:12]}, images resized bicubically to {size}x{size}"
        super().__init__("clip", description, shape)
        self._network, self._size = network, size
        self._mean, self._deviation = (torch.tensor(values).view(3, 1, 1) for values in (mean, deviation))

    def _extract(self, pixels: Tensor, progress: ProgressCallback | None) -> Features:
        parts: list[Tensor] = []
        for chunk in pixels.split(_CHUNK):
            images = to_uint8(chunk).expand(-1, 3, -1, -1) / 255
            if images.shape[2:] != (self._size, self._size):
                images = functional.interpolate(images, (self._size, self._size), mode="bicubic", antialias=True)
            embeddings = self._network((images - self._mean) / self._deviation).double()
            parts.append(functional.normalize(embeddings, dim=1))
            if progress is not None:
                progress(sum(map(len, parts)), len(pixels))
        return Features(torch.cat(parts).numpy(), None, clip=True)


def open_clip(shape: tuple[int, int, int], folder: Path | None) -> ClipSpace:
    """Return CLIP with weights that are on this machine.

    Args:
        shape: shape of an image, (C, H, W).
        folder: as transformers' `save_pretrained` and Hugging Face's hub have it: `config.json` and the weights.

    Raises:
        ConfigError: the folder or transformers is missing, or the folder holds something else.
    """
    folder = check_folder(folder)
    network, size = load_network(folder)
    digest = sha256()
    for name, weight in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().float().contiguous().numpy().data)
    mean, deviation = _normalisation(folder)
    return ClipSpace(lambda images: network(images).image_embeds, shape, size, digest.hexdigest(), mean, deviation)


def check_folder(folder: Path | None) -> Path:
    """Return the folder of the weights, if there is one.

    Raises:
        ConfigError: none is given, or it has no `config.json`.
    """
    if folder is None:
        raise ConfigError(
            "features `clip` need the weights of a CLIP model, and qgen downloads nothing by itself: name a folder "
            f"with config.json and model.safetensors by --weights, as {MODEL} of Hugging Face, which CMMD is defined by"
        )
    if not (folder / "config.json").is_file():
        raise ConfigError(f"--weights {folder}: it is no folder with the config.json and the weights of a CLIP model")
    return folder


def load_network(folder: Path) -> tuple[nn.Module, int]:
    """Load the image tower with its projection; return it and the size of the images that it takes.

    Raises:
        ConfigError: transformers is missing, or the folder is damaged or holds something else.
    """
    try:
        from transformers import CLIPVisionModelWithProjection, logging
    except ImportError as error:
        raise ConfigError(f"features `clip` need an extra: {install_command('clip')} ({error})") from error
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # it tells of the other tower's weights, which are passed over
    logging.disable_progress_bar()
    try:
        loaded: Any = CLIPVisionModelWithProjection.from_pretrained(
            str(folder), local_files_only=True, output_loading_info=True, dtype=torch.float32
        )
    except Exception as error:  # files that are damaged, or of something else, raise nearly everything
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ConfigError(f"{folder} does not hold the weights of a CLIP model ({reason})") from error
    finally:
        logging.set_verbosity(verbosity)
    network, found = loaded
    if missing := sorted(found["missing_keys"]):  # they would be drawn at random
        raise ConfigError(f"{folder} does not hold the weights of a CLIP model: {missing[0]} is missing")
    return network.eval().requires_grad_(False), int(network.config.image_size)


def _normalisation(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation by channel, by the folder's description of its images if there is one."""
    try:
        stated = json.loads(read_text(folder / "preprocessor_config.json"))
        mean, deviation = (tuple(map(float, stated[name])) for name in ("image_mean", "image_std"))
    except (OSError, ValueError, KeyError, TypeError):
        return _MEAN, _DEVIATION
    return (mean, deviation) if len(mean) == len(deviation) == 3 else (_MEAN, _DEVIATION)
