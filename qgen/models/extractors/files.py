"""Classifiers in files: those that qgen ships, and those that a user trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from qgen import storage
from qgen.circuits.arguments import suggestion
from qgen.errors import ConfigError, RunError
from qgen.models.extractors.classifier import ConvClassifier, build_classifier
from qgen.models.extractors.settings import ClassifierSettings

FORMAT = "qgen-classifier"
VERSION = 1
#: The classifier in the folder of a run that trained one.
CLASSIFIER_FILE = "classifier.safetensors"

Tensors = Mapping[str, torch.Tensor]


def shipped_classifiers() -> tuple[str, ...]:
    """The names of the classifiers that come with qgen."""
    return tuple(sorted(path.stem for path in _shipped().glob("*.safetensors")))


def find_classifier(name: str) -> Path:
    """The file that a name, a path or the folder of a run means.

    Raises:
        ConfigError: there is none; the message says which ones are shipped.
    """
    if name in shipped_classifiers():
        return _shipped() / f"{name}.safetensors"
    path = Path(name).expanduser()
    inside = path / CLASSIFIER_FILE
    if path.is_file() or inside.is_file():
        return path if path.is_file() else inside
    if path.is_dir():
        raise ConfigError(f"the folder {name} holds no {CLASSIFIER_FILE}: give that of a run that trained a classifier")
    known = shipped_classifiers()
    raise ConfigError(
        f"there is no classifier {name!r}: give the folder of a run that trained one, a .safetensors file, "
        f"or one that is shipped ({', '.join(known) or 'none'}).{suggestion(name, known)}"
    )


def save_classifier(path: Path, network: ConvClassifier) -> None:
    """Writes the file whole, or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    content: dict[str, Any] = {
        "settings": network.settings.plain(),
        "shape": list(network.image_shape),
        "classes": network.classes,
    }
    content["sha256"] = _digest(tensors, content)
    with storage.aside(path) as temporary:
        try:
            save_file(tensors, temporary, {"format": FORMAT, "version": str(VERSION), "qgen": json.dumps(content)})
        except SafetensorError as error:  # it wraps what the system said
            raise OSError(f"the classifier could not be written ({error})") from error


def load_classifier(path: Path) -> ConvClassifier:
    """The classifier in a file, in evaluation mode.

    Raises:
        RunError: the file is missing, damaged, of another version, or holds something else.
    """
    tensors, meta = _read(path)
    if meta.get("format") != FORMAT:
        raise RunError(f"{path} is a safetensors file, but not a classifier of qgen")
    if meta.get("version") != str(VERSION):
        raise RunError(f"{path} has version {meta.get('version')}; this qgen reads version {VERSION}. Update qgen.")
    return _interpret(path, tensors, meta.get("qgen", "")).eval()


def _interpret(path: Path, tensors: Tensors, text: str) -> ConvClassifier:
    try:
        content = json.loads(text)
        told = content.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(_damaged(path, "its description cannot be read")) from error
    if told != _digest(tensors, content):
        raise RunError(_damaged(path, "its content does not have the digest that was written with it"))
    channels, height, width = content["shape"]
    settings = ClassifierSettings.read(content["settings"])
    network = build_classifier(settings, (channels, height, width), content["classes"])
    network.load_state_dict(dict(tensors))
    return network


def _shipped() -> Path:
    return Path(str(resources.files("qgen.models.extractors") / "weights"))


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    if not path.is_file():
        raise RunError(f"there is no classifier {path}")
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except (SafetensorError, ValueError) as error:
        raise RunError(_damaged(path, str(error))) from error


def _damaged(path: Path, why: str) -> str:
    return f"the classifier {path} is damaged ({why}). Train it anew, or install qgen anew if it came with it."


def _digest(tensors: Tensors, content: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data if value.numel() else b"")
    return digest.hexdigest()
