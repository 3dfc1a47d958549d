"""Files of trained autoencoders, for those that take their codes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from qgen.errors import ConfigError
from qgen.models.autoencoder.network import Autoencoder, Shape
from qgen.models.autoencoder.settings import AutoencoderSettings, DiffusersAutoencoderSettings
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


@dataclass(frozen=True)
class SavedAutoencoder:
    """A trained autoencoder in a file.

    Attributes:
        settings: what it was built from.
        shape: (C, H, W) of its images.
        weights: the state of the network, by name.
        mean: of each channel of the codes of its training images: see `code_statistics`. Of an autoencoder of diffusers
            its `shift_factor`, and the deviation is 1 / `scaling_factor`.
        deviation: likewise.
    """

    settings: AutoencoderSettings | DiffusersAutoencoderSettings
    shape: Shape
    weights: Tensors
    mean: Tensor
    deviation: Tensor


def save_autoencoder(path: Path, network: Autoencoder, statistics: tuple[Tensor, Tensor]) -> None:
    """Write the file whole, or not at all.

    Args:
        path: the file.
        network: the autoencoder.
        statistics: mean and deviation of its codes, as `code_statistics` returns them.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    content = {"settings": network.settings.plain(), "shape": list(network.image_shape)}
    weights = {f"weights/{name}": weight for name, weight in network.state_dict().items()}
    mean, deviation = statistics
    _FILE.write(path, weights | {"codes/mean": mean, "codes/deviation": deviation}, content)


def read_autoencoder(path: Path) -> SavedAutoencoder:
    """Return the autoencoder in a file.

    Raises:
        RunError: the file is missing, damaged, of another version, or holds something else.
    """
    tensors, content = _FILE.read(path)
    channels, height, width = content["shape"]
    weights = {name.removeprefix("weights/"): tensor for name, tensor in tensors.items() if name.startswith("weights/")}
    settings = AutoencoderSettings.read(content["settings"])
    return SavedAutoencoder(
        settings, (channels, height, width), weights, tensors["codes/mean"], tensors["codes/deviation"]
    )
