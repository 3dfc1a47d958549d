"""Distances of clouds of points against closed forms and torchmetrics."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd

from qgen.metrics import distances
from qgen.metrics.distances import frechet, kernel_distance, polynomial_mmd, resampled_mmd, subsets


class Points(torch.nn.Module):
    """Features that are the points themselves."""

    num_features = 5

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return points


def gaussian(rng: np.random.Generator, count: int, features: int = 5) -> np.ndarray:
    return rng.normal(size=(count, features)) @ rng.normal(size=(features, features)) + rng.normal(size=features)


def moments_distance(x: np.ndarray, y: np.ndarray) -> float:
    covariances = np.cov(x.T), np.cov(y.T)
    root = sqrtm(covariances[0] @ covariances[1]).real
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * root)


def test_frechet_is_that_of_gaussians_with_the_same_moments(rng):
    x, y = gaussian(rng, 40), gaussian(rng, 70)
    assert frechet(x, y) == pytest.approx(moments_distance(x, y), rel=1e-6)
    assert frechet(x, y) == pytest.approx(frechet(y, x), rel=1e-9)


def test_frechet_of_two_known_gaussians(rng):
    means, scales = rng.normal(size=(2, 3)), rng.uniform(0.5, 2, size=(2, 3))
    x, y = (mean + scale * rng.normal(size=(200_000, 3)) for mean, scale in zip(means, scales, strict=True))
    exact = np.sum((means[0] - means[1]) ** 2 + (scales[0] - scales[1]) ** 2)
    assert frechet(x, y) == pytest.approx(exact, abs=0.01 + 0.02 * exact)


def test_frechet_agrees_with_torchmetrics(rng):
    x, y = gaussian(rng, 60), gaussian(rng, 50)
    metric = FrechetInceptionDistance(feature=Points())
    metric.update(torch.from_numpy(x), real=True)
    metric.update(torch.from_numpy(y), real=False)
    assert frechet(x, y) == pytest.approx(metric.compute().item(), rel=1e-6)


@pytest.mark.parametrize("count", [2, 10, 100])
def test_frechet_is_exact_where_covariances_are_singular(rng, count):
    """With fewer points than features: moved and scaled, the covariance commutes with what it was."""
    x, shift = rng.normal(size=(count, 64)), rng.normal(size=64)
    factor = rng.uniform(0.2, 3)
    centred = x - x.mean(0)
    spread = np.sum(centred**2) / (count - 1)
    assert frechet(x, x) == pytest.approx(0, abs=1e-10)
    assert frechet(x, factor * centred + x.mean(0) + shift) == pytest.approx(shift @ shift + (1 - factor) ** 2 * spread)


def test_frechet_of_points_that_are_all_alike(rng):
    x, point = gaussian(rng, 30), rng.normal(size=5)
    exact = np.sum((x.mean(0) - point) ** 2) + np.trace(np.cov(x.T))
    assert frechet(x, np.tile(point, (20, 1))) == pytest.approx(exact)


@pytest.mark.parametrize("size", [7, 500])
def test_kernel_distance_agrees_with_torchmetrics_on_the_same_subsets(rng, monkeypatch, size):
    monkeypatch.setattr(distances, "SUBSET_SIZE", size)
    x, y = gaussian(rng, 60), gaussian(rng, 45)
    values = [poly_mmd(torch.from_numpy(x[i]), torch.from_numpy(y[j])).item() for i, j in subsets(60, 45)]
    mean, spread = kernel_distance(x, y)
    assert mean == pytest.approx(np.mean(values), rel=1e-9)
    assert spread == pytest.approx(np.std(values), rel=1e-9)
    assert all(len(set(i)) == len(set(j)) == min(size, 22) for i, j in subsets(60, 45))


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all:UserWarning")
def test_the_discrepancy_of_whole_clouds_agrees_with_torchmetrics(rng):
    x, y = gaussian(rng, 30), gaussian(rng, 30)
    metric = KernelInceptionDistance(feature=Points(), subsets=1, subset_size=30)
    metric.update(torch.from_numpy(x), real=True)
    metric.update(torch.from_numpy(y), real=False)
    assert polynomial_mmd(x, y) == pytest.approx(metric.compute()[0].item(), rel=1e-5)


def test_the_discrepancy_is_unbiased(rng):
    """Its mean over repetitions is 0 where nothing differs, with few points and unequally many."""
    values = [polynomial_mmd(rng.normal(size=(8, 3)), rng.normal(size=(5, 3))) for _ in range(4000)]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 5 * error
    assert np.mean([polynomial_mmd(rng.normal(size=(8, 3)), rng.normal(1, size=(5, 3))) for _ in range(400)]) > 0.5


def test_the_discrepancy_of_resampled_clouds_is_that_of_the_drawn_points(rng, monkeypatch):
    """Where a point is drawn twice, its pair with itself is left out: the mean is over pairs of different points."""
    monkeypatch.setattr(distances, "_ROWS", 4)
    x, y = gaussian(rng, 9), gaussian(rng, 7)
    drawn = [rng.integers(len(cloud), size=(3, len(cloud))) for cloud in (x, y)]
    counts = tuple(np.stack([np.bincount(row, minlength=len(row)) for row in rows]) for rows in drawn)

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    for k, value in enumerate(resampled_mmd(x, y, counts)):
        i, j = drawn[0][k], drawn[1][k]
        within = [
            np.mean([kernel(cloud[a], cloud[b]) for a in own for b in own if a != b]) for cloud, own in ((x, i), (y, j))
        ]
        across = np.mean([kernel(x[a], y[b]) for a in i for b in j])
        assert value == pytest.approx(sum(within) - 2 * across)
    once = tuple(np.ones((1, len(cloud)), np.int64) for cloud in (x, y))
    assert resampled_mmd(x, y, once)[0] == pytest.approx(polynomial_mmd(x, y))
