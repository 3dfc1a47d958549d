"""Settings of adversarial training, of GANs and of autoencoders."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from qgen.settings import Settings

LossName = Literal["non-saturating", "hinge", "wasserstein"]


class AdversarialSettings(Settings):
    """Losses of the players, and the steps of the discriminator."""

    loss: LossName = "non-saturating"
    """`non-saturating` (Goodfellow et al. 2014), `hinge` (Lim & Ye 2017), or `wasserstein` with a gradient penalty
    (Gulrajani et al. 2017)"""
    penalty: float = Field(10.0, ge=0)
    """weight of the gradient penalty of `wasserstein`"""
    discriminator_steps: PositiveInt = 1
    """steps of the discriminator, each on a batch of its own, for one of the generator"""
    discriminator_rate: float | None = Field(None, gt=0)
    """learning rate of the discriminator (two time scales: Heusel et al. 2017); null: that of the generator"""


class ReconstructionSettings(Settings):
    """Losses of an autoencoder and of its discriminator, beside L1 and squared error of pixels."""

    kl_weight: float = Field(1e-2, ge=0)
    """weight of the KL divergence of an image's code, in nats a number of the image: little makes good reconstructions,
    1 makes codes that are standard normal (Kingma & Welling 2013)"""
    gan_start: NonNegativeInt = 400
    """steps without the discriminator, in the beginning; it does not change when a run that goes on gets longer"""
    feature_weight: float = Field(1.0, ge=0)
    """weight of the squared error of the discriminator's features (Larsen et al. 2015)"""
    gan_weight: float = Field(0.5, ge=0)
    """size of the adversarial loss's gradient at the last layer, in sizes of that of the reconstruction (Esser et al.
    2020)"""
    discriminator_rate: float | None = Field(None, gt=0)
    """learning rate of the discriminator; null: that of the autoencoder"""
