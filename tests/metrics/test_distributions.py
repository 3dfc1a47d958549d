"""Divergences of samples against closed forms of normal distributions, and against SciPy."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from qgen.errors import DataError
from qgen.metrics import divergences
from qgen.metrics.distributions import correlation_error, jensen_shannon


def test_identical_samples_differ_in_nothing(rng):
    x = rng.normal(size=(500, 3))
    found = divergences(x, rng.permutation(x))
    for values in found.plain().values():
        np.testing.assert_allclose(values, 0, atol=1e-12)


def test_normal_distributions_differ_as_theory_says(rng):
    shift, scale = rng.uniform(-0.6, 0.6), rng.uniform(0.9, 1.4)
    x, y = rng.normal(size=(10_000, 1)), rng.normal(shift, scale, size=(10_000, 1))
    found = divergences(x, y, bins=50, limits=[(-6, 6)])
    exact = math.log(scale) + (1 + shift**2) / (2 * scale**2) - 0.5
    assert found.kl[0] == pytest.approx(exact, rel=0.1, abs=0.02)
    assert found.correlation == 0


def test_moved_samples_are_as_far_apart_as_they_were_moved(rng):
    x, shift = rng.gamma(1, size=(3000, 3)), rng.normal(size=3)
    found = divergences(x, x + shift)
    np.testing.assert_allclose(found.wasserstein, np.abs(shift))
    # |shift . u| is uniform on [0, |shift|] over the directions u in space.
    assert found.sliced_wasserstein == pytest.approx(np.linalg.norm(shift) / 2, rel=0.25)
    assert found.correlation == pytest.approx(0, abs=1e-12)


def test_wider_samples_are_further_out(rng):
    x, y = rng.normal(size=(10_000, 1)), rng.normal(scale=2, size=(9_000, 1))
    found = divergences(x, y)
    assert found.wasserstein[0] == pytest.approx(math.sqrt(2 / math.pi), rel=0.08)
    assert found.sliced_wasserstein == pytest.approx(found.wasserstein[0])


def test_histograms_are_compared_as_scipy_does(rng):
    x, y, limits = rng.normal(size=(400, 2)), rng.normal(0.3, 1.5, size=(300, 2)), [(-2.0, 2.0), (-3.0, 1.0)]
    found = divergences(x, y, bins=20, limits=limits)
    for axis, ends in enumerate(limits):
        p, q = (np.histogram(cloud[:, axis].clip(*ends), 20, ends)[0] for cloud in (x, y))
        assert found.kl[axis] == pytest.approx(entropy(p + 0.5, q + 0.5))
        assert found.jensen_shannon[axis] == pytest.approx(jensenshannon(p, q) ** 2)
        p, q = np.where(p, p / 400, 1e-100), np.where(q, q / 300, 1e-100)
        assert found.kl_published[axis] == pytest.approx(entropy(p, q))


def test_what_lies_apart_is_as_far_as_can_be():
    x, y = np.zeros((50, 1)), np.full((80, 1), 5.0)
    found = divergences(x, y, bins=10, limits=[(-1, 6)])
    assert found.jensen_shannon == pytest.approx((math.log(2),))
    assert found.wasserstein == pytest.approx((5,))
    assert found.kl_published[0] == pytest.approx(100 * math.log(10))
    assert found.kl[0] < 10


def test_the_joint_distribution_is_seen(rng):
    """Axes that are alike one by one, but correlated in one sample and not in the other."""
    x = rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=5_000)
    y = rng.normal(size=(5_000, 2))
    found = divergences(x, y)
    assert max(found.wasserstein) < 0.12
    assert found.sliced_wasserstein > 0.1
    assert found.correlation == pytest.approx(abs(np.corrcoef(x.T)[0, 1] - np.corrcoef(y.T)[0, 1]))


def test_samples_are_images_of_one_pixel(rng):
    x, y = rng.normal(size=(60, 3)), rng.normal(size=(50, 3))
    pixels = [torch.from_numpy(cloud).reshape(-1, 3, 1, 1).requires_grad_() for cloud in (x, y)]
    assert divergences(*pixels) == divergences(x, y)


def test_an_axis_that_does_not_vary_gives_numbers_all_the_same(rng):
    x, y = rng.normal(size=(60, 2)), rng.normal(size=(50, 2))
    x[:, 1], y[:, 0] = 2, 3
    for pair in ((x, y), (y, x), (x, x)):
        for values in divergences(*pair).plain().values():
            assert np.isfinite(values).all()


@pytest.mark.parametrize(
    ("real", "generated", "options", "message"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3)), {}, "of 2 and of 3 dimensions"),
        (np.zeros(5), np.zeros((5, 1)), {}, r"\(N, D\)"),
        (np.zeros((5, 1, 2, 2)), np.zeros((5, 4)), {}, r"\(N, D\)"),
        (np.zeros((0, 2)), np.zeros((5, 2)), {}, "at least 1"),
        (np.zeros((5, 1)), np.full((5, 1), np.nan), {}, "not finite"),
        (np.zeros((5, 1)), np.zeros((5, 1)), {"bins": 1}, "two bins"),
        (np.zeros((5, 2)), np.zeros((5, 2)), {"limits": [(0, 1)]}, "2 axes"),
        (np.zeros((5, 1)), np.zeros((5, 1)), {"limits": [(1, 1)]}, "least, largest"),
    ],
)
def test_refusals(real, generated, options, message):
    with pytest.raises(DataError, match=message):
        divergences(real, generated, **options)


def test_single_divergences_are_those_of_all(rng):
    x, y = rng.normal(size=(200, 3)), rng.normal(0.2, 1.1, size=(150, 3))
    every = divergences(x, y)
    assert jensen_shannon(x, y) == pytest.approx(np.mean(every.jensen_shannon))
    assert correlation_error(x, y) == pytest.approx(every.correlation)
