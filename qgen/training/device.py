"""The device of classical layers."""

from __future__ import annotations

from typing import Literal

import torch

from qgen.errors import ConfigError

Device = Literal["auto", "cpu", "cuda"]


def choose_device(device: Device = "auto") -> Literal["cpu", "cuda"]:
    """Return the device of classical layers: `auto` is a GPU where torch finds one.

    Raises:
        ConfigError: CUDA is wanted and there is none.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ConfigError("torch finds no CUDA GPU here: leave --device out, or install a CUDA build of torch")
    return "cuda" if available and device != "cpu" else "cpu"
