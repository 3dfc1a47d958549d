"""`AutoencoderKL` of diffusers, from a local folder, as an autoencoder that other models work in the codes of."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from qgen.errors import ConfigError
from qgen.extras import install_command
from qgen.models.autoencoder.files import SavedAutoencoder
from qgen.models.autoencoder.network import Posterior, Shape
from qgen.models.autoencoder.settings import CodeShape, DiffusersAutoencoderSettings

#: What stands before the folder in `model.first_stage`.
DIFFUSERS_PREFIX = "diffusers:"
_CONFIG, _WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"


class DiffusersAutoencoder(nn.Module):
    """An `AutoencoderKL` of diffusers (Rombach et al. 2021, arXiv:2112.10752) with the methods of `Autoencoder`.

    Args:
        settings: what to build.
        shape: (C, H, W) of the images.

    Attributes:
        settings: what it was built from.
        image_shape: (C, H, W) of its images.
        code_shape: (c, h, w) of a code.
        decoder_parts: the submodules that decode.

    Raises:
        ConfigError: the extra is not installed, the settings are not those of an `AutoencoderKL`, or it takes other
            images.
    """

    code_shape: CodeShape
    decoder_parts = ("kl.decoder", "kl.post_quant_conv")
    encoder_circuits = 0
    decoder_circuits = 0
    circuits_in_training = (0, 0)

    def __init__(self, settings: DiffusersAutoencoderSettings, shape: Shape) -> None:
        super().__init__()
        self.settings, self.image_shape = settings, shape
        kind = _autoencoder_kl()
        try:
            with torch.random.fork_rng(devices=[]):  # its layers draw weights
                self.kl: Any = kind.from_config(dict(settings.config))
        except (TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"`model.autoencoder.config` is not that of an AutoencoderKL: {reason}") from error
        channels, levels = self.kl.config.in_channels, len(self.kl.config.block_out_channels)
        if channels != shape[0] or self.kl.config.out_channels != shape[0]:
            raise ConfigError(
                f"the first stage takes images with {channels} channels, and these have {shape[0]}: choose other data, "
                "or another first stage"
            )
        step = 2 ** (levels - 1)
        if shape[1] % step or shape[2] % step:
            raise ConfigError(
                f"the first stage halves images {levels - 1} times, so their sides are multiples of {step}, and these "
                f"have {shape[1]}x{shape[2]}: set `data.size`"
            )
        self.code_shape = (self.kl.config.latent_channels, shape[1] // step, shape[2] // step)

    def encode(self, images: Tensor) -> Posterior:
        """Return the distributions of the codes of images (B, C, H, W) in [-1, 1]."""
        found = self.kl.encode(images).latent_dist
        return Posterior(found.mean, found.logvar)

    def decode(self, codes: Tensor) -> Tensor:
        """Return images (B, C, H, W), about [-1, 1], of codes (B, *code)."""
        images: Tensor = self.kl.decode(codes, return_dict=False)[0]
        return images

    def forward(self, images: Tensor) -> Tensor:
        """Return the reconstructions (B, C, H, W) of images (B, C, H, W), by the means of their codes."""
        return self.decode(self.encode(images).mean)

    @property
    def last_weight(self) -> Tensor:
        """The weight of the last layer, by whose gradients losses are balanced."""
        weight: Tensor = self.kl.decoder.conv_out.weight
        return weight


def diffusers_folder(name: str) -> Path:
    """Return the folder that `diffusers:FOLDER` means: FOLDER, or `vae` in it, as a saved pipeline has it.

    Raises:
        ConfigError: there is no autoencoder.
    """
    folder = Path(name.removeprefix(DIFFUSERS_PREFIX)).expanduser()
    for place in (folder, folder / "vae"):
        if os.path.isfile(place / _CONFIG):
            return place
    what = f"the folder {folder} holds no {_CONFIG}" if os.path.isdir(folder) else f"there is no folder {folder}"
    raise ConfigError(f"{what}: give {DIFFUSERS_PREFIX}FOLDER of an AutoencoderKL that `save_pretrained` wrote")


def read_diffusers_settings(name: str) -> DiffusersAutoencoderSettings:
    """Return the settings of the autoencoder in `diffusers:FOLDER`; nothing of diffusers is imported.

    Raises:
        ConfigError: there is none, or another class of model.
    """
    file = diffusers_folder(name) / _CONFIG
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        found = config.get("_class_name")
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"{file} cannot be read: it is no configuration of a model") from error
    if found != "AutoencoderKL":
        raise ConfigError(f"{file} is of a {found}, and a first stage is an AutoencoderKL")
    return DiffusersAutoencoderSettings(config={key: value for key, value in config.items() if key[:1] != "_"})


def read_diffusers(name: str, shape: Shape) -> SavedAutoencoder:
    """Return the autoencoder in `diffusers:FOLDER`, for images of this shape. Nothing is downloaded.

    Its codes are standardised by its own `shift_factor` and `scaling_factor`.

    Raises:
        ConfigError: there is none, its weights are no safetensors or do not fit, or the extra is not installed.
    """
    folder, settings = diffusers_folder(name), read_diffusers_settings(name)
    if not os.path.isfile(folder / _WEIGHTS):
        raise ConfigError(f"the folder {folder} holds no {_WEIGHTS}: save the autoencoder with `save_pretrained`")
    try:
        network = _autoencoder_kl().from_pretrained(
            folder, local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False, torch_dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{folder} cannot be loaded: {str(error).splitlines()[0]}") from error
    weights = {f"kl.{key}": weight for key, weight in network.state_dict().items()}
    shift, scale = settings.config.get("shift_factor") or 0.0, settings.config.get("scaling_factor") or 1.0
    channels = network.config.latent_channels
    mean, deviation = (torch.full((channels, 1, 1), float(value)) for value in (shift, 1 / scale))
    return SavedAutoencoder(settings, shape, weights, mean, deviation)


def _autoencoder_kl() -> Any:
    """Return the class `AutoencoderKL`.

    Raises:
        ConfigError: diffusers is not installed.
    """
    try:
        return import_module("diffusers").AutoencoderKL
    except (ImportError, RuntimeError) as error:
        raise ConfigError(f"a first stage of diffusers needs an extra: {install_command('latent')}") from error
