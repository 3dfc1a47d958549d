"""Checkpoints: all tensors of a training run in one safetensors file, with a digest, and no pickled class."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from qgen.errors import RunError
from qgen.runs.config import RunConfig
from qgen.tensor_files import TensorFile, Tensors

_FILE = TensorFile("checkpoint", 1, "Delete it to go on from the one before it, if there is one.")


@dataclass(frozen=True)
class Checkpoint:
    """State of a training run after a step. Noise, data order and samples follow from its seed and its step.

    Attributes:
        step: number of steps taken.
        seed: the run's seed.
        model: the fingerprint of the model's settings; weights of another model are not loaded.
        tensors: by group (`weights`, `ema`, `optimizer`, ...) and name.
        numbers: further plain values, as JSON.
    """

    step: int
    seed: int
    model: str
    tensors: dict[str, dict[str, torch.Tensor]]
    numbers: dict[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the file whole, or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    flat = {
        f"{group}/{name}": tensor for group, tensors in checkpoint.tensors.items() for name, tensor in tensors.items()
    }
    content = {
        "step": checkpoint.step,
        "seed": checkpoint.seed,
        "model": checkpoint.model,
        "numbers": checkpoint.numbers,
    }
    _FILE.write(path, flat, content)


def load_checkpoint(path: Path, model: str | None = None) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: the file.
        model: fingerprint that the model must have; None: any.

    Raises:
        RunError: the file is missing, damaged, of another version, or of another model.
    """
    flat, content = _FILE.read(path)
    try:
        saved = Checkpoint(content["step"], content["seed"], content["model"], _grouped(flat), content["numbers"])
    except KeyError as error:
        raise _FILE.damaged(path, f"it lacks {error}") from error
    if model is not None and saved.model != model:
        raise RunError(f"{path} was made by a model with other settings than this run's config.yaml says")
    return saved


def averaged_weights(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    """Return the state of the network that samples: tensors without an average are those of training.

    Raises:
        KeyError: the checkpoint has no weights.
    """
    tensors = checkpoint.tensors
    return tensors["weights"] | tensors.get("ema", {}) | tensors.get("estimates", {})


def _grouped(flat: Tensors) -> dict[str, dict[str, torch.Tensor]]:
    tensors: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in flat.items():
        group, _, name = key.partition("/")
        tensors.setdefault(group, {})[name] = tensor
    return tensors


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return a digest of plain settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def model_fingerprint(config: RunConfig, shape: tuple[int, int, int]) -> str:
    """Return a digest that two runs have in common if the weights of one fit the other."""
    return fingerprint({**config.kind.identity(config.model), "shape": list(shape)})
