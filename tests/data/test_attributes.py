"""Measured attributes: against shapes whose measures are known, and captions both ways."""

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from qgen.captions import words_of
from qgen.data.attributes import ATTRIBUTES, AttributeScheme, brightness, measure_attributes, slant, thickness, width

SIDE = 32
NAMES = tuple(ATTRIBUTES)


def bar(left: float, right: float, top: int, bottom: int, shear: float = 0.0, level: float = 1.0):
    """A parallelogram (1, SIDE, SIDE), whose rows are exact in x; `shear` pixels to the right for each row upwards."""
    image = np.zeros((1, SIDE, SIDE))
    edges = np.arange(SIDE + 1)
    for row in range(top, bottom):
        moved = shear * ((top + bottom - 1) / 2 - row)
        inside = np.clip(edges[1:], left + moved, right + moved) - np.clip(edges[:-1], left + moved, right + moved)
        image[0, row] = level * inside
    return image


@examples(60)
@given(st.floats(-0.4, 0.4), st.floats(3, 8), st.floats(0.2, 1))
def test_slant_is_the_shear_of_a_sheared_bar(shear, broad, level):
    leaning = bar(16 - broad / 2, 16 + broad / 2, 4, 28, shear, level)
    assert slant(leaning)[0] == pytest.approx(shear, abs=5e-3)
    np.testing.assert_allclose(slant(leaning[:, :, ::-1]), -slant(leaning), atol=1e-9)


@examples(60)
@given(st.integers(2, 12), st.integers(2, 26), st.floats(0.2, 1))
def test_width_and_brightness_of_a_bar_are_its_own(first, broad, level):
    upright = bar(first, min(first + broad, SIDE), 5, 20, 0, level)
    pixels = min(first + broad, SIDE) - first
    assert width(upright)[0] == pytest.approx(np.sqrt(pixels**2 - 1) / SIDE, abs=1e-6)  # of discrete pixels
    assert brightness(upright)[0] == pytest.approx(level, rel=1e-6)


@examples(60)
@given(st.integers(1, 6), st.floats(0.2, 1))
def test_thickness_of_a_long_stroke_is_its_own_whatever_its_brightness(broad, level):
    stroke = bar(12, 12 + broad, 0, SIDE, 0, level)
    corners = 1 / (1 / broad + 1 / SIDE)  # both ends are edges too
    assert thickness(stroke)[0] * SIDE == pytest.approx(corners, rel=0.03)
    np.testing.assert_allclose(thickness(stroke), thickness(stroke.transpose(0, 2, 1)), rtol=1e-9)
    np.testing.assert_allclose(thickness(stroke), thickness(stroke / 2), rtol=1e-6)


def test_a_black_image_is_measured_too():
    assert np.isfinite(measure_attributes(np.zeros((2, 1, 8, 8), np.uint8), NAMES)).all()


def test_colours_are_measured_by_their_mean(rng):
    grey = rng.integers(0, 256, (5, 1, 9, 9)).astype(np.uint8)
    colour = np.repeat(grey, 3, axis=1)
    np.testing.assert_allclose(measure_attributes(colour, NAMES), measure_attributes(grey, NAMES), atol=1e-9)


def some_scheme(rng, classes=("T-shirt/top", "Shirt", "Ankle boot", "7"), count=400):
    images = rng.integers(0, 256, (count, 1, 6, 6)).astype(np.uint8)
    labels = np.arange(count) % len(classes)
    names = [NAMES[place] for place in sorted(rng.choice(4, int(rng.integers(1, 5)), replace=False))]
    return AttributeScheme.of(images, labels, classes, names), images, labels


def test_each_third_of_a_class_has_a_third_of_its_training_images(rng):
    scheme, images, labels = some_scheme(rng)
    thirds = scheme.thirds(images, labels)
    for label in range(4):
        for column in range(len(scheme.names)):
            counts = np.bincount(thirds[labels == label, column], minlength=3)
            np.testing.assert_allclose(counts, 100 / 3, atol=1)


def test_a_prompt_is_read_as_the_caption_was_made_whatever_the_order_of_its_words(rng):
    scheme, _, _ = some_scheme(rng)
    for _ in range(40):
        label, thirds = int(rng.integers(4)), rng.integers(0, 3, len(scheme.names)).tolist()
        caption = scheme.caption(label, thirds)
        assert set(words_of(caption)) <= set(scheme.words)
        words = words_of(caption)
        rng.shuffle(words)
        asked = scheme.read(" ".join(words).upper())
        assert asked.label == label
        named = {name: third for name, third in zip(scheme.names, thirds, strict=True) if third != 1}
        assert asked.thirds == named


def test_captions_say_what_is_measured(rng):
    scheme, images, labels = some_scheme(rng)
    for captions, label, thirds in zip(
        scheme.captions(images, labels), labels, scheme.thirds(images, labels), strict=True
    ):
        assert captions[0] == scheme.caption(label, thirds)
        assert set(captions[1:]) <= {captions[0], scheme.caption(label, [1] * len(thirds))}


def test_words_stand_where_they_do_in_a_sentence(rng):
    scheme = AttributeScheme(("Ankle boot",), NAMES, np.zeros((1, 4, 2)))
    assert scheme.caption(0, [0, 2, 0, 2]) == "dark wide thin ankle boot leaning right"
    assert scheme.read("a boot").label is None
