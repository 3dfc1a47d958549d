"""What is said of good, collapsed and meaningless samples."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from qgen.data import ImageSet
from qgen.errors import DataError
from qgen.metrics import Quality, compute_quality, find_collapse, open_fitted_space
from qgen.metrics.quality import MIN_IMAGES, normalised_entropy
from qgen.metrics.torchmetrics_scores import fid


def numbers(quality: Quality) -> list[float]:
    plain = quality.plain()
    return [value for value in plain.values() if isinstance(value, float | int)]


@pytest.fixture(scope="module")
def unlabelled(digits: ImageSet) -> ImageSet:
    return ImageSet.of("digits", digits.images, None, None, "")


def test_real_images_are_good(space, digits, held_out):
    quality = compute_quality(space, digits, held_out)
    assert find_collapse(quality) is None
    assert quality.images == len(held_out)
    assert quality.coverage > 0.7
    assert quality.confident > 0.85
    assert quality.entropy > 0.99
    assert sum(quality.classes.values()) == round(quality.confident * len(held_out))
    assert list(quality.classes) == list(quality.real_classes) == list("0123456789")
    assert json.loads(json.dumps(quality.plain())) == quality.plain()


def test_the_images_themselves_differ_in_nothing(space, digits):
    quality = compute_quality(space, digits, digits.scaled(torch.arange(len(digits))))
    assert quality.frechet == pytest.approx(0, abs=1e-8)
    assert abs(quality.kernel) < 3 * quality.kernel_spread
    assert quality.coverage == pytest.approx(1, abs=0.01)
    assert {name: count / sum(quality.classes.values()) for name, count in quality.classes.items()} == pytest.approx(
        quality.real_classes
    )


def test_one_image_over_and_over_is_a_collapse(space, digits, unlabelled, held_out):
    sure = held_out[space.extract(held_out).probabilities[:, :-1].max(axis=1) > 0.99][:1]
    quality = compute_quality(space, digits, sure.repeat(200, 1, 1, 1))
    assert "only 1 of 10 classes" in find_collapse(quality)
    assert quality.coverage < 0.1
    assert quality.entropy == 0
    assert "have a generated one near" in find_collapse(
        compute_quality(open_fitted_space(unlabelled), unlabelled, sure.repeat(200, 1, 1, 1))
    )


def test_one_class_too_many_is_a_collapse(space, digits):
    chosen = torch.cat([(digits.labels == 3).nonzero()[:150], (digits.labels != 3).nonzero()[:60]]).flatten()
    assert "of class 3" in find_collapse(compute_quality(space, digits, digits.scaled(chosen)))


def test_noise_is_recognised_as_nothing(space, digits, unlabelled):
    noise = torch.rand(300, 1, 8, 8) * 2 - 1
    quality = compute_quality(space, digits, noise)
    assert "nothing that is recognised" in find_collapse(quality)
    assert quality.coverage < 0.1
    assert quality.frechet > 10 * compute_quality(space, digits, digits.scaled(torch.arange(300))).frechet
    assert find_collapse(compute_quality(open_fitted_space(unlabelled), unlabelled, noise)) is not None


def test_without_labels_there_are_no_classes(unlabelled, held_out):
    quality = compute_quality(open_fitted_space(unlabelled), unlabelled, held_out)
    assert quality.confident is quality.classes is quality.entropy is quality.real_classes is None
    assert find_collapse(quality) is None


@pytest.mark.parametrize("count", [2, 3, 10, 40])
def test_few_images_give_numbers_all_the_same(space, digits, held_out, count):
    quality = compute_quality(space, digits, held_out[:count])
    assert np.isfinite(numbers(quality)).all()
    assert np.isfinite(numbers(compute_quality(space, digits, held_out[:1].repeat(count, 1, 1, 1)))).all()
    assert find_collapse(quality) is None


def test_real_images_are_looked_at_once(space, digits, held_out, monkeypatch):
    compute_quality(space, digits, held_out)
    seen = []
    look = type(space).extract
    monkeypatch.setattr(type(space), "extract", lambda self, images: seen.append(len(images)) or look(self, images))
    compute_quality(space, digits, held_out)
    assert seen == [len(held_out)]


GOOD = Quality(
    images=200,
    frechet=1.0,
    kernel=0.1,
    kernel_spread=0.01,
    coverage=0.9,
    density=1.0,
    confident=0.5,
    classes=dict.fromkeys("abcd", 25),
    entropy=1.0,
    real_confident=0.9,
    real_classes=dict.fromkeys("abcd", 0.25),
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"confident": 0.089}, "nothing that is recognised"),
        ({"confident": 0.091}, None),
        ({"coverage": 0.099}, "near"),
        ({"coverage": 0.1}, None),
        ({"classes": {"a": 100, "b": 0, "c": 0, "d": 0}}, "1 of 4 classes"),
        ({"classes": {"a": 50, "b": 50, "c": 0, "d": 0}}, None),
        ({"classes": {"a": 63, "b": 37, "c": 0, "d": 0}}, "of class a"),
        ({"classes": {"a": 62, "b": 38, "c": 0, "d": 0}}, None),
        ({"classes": {"a": MIN_IMAGES - 1, "b": 0, "c": 0, "d": 0}}, None),  # too few to tell
        ({"images": MIN_IMAGES - 1, "coverage": 0.0}, None),
        # Where real images are mostly of one class, so may those of a generator be.
        ({"classes": {"a": 92, "b": 8}, "real_classes": {"a": 0.9, "b": 0.1}}, None),
        ({"classes": {"a": 97, "b": 3}, "real_classes": {"a": 0.9, "b": 0.1}}, "of class a"),
        ({"classes": {"a": 100}, "real_classes": {"a": 1.0}}, None),
        # So few images cannot show so many classes.
        ({"classes": dict.fromkeys(range(30), 1) | dict.fromkeys(range(30, 100), 0),
          "real_classes": dict.fromkeys(range(100), 0.01)}, None),
    ],
)  # fmt: skip
def test_where_the_limits_of_a_collapse_are(changes, said):
    verdict = find_collapse(replace(GOOD, **changes))
    assert verdict is None if said is None else said in verdict


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([5, 5, 5], 1), ([7, 0, 0], 0), ([0, 0], 0), ([9], 1), ([1, 1, 0, 0], 0.5), ([3, 1], 0.8112781244591328)],
)
def test_evenness(counts, expected):
    assert normalised_entropy(np.array(counts)) == pytest.approx(expected, abs=1e-12)


def test_refusals(space, digits, held_out):
    with pytest.raises(DataError, match="two images"):
        compute_quality(space, digits, held_out[:1])
    with pytest.raises(DataError, match="not finite"):
        compute_quality(space, digits, held_out * torch.nan)


def test_its_distance_is_the_fid_of_torchmetrics(space, digits, held_out):
    quality = compute_quality(space, digits, held_out)
    features = space.reference(digits).features, space.extract(held_out).features
    assert quality.frechet == pytest.approx(fid(*features), rel=1e-6)
