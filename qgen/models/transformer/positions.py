"""Fixed positions of the pixels of a map."""

from __future__ import annotations

import torch
from torch import Tensor

LONGEST_PERIOD = 1e4  # in turns of 2 pi


def sincos_positions(height: int, width: int, features: int) -> Tensor:
    """Return sines and cosines of the rows and columns of a map's pixels, (height * width, features), float32.

    The first half of the features is of a pixel's row, the second of its column, each sines then cosines at geometric
    rates (Vaswani et al. 2017, arXiv:1706.03762, section 3.5; in two dimensions as in the code of Peebles & Xie 2023,
    arXiv:2212.09748).

    Args:
        height: rows.
        width: columns.
        features: a multiple of 4.
    """
    pairs = features // 4
    rates = LONGEST_PERIOD ** (-torch.arange(pairs, dtype=torch.float64, device="cpu") / pairs)
    places = torch.cartesian_prod(
        torch.arange(height, dtype=torch.float64, device="cpu"), torch.arange(width, dtype=torch.float64, device="cpu")
    )
    angles = places.view(-1, 2, 1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=2).flatten(1).float()
