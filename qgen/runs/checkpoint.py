"""Checkpoints: all tensors of a training run in one safetensors file, with a digest, and no pickled class."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from qgen import storage
from qgen.errors import RunError

FORMAT = "qgen-checkpoint"
VERSION = 1

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training run after a step. Noise, data order and samples follow from its seed and its step.

    Attributes:
        step: how many steps were taken.
        seed: the run's seed.
        model: the fingerprint of the model's settings; weights of another model are not loaded.
        tensors: by group (`weights`, `ema`, `optimizer`, ...) and name.
        numbers: what else has to be kept, as JSON.
    """

    step: int
    seed: int
    model: str
    tensors: dict[str, dict[str, torch.Tensor]]
    numbers: dict[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes the file whole, or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    flat = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group, tensors in checkpoint.tensors.items()
        for name, tensor in tensors.items()
    }
    content = {
        "step": checkpoint.step,
        "seed": checkpoint.seed,
        "model": checkpoint.model,
        "numbers": checkpoint.numbers,
    }
    content["sha256"] = _digest(flat, content)
    with storage.aside(path) as temporary:
        try:
            save_file(flat, temporary, {"format": FORMAT, "version": str(VERSION), "qgen": json.dumps(content)})
        except SafetensorError as error:  # it wraps what the system said
            raise OSError(f"the checkpoint could not be written ({error})") from error


def load_checkpoint(path: Path, model: str | None = None) -> Checkpoint:
    """The checkpoint in a file.

    Args:
        path: the file.
        model: the fingerprint that the model has to have; None: any.

    Raises:
        RunError: the file is missing, damaged, of another version, or of another model.
    """
    flat, meta = _read(path)
    if meta.get("format") != FORMAT:
        raise RunError(f"{path} is a safetensors file, but not a checkpoint of qgen")
    if meta.get("version") != str(VERSION):
        raise RunError(f"{path} has version {meta.get('version')}; this qgen reads version {VERSION}. Update qgen.")
    found = _interpret(path, flat, meta.get("qgen", ""))
    if model is not None and found.model != model:
        raise RunError(f"{path} was made by a model with other settings than this run's config.yaml says")
    return found


def _interpret(path: Path, flat: Tensors, text: str) -> Checkpoint:
    try:
        content = json.loads(text)
        told = content.pop("sha256")
        made = Checkpoint(content["step"], content["seed"], content["model"], _grouped(flat), content["numbers"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(_damaged(path, "its description cannot be read")) from error
    if told != _digest(flat, content):
        raise RunError(_damaged(path, "its content does not have the digest that was written with it"))
    return made


def _grouped(flat: Tensors) -> dict[str, dict[str, torch.Tensor]]:
    tensors: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in flat.items():
        group, _, name = key.partition("/")
        tensors.setdefault(group, {})[name] = tensor
    return tensors


def fingerprint(settings: Mapping[str, Any]) -> str:
    """A digest of plain settings, the same for equal ones."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    if not path.is_file():
        raise RunError(f"there is no checkpoint {path}")
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except (SafetensorError, ValueError) as error:
        raise RunError(_damaged(path, str(error))) from error


def _damaged(path: Path, why: str) -> str:
    return f"the checkpoint {path} is damaged ({why}). Delete it to go on from the one before it, if there is one."


def _digest(flat: Tensors, content: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for key in sorted(flat):
        tensor = flat[key]
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()
