"""The generator and the discriminator of a GAN as one network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from qgen.backends import Backend, GradientMethod, open_backend
from qgen.models.arguments import as_backend, check_square
from qgen.models.circuit_context import CircuitContext
from qgen.models.gan.discriminator import Discriminator
from qgen.models.gan.generators import GeneratorNetwork, Shape, build_generator_network
from qgen.models.gan.settings import GANSettings
from qgen.models.initialisation import initialise
from qgen.randomness import derive

if TYPE_CHECKING:
    from qgen.models.latent.network import LatentCodec


class GAN(nn.Module):
    """A generator and a discriminator (Goodfellow et al. 2014, arXiv:1406.2661), each classical or with circuits.

    `build_gan` makes one. The names of its parameters begin with `generator` or `discriminator`.

    Attributes:
        settings: what it was built from.
        image_shape: (C, H, W) of what both players see: images, or codes.
        codec: decodes the codes that the generator makes; None: it makes images.
    """

    codec: LatentCodec | None

    generator: GeneratorNetwork
    discriminator: Discriminator

    def __init__(
        self, settings: GANSettings, shape: Shape, generating: CircuitContext, scoring: CircuitContext, seed: int
    ) -> None:
        super().__init__()
        self.settings, self.image_shape, self.codec = settings, shape, None
        self.generator = build_generator_network(settings.generator, shape, generating.at("generator"))
        self.discriminator = Discriminator(settings.discriminator, shape, scoring.at("discriminator"), seed)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Return images (B, C, H, W) in [-1, 1] of latent numbers (B, L)."""
        made: torch.Tensor = self.generator(latents)
        return made if self.codec is None else self.codec.decode(made)

    @property
    def decoder_circuits(self) -> int:
        """Circuits that decode what the generator makes for one image."""
        return 0 if self.codec is None else self.codec.autoencoder.decoder_circuits


def build_gan(
    settings: GANSettings,
    shape: Shape,
    backend: str | Backend = "statevector",
    gradient: str | GradientMethod = "auto",
    seed: int = 0,
    idle: bool = False,
) -> GAN:
    """Build the GAN of these settings, with its initial weights; torch's global generator is neither used nor changed.

    Args:
        settings: what to build.
        shape: (C, H, W) of the images; H = W.
        backend: where circuits run: a name or a `Backend`.
        gradient: how circuits are differentiated: a name or a `GradientMethod`.
        seed: of all initial weights.
        idle: whether the discriminator only keeps its weights, as where images are sampled: its circuits are then not
            put on that backend.

    Raises:
        ConfigError: the images do not fit the generator, or an extractor's weights are not at hand.
        CircuitError, BackendError: the backend or its gradient cannot serve the circuits.
    """
    check_square(shape)
    opened = as_backend(backend)
    with torch.random.fork_rng(devices=[]):  # torch's layers draw weights of their own first
        generating = CircuitContext(opened, gradient, derive(seed, "circuits"))
        scoring = replace(generating, backend=open_backend("statevector"), gradient="auto") if idle else generating
        model = GAN(settings, shape, generating, scoring, derive(seed, "extractor"))
    initialise(model, derive(seed, "weights"), but="discriminator.extractor")  # which has a seed of its own
    return model
