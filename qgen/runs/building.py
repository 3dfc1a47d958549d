"""From the settings of a run to its generator, with initial weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from qgen.adversarial import AdversarialSettings
from qgen.backends import Backend
from qgen.data import ImageSet
from qgen.diffusion import DenoisingObjective, DiffusionSettings, SamplingSettings
from qgen.errors import ConfigError
from qgen.models import ClassifierSettings, GANSettings, build_gan, build_unet
from qgen.models.features import build_classifier
from qgen.nn import QuantumLayer
from qgen.randomness import derive
from qgen.runs.config import RunConfig
from qgen.runs.generators import (
    AdversarialGenerator,
    ClassifierLearner,
    DiffusionGenerator,
    ImageGenerator,
    Learner,
    Shape,
)


def build_learner(config: RunConfig, images: ImageSet, backend: Backend) -> Learner:
    """What the settings say is trained with these images: a generator, or a classifier.

    Raises:
        ConfigError, BackendError, CircuitError: see `build_generator`; or a classifier is to learn without labels.
    """
    if not isinstance(config.model, ClassifierSettings):
        made = build_generator(config, images.shape, backend, config.backend.gradient)
        if isinstance(made, AdversarialGenerator) and made.penalised:
            _check_second_derivatives(made.network.discriminator, backend)
        return made
    if images.class_names is None:
        raise ConfigError(f"{images.name} has no labels that a classifier could learn: choose other data")
    seed = derive(config.training.seed, "weights")
    return ClassifierLearner(build_classifier(config.model, images.shape, len(images.class_names), seed), backend)


def build_generator(
    config: RunConfig, shape: Shape, backend: Backend | None = None, gradient: str = "auto", trained: bool = False
) -> ImageGenerator:
    """The generator that settings describe, for images of shape (C, H, W), with its initial weights.

    Args:
        config: the settings.
        shape: channels, height and width; images are square.
        backend: where its circuits run; None: as the settings say, and so with the gradient.
        gradient: how circuits are differentiated on this backend.
        trained: whether it only samples from here on: what only training runs is then not put on the backend.

    Raises:
        ConfigError, BackendError, CircuitError: the settings contradict each other, or the backend cannot serve them.
    """
    if isinstance(config.model, ClassifierSettings):
        raise ConfigError(
            "a classifier makes no images and has no circuits, so there is nothing to sample or to describe: "
            "`qgen train` trains it, and a GAN takes it as `model.discriminator.extractor.name=classifier:RUN`"
        )
    chosen = backend or config.backend.open()
    how = config.backend.gradient if backend is None else gradient
    seed = derive(config.training.seed, "weights")
    if isinstance(config.model, GANSettings):
        game = config.adversarial or AdversarialSettings()
        network = build_gan(config.model, shape, chosen, how, seed, idle=trained)
        return AdversarialGenerator(network, game, shape, chosen)
    diffusion, sampling = config.diffusion or DiffusionSettings(), config.sampling or SamplingSettings()
    denoiser = build_unet(config.model, shape[0], shape[1], chosen, how, seed)
    objective = DenoisingObjective(denoiser, diffusion.noise_schedule(), diffusion.loss_weights(), diffusion.prediction)
    return DiffusionGenerator(denoiser, sampling, objective, shape, chosen)


@contextmanager
def closing_on_error(backend: Backend) -> Iterator[None]:
    """Closes a backend, which may hold a lock, if what is done with it fails."""
    try:
        yield
    except BaseException:
        backend.close()
        raise


def _check_second_derivatives(discriminator: nn.Module, backend: Backend) -> None:
    """A gradient penalty is learned from by second derivatives of the discriminator.

    Raises:
        ConfigError: its circuits have none here.
    """
    layers = [inner for inner in discriminator.modules() if isinstance(inner, QuantumLayer)]
    if not all(layer.compiled.second_derivatives for layer in layers):
        raise ConfigError(
            "the gradient penalty of the `wasserstein` loss takes second derivatives of the discriminator's circuits, "
            f"and there are none on {backend.name} with this gradient: train on `statevector` (or `aer` without "
            "shots), choose another `adversarial.loss`, or a classical block for the discriminator"
        )
