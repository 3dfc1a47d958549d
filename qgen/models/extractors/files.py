"""Classifiers in files: those that qgen ships, and those that a user trained."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from qgen.circuits.arguments import suggestion
from qgen.errors import ConfigError
from qgen.models.extractors.classifier import ConvClassifier, build_classifier
from qgen.models.extractors.settings import ClassifierSettings
from qgen.tensor_files import TensorFile

_FILE = TensorFile("classifier", 1, "Train it anew, or install qgen anew if it came with it.")
#: The classifier in the folder of a run that trained one.
CLASSIFIER_FILE = "classifier.safetensors"


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
    if os.path.isfile(path) or os.path.isfile(inside):
        return path if os.path.isfile(path) else inside
    if os.path.isdir(path):
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
    content = {
        "settings": network.settings.plain(),
        "shape": list(network.image_shape),
        "classes": network.classes,
    }
    _FILE.write(path, network.state_dict(), content)


def load_classifier(path: Path) -> ConvClassifier:
    """The classifier in a file, in evaluation mode.

    Raises:
        RunError: the file is missing, damaged, of another version, or holds something else.
    """
    tensors, content = _FILE.read(path)
    channels, height, width = content["shape"]
    settings = ClassifierSettings.read(content["settings"])
    network = build_classifier(settings, (channels, height, width), content["classes"])
    network.load_state_dict(tensors)
    return network.eval()


def _shipped() -> Path:
    return Path(str(resources.files("qgen.models.extractors") / "weights"))
