"""Losses of the two players, as functions of the discriminator's scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from qgen.adversarial.settings import LossName


class Losses(NamedTuple):
    """What each player lowers.

    discriminator: scores of real (B,) and of generated images (B,) -> a scalar; generator: scores of generated ones.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


LOSSES: dict[LossName, Losses] = {
    # I. Goodfellow et al. (2014), "Generative adversarial nets", arXiv:1406.2661, section 3: binary cross-entropies of
    # the scores' logistic function, and for the generator that of the other label.
    "non-saturating": Losses(
        lambda real, fake: softplus(-real).mean() + softplus(fake).mean(), lambda fake: softplus(-fake).mean()
    ),
    # J. H. Lim, J. C. Ye (2017), "Geometric GAN", arXiv:1705.02894.
    "hinge": Losses(lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(), lambda fake: -fake.mean()),
    # M. Arjovsky et al. (2017), "Wasserstein GAN", arXiv:1701.07875, equation 3.
    "wasserstein": Losses(lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean()),
}


def gradient_penalty(score: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """How far the score is from a slope of one between real and generated images: mean (|d score / d image| - 1)^2.

    I. Gulrajani et al. (2017), "Improved training of Wasserstein GANs", arXiv:1704.00028, equation 3. Its gradient for
    the discriminator's weights is a second derivative of the score.

    Args:
        score: images (B, C, H, W) -> scores (B,), none of which depends on another image.
        real: images (B, C, H, W).
        fake: as many.
        mix: (B,) in [0, 1], where between the two.
    """
    between = torch.lerp(fake.detach().to(real.dtype), real, mix.reshape(-1, 1, 1, 1)).requires_grad_()
    (slopes,) = torch.autograd.grad(score(between).sum(), between, create_graph=True)
    # A little below the root: its slope at zero is infinite.
    lengths = (slopes.flatten(1).square().sum(dim=1) + 1e-12).sqrt()
    return (lengths - 1).square().mean()
