"""Protocol: all that decides what an evaluation's numbers mean, beside the images and their features."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Protocol:
    """How images are compared.

    Attributes:
        name: its name on the command line.
        about: one line on what it is.
        features: the feature space; None: the one that is asked for.
        count: generated images; None: as many as are asked for.
        real_count: real images of the reference, the first of a fixed random order; None: all, at most 10,000.
        subsets: of the kernel distance.
        subset_size: largest number of images in each; half of the smaller set where that is less.
        splits: of the Inception Score.
    """

    name: str
    about: str
    features: str | None = None
    count: int | None = None
    real_count: int | None = None
    subsets: int = 100
    subset_size: int = 1_000
    splits: int = 10


DEFAULT = Protocol("default", "torchmetrics' own settings")

#: Section 4.1 of the paper: 7,000 images, subsets of 100 in the KID, 10 splits in the Inception Score; torchmetrics'
#: Inception of early 2024, to whose 299x299 pixels grey images, repeated to RGB, are enlarged as TensorFlow 1 does.
#: The paper does not say how many real images it takes, or of which split.
DEFALCO_2024 = Protocol(
    "defalco2024",
    "De Falco et al. 2024, arXiv:2402.16147: Inception features of 7,000 images",
    features="inception",
    count=7_000,
    real_count=7_000,
    subset_size=100,
)

PROTOCOLS = MappingProxyType({protocol.name: protocol for protocol in (DEFAULT, DEFALCO_2024)})
