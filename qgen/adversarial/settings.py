"""Settings of adversarial training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

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
