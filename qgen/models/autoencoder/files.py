"""Files of trained autoencoders, for those that take their codes."""

from __future__ import annotations

import os
from pathlib import Path

from qgen.errors import ConfigError
from qgen.models.autoencoder.network import Autoencoder, Shape
from qgen.models.autoencoder.settings import AutoencoderSettings
from qgen.tensor_files import TensorFile, Tensors

_FILE = TensorFile("autoencoder", 1, "Train it anew.")
#: The autoencoder in the folder of a run that trained one.
AUTOENCODER_FILE = "autoencoder.safetensors"


def find_autoencoder(name: str) -> Path:
    """Return the file that a path or the folder of a run means.

    Raises:
        ConfigError: there is none.
    """
    path = Path(name).expanduser()
    inside = path / AUTOENCODER_FILE
    if os.path.isfile(path) or os.path.isfile(inside):
        return path if os.path.isfile(path) else inside
    what = f"the folder {name} holds no {AUTOENCODER_FILE}" if os.path.isdir(path) else f"there is no run {name!r}"
    raise ConfigError(f"{what}: give the folder of a finished run of kind `autoencoder` (`qgen train vae-gan`)")


def save_autoencoder(path: Path, network: Autoencoder) -> None:
    """Write the file whole, or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    content = {"settings": network.settings.plain(), "shape": list(network.image_shape)}
    _FILE.write(path, network.state_dict(), content)


def read_autoencoder(path: Path) -> tuple[AutoencoderSettings, Shape, Tensors]:
    """Return the settings, the shape of the images and the weights in a file.

    Raises:
        RunError: the file is missing, damaged, of another version, or holds something else.
    """
    tensors, content = _FILE.read(path)
    channels, height, width = content["shape"]
    return AutoencoderSettings.read(content["settings"]), (channels, height, width), tensors
