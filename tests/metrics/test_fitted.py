"""What a feature space learns, how it looks at images, and what is kept of it."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from qgen import storage
from qgen.data import DataSettings, ImageSet, open_images
from qgen.errors import DataError
from qgen.metrics import FittedFeatureSpace, fitted, open_fitted_space, save_fitted_space
from qgen.metrics.features import CONFIDENT
from qgen.metrics.fitted import read_cache
from qgen.metrics.networks import HELD_OUT, Classifier, split


def confident(space: FittedFeatureSpace, images: torch.Tensor) -> float:
    return (space.extract(images).probabilities[:, :-1].max(axis=1) > CONFIDENT).mean()


def test_it_knows_digits_that_it_has_not_seen(space, held_out):
    labels = open_images(DataSettings(name="digits", split="test")).labels.numpy()
    assert space.accuracy > 0.97
    assert (space.extract(held_out).probabilities.argmax(axis=1) == labels).mean() > 0.96  # of other writers
    assert space.class_names == tuple("0123456789")
    assert f"{100 * space.accuracy:.1f} %" in space.description
    assert "digits" in space.description


def test_the_accuracy_does_not_depend_on_how_many_images_are_held(space, digits, monkeypatch):
    monkeypatch.setattr(fitted, "_ROWS", 10)
    assert fitted._accuracy(space._network, digits, digits.labels, split(digits).held_out) == space.accuracy


def test_what_is_no_digit_is_not_taken_for_one(space, digits):
    every = digits.scaled(torch.arange(len(digits)))
    coarse = functional.interpolate(torch.rand(300, 1, 3, 3) * 2 - 1, size=(8, 8), mode="bilinear")
    grey = torch.linspace(-1, 1, 50).reshape(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    shuffled = every[:300].flatten(1)[:, torch.randperm(64)].reshape(-1, 1, 8, 8)
    assert confident(space, every) > 0.85
    assert confident(space, torch.rand(300, 1, 8, 8) * 2 - 1) < 0.02
    assert confident(space, shuffled) < 0.1
    assert confident(space, coarse) < 0.1
    assert confident(space, grey) == 0
    assert confident(space, every.mean(dim=0, keepdim=True)) == 0


def test_each_image_is_seen_by_itself(space, held_out, monkeypatch):
    whole = space.extract(held_out)
    assert whole.features.shape == (len(held_out), 64)
    assert whole.features.dtype == whole.probabilities.dtype == np.float64
    np.testing.assert_allclose(whole.probabilities.sum(axis=1), 1)
    monkeypatch.setattr(fitted, "CHUNK", 7)
    np.testing.assert_allclose(space.extract(held_out).features, whole.features, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(space.extract(held_out).probabilities, whole.probabilities, atol=1e-5)
    np.testing.assert_allclose(space.extract(held_out[3:4]).features[0], whole.features[3], rtol=1e-4, atol=1e-4)


def test_features_have_a_scale_that_means_something(space, digits):
    features = space.extract(digits.scaled(torch.from_numpy(split(digits).fitted))).features
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-4)
    assert features.var(axis=0).mean() == pytest.approx(1, rel=1e-4)


def test_a_change_of_scale_changes_no_chance(rng):
    network = Classifier((1, 8, 8), 3).eval()
    images = torch.rand(40, 1, 8, 8)
    logits = network.head(network(images))
    for _ in range(2):
        network.standardise(network(images) * float(rng.uniform(0.5, 2)) + 1)
        torch.testing.assert_close(network.head(network(images)), logits, rtol=1e-4, atol=1e-4)


def test_looking_keeps_no_gradients_and_changes_nothing(space, held_out):
    images = held_out[:5].clone().requires_grad_()
    before, state = space.extract(images).features, torch.get_rng_state()
    np.testing.assert_array_equal(space.extract(images).features, before)
    assert torch.equal(torch.get_rng_state(), state)
    bright = 2 * held_out
    np.testing.assert_array_equal(space.extract(bright).features, space.extract(bright.clamp(-1, 1)).features)


@pytest.mark.parametrize("labels", [np.arange(30) % 3, None])
def test_learning_is_the_same_every_time_and_leaves_the_global_generator(small, labels):
    images = small(labels)
    state = torch.get_rng_state()
    first = open_fitted_space(images, cache=False)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    with torch.no_grad():
        second = open_fitted_space(images, cache=False)
    some = torch.rand(4, 1, 6, 6)
    np.testing.assert_array_equal(first.extract(some).features, second.extract(some).features)


def forbidden(*arguments: object) -> None:
    raise AssertionError("it learned anew")


@pytest.mark.parametrize("labels", [np.arange(30) % 3, None])
def test_what_was_learned_is_kept(small, home, monkeypatch, labels):
    images, some = small(labels), torch.rand(4, 1, 6, 6)
    first = open_fitted_space(images)
    assert [path.suffix for path in (home / "judges").iterdir()] == [".safetensors"]
    monkeypatch.setattr(fitted, "fit_classifier", forbidden)
    monkeypatch.setattr(fitted, "fit_components", forbidden)
    second = open_fitted_space(images)
    assert (second.description, second.accuracy, second.class_names) == (
        first.description,
        first.accuracy,
        first.class_names,
    )
    np.testing.assert_array_equal(second.extract(some).features, first.extract(some).features)
    if labels is not None:
        np.testing.assert_array_equal(second.extract(some).probabilities, first.extract(some).probabilities)
    with pytest.raises(AssertionError, match="anew"):  # what is kept is of these images
        open_fitted_space(small(labels))
    with pytest.raises(AssertionError, match="anew"):
        open_fitted_space(images, cache=False)


@pytest.mark.parametrize("labels", [np.arange(30) % 3, None])
def test_a_file_makes_the_same_space_elsewhere(small, home, tmp_path, monkeypatch, labels):
    images, path = small(labels), tmp_path / "space.safetensors"
    first = open_fitted_space(images, cache=False)
    save_fitted_space(first, path)
    monkeypatch.setattr(fitted, "fit_classifier", None)
    monkeypatch.setattr(fitted, "fit_components", None)
    second = open_fitted_space(images, cache=path)
    assert (second.accuracy, second.class_names, second.description) == (
        first.accuracy,
        first.class_names,
        first.description,
    )
    drawn = torch.rand(7, *images.shape) * 2 - 1
    assert np.array_equal(first.extract(drawn).features, second.extract(drawn).features)


@pytest.mark.parametrize("damage", ["short", "empty", "flipped", "other"])
def test_a_damaged_file_is_made_anew(small, home, damage, rng):
    images, some = small(np.arange(30) % 3), torch.rand(4, 1, 6, 6)
    first = open_fitted_space(images)
    (path,) = (home / "judges").iterdir()
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-int(rng.integers(1, 1000))] ^= 1
    path.write_bytes({"short": whole[:-10], "empty": b"", "flipped": bytes(flipped), "other": b"\xff" * 900}[damage])
    np.testing.assert_array_equal(open_fitted_space(images).extract(some).features, first.extract(some).features)
    assert read_cache(path) is not None


def test_a_folder_that_cannot_be_written_is_no_obstacle(small, home, monkeypatch):
    images = small(np.arange(30) % 3)
    home.write_text("a file where a folder should be")
    assert open_fitted_space(images).class_names == ("class 0", "class 1", "class 2")
    monkeypatch.setattr(storage, "user_folder", lambda platform, environ: None)
    open_fitted_space(images)


def test_nothing_is_kept_unasked(small, home):
    open_fitted_space(small(np.arange(30) % 3), cache=False)
    assert not home.exists()


def test_only_classes_that_there_are_have_names(small):
    space = open_fitted_space(small(np.array([1, 4] * 10)))
    assert space.class_names == ("class 1", "class 4")
    assert space.extract(torch.rand(3, 1, 6, 6)).probabilities.shape == (3, 3)


def test_a_class_of_one_image_is_learned_from(small):
    space = open_fitted_space(small(np.arange(3)))
    assert space.accuracy is None
    assert "right" not in space.description


def test_components_are_those_of_the_pixels(digits, held_out):
    plain = ImageSet.of("digits", digits.images, None, None, "")
    space = open_fitted_space(plain)
    pixels = digits.scaled(torch.arange(len(digits))).flatten(1).double().numpy()
    values, vectors = np.linalg.eigh(np.cov(pixels.T, bias=True))
    unit = np.sqrt(values.mean())  # there are as many components as pixels
    features = space.extract(plain.scaled(torch.arange(len(plain)))).features
    np.testing.assert_allclose(np.var(features, axis=0), values[::-1] / unit**2, rtol=1e-3, atol=1e-6)
    expected = np.abs((held_out.flatten(1).double().numpy() - pixels.mean(0)) @ vectors[:, ::-1]) / unit
    np.testing.assert_allclose(np.abs(space.extract(held_out).features)[:, :10], expected[:, :10], rtol=1e-3, atol=1e-3)
    assert space.extract(held_out).probabilities is None
    assert space.accuracy is space.class_names is None


@pytest.mark.parametrize("shape", [(3, 40, 40), (1, 17, 17), (1, 2, 2), (2, 1, 1)])
def test_images_of_any_size_are_seen(small, shape):
    some = torch.rand(3, *shape)
    assert open_fitted_space(small(np.arange(30) % 2, shape), cache=False).extract(some).features.shape == (3, 64)
    components = min(30, math.prod(shape))
    assert open_fitted_space(small(None, shape), cache=False).extract(some).features.shape == (3, components)


@pytest.mark.parametrize("labels", [torch.zeros(5, dtype=torch.int64), None])
def test_images_that_are_all_alike_are_no_obstacle(small, labels):
    grey = torch.full_like(small(None, count=5).images, 90)
    images = ImageSet.of("grey", grey, labels, None, "")
    assert np.isfinite(open_fitted_space(images, cache=False).extract(torch.rand(3, 1, 6, 6)).features).all()


def test_a_tenth_of_every_class_is_held_out(rng, small):
    labels = np.repeat(np.arange(6), rng.integers(1, 200, size=6))
    rng.shuffle(labels)
    images = small(labels)
    both = split(images)
    np.testing.assert_array_equal(np.sort(np.concatenate([both.fitted, both.held_out])), np.arange(len(labels)))
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        held = np.sum(labels[both.held_out] == label)
        assert held == (0 if count == 1 else max(1, round(HELD_OUT * count)))
    few = split(images, max_images=12)
    assert len(few.fitted) == min(12, len(both.fitted))
    np.testing.assert_array_equal(few.held_out, both.held_out)
    assert not set(few.fitted) & set(few.held_out)


def test_refusals(space, small):
    with pytest.raises(DataError, match=r"\(N, 1, 8, 8\)"):
        space.extract(torch.zeros(3, 1, 6, 6))
    with pytest.raises(DataError, match="at least 1"):
        space.extract(torch.zeros(0, 1, 8, 8))
    with pytest.raises(DataError, match="uint8"):
        space.extract(torch.zeros(3, 1, 8, 8, dtype=torch.uint8))
    broken = torch.zeros(5, 1, 8, 8)
    broken[1, 0, 0, 0], broken[3] = torch.nan, torch.inf
    with pytest.raises(DataError, match="2 of 5"):
        space.extract(broken)
    with pytest.raises(DataError, match="two images"):
        open_fitted_space(small(None, count=1))
