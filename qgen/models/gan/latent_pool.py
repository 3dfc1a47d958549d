"""Latent numbers of a GAN from a prior pool: bit strings that a circuit drew before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from qgen.errors import ConfigError
from qgen.models.born.pool import PriorPool


class LatentPool(nn.Module):
    """Latent numbers -1 and 1: the codes of a pool, of which each image takes one at random.

    Source: quantum samples as latent distributions of GANs, 2025, arXiv:2507.01886.

    Args:
        path: the file of the pool.
        latents: how many numbers are wanted.

    Attributes:
        identity: (), a checksum of the circuit that drew the pool, and of its weights; checkpoints keep it.

    Raises:
        ConfigError: its codes have another number of bits.
        RunError: it is missing or damaged.
    """

    bits: torch.Tensor
    identity: torch.Tensor

    def __init__(self, path: Path, latents: int) -> None:
        super().__init__()
        pool, self.path = PriorPool.read(path), path
        if pool.bits.shape[1] != latents:
            raise ConfigError(
                f"{path} has codes of {pool.bits.shape[1]} bits, and the generator's block takes {latents} numbers: "
                f"set `model.generator.block.width={pool.bits.shape[1]}`, or draw another pool"
            )
        self.register_buffer("bits", pool.bits, persistent=False)
        self.register_buffer("identity", torch.tensor(pool.identity))

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw codes (count, L), float32, -1 and 1, on the CPU."""
        rows = torch.randint(len(self.bits), (count,), generator=generator)
        return 2 * self.bits.cpu()[rows].float() - 1

    def check_count(self, count: int) -> None:
        """Refuse more images than the pool has codes.

        Raises:
            ConfigError: there are fewer.
        """
        if count > len(self.bits):
            raise ConfigError(
                f"the pool {self.path} is exhausted: it has {len(self.bits):,} codes, fewer than {count:,} images: "
                "sample fewer, or draw a larger pool of the same run"
            )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """Refuse the weights of a GAN that learned from another distribution."""
        if int(state_dict.get(f"{prefix}identity", self.identity)) != int(self.identity):
            raise ConfigError(
                f"{self.path} was drawn from another circuit, or at other weights, than the pool that this run was "
                "trained with: give that one, or train anew"
            )
        super()._load_from_state_dict(state_dict, prefix, *others)
