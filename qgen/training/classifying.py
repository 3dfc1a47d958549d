"""What a trained classifier comes to: a file that extractors read, and how often it is right."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from qgen import storage
from qgen.data import ImageSet
from qgen.errors import InputError
from qgen.models.features import CLASSIFIER_FILE, ConvClassifier, save_classifier
from qgen.runs import ClassifierLearner
from qgen.runs.folder import writing
from qgen.training.loop import Trainer

_CHUNK = 512


@dataclass(frozen=True)
class Classified:
    """A classifier that was written.

    Attributes:
        file: what `model.discriminator.extractor.name=classifier:FILE` reads.
        accuracy: how often it is right about images that it has not learned from; None where there were none.
        images: how many these are.
    """

    file: Path
    accuracy: float | None
    images: int


def write_classifier(trainer: Trainer, held_out: ImageSet | None) -> Classified:
    """Writes the classifier of a run, with averaged weights, into its folder; beside it a note of how good it is.

    Args:
        trainer: its training is over.
        held_out: labelled images that it has not learned from, of the same shape.

    Raises:
        RunError: the files cannot be written.
        TypeError: it trained no classifier.
    """
    learner = trainer.generator
    if not isinstance(learner, ClassifierLearner):
        raise TypeError(f"{trainer.run.path} is not the run of a classifier")
    file = trainer.run.path / CLASSIFIER_FILE
    with trainer.average.applied(), writing(file):
        save_classifier(file, learner.network)
        right = None if held_out is None else accuracy(learner.network, held_out)
        done = Classified(file, right, 0 if held_out is None else len(held_out))
        facts: dict[str, Any] = {"data": trainer.images.name, "held_out": done.images, "accuracy": done.accuracy}
        storage.write_text(file.with_suffix(".json"), json.dumps(facts, indent=2) + "\n")
    return done


@torch.no_grad()
def accuracy(network: ConvClassifier, images: ImageSet) -> float:
    """How often the likeliest class of an image is its label.

    Raises:
        InputError: there are no labels.
    """
    if images.labels is None:
        raise InputError(f"{images.name} has no labels to compare with")
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    right = 0
    for part in torch.arange(len(images)).split(_CHUNK):
        told = network(images.scaled(part).to(device)).argmax(dim=1).cpu()
        right += int((told == images.labels[part]).sum())
    network.train(was_training)
    return right / len(images)
