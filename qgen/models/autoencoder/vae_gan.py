"""An autoencoder and the discriminator that it is trained against, as one network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qgen.backends import Backend, GradientMethod, open_backend
from qgen.models.autoencoder.network import Autoencoder, Posterior, Shape, build_autoencoder
from qgen.models.autoencoder.settings import AutoencoderDiscriminatorSettings, AutoencoderSettings
from qgen.models.circuit_context import CircuitContext
from qgen.models.gan.discriminator import Discriminator
from qgen.models.gan.settings import DiscriminatorSettings
from qgen.models.initialisation import initialise
from qgen.models.quantum_branch import MOMENTUM
from qgen.randomness import derive


class VAEGAN(nn.Module):
    """A variational autoencoder with a discriminator, or without (Larsen et al. 2015, arXiv:1512.09300).

    `build_vae_gan` makes one. The names of its parameters begin with `autoencoder` or `discriminator`. It is a `Codec`,
    whose states are the means of codes, standardised by the moments that it has observed; they have no range.

    Attributes:
        updates: (), int64: steps that were taken, so that a resumed run knows when the discriminator joins.
        code_mean: of each channel of the codes of the training images, (c, 1, 1) or (d,), as `observe` finds it.
        code_square: the mean of their squares, likewise.
        observed: (), int64: batches that are part of both.
    """

    range: tuple[float, float] | None = None
    averaged_buffers: ClassVar = ("code_mean", "code_square")

    updates: Tensor
    code_mean: Tensor
    code_square: Tensor
    observed: Tensor

    def __init__(self, autoencoder: Autoencoder, discriminator: Discriminator | None) -> None:
        super().__init__()
        self.autoencoder, self.discriminator = autoencoder, discriminator
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        shape = (autoencoder.code_shape[0], *[1] * (len(autoencoder.code_shape) - 1))
        self.register_buffer("code_mean", torch.zeros(shape))
        self.register_buffer("code_square", torch.ones(shape))
        self.register_buffer("observed", torch.zeros((), dtype=torch.int64))

    def forward(self, codes: Tensor) -> Tensor:
        """Return images (B, C, H, W) of codes (B, *code)."""
        return self.autoencoder.decode(codes)

    @torch.no_grad()
    def observe(self, posterior: Posterior) -> None:
        """Let the running moments follow those of codes that are drawn of images.

        Args:
            posterior: the distributions of the codes of a batch, in a step of training.
        """
        mean, rest = posterior.mean.to(self.code_mean), tuple(range(2, posterior.mean.dim()))
        square = mean.square() + posterior.logvar.to(mean).exp()
        self.observed += 1
        share = max(MOMENTUM, 1 / int(self.observed))  # the mean of all batches at first
        for moment, values in ((self.code_mean, mean), (self.code_square, square)):
            moment.lerp_(values.mean((0, *rest)).reshape(moment.shape), share)

    def codes(self, normal: Tensor) -> Tensor:
        """Return codes (B, *code) of standard normal numbers: with the mean and deviation of those of images.

        Codes are standard normal by themselves only where the KL divergence weighs as much as in a bound on the
        likelihood (`reconstruction.kl_weight=1`).
        """
        return self.code_mean + self._deviation * normal

    @property
    def _deviation(self) -> Tensor:
        return (self.code_square - self.code_mean.square()).clamp_min(1e-12).sqrt()

    def state_shape(self, image_shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of a code."""
        return self.autoencoder.code_shape

    def encode(self, images: Tensor) -> Tensor:
        """Return the states (B, *code) of images (B, C, H, W) in [-1, 1]."""
        means: Tensor = self.autoencoder.encode(images).mean.to(self.code_mean.dtype)
        return (means - self.code_mean) / self._deviation

    def decode(self, states: Tensor) -> Tensor:
        """Return the images (B, C, H, W) in [-1, 1] of states (B, *code)."""
        return self.autoencoder.decode(self.codes(states)).clamp(-1, 1)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *others: Any) -> None:
        # Runs of before had no moments: they decode standard normal codes, as they did.
        for name in (*self.averaged_buffers, "observed"):
            state_dict.setdefault(f"{prefix}{name}", getattr(self, name).clone())
        super()._load_from_state_dict(state_dict, prefix, *others)


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
