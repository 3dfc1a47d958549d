"""What studies ask of the model that settings describe, without training it."""

from __future__ import annotations

from typing import NamedTuple

from qgen.backends import open_backend
from qgen.data import caption_facts, image_shape, num_classes
from qgen.runs import RunConfig, build_generator


class ModelCounts(NamedTuple):
    """Numbers of a model.

    Attributes:
        parameters: trained or frozen.
        quantum_parameters: those of them that are weights of circuits.
        circuits_per_image: circuits that are run to sample an image.
    """

    parameters: int
    quantum_parameters: int
    circuits_per_image: int


def count_model(config: RunConfig) -> ModelCounts:
    """Count the parameters and circuits of a model.

    Raises:
        ConfigError, CircuitError, DataError: the settings cannot be met.
    """
    shape, classes, captions = image_shape(config.data), num_classes(config.data), caption_facts(config.data)
    generator = build_generator(config, shape, open_backend("statevector"), num_classes=classes, captions=captions)
    facts = generator.describe()
    return ModelCounts(facts.parameters, facts.quantum_parameters, generator.circuits_per_image)


def images_per_step(config: RunConfig) -> int:
    """Return the training images per step: a discriminator may take several steps, each on a batch of its own."""
    return config.training.batch * config.batches_per_step
