"""Feature spaces by name: what each is, and one clear line where it cannot be."""

from pathlib import Path

import numpy as np
import pytest
import torch

from qgen.data import DataSettings, ImageSet, open_images
from qgen.errors import ConfigError
from qgen.metrics import FittedFeatureSpace, open_feature_space
from qgen.metrics.spaces import ValuesSpace
from qgen.models.features.classifier import find_classifier, load_classifier


def test_the_default_is_fitted_to_the_images(small):
    assert isinstance(open_feature_space("fitted", small(np.arange(30) % 3)), FittedFeatureSpace)


def test_the_shipped_classifier_knows_digits(digits):
    space = open_feature_space("digits", digits)
    found = space.extract(digits.scaled(torch.arange(200)))
    assert (found.logits.argmax(axis=1) == digits.labels[:200].numpy()).mean() > 0.8
    network = load_classifier(find_classifier("digits-from-mnist"))
    if network.image_shape == digits.shape:
        with torch.no_grad():
            expected = network(digits.scaled(torch.arange(200)))
        np.testing.assert_allclose(found.logits, expected, atol=1e-4)
    assert found.probabilities is space.class_names is None


@pytest.mark.slow
def test_efficientnet_looks_at_each_image_by_itself(digits):
    pytest.importorskip("efficientnet_lite_pytorch")
    space = open_feature_space("efficientnet-lite0", digits)
    images = digits.scaled(torch.arange(3))
    found = space.extract(images)
    assert found.features.shape == (3, 1280)
    assert found.logits is None
    np.testing.assert_allclose(space.extract(images[1:2]).features[0], found.features[1], rtol=1e-3, atol=1e-4)


def test_samples_of_a_distribution_are_their_own_features():
    samples = open_images(DataSettings(name="gaussian-3d", limit=20))
    space = open_feature_space("fitted", samples)
    assert isinstance(space, ValuesSpace)
    found = space.extract(samples.scaled(torch.arange(20)))
    np.testing.assert_array_equal(found.features, samples.images.flatten(1).double())
    assert found.raw
    with pytest.raises(ConfigError, match="no images for features"):
        open_feature_space("digits", samples)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("incepton", "Did you mean 'inception'"),
        ("classifier", "allowed"),
        ("classifier:nothing", "no classifier 'nothing'"),
        ("inception:x", "allowed"),
    ],
)
def test_unknown_names_are_refused(name, said, digits):
    with pytest.raises(ConfigError, match=said):
        open_feature_space(name, digits)


@pytest.mark.parametrize("name", [None, 3, Path("digits")])
def test_what_is_no_name_is_refused(name, digits):
    with pytest.raises(ConfigError, match=r"features are named, not .*; allowed: fitted, inception, "):
        open_feature_space(name, digits)


def test_weights_belong_to_inception(digits):
    with pytest.raises(ConfigError, match="take none"):
        open_feature_space("digits", digits, Path("x.pth"))


def test_colours_are_refused_by_a_classifier_of_grey_images(rng):
    pixels = torch.from_numpy(rng.integers(256, size=(5, 2, 8, 8), dtype=np.uint8))
    with pytest.raises(ConfigError, match=r"channels|grey"):
        open_feature_space("digits", ImageSet.of("two", pixels, None, None, ""))
