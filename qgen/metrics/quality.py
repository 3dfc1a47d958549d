"""Quality of generated images compared with real ones, and signs that the generator has collapsed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from qgen.data import ImageSet
from qgen.errors import DataError
from qgen.metrics.distances import frechet, kernel_distance
from qgen.metrics.features import Features, FeatureSpace
from qgen.metrics.neighbours import neighbourhoods

#: Fewer images do not show a collapse.
MIN_IMAGES = 20
#: A generator has collapsed if fewer images are of a class, relative to the fraction of the real ones,
MIN_CONFIDENT = 0.1
#: if there are fewer classes, relative to the number expected among as many real images,
MIN_CLASSES = 0.5
#: or if the coverage is smaller.
MIN_COVERAGE = 0.1


@dataclass(frozen=True)
class Quality:
    """Quality of generated images in one feature space.

    Compare values of the same feature space and of equal numbers of images only: `frechet` is biased, larger for fewer
    images (Binkowski et al. 2018, arXiv:1801.01401). Frechet and kernel distances are not the FID and KID of Inception
    features, and cannot be compared with published values.

    Attributes:
        images: number of generated images.
        frechet: Frechet distance of the features, at least 0; lower is better.
        kernel: kernel distance, mean of an unbiased estimate over subsets: about 0 for equal distributions.
        kernel_spread: its standard deviation over the subsets.
        coverage: fraction of real images with a generated one near, in [0, 1]; about 0.97 for equal distributions.
        density: how densely generated images lie around real ones; about 1 for equal distributions.
        precision: fraction of generated images near a real one, in [0, 1]; None in rows of earlier versions.
        recall: fraction of real images near a generated one, in [0, 1]; None in rows of earlier versions.
        confident: fraction of images of some class with a probability above 0.9, in [0, 1]; None without labels.
        classes: number of these images by class name; None without labels.
        entropy: normalised entropy of these counts, in [0, 1]: 1 if all classes are equally frequent, 0 if there is one
            class only; None without labels.
        real_confident: `confident` of the real images.
        real_classes: fraction of each class among the confident real images, by name; None without labels.
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
    precision: float | None = None
    recall: float | None = None

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def compute_quality(space: FeatureSpace, real: ImageSet, generated: Tensor) -> Quality:
    """Compare generated images with real ones.

    Args:
        space: whose features are compared; it caches those of the real images.
        real: the real images.
        generated: (N, C, H, W), in [-1, 1], N at least 2.

    Raises:
        DataError: there are fewer than two images, they have another shape, or a value is not finite.
    """
    if len(generated) < 2 or len(real) < 2:
        raise DataError(
            f"At least two images are compared with two; given: {len(generated)} with {len(real)} real ones."
        )
    return compare_features(space.class_names, space.reference(real), space.extract(generated))


def compare_features(class_names: tuple[str, ...] | None, reference: Features, features: Features) -> Quality:
    """Compare the features of generated images with those of real ones, as `compute_quality` does.

    Args:
        class_names: of the feature space; None: it has none.
        reference: of real images in random order, two or more.
        features: of generated images, two or more.
    """
    kernel, spread = kernel_distance(reference.features, features.features)
    near = neighbourhoods(reference.features, features.features)
    return Quality(
        images=len(features),
        frechet=frechet(reference.features, features.features),
        kernel=kernel,
        kernel_spread=spread,
        coverage=float(near.coverage.mean()),
        density=float(near.density.mean()),
        precision=float(near.precision.mean()),
        recall=float(near.recall.mean()),
        **_class_counts(class_names, reference, features),
    )


def normalised_entropy(counts: NDArray[np.int64]) -> float:
    """Compute the entropy of a histogram relative to the largest possible; 1 for one class, 0 without counts."""
    if not counts.sum():
        return 0.0
    if len(counts) == 1:
        return 1.0
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(len(counts))) + 0.0  # no -0


def find_collapse(quality: Quality) -> str | None:
    """Return the sign that a generator has collapsed, or makes nothing yet, in one line; None without a sign.

    The signs: hardly an image is of any class; fewer than half of the classes appear that are expected among as many
    real images; one class has a share above the middle between its share among real images and 1; or fewer than a
    tenth of the real images have a generated one near. Fewer than `MIN_IMAGES` images show nothing.
    """
    if quality.images < MIN_IMAGES:
        return None
    return _too_few_confident(quality) or _too_few_classes(quality) or _too_little_covered(quality)


def _class_counts(names: tuple[str, ...] | None, reference: Features, features: Features) -> dict[str, Any]:
    if names is None or features.classes is None or reference.classes is None:
        return {}
    counts, real = (np.bincount(classes, minlength=len(names)) for classes in (features.classes, reference.classes))
    shares = real / max(1, real.sum())
    return {
        "confident": float(counts.sum() / len(features.features)),
        "classes": dict(zip(names, counts.tolist(), strict=True)),
        "entropy": normalised_entropy(counts),
        "real_confident": float(real.sum() / len(reference.features)),
        "real_classes": dict(zip(names, shares.tolist(), strict=True)),
    }


def _too_few_confident(quality: Quality) -> str | None:
    if quality.confident is None or quality.real_confident is None:
        return None
    if quality.confident >= MIN_CONFIDENT * quality.real_confident:
        return None
    return (
        f"only {_percent(quality.confident)} of the images are of any class, of real ones "
        f"{_percent(quality.real_confident)}: the generator makes nothing that is recognised"
    )


def _too_few_classes(quality: Quality) -> str | None:
    if quality.classes is None or quality.real_classes is None or (total := sum(quality.classes.values())) < MIN_IMAGES:
        return None
    present = sum(count > 0 for count in quality.classes.values())
    expected = sum(1 - (1 - share) ** total for share in quality.real_classes.values())
    if present < MIN_CLASSES * expected:
        return f"only {present} of {len(quality.classes)} classes appear: the generator has collapsed"
    name, count = max(quality.classes.items(), key=lambda item: item[1])
    if count / total > (1 + quality.real_classes[name]) / 2:
        return (
            f"{_percent(count / total)} of the images are of class {name}, of real ones "
            f"{_percent(quality.real_classes[name])}: the generator has collapsed"
        )
    return None


def _too_little_covered(quality: Quality) -> str | None:
    if quality.coverage >= MIN_COVERAGE:
        return None
    return (
        f"only {_percent(quality.coverage)} of the real images have a generated one near: the generator has "
        "collapsed, or makes nothing like them"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
