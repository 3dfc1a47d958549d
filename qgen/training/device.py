"""The device of classical layers."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from qgen.errors import ConfigError, short_repr

Device = Literal["auto", "cpu", "cuda"]


def choose_device(device: Device = "auto") -> Literal["cpu", "cuda"]:
    """Return the device of classical layers: `auto` is a GPU where torch finds one.

    Raises:
        ConfigError: CUDA is wanted and there is none, or the device is another one.
    """
    if device not in get_args(Device):
        raise ConfigError(f"there is no device {short_repr(device)}: give 'auto', 'cpu' or 'cuda'")
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ConfigError("torch finds no CUDA GPU here: leave --device out, or install a CUDA build of torch")
    return "cuda" if available and device != "cpu" else "cpu"
