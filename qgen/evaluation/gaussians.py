"""Gaussian models of codes: what a generator in the space of a codec has to beat."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qgen.diffusion import SeededNoise
from qgen.randomness import generator

#: Gaussians of a mixture, at most; each has at least so many codes for every number in a code.
COMPONENTS, CODES_PER_NUMBER = 20, 2
#: Codes that a mixture is fitted to, at most, and rounds of fitting, each of which takes a second or two.
MIXTURE_CODES, ROUNDS = 10_000, 20
#: Numbers in a code up to which a mixture has full covariances; beyond it has variances only.
FULL_NUMBERS = 256


@dataclass(frozen=True)
class Gaussians:
    """A mixture of K Gaussians of codes of D numbers.

    Attributes:
        weights: (K,), float64, positive, of sum 1.
        means: (K, D), float64.
        factors: (K, D, D) or, where the numbers of a code are independent, (K, D), float64: a Gaussian is mean + factor
            z of a standard normal z.
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    factors: NDArray[np.float64]

    def sample(self, seeds: Sequence[int], components: Tensor | None = None) -> Tensor:
        """Return codes (n, D), float32: code k follows from seed k alone, and from its component.

        Args:
            seeds: n.
            components: (n,), int64, the Gaussian of each code; None: drawn by their weights.
        """
        normal = SeededNoise(seeds, (self.means.shape[1],))().double().numpy()
        chosen = self._drawn(seeds) if components is None else components.numpy()
        codes = self.means[chosen]
        for k in np.unique(chosen):
            rows, factor = chosen == k, self.factors[k]
            codes[rows] += normal[rows] * factor if factor.ndim == 1 else normal[rows] @ factor.T
        return torch.from_numpy(codes).float()

    def _drawn(self, seeds: Sequence[int]) -> NDArray[np.int64]:
        drawn = [torch.rand((), generator=generator(seed, "component"), dtype=torch.float64).item() for seed in seeds]
        ends = np.cumsum(self.weights)[:-1]
        return np.searchsorted(ends, np.array(drawn), side="right").astype(np.int64)


def independent(codes: NDArray[np.float64]) -> Gaussians:
    """Return the Gaussian of codes (N, D) whose numbers are independent."""
    return Gaussians(np.ones(1), codes.mean(0, keepdims=True), codes.std(0, keepdims=True))


def with_covariance(codes: NDArray[np.float64]) -> Gaussians:
    """Return the Gaussian of codes (N, D) with their covariance, which may be singular."""
    mean, factor = _fitted(codes)
    return Gaussians(np.ones(1), mean[None], factor[None])


def by_class(codes: NDArray[np.float64], labels: NDArray[np.int64], num_classes: int) -> Gaussians:
    """Return a Gaussian with covariance for each class of codes (N, D), weighted by their numbers: two or more each."""
    counts = np.bincount(labels, minlength=num_classes)
    fitted = [_fitted(codes[labels == label]) for label in range(num_classes)]
    means, factors = (np.stack(part) for part in zip(*fitted, strict=True))
    return Gaussians(counts / counts.sum(), means, factors)


def mixture(codes: NDArray[np.float64], seed: int = 0) -> Gaussians:
    """Return a mixture of Gaussians of codes (N, D) by expectation maximisation, as scikit-learn has it.

    Of `COMPONENTS` Gaussians, or fewer where there are few codes; with covariances up to `FULL_NUMBERS` numbers.

    Args:
        codes: at least two, in random order: it is fitted to the first `MIXTURE_CODES`.
        seed: of its first guess.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    codes = codes[:MIXTURE_CODES]
    count, size = codes.shape
    full = size <= FULL_NUMBERS
    components = min(COMPONENTS, max(1, count // (CODES_PER_NUMBER * (size if full else 1))))
    model = GaussianMixture(
        components,
        covariance_type="full" if full else "diag",
        reg_covar=max(1e-6, 1e-3 * float(codes.var(0).mean())),
        max_iter=ROUNDS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many rounds do for a baseline
        model.fit(codes)
    covariances = np.asarray(model.covariances_, dtype=np.float64)
    factors = np.stack([_root(each) for each in covariances]) if full else np.sqrt(covariances)
    return Gaussians(np.asarray(model.weights_), np.asarray(model.means_), factors)


def _fitted(codes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean (D,) of codes (N, D) and a square root (D, D) of their covariance."""
    return codes.mean(0), _root(np.cov(codes, rowvar=False).reshape(codes.shape[1], -1))


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return F with F F^T = a covariance (D, D), which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    root: NDArray[np.float64] = vectors * np.sqrt(values.clip(min=0))
    return root
