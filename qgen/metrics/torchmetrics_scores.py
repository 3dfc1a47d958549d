"""FID, KID and Inception Score of given features, by torchmetrics' own classes, in float64."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qgen.randomness import derive

if TYPE_CHECKING:
    from torchmetrics import Metric

Cloud = NDArray[np.float64]


class _Given(nn.Module):
    """Stands where torchmetrics has Inception: what it is given are features already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def fid(real: Cloud, generated: Cloud) -> float:
    """Compute the Frechet distance (Heusel et al. 2017, arXiv:1706.08500), at least 0 up to rounding.

    It is biased: larger for fewer images, even for equal distributions (Chong and Forsyth 2020, arXiv:1911.07023).

    Args:
        real: (N, F), N at least 2.
        generated: (M, F), M at least 2.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_Given(real.shape[1]))
    return float(_updated(metric, real, generated).compute())


def kid(real: Cloud, generated: Cloud, subsets: int, subset_size: int) -> tuple[float, float]:
    """Compute the kernel distance (Binkowski et al. 2018, arXiv:1801.01401): mean and deviation over subsets.

    Its mean is unbiased: about 0 for equal distributions, and possibly negative.

    Args:
        real: (N, F).
        generated: (M, F).
        subsets: how many pairs of subsets.
        subset_size: images of each, from 2 to the smaller of N and M.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    with _drawing("KID"):
        metric = KernelInceptionDistance(feature=_Given(real.shape[1]), subsets=subsets, subset_size=subset_size)
        mean, deviation = _updated(metric, real, generated).compute()
    return float(mean), float(deviation)


def inception_score(logits: Cloud, splits: int) -> tuple[float, float]:
    """Compute mean and standard deviation over splits of the Inception Score (Salimans et al. 2016, arXiv:1606.03498).

    From 1 to the number of classes. It knows no real images, and is smaller for fewer images a split.

    Args:
        logits: of the classes, (N, L).
        splits: disjoint parts, from 2 to N.
    """
    from torchmetrics.image.inception import InceptionScore

    with _drawing("Inception Score"):
        metric = InceptionScore(feature=_Given(logits.shape[1]), splits=splits)
        metric.update(torch.from_numpy(logits))
        mean, deviation = metric.compute()
    return float(mean), float(deviation)


def _updated(metric: Metric, real: Cloud, generated: Cloud) -> Metric:
    metric.set_dtype(torch.float64)
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(generated), real=False)
    return metric


@contextmanager
def _drawing(purpose: str) -> Iterator[None]:
    """Within this block what torchmetrics draws is the same each time, and it doesn't warn of its memory."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Metric `.*` will save all", UserWarning)
        torch.manual_seed(derive(0, purpose))
        yield
