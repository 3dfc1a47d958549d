"""Classifiers: not generators, but trained by the same loop, so that a discriminator can use their features."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from qgen.conditioning import LabelConditioning
from qgen.errors import ConfigError, InputError
from qgen.generators.protocols import BuildContext, Export, Player, Shape, learned
from qgen.models import ClassifierSettings
from qgen.storage import write_text

if TYPE_CHECKING:
    from torch import nn

    from qgen.backends import Backend
    from qgen.data import DataSettings, ImageSet
    from qgen.models.description import ModelDescription
    from qgen.models.features import ConvClassifier

_CHUNK = 512


@dataclass(frozen=True)
class ClassifierModel:
    """A classifier; its labels reach the objective as conditioning does.

    Attributes:
        network: the classifier.
        backend: a place for circuits, of which it has none.
    """

    Settings: ClassVar = ClassifierSettings
    parts: ClassVar = ("body", "head")
    exports: ClassVar = ("classifier.json",)  # written last

    network: ConvClassifier
    backend: Backend

    @classmethod
    def build(cls, settings: ClassifierSettings, context: BuildContext) -> ClassifierModel:
        """Return the classifier with its initial weights.

        Raises:
            ConfigError: the images have no labels or too few classes; or it is not built to be trained.
        """
        from qgen.models.features import build_classifier

        if context.purpose != "training":
            raise ConfigError(
                "a classifier makes no images and has no circuits, so there is nothing to sample or to describe: "
                "`qgen train` trains it, and a GAN takes it as `model.discriminator.extractor.name=classifier:RUN`"
            )
        if context.num_classes is None:
            raise ConfigError(f"{context.data_name} has no labels that a classifier could learn: choose other data")
        return cls(build_classifier(settings, context.shape, context.num_classes, context.seed), context.backend)

    @property
    def shape(self) -> Shape:
        return self.network.image_shape

    @property
    def conditioning(self) -> LabelConditioning:
        return LabelConditioning(self.network.classes)

    @property
    def averaged(self) -> dict[str, nn.Parameter]:
        return dict(self.network.named_parameters())

    @property
    def circuits_per_training_image(self) -> float:
        return 0

    def players(self) -> tuple[Player, ...]:
        from qgen.models.features import Classification

        return (Player("classifier", Classification(self.network), learned(self.network)),)

    def describe(self) -> ModelDescription:
        raise ConfigError("a classifier has no circuits to describe")

    def export(self, folder: Path, data: DataSettings, data_dir: Path | None) -> Export:
        """Write the classifier for `model.discriminator.extractor`, and its accuracy on images of the test set."""
        from qgen.data import open_images
        from qgen.data.sets import KNOWN_SETS
        from qgen.models.features import CLASSIFIER_FILE, save_classifier

        held_out = None
        if data.name in KNOWN_SETS and data.split == "train":
            other = data.model_copy(update={"split": "test", "limit": None, "fraction": None})
            held_out = open_images(other, data_dir)
        file = folder / CLASSIFIER_FILE
        save_classifier(file, self.network)
        right = None if held_out is None else accuracy(self.network, held_out)
        facts: dict[str, Any] = {"data": data.name, "held_out": len(held_out or ()), "accuracy": right}
        write_text(file.with_suffix(".json"), json.dumps(facts, indent=2) + "\n")
        known = "" if right is None else f", right about {right:.1%} of images it never saw"
        name = f"model.discriminator.extractor.name=classifier:{folder}"
        lines = f"classifier: {file}{known}", f"a GAN that uses it: qgen train gan-quantum-g --set {name}"
        return Export({"classifier": str(file), "accuracy": right}, lines)


def accuracy(network: ConvClassifier, images: ImageSet) -> float:
    """Return the share of images whose likeliest class is their label.

    Raises:
        InputError: there are no labels.
    """
    import torch

    if images.labels is None:
        raise InputError(f"{images.name} has no labels to compare with")
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    right = 0
    with torch.no_grad():
        for part in torch.arange(len(images)).split(_CHUNK):
            predicted = network(images.scaled(part).to(device)).argmax(dim=1).cpu()
            right += int((predicted == images.labels[part]).sum())
    network.train(was_training)
    return right / len(images)
