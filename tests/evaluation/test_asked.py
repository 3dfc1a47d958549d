"""Whether samples are as they were asked to be: against a count by hand, and for real images and what they are."""

from functools import cache

import numpy as np
import pytest
import torch
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from qgen.captions import CaptionFacts
from qgen.conditioning import LabelConditioning, TextConditioning
from qgen.data import DataSettings
from qgen.data.attributes import ATTRIBUTES
from qgen.evaluation import PROTOCOLS, Compared, Evaluator, Requested, open_reference
from qgen.evaluation.asked import ASKED_MEASURES, fulfilled
from qgen.metrics import FeatureSpace
from qgen.metrics.bootstrap import Resampling, wilson
from qgen.metrics.features import Features
from qgen.models.text import WordEncoder

NAMES = tuple(ATTRIBUTES)


class Knowing(FeatureSpace):
    """Pixels, and the classes that it is told, image by image."""

    def __init__(self, shape, names, classes):
        super().__init__("knowing", "told", shape, names)
        self._classes = np.asarray(classes)

    def _extract(self, pixels, progress):
        logits = np.full((len(pixels), len(self.class_names) + 1), -20.0)
        logits[np.arange(len(pixels)), self._classes[: len(pixels)]] = 0
        probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        return Features(pixels.flatten(1).double().numpy(), probabilities, logits)


@cache
def opened():
    return open_reference(DataSettings(name="digits", captions="attributes"))


@pytest.fixture
def captioned():
    return opened()


def conditioning(scheme, prompts):
    facts = CaptionFacts(scheme.words, ("0",))
    return TextConditioning(WordEncoder(facts.words, 12), facts, tuple(prompts))


@examples(40)
@given(seed=st.integers(0, 10**6))
def test_each_sample_is_judged_by_its_own_prompt(seed):
    """Prompts of other images than those shown, against a loop over images and words."""
    rng, data = np.random.default_rng(seed), opened().whole
    scheme = data.scheme
    shown = rng.choice(len(data), 30)
    prompts = [scheme.caption(int(rng.integers(10)), rng.integers(3, size=len(scheme.names))) for _ in shown]
    prompts[0] = "thin"
    asked = Requested.of_samples(conditioning(scheme, prompts), 30, data)
    images, classes = data.scaled(torch.from_numpy(shown)), rng.integers(10, size=30)
    space = Knowing(data.shape, data.class_names, classes)
    kept = fulfilled(asked, images, space.extract(images), space, data)
    assert set(kept) == {"class", "all", *scheme.names}
    for image, prompt in enumerate(prompts):
        wanted = scheme.read(prompt)
        judged = classes[image] if wanted.label is None else wanted.label
        right = {} if wanted.label is None else {"class": judged == classes[image]}
        thirds = scheme.thirds(data.images[shown[image : image + 1]].numpy(), np.array([judged]))[0]
        for name, third in zip(scheme.names, thirds, strict=True):
            if name in wanted.thirds:
                right[name] = third == wanted.thirds[name]
        right["all"] = all(right.values())
        for name, values in kept.items():
            assert np.isnan(values[image]) if name not in right else values[image] == right[name], (prompt, name)


def test_real_images_are_all_that_their_own_captions_say(captioned):
    data, index = captioned.whole, captioned.control[:200]
    labels = data.labels[index].numpy()
    space = Knowing(data.shape, data.class_names, labels)
    images = data.scaled(torch.from_numpy(index))
    found = fulfilled(Requested.of_images(data, index), images, space.extract(images), space, data)
    assert all(np.nanmin(values) == 1 for values in found.values())
    by_prompt = Requested.of_samples(conditioning(data.scheme, [data.captions[i][0] for i in index]), 200, data)
    np.testing.assert_array_equal(by_prompt.thirds, Requested.of_images(data, index).thirds)
    np.testing.assert_array_equal(by_prompt.labels, labels)


def test_shares_are_of_the_images_that_were_asked_with_wilsons_intervals(captioned, rng):
    data, count = captioned.whole, 90
    prompts = ["thin 7", "leaning left 3", "5"]
    asked = Requested.of_samples(conditioning(data.scheme, prompts), count, data)
    images, classes = torch.rand(count, *data.shape) * 2 - 1, rng.integers(10, size=count)
    space = Knowing(data.shape, data.class_names, np.resize(classes, 2000))
    found = Evaluator(space, captioned, PROTOCOLS["default"], resamples=5)(images, "x", {}, requested=asked)
    measured = {name: result.samples for name, result in found.results.items() if name.endswith("_asked")}
    assert measured.keys() == {"class_asked", "thickness_asked", "slant_asked", "all_asked"}
    assert measured["class_asked"].value == np.mean(classes == np.resize([7, 3, 5], count))
    assert (measured["class_asked"].count, measured["thickness_asked"].count) == (count, count // 3)
    for each in measured.values():
        assert each.interval == wilson(each.value, each.count)
    assert found.plain()["metrics"]["thickness_asked"]["count"] == count // 3
    assert found.results["thickness_asked"].real.value == 1


def test_labels_are_asked_for_too_and_classes_are_matched_by_name(digits_reference):
    data = digits_reference.whole
    asked = Requested.of_samples(LabelConditioning(10, (3, 4)), 10, data)
    images = data.scaled(torch.arange(10))
    turned = tuple(reversed(data.class_names))
    space = Knowing(data.shape, turned, [9 - 3] * 10)
    found = fulfilled(asked, images, space.extract(images), space, data)
    assert found.keys() == {"class"}
    assert found["class"].tolist() == [1, 0] * 5
    other = Knowing(data.shape, ("a", "b"), [0] * 10)
    assert fulfilled(asked, images, other.extract(images), other, data) == {}


def test_nothing_is_asked_of_unconditional_models_or_by_captions_without_a_scheme(digits_reference):
    data = digits_reference.whole
    assert Requested.of_samples(None, 5, data) is None
    facts = CaptionFacts(("a",), ("a",))
    assert Requested.of_samples(TextConditioning(WordEncoder(("a",), 3), facts), 5, data) is None


def test_resamples_without_any_image_that_was_asked_have_the_value_itself():
    values = np.array([np.nan] * 9 + [1.0])
    measure = next(m for m in ASKED_MEASURES if m.name == "class_asked")
    cloud = Features(np.zeros((10, 1)), None)
    found = measure.compute(
        Compared(cloud, cloud, np.ones(1), np.ones(1), {"class": values}), PROTOCOLS["default"], Resampling(50)
    )
    assert found.value == 1
    assert np.isfinite(found.resampled).all()
    assert measure.compute(Compared(cloud, cloud, np.ones(1), np.ones(1)), PROTOCOLS["default"], Resampling(5)) is None
