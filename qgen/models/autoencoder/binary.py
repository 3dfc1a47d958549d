"""An autoencoder whose codes are bits: images to probabilities of each bit, and bits to images."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from qgen.models.autoencoder.network import build_autoencoder
from qgen.models.autoencoder.settings import AutoencoderSettings


class BinaryAutoencoder(nn.Module):
    """A convolutional autoencoder with independent Bernoulli bits for a code; gradients pass straight through them.

    Source: Bengio, Leonard and Courville, "Estimating or propagating gradients through stochastic neurons for
    conditional computation", 2013, arXiv:1308.3432.

    Args:
        bits: of a code.
        widths: see `AutoencoderSettings`.
        shape: (C, H, W) of the images; H = W.
        seed: of the initial weights.

    Raises:
        ConfigError: the images are not square, or too small.
    """

    def __init__(self, bits: int, widths: tuple[int, ...], shape: tuple[int, int, int], seed: int = 0) -> None:
        super().__init__()
        self.bits = bits
        settings = AutoencoderSettings(widths=widths, vector=bits, gan=False)
        self.network = build_autoencoder(settings, shape, seed=seed)

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits (B, n) of the bits of images (B, C, H, W) in [-1, 1]."""
        return self.network.encode(images).mean

    def decode(self, bits: Tensor) -> Tensor:
        """Return images (B, C, H, W), about [-1, 1], of bits (B, n), 0 or 1."""
        return self.network.decode(2 * bits.float() - 1)


def straight_through(logits: Tensor, uniform: Tensor) -> Tensor:
    """Return bits (B, n), float, drawn by numbers (B, n) in [0, 1); their gradients are those of the probabilities."""
    chances = logits.sigmoid()
    return (uniform < chances).to(chances.dtype) + chances - chances.detach()


def bernoulli_kl(logits: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergences (B,) of the bits from fair coins, in nats an image."""
    chances, half = logits.sigmoid(), torch.log(torch.tensor(2.0))
    entropy = chances * functional.softplus(-logits) + (1 - chances) * functional.softplus(logits)
    return (half - entropy).sum(1)
