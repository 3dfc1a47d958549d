"""FID, KID and Inception Score of given features, against the formulas in NumPy and pytorch-fid's arithmetic."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from qgen.metrics.distances import frechet
from qgen.metrics.torchmetrics_scores import fid, inception_score, kid


def cloud(rng: np.random.Generator, count: int, features: int = 12) -> np.ndarray:
    return rng.normal(size=(count, features)) @ rng.normal(size=(features, features)) + rng.normal(size=features)


def pytorch_fid(x: np.ndarray, y: np.ndarray) -> float:
    """As `calculate_activation_statistics` and `calculate_frechet_distance` of pytorch-fid 0.3.0 compute it."""
    mu1, mu2, sigma1, sigma2 = x.mean(axis=0), y.mean(axis=0), np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    diff = mu1 - mu2
    covmean = sqrtm(sigma1.dot(sigma2))
    if np.iscomplexobj(covmean):
        covmean = covmean.real
    return float(diff.dot(diff) + np.trace(sigma1) + np.trace(sigma2) - 2 * np.trace(covmean))


def test_fid_is_that_of_pytorch_fid_and_of_the_quick_distance(rng):
    x, y = cloud(rng, 300), cloud(rng, 200)
    assert fid(x, y) == pytest.approx(pytorch_fid(x, y), rel=1e-6)
    assert fid(x, y) == pytest.approx(frechet(x, y), rel=1e-6)


def test_fid_of_images_fewer_than_features_is_nearly_the_exact_one(rng):
    """The covariances are singular: the roots of rounding errors add up."""
    x, y = rng.normal(size=(20, 64)), rng.normal(0.3, 1.2, size=(30, 64))
    assert fid(x, y) == pytest.approx(frechet(x, y), rel=1e-4)


def test_kid_is_the_formula_on_the_same_subsets(rng):
    x, y, size, subsets = cloud(rng, 80, 5), cloud(rng, 60, 5), 25, 7

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def mmd(a: np.ndarray, b: np.ndarray) -> float:
        within = [(kernel(c, c).sum() - np.trace(kernel(c, c))) / (size * (size - 1)) for c in (a, b)]
        return sum(within) - 2 * kernel(a, b).mean()

    state = torch.get_rng_state()
    mean, deviation = kid(x, y, subsets, size)
    assert torch.equal(torch.get_rng_state(), state)
    values = []
    with torch.random.fork_rng():
        from qgen.randomness import derive

        torch.manual_seed(derive(0, "KID"))
        for _ in range(subsets):
            i, j = torch.randperm(len(x))[:size].numpy(), torch.randperm(len(y))[:size].numpy()
            values.append(mmd(x[i], y[j]))
    assert mean == pytest.approx(np.mean(values), rel=1e-6)
    assert deviation == pytest.approx(np.std(values), rel=1e-6)
    assert kid(x, y, subsets, size) == (mean, deviation)


def test_inception_score_is_the_formula(rng):
    logits = rng.normal(0, 2, size=(60, 7))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    with torch.random.fork_rng():
        from qgen.randomness import derive

        torch.manual_seed(derive(0, "Inception Score"))
        p = p[torch.randperm(60).numpy()]
    scores = [np.exp(np.mean(np.sum(q * np.log(q / q.mean(axis=0)), axis=1))) for q in np.split(p, 5)]
    mean, deviation = inception_score(logits, splits=5)
    assert mean == pytest.approx(np.mean(scores), rel=1e-6)
    assert deviation == pytest.approx(np.std(scores, ddof=1), rel=1e-6)


def test_inception_score_of_sure_and_varied_images_is_the_number_of_classes(rng):
    sure = 50 * np.eye(6)[np.tile(np.arange(6), 200)]
    assert inception_score(sure, splits=2)[0] == pytest.approx(6, rel=0.02)
    assert inception_score(np.tile(sure[:1], (50, 1)), splits=2)[0] == pytest.approx(1)
