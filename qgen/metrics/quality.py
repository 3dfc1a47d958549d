"""How good generated images are, next to real ones, and whether their generator has collapsed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from qgen.data import ImageSet
from qgen.errors import DataError
from qgen.metrics.distances import density_and_coverage, frechet, kernel_distance
from qgen.metrics.judge import Judge, Sight

#: Fewer images, or fewer of a class, tell nothing of a collapse.
LEAST = 20
#: A generator has collapsed with a smaller share of images of any class,
FEWEST_CONFIDENT = 0.1
#: with fewer classes than this part of those that as many real images would show,
FEWEST_CLASSES = 0.5
#: or with a smaller coverage.
LEAST_COVERAGE = 0.1


@dataclass(frozen=True)
class Quality:
    """How generated images compare with real ones, to one judge.

    Compare values of the same judge and of equally many images only: `frechet` is biased, the fewer images the larger
    (Binkowski et al. 2018, arXiv:1801.01401). Frechet and kernel distances are of this judge's features: they are no
    FID and KID of Inception features, and not to be compared with published ones.

    Attributes:
        images: how many generated ones were judged.
        frechet: Frechet distance of the features, at least 0; the smaller the better.
        kernel: kernel distance, the mean of an unbiased estimate over subsets: about 0 where nothing differs.
        kernel_spread: its standard deviation over the subsets.
        coverage: how many of the real images have a generated one near, in [0, 1]; about 0.97 where nothing differs.
        density: how closely generated images lie about real ones; about 1 where nothing differs.
        confident: how many images are of some class, with a chance of more than 0.9, in [0, 1]; None without labels.
        classes: how many of those are of each class, by its name; None without labels.
        entropy: of these counts, in [0, 1]: 1 where all classes are alike in number, 0 where there is but one class;
            None without labels.
        real_confident: as `confident`, of the real images.
        real_classes: the share of each class among the confident real images, by its name; None without labels.
    """

    images: int
    frechet: float
    kernel: float
    kernel_spread: float
    coverage: float
    density: float
    confident: float | None = None
    classes: dict[str, int] | None = None
    entropy: float | None = None
    real_confident: float | None = None
    real_classes: dict[str, float] | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)


def measure(judge: Judge, real: ImageSet, generated: Tensor) -> Quality:
    """How good generated images are.

    Args:
        judge: what they are judged by; it keeps what it has seen of the real ones for the next time.
        real: the real images.
        generated: (N, C, H, W), in [-1, 1], N at least 2.

    Raises:
        DataError: there are fewer than two images, they have another shape, or a value is not finite.
    """
    if len(generated) < 2 or len(real) < 2:
        raise DataError(
            f"At least two images are compared with two; given: {len(generated)} with {len(real)} real ones."
        )
    known, seen = judge.reference(real), judge.look(generated)
    kernel, spread = kernel_distance(known.features, seen.features)
    density, coverage = density_and_coverage(known.features, seen.features)
    return Quality(
        images=len(generated),
        frechet=frechet(known.features, seen.features),
        kernel=kernel,
        kernel_spread=spread,
        coverage=coverage,
        density=density,
        **_classes(judge.class_names, known, seen),
    )


def evenness(counts: NDArray[np.int64]) -> float:
    """The entropy of a histogram, in units of the largest that it could have; 1 with one class, 0 with no counts."""
    if not counts.sum():
        return 0.0
    if len(counts) == 1:
        return 1.0
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(len(counts))) + 0.0  # no -0


def collapse(quality: Quality) -> str | None:
    """What shows that a generator has collapsed or makes nothing yet, in one line; None where nothing does.

    It has where hardly an image is of any class, where fewer than half of the classes appear that as many real images
    would show, where one class has more than midway between its share among the real ones and all, or where fewer
    than a tenth of the real images have a generated one near. Fewer than `LEAST` images tell nothing.
    """
    if quality.images < LEAST:
        return None
    return _too_few_confident(quality) or _too_few_classes(quality) or _too_little_covered(quality)


def _classes(names: tuple[str, ...] | None, known: Sight, seen: Sight) -> dict[str, Any]:
    if names is None or seen.classes is None or known.classes is None:
        return {}
    counts, real = (np.bincount(classes, minlength=len(names)) for classes in (seen.classes, known.classes))
    shares = real / max(1, real.sum())
    return {
        "confident": float(counts.sum() / len(seen.features)),
        "classes": dict(zip(names, counts.tolist(), strict=True)),
        "entropy": evenness(counts),
        "real_confident": float(real.sum() / len(known.features)),
        "real_classes": dict(zip(names, shares.tolist(), strict=True)),
    }


def _too_few_confident(quality: Quality) -> str | None:
    if quality.confident is None or quality.real_confident is None:
        return None
    if quality.confident >= FEWEST_CONFIDENT * quality.real_confident:
        return None
    return (
        f"only {_percent(quality.confident)} of the images are of any class, of real ones "
        f"{_percent(quality.real_confident)}: the generator makes nothing that is recognised"
    )


def _too_few_classes(quality: Quality) -> str | None:
    if quality.classes is None or quality.real_classes is None or (total := sum(quality.classes.values())) < LEAST:
        return None
    present = sum(count > 0 for count in quality.classes.values())
    expected = sum(1 - (1 - share) ** total for share in quality.real_classes.values())
    if present < FEWEST_CLASSES * expected:
        return f"only {present} of {len(quality.classes)} classes appear: the generator has collapsed"
    name, count = max(quality.classes.items(), key=lambda item: item[1])
    if count / total > (1 + quality.real_classes[name]) / 2:
        return (
            f"{_percent(count / total)} of the images are of class {name}, of real ones "
            f"{_percent(quality.real_classes[name])}: the generator has collapsed"
        )
    return None


def _too_little_covered(quality: Quality) -> str | None:
    if quality.coverage >= LEAST_COVERAGE:
        return None
    return (
        f"only {_percent(quality.coverage)} of the real images have a generated one near: the generator has "
        "collapsed, or makes nothing like them"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
