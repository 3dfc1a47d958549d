"""Intervals cover what they are to cover; samples of equal numbers are resampled alike."""

import numpy as np
import pytest
from scipy.stats import binomtest

from qgen.metrics.bootstrap import Resampling, interval, wilson
from qgen.metrics.distances import frechet


def test_resampling_depends_on_the_number_alone():
    one, other = Resampling(30), Resampling(50)
    np.testing.assert_array_equal(one.indices("samples", 12), one.indices("samples", 12))
    np.testing.assert_array_equal(other.fewer(30).indices("samples", 12), one.indices("samples", 12))
    assert (one.indices("samples", 12) != one.indices("reference", 12)).any()
    counts = one.counts("samples", 12)
    assert counts.shape == (30, 12)
    assert (counts.sum(axis=1) == 12).all()


def test_the_interval_of_a_mean_is_that_of_theory(rng):
    values = rng.gamma(2, size=400)
    resampled = values[Resampling(2000).indices("samples", 400)].mean(axis=1)
    low, high = interval(values.mean(), resampled)
    half = 1.96 * values.std(ddof=1) / np.sqrt(400)
    assert high - low == pytest.approx(2 * half, rel=0.1)
    assert low < values.mean() < high


def test_intervals_end_where_values_end(rng):
    noise = rng.normal(size=100)
    assert interval(0.1, noise, least=0) == (0, pytest.approx(interval(0.1, noise).high))
    assert interval(0.9, noise, 0, 1) == (0, 1)
    assert interval(-0.1, noise, least=0).low == pytest.approx(-0.1)  # rounding may put a value below its bound


def test_the_interval_of_a_biased_distance_is_about_its_mean_at_this_number_of_images(rng):
    """A resampled Frechet distance is larger than the distance itself, so its own quantiles would miss the mean."""
    hits, count = 0, 40
    expected = np.mean([frechet(rng.normal(size=(count, 6)), rng.normal(size=(count, 6))) for _ in range(200)])
    for _ in range(40):
        x, y = rng.normal(size=(count, 6)), rng.normal(size=(count, 6))
        draws = Resampling(100)
        pairs = zip(draws.indices("reference", count), draws.indices("samples", count), strict=True)
        low, high = interval(frechet(x, y), np.array([frechet(x[i], y[j]) for i, j in pairs]))
        hits += low <= expected <= high
    assert hits >= 28  # 38 of 40 in theory; too few images for normality


@pytest.mark.parametrize(("hits", "count"), [(0, 30), (3, 30), (17, 40), (30, 30)])
def test_the_interval_of_a_share_is_that_of_scipy(hits, count):
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    found = wilson(hits / count, count)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.high > found.low
