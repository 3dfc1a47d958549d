"""What is measured of samples: a function for each metric, and the table MEASURES of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgen.evaluation.asked import ASKED_MEASURES
from qgen.evaluation.measure import Cloud, Compared, Compute, Found, Measure
from qgen.evaluation.protocol import Protocol
from qgen.metrics.bootstrap import Resampling
from qgen.metrics.distances import CMMD_SCALE, cmmd, frechet, gaussian_kernel, resampled_mmd
from qgen.metrics.distributions import correlation_error, jensen_shannon, sliced_wasserstein
from qgen.metrics.features import CONFIDENT, Features
from qgen.metrics.neighbours import MAX_NEIGHBOURS, NEIGHBOURS, neighbourhoods
from qgen.metrics.quality import normalised_entropy
from qgen.metrics.torchmetrics_scores import fid, inception_score, kid
from qgen.randomness import derive

#: Of so many features or fewer a Frechet distance takes a moment; of more, fewer sets are resampled: as Inception's
#: 2,048 take seconds for each, 20 there.
FEW_FEATURES, FEW_REPEATS = 256, 50
MANY_FEATURES, MANY_REPEATS = 1_024, 20
#: Random halves that the Frechet distance is extrapolated from.
HALVES = 10
#: A sample is a copy if it is nearer to a training image than all but this part of real images are.
COPY_SHARE = 0.01


def _fid(compared: Compared, _: Protocol, resampling: Resampling) -> Found:
    real, generated = compared.reference.features, compared.samples.features
    resampled = _resampled_distances(compared, resampling)
    return Found(max(0.0, fid(real, generated)), resampled, {"resamples": len(resampled)})


def _fid_infinite(compared: Compared, _: Protocol, resampling: Resampling) -> Found | None:
    """Extrapolate to infinitely many images, linearly in 1 / N, from all images and from random halves of both sets."""
    real, generated = compared.reference.features, compared.samples.features
    if min(len(real), len(generated)) < 4:
        return None
    value = 2 * frechet(real, generated) - _mean_of_halves(real, generated, HALVES)
    whole, drawn = _resampled_distances(compared, resampling), _drawn(real, generated, resampling)
    halves = [_mean_of_halves(x, y, 1) for x, y in drawn]
    resampled = 2 * whole - np.array(halves)
    few = min(len(real), len(generated)) // 2 <= real.shape[1]
    return Found(value, resampled, {"resamples": len(resampled), "extrapolated_below_features": few})


def _resampled_distances(compared: Compared, resampling: Resampling) -> Cloud:
    """Return Frechet distances of resampled images, (B,), computed once."""
    if resampling.repeats not in compared.distances:
        drawn = _drawn(compared.reference.features, compared.samples.features, resampling)
        compared.distances[resampling.repeats] = np.array([frechet(x, y) for x, y in drawn])
    return compared.distances[resampling.repeats]


def _drawn(real: Cloud, generated: Cloud, resampling: Resampling) -> list[tuple[Cloud, Cloud]]:
    if real.shape[1] > FEW_FEATURES:
        resampling = resampling.fewer(FEW_REPEATS if real.shape[1] <= MANY_FEATURES else MANY_REPEATS)
    pairs = zip(resampling.indices("reference", len(real)), resampling.indices("samples", len(generated)), strict=True)
    return [(real[x], generated[y]) for x, y in pairs]


def _mean_of_halves(real: Cloud, generated: Cloud, times: int) -> float:
    """Return the mean Frechet distance of disjoint halves: two for each time."""
    rng = np.random.Generator(np.random.PCG64(derive(0, "halves")))
    values = []
    for _ in range(times):
        x, y = (rng.permutation(len(cloud)) for cloud in (real, generated))
        for own, other in zip(_two(x), _two(y), strict=True):
            values.append(frechet(real[own], generated[other]))
    return float(np.mean(values))


def _two(order: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    half = len(order) // 2
    return order[:half], order[half : 2 * half]


def _kid(compared: Compared, protocol: Protocol, resampling: Resampling) -> Found:
    real, generated = compared.reference.features, compared.samples.features
    size = min(protocol.subset_size, max(2, min(len(real), len(generated)) // 2))
    value, deviation = kid(real, generated, protocol.subsets, size)
    draws = _counts(real, generated, resampling)
    details = {"subsets": protocol.subsets, "subset_size": size, "deviation": deviation}
    return Found(value, resampled_mmd(real, generated, draws), details)


def _cmmd(compared: Compared, _: Protocol, resampling: Resampling) -> Found | None:
    if not compared.samples.clip:
        return None
    real, generated = compared.reference.features, compared.samples.features
    value, unbiased = cmmd(real, generated)
    drawn = resampled_mmd(real, generated, _counts(real, generated, resampling), gaussian_kernel)
    return Found(value, CMMD_SCALE * drawn, {"unbiased": unbiased})


def _counts(real: Cloud, generated: Cloud, resampling: Resampling) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return resampling.counts("reference", len(real)), resampling.counts("samples", len(generated))


def _inception_score(compared: Compared, protocol: Protocol, resampling: Resampling) -> Found | None:
    logits = compared.samples.logits
    if logits is None:
        return None
    splits = min(protocol.splits, max(2, len(logits) // 2))
    value, deviation = inception_score(logits, splits)
    log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    p = np.exp(log_p)
    entropies = np.sum(p * log_p, axis=1)
    resampled = [
        np.mean([_score(p[part], entropies[part]) for part in np.array_split(drawn, splits)])
        for drawn in resampling.indices("samples", len(logits))
    ]
    return Found(value, np.array(resampled), {"splits": splits, "deviation": deviation})


def _score(p: Cloud, entropies: Cloud) -> float:
    mean = p.mean(axis=0)
    return float(np.exp(entropies.mean() - np.sum(mean[mean > 0] * np.log(mean[mean > 0]))))


def _neighbours(name: str, who: str) -> Compute:
    """Return how a mean of `Neighbourhoods` is computed, over the images of one set."""

    def compute(compared: Compared, _: Protocol, resampling: Resampling) -> Found:
        near = neighbourhoods(compared.reference.features, compared.samples.features)
        values = getattr(near, name)
        details = {"neighbours": NEIGHBOURS, "compared": len(values), "resampled": who}
        return _mean(values, resampling.indices("samples" if who == "samples" else "reference", len(values)), details)

    return compute


def _confident(compared: Compared, _: Protocol, resampling: Resampling) -> Found | None:
    sure = _sure(compared.samples)
    if sure is None:
        return None
    return _mean((sure >= 0).astype(np.float64), resampling.indices("samples", len(sure)))


def _entropy(compared: Compared, _: Protocol, resampling: Resampling) -> Found | None:
    sure, probabilities = _sure(compared.samples), compared.samples.probabilities
    if sure is None or probabilities is None:
        return None
    classes = probabilities.shape[1] - 1

    def entropy(images: NDArray[np.int64]) -> float:
        return normalised_entropy(np.bincount(images[images >= 0], minlength=classes))

    drawn = resampling.indices("samples", len(sure))
    return Found(entropy(sure), np.array([entropy(sure[each]) for each in drawn]))


def _sure(samples: Features) -> NDArray[np.int64] | None:
    """Return the class of each image, -1 where none has more than `CONFIDENT`; None without classes."""
    if samples.probabilities is None:
        return None
    probabilities = samples.probabilities[:, :-1]
    return np.where(probabilities.max(axis=1) > CONFIDENT, probabilities.argmax(axis=1), -1)


def _nearest(compared: Compared, _: Protocol, resampling: Resampling) -> Found:
    drawn = resampling.indices("samples", len(compared.nearest))
    resampled: Cloud = np.median(compared.nearest[drawn], axis=1)
    return Found(float(np.median(compared.nearest)), resampled)


def _copies(compared: Compared, _: Protocol, resampling: Resampling) -> Found:
    limit = float(np.quantile(compared.usual_nearest, COPY_SHARE))
    near = (compared.nearest <= limit).astype(np.float64)
    return _mean(near, resampling.indices("samples", len(near)), {"limit": limit})


def _divergence(compute: Callable[[Cloud, Cloud], float], axes: int = 1) -> Compute:
    """Return how a divergence of samples of a distribution is computed."""

    def found(compared: Compared, _: Protocol, resampling: Resampling) -> Found | None:
        if not compared.samples.raw or compared.samples.features.shape[1] < axes:
            return None
        real, generated = compared.reference.features, compared.samples.features
        drawn = _drawn(real, generated, resampling.fewer(FEW_REPEATS))
        return Found(compute(real, generated), np.array([compute(*pair) for pair in drawn]))

    return found


def _mean(values: Cloud, drawn: NDArray[np.int64], details: Mapping[str, Any] | None = None) -> Found:
    resampled: Cloud = values[drawn].mean(axis=1)
    binary = bool(((values == 0) | (values == 1)).all())
    return Found(float(values.mean()), resampled, details or {}, len(values) if binary else None)


_ONE_SET = f"of equally many images, at most {MAX_NEIGHBOURS:,}; rises and falls with their number"
MEASURES = (
    Measure(
        "fid",
        "Fréchet distance",
        _fid,
        "lower",
        "between Gaussians fitted to the features (Heusel et al. 2017, arXiv:1706.08500); of Inception's it is the FID",
        "larger for fewer images: compare values of equal numbers",
    ),
    Measure(
        "fid_infinite",
        "Fréchet, N → ∞",
        _fid_infinite,
        "lower",
        "the same, extrapolated in 1/N to infinitely many images (Chong and Forsyth 2020, arXiv:1911.07023), from all "
        "and from halves",
        "unbiased as far as the bias goes as 1/N: not valid where half of the images are fewer than the features",
        least=None,
    ),
    Measure(
        "kid",
        "kernel distance",
        _kid,
        "lower",
        "squared MMD with a cubic kernel (Binkowski et al. 2018, arXiv:1801.01401); KID where features are Inception's",
        "unbiased: about 0 where nothing differs, and then as often below",
        least=None,
    ),
    Measure(
        "cmmd",
        "CMMD",
        _cmmd,
        "lower",
        "1000 times the squared MMD of CLIP's embeddings with a Gaussian kernel of bandwidth 10 (Jayasumana et al. "
        "2024, arXiv:2401.09603), as the authors' code computes it",
        "larger for fewer images: compare values of equal numbers; JSON has the unbiased value too",
    ),
    Measure(
        "inception_score",
        "Inception Score",
        _inception_score,
        "higher",
        "exp of the mutual information of image and class (Salimans et al. 2016, arXiv:1606.03498), mean of splits",
        "smaller for fewer images a split; knows no real images",
        least=1.0,
    ),
    Measure(
        "precision",
        "precision",
        _neighbours("precision", "samples"),
        "higher",
        "samples among real images (Kynkaanniemi et al. 2019, arXiv:1904.06991)",
        _ONE_SET,
        share=True,
    ),
    Measure(
        "recall",
        "recall",
        _neighbours("recall", "reference"),
        "higher",
        "real images among samples (the same)",
        _ONE_SET,
        share=True,
    ),
    Measure(
        "density",
        "density",
        _neighbours("density", "samples"),
        "higher",
        "how densely samples lie among real ones; about 1 where nothing differs (Naeem et al. 2020, arXiv:2002.09797)",
        _ONE_SET,
    ),
    Measure(
        "coverage",
        "coverage",
        _neighbours("coverage", "reference"),
        "higher",
        "real images that have a sample near; about 97 % where nothing differs (the same)",
        _ONE_SET,
        share=True,
    ),
    Measure(
        "confident",
        "recognised",
        _confident,
        "higher",
        "samples that the classifier assigns to a class by more than 90 %",
        "not biased by the number of images",
        share=True,
    ),
    Measure(
        "entropy",
        "evenness",
        _entropy,
        "higher",
        "entropy of the classes of those, of the largest that there could be",
        "slightly smaller for fewer images",
        share=True,
    ),
    Measure(
        "sliced_wasserstein",
        "sliced Wasserstein distance",
        _divergence(sliced_wasserstein),
        "lower",
        "1-Wasserstein distance, mean of random directions (Bonneel et al. 2015, JMIV 51, 22)",
        "larger for fewer samples",
    ),
    Measure(
        "jensen_shannon",
        "Jensen-Shannon divergence",
        _divergence(jensen_shannon),
        "lower",
        "of histograms of 100 bins, mean of the axes, in nats",
        "larger for fewer samples",
    ),
    Measure(
        "correlation",
        "error of correlations",
        _divergence(correlation_error, axes=2),
        "lower",
        "largest difference of a correlation coefficient",
        "larger for fewer samples",
    ),
    Measure(
        "nearest",
        "nearest training image",
        _nearest,
        None,
        "median distance to it: root mean square difference of pixels, white less black being 1",
        "smaller for more training images",
        pixels=True,
    ),
    Measure(
        "copies",
        "copies",
        _copies,
        "lower",
        "samples nearer to a training image than 99 % of real images are",
        "1 % where nothing was memorised",
        share=True,
        pixels=True,
    ),
    *ASKED_MEASURES,
)
