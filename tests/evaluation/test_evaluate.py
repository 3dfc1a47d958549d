"""What an evaluation says of good samples, of noise, of copies and of a collapse; and that each number is complete."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from qgen.data import DataSettings, ImageSet
from qgen.errors import DataError
from qgen.evaluation import MEASURES, PROTOCOLS, Evaluation, Evaluator, Protocol, Reference
from qgen.evaluation.measures import HALVES
from qgen.metrics.clip import ClipSpace
from qgen.metrics.distances import cmmd, frechet
from qgen.metrics.spaces import ValuesSpace
from qgen.metrics.torchmetrics_scores import fid, inception_score, kid

DEFAULT = PROTOCOLS["default"]


def evaluated(images: torch.Tensor, space, reference: Reference, protocol: Protocol = DEFAULT) -> Evaluation:
    return Evaluator(space, reference, protocol, resamples=40)(images, "samples", {"by": "a test"})


@pytest.fixture(scope="module")
def good(digits_reference) -> torch.Tensor:
    """Real images in place of samples: others than those of the reference and of its control."""
    return digits_reference.whole.scaled(torch.from_numpy(digits_reference.control[-300:]))


@pytest.fixture(scope="module")
def near(pixel_space, digits_reference, good) -> Evaluation:
    return evaluated(good, pixel_space, digits_reference)


def test_every_number_says_its_features_counts_bias_and_interval(pixel_space, near):
    plain = json.loads(json.dumps(near.plain(), allow_nan=False))
    assert list(plain["metrics"]) == [m.name for m in MEASURES if m.name in near.results]
    for name, metric in plain["metrics"].items():
        assert metric["low"] <= metric["value"] <= metric["high"], name
        assert metric["real"]["low"] <= metric["real"]["value"] <= metric["real"]["high"], name
        assert (metric["count"], metric["reference_count"]) == (300, 359)
        assert metric["features"] == ("pixels" if name in ("nearest", "copies") else pixel_space.name)
        assert metric["bias"]
    assert plain["samples"] == {"by": "a test", "images": 300}
    assert plain["reference"]["images"] == 359


def test_values_are_those_of_the_metrics_themselves(pixel_space, digits_reference, good):
    found = evaluated(good, pixel_space, digits_reference, Protocol("own", "", subsets=9, subset_size=50, splits=4))
    real = pixel_space.extract(digits_reference.real_images()).features
    own = pixel_space.extract(good)
    value = {name: result.samples.value for name, result in found.results.items()}
    assert value["fid"] == pytest.approx(fid(real, own.features), rel=1e-6)
    assert value["kid"] == kid(real, own.features, 9, 50)[0]
    assert value["inception_score"] == inception_score(own.logits, 4)[0]


def test_cmmd_is_of_clips_embeddings_alone(near, digits_reference, good):
    assert "cmmd" not in near.results
    space = ClipSpace(lambda images: images.flatten(1)[:, ::7], digits_reference.whole.shape, 8, "0" * 64)
    found = evaluated(good, space, digits_reference).results["cmmd"]
    real, own = (space.extract(each).features for each in (digits_reference.real_images(), good))
    biased, unbiased = cmmd(real, own)
    assert (found.samples.value, found.samples.details["unbiased"]) == (biased, unbiased)
    assert 0 <= found.samples.interval.low < biased < found.samples.interval.high
    assert unbiased < biased
    noise = evaluated(torch.rand_like(good) * 2 - 1, space, digits_reference).results["cmmd"]
    assert noise.samples.interval.low > found.samples.interval.high


def test_the_extrapolated_distance_has_hardly_any_bias(rng, digits_reference):
    """Where nothing differs it is 0 on average, and the distance itself is not."""
    from qgen.evaluation.measure import Compared
    from qgen.evaluation.measures import MEASURES
    from qgen.metrics.bootstrap import Resampling
    from qgen.metrics.features import Features

    assert HALVES > 1
    measure = next(m for m in MEASURES if m.name == "fid_infinite")
    plain, infinite = [], []
    for _ in range(30):
        x, y = (Features(rng.normal(size=(200, 8)), None) for _ in range(2))
        infinite.append(measure.compute(Compared(y, x, np.ones(1), np.ones(1)), DEFAULT, Resampling(2)).value)
        plain.append(frechet(x.features, y.features))
    error = np.std(infinite) / np.sqrt(30)
    assert abs(np.mean(infinite)) < 4 * error
    assert np.mean(plain) > 10 * error  # some 20 of them


def test_good_samples_are_as_good_as_real_ones_and_noise_is_not(near, pixel_space, digits_reference, good):
    far = evaluated(torch.rand_like(good) * 2 - 1, pixel_space, digits_reference)
    for name in ("fid", "kid"):
        real = near.results[name].real.value
        assert abs(near.results[name].samples.value - real) < 0.3 * abs(real) + 0.3
        assert far.results[name].samples.interval.low > 3 * max(0, near.results[name].samples.interval.high)
    assert far.results["coverage"].samples.value < 0.1 < near.results["coverage"].samples.value
    assert far.results["precision"].samples.value == 0


def test_copies_of_training_images_are_found(near, digits_reference):
    """Control images are training images of the digits."""
    assert near.results["copies"].samples.value == 1
    assert near.results["nearest"].samples.value == 0
    assert near.results["copies"].real.value == pytest.approx(0.01, abs=0.005)
    assert near.results["nearest"].real.value > 0.05
    np.testing.assert_array_equal(near.nearest[1], digits_reference.control[-300:])


def test_one_image_over_and_over_is_a_collapse(pixel_space, digits_reference, good):
    assert evaluated(good[:1].repeat(50, 1, 1, 1), pixel_space, digits_reference).collapse is not None


def test_a_protocol_limits_the_reference(pixel_space, digits_reference, good):
    found = evaluated(good, pixel_space, digits_reference, Protocol("own", "", real_count=100))
    assert found.real_count == 100
    assert found.results["kid"].samples.details["subset_size"] == 50


def test_samples_of_a_distribution_are_compared_by_their_values():
    from qgen.evaluation import open_reference

    reference = open_reference(DataSettings(name="gaussian-3d"), limit=400)
    space = ValuesSpace(reference.whole.shape)
    images = reference.whole.scaled(torch.from_numpy(reference.control[-300:]))
    good, off = evaluated(images, space, reference), evaluated((images + 0.5).clamp(-1, 1), space, reference)
    for name in ("sliced_wasserstein", "jensen_shannon", "fid"):
        assert off.results[name].samples.interval.low > good.results[name].samples.interval.high
    assert good.collapse is None
    assert "inception_score" not in good.results


@pytest.mark.parametrize("small", [True, False])
def test_small_sets_are_measured_by_one_thread(small, pixel_space, digits_reference, good, monkeypatch):
    limits, seen = [], []

    @contextmanager
    def limited(threads: int) -> Iterator[None]:
        limits.append(threads)
        yield
        limits.pop()

    monkeypatch.setattr("qgen.evaluation.evaluate.threadpool_limits", limited)
    monkeypatch.setattr("qgen.evaluation.evaluate._measured", lambda *_: seen.append(list(limits)))
    if not small:
        monkeypatch.setattr("qgen.evaluation.evaluate.SMALL", 1)
    assert evaluated(good[:9], pixel_space, digits_reference).results == {}
    assert seen == [[1] if small else []] * (2 * len(MEASURES))


def test_too_few_images_are_refused(pixel_space, digits_reference, good):
    with pytest.raises(DataError, match="at least two"):
        evaluated(good[:1], pixel_space, digits_reference)
    with pytest.raises(DataError, match=r"\(N, 1, 8, 8\)"):
        evaluated(torch.zeros(5, 1, 4, 4), pixel_space, digits_reference)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_few_images_give_numbers_all_the_same(pixel_space, digits_reference, good, count):
    for metric in evaluated(good[:count], pixel_space, digits_reference).plain()["metrics"].values():
        assert all(math.isfinite(metric[key]) for key in ("value", "low", "high"))


def test_images_without_labels_have_no_classes(noise_set, rng):
    from qgen.metrics import open_fitted_space

    half = np.arange(30)
    reference = Reference(noise_set, noise_set, noise_set, half, half + 30, "halves")
    found = evaluated(torch.rand(20, 1, 6, 6), open_fitted_space(noise_set, cache=False), reference)
    assert "confident" not in found.results
    assert isinstance(noise_set, ImageSet)
