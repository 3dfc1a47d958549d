"""Nearest neighbours: precision, recall, density, coverage, and the nearest training images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import Tensor

from qgen.data import ImageSet

Cloud = NDArray[np.float64]

#: The ball around an image reaches to this nearest neighbour of its own kind.
NEIGHBOURS = 5
#: Largest number of images of each kind: memory grows with its square.
MAX_NEIGHBOURS = 2_000
_CHUNK = 2_048  # images at a time


class Neighbourhoods(NamedTuple):
    """What each image adds to precision, recall, density and coverage, which are means of it.

    Attributes:
        precision: (n,): whether a generated image lies in the ball of any real one.
        recall: (n,): whether a real image lies in the ball of any generated one.
        density: (n,): real balls that a generated image lies in, of the `NEIGHBOURS` expected.
        coverage: (n,): whether a real image has a generated one in its ball.
    """

    precision: Cloud
    recall: Cloud
    density: Cloud
    coverage: Cloud


def neighbourhoods(real: Cloud, generated: Cloud) -> Neighbourhoods:
    """Compare real and generated images by balls around them that reach to the fifth nearest image of the same kind.

    Improved precision and recall: Kynkaanniemi et al. 2019, arXiv:1904.06991. Density and coverage: Naeem et al. 2020,
    arXiv:2002.09797. For equal distributions density is about 1 and coverage about 1 - 2^-5.

    The first images of both sets are compared, equally many, at most `MAX_NEIGHBOURS`.

    Args:
        real: (N, F) in random order, N at least 2.
        generated: (M, F) in random order, M at least 1.
    """
    count = max(2, min(len(real), len(generated), MAX_NEIGHBOURS))
    real, generated = real[:count], generated[:count]
    distances = cdist(real, generated)
    in_real = distances <= _radii(real)[:, None]
    in_generated = distances <= _radii(generated)[None, :]
    neighbours = min(NEIGHBOURS, len(real) - 1)
    return Neighbourhoods(
        precision=in_real.any(axis=0).astype(np.float64),
        recall=in_generated.any(axis=1).astype(np.float64),
        density=in_real.sum(axis=0) / neighbours,
        coverage=in_real.any(axis=1).astype(np.float64),
    )


def _radii(cloud: Cloud) -> Cloud:
    if len(cloud) == 1:
        return np.zeros(1)
    neighbours = min(NEIGHBOURS, len(cloud) - 1)
    radii: Cloud = np.partition(cdist(cloud, cloud), neighbours, axis=1)[:, neighbours]  # index 0 is itself
    return radii


def nearest(
    images: Tensor, others: ImageSet, itself: NDArray[np.int64] | None = None
) -> tuple[Cloud, NDArray[np.int64]]:
    """Find the nearest of other images by the root mean square difference of their pixels.

    Args:
        images: (N, C, H, W), floating point, in [-1, 1].
        others: M images of the same shape, M at least 1, or 2 with `itself`.
        itself: (N,), the index of each image among the others, which is passed over; None: they are other images.

    Returns:
        Distances (N,), as parts of the range from black to white, in [0, 1], and indices (N,), int64.
    """
    flat = images.flatten(1).double()
    best = torch.full((len(images),), torch.inf, dtype=torch.float64)
    index = torch.zeros(len(images), dtype=torch.int64)
    for numbers in torch.arange(len(others)).split(_CHUNK):
        squared = torch.cdist(flat, others.scaled(numbers).flatten(1).double()).square()
        if itself is not None:
            squared[torch.from_numpy(itself)[:, None] == numbers] = torch.inf
        least, where = squared.min(dim=1)
        nearer = least < best
        best[nearer], index[nearer] = least[nearer], numbers[where[nearer]]
    # Anew, as `cdist` multiplies matrices: of an image and its copy it does not get 0.
    pairs = zip(flat.split(_CHUNK), index.split(_CHUNK), strict=True)
    exact = [(chunk - others.scaled(found).flatten(1)).square().mean(dim=1).sqrt() / 2 for chunk, found in pairs]
    return torch.cat(exact).numpy(), index.numpy()
