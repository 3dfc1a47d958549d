"""The distributions: by their theory, in their range, and the same at all times."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from qgen.data import DataSettings, ImageSet, image_shape, list_sets, open_images
from qgen.data.distributions import DISTRIBUTIONS, GAMMA, GAUSSIAN_3D, draw_samples
from qgen.errors import DataError

COVARIANCE = np.array([[0.5, 0.1, 0.25], [0.1, 0.5, 0.1], [0.25, 0.1, 0.5]]) / 16
PARTS = [(name, split) for name in DISTRIBUTIONS for split in ("train", "test")]


def opened(name: str, **settings: Any) -> ImageSet:
    return open_images(DataSettings(name=name, **settings))


def values(samples: ImageSet) -> np.ndarray:
    return samples.images.flatten(1).double().numpy()


@pytest.mark.rows(2)
@pytest.mark.parametrize(("name", "split"), PARTS)
def test_samples_are_images_of_one_pixel(name: str, split: str) -> None:
    samples = opened(name, split=split)
    assert (len(samples), samples.images.dtype) == ({"train": 10_000, "test": 100_000}[split], torch.float32)
    assert samples.shape == image_shape(DataSettings(name=name)) == (DISTRIBUTIONS[name].channels, 1, 1)
    assert samples.images.abs().max() <= 1
    assert (samples.labels, samples.class_names, samples.count_labels()) == (None, None, {})
    picked = torch.tensor([5, 3, 5])
    assert torch.equal(samples.scaled(picked), samples.images[picked])
    assert len(samples.images.unique(dim=0)) > 0.99 * len(samples)  # of a float, near 0 more than of a normal number


@pytest.mark.parametrize("split", ["train", "test"])
def test_gamma_is_an_exponential_distribution_cut_at_eight(split: str) -> None:
    theory = stats.truncexpon(b=8, loc=-1, scale=0.25)  # exp(-4 (x + 1)) from -1 to 1
    drawn = values(opened("gamma", split=split))[:, 0]
    for power in (1, 2, 3, 4):
        spread = np.sqrt((theory.moment(2 * power) - theory.moment(power) ** 2) / len(drawn))
        assert abs((drawn**power).mean() - theory.moment(power)) < 5 * spread
    assert stats.kstest(drawn, theory.cdf).pvalue > 1e-6


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_gaussian_has_the_published_covariance(split: str) -> None:
    drawn = values(opened("gaussian-3d", split=split))
    deviations = np.sqrt(np.diag(COVARIANCE))
    assert (np.abs(drawn.mean(axis=0)) < 5 * deviations / np.sqrt(len(drawn))).all()
    # Of products of two normal numbers (Isserlis); what is cut off is 5e-8 of all.
    spread = np.sqrt((np.outer(deviations, deviations) ** 2 + COVARIANCE**2) / len(drawn))
    assert (np.abs(drawn.T @ drawn / len(drawn) - COVARIANCE) < 5 * spread).all()
    # Whatever direction one looks from, it is normal.
    whitened = drawn @ np.linalg.inv(np.linalg.cholesky(COVARIANCE)).T
    assert stats.kstest(whitened.ravel(), "norm").pvalue > 1e-6
    assert stats.kstest((whitened**2).sum(axis=1), stats.chi2(3).cdf).pvalue > 1e-6


def test_the_parts_share_no_sample() -> None:
    for distribution in DISTRIBUTIONS.values():
        train, test = (draw_samples(distribution, split)[:, 0] for split in ("train", "test"))
        assert not np.intersect1d(train, test).size


def test_the_samples_stay_the_same() -> None:
    # Models are compared across releases and machines by these samples, so they may not move.
    starts = {(name, split): opened(name, split=split).sha256[:16] for name, split in PARTS}
    assert starts == {
        ("gamma", "train"): "0efa0da099646de4",
        ("gamma", "test"): "2af7e9797f5abb16",
        ("gaussian-3d", "train"): "a5782ceab0b09e17",
        ("gaussian-3d", "test"): "99350da960bed7ed",
    }


@pytest.mark.parametrize(("name", "split"), PARTS)
def test_no_last_bits_of_a_logarithm_or_a_sum_show(name: str, split: str) -> None:
    drawn = draw_samples(DISTRIBUTIONS[name], split)
    error = 8 * np.finfo(np.float64).eps  # of numbers of the size of 1
    for nudged in (drawn - error, drawn + error):
        np.testing.assert_array_equal(nudged.clip(-1, 1).astype(np.float32), drawn.astype(np.float32))
    assert np.abs(np.abs(drawn) - 1).min() > 1e-7 or name == "gamma"  # nor do they decide what is drawn again
    assert drawn.max() < 1 - 1e-7


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_limits_and_fractions_are_nested(name: str) -> None:
    everything, part, less = opened(name), opened(name, fraction=0.1), opened(name, limit=100)
    assert (len(part), len(less)) == (1000, 100)
    rows = [set(map(tuple, values(samples))) for samples in (less, part, everything)]
    assert rows[0] < rows[1] < rows[2]
    assert opened(name, fraction=1).sha256 == everything.sha256
    assert part.sha256 == opened(name, fraction=0.1).sha256 != everything.sha256


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"size": 1}, "whose samples are 3x1x1: leave `size` and `channels` at null"),
        ({"channels": 3}, "leave `size` and `channels` at null"),
        ({"classes": (0,)}, r"gaussian-3d \(train\) has no labels"),
        ({"limit": 10_001}, r"`limit` is 10,001, but gaussian-3d \(train\) has 10,000"),
    ],
)
def test_what_a_distribution_does_not_have_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        opened("gaussian-3d", **settings)
    assert len(str(caught.value).splitlines()) == 1
    if settings.keys() & {"size", "channels"}:
        with pytest.raises(DataError, match=words):
            image_shape(DataSettings(name="gaussian-3d", **settings))


def test_the_digest_covers_every_bit_and_the_kind_of_number() -> None:
    samples = opened("gaussian-3d", limit=10)
    changed = samples.images.clone()
    changed.view(torch.int32)[7, 2] ^= 1
    assert ImageSet.of("", changed, None, None, "").sha256 != samples.sha256
    assert ImageSet.of("", samples.images.clone(), None, None, "").sha256 == samples.sha256
    whole = torch.zeros(4, 1, 1, 1)
    assert ImageSet.of("", whole, None, None, "").sha256 != ImageSet.of("", whole.byte(), None, None, "").sha256


def test_they_are_listed_with_nothing_to_download() -> None:
    listed = {status.name: status for status in list_sets() if status.kind == "distribution"}
    assert list(listed) == list(DISTRIBUTIONS)
    for known in (GAMMA, GAUSSIAN_3D):
        status = listed[known.name]
        assert (status.train, status.test, status.size, status.channels) == (10_000, 100_000, 1, known.channels)
        assert (status.class_names, status.problem, status.destination, status.download_bytes) == ((), None, None, 0)
        assert "arXiv:2110.06933" in status.reference
