"""An autoencoder and the discriminator that it is trained against, as one network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qgen.backends import Backend, GradientMethod, open_backend
from qgen.models.autoencoder.network import Autoencoder, Shape, build_autoencoder
from qgen.models.autoencoder.settings import AutoencoderDiscriminatorSettings, AutoencoderSettings
from qgen.models.circuit_context import CircuitContext
from qgen.models.gan import Discriminator, DiscriminatorSettings
from qgen.models.initialisation import initialise
from qgen.randomness import derive


class VAEGAN(nn.Module):
    """A variational autoencoder with a discriminator, or without (Larsen et al. 2015, arXiv:1512.09300).

    `build_vae_gan` makes one. The names of its parameters begin with `autoencoder` or `discriminator`.

    Attributes:
        updates: (), int64: steps that were taken, so that a resumed run knows when the discriminator joins.
    """

    updates: Tensor

    def __init__(self, autoencoder: Autoencoder, discriminator: Discriminator | None) -> None:
        super().__init__()
        self.autoencoder, self.discriminator = autoencoder, discriminator
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def forward(self, codes: Tensor) -> Tensor:
        """Return images (B, C, H, W) of codes (B, *code)."""
        return self.autoencoder.decode(codes)


def build_vae_gan(
    settings: AutoencoderSettings,
    shape: Shape,
    backend: str | Backend = "statevector",
    gradient: str | GradientMethod = "auto",
    seed: int = 0,
    idle_encoder: bool = False,
) -> VAEGAN:
    """Build the network of these settings, with its initial weights; see `build_autoencoder`."""
    autoencoder = build_autoencoder(settings, shape, backend, gradient, seed, idle_encoder)
    if not settings.gan:
        return VAEGAN(autoencoder, None)
    return VAEGAN(autoencoder, build_discriminator(settings.discriminator, shape, seed))


def build_discriminator(settings: AutoencoderDiscriminatorSettings, shape: Shape, seed: int) -> Discriminator:
    """Build the discriminator of what an autoencoder makes, with its initial weights.

    Args:
        settings: what to build.
        shape: (C, H, W) of the images.
        seed: of all initial weights.

    Raises:
        ConfigError: an extractor's weights are not at hand.
    """
    context = CircuitContext(open_backend("statevector"), "auto", derive(seed, "discriminator"))
    scored = DiscriminatorSettings(extractor=settings.extractor, block=None)
    with torch.random.fork_rng(devices=[]):  # torch's layers draw weights of their own first
        discriminator = Discriminator(scored, shape, context, derive(seed, "extractor"))
    initialise(discriminator, derive(seed, "discriminator"), but="extractor")  # which has a seed of its own
    return discriminator
