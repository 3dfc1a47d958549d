"""Which real images samples are compared with, and that they are others than those learned from."""

import numpy as np
import pytest
import torch

from qgen.data import DataSettings
from qgen.errors import DataError
from qgen.metrics.neighbours import nearest
from qgen.metrics.reference import open_reference


def test_a_known_set_is_compared_with_its_other_split(digits_reference):
    assert digits_reference.held_out
    assert (len(digits_reference.real), len(digits_reference.train)) == (359, 1438)
    assert "test split" in digits_reference.description
    swapped = open_reference(DataSettings(name="digits", split="test"))
    assert (swapped.of.sha256, swapped.train.sha256) == (digits_reference.train.sha256, digits_reference.of.sha256)


def test_a_limit_is_one_of_what_was_learned_from_only():
    reference = open_reference(DataSettings(name="digits", limit=30, classes=(3, 5)), limit=20)
    assert len(reference.train) == 30
    assert len(reference.whole) > 250
    assert len(reference.real_images()) == 20
    assert set(reference.of.labels.tolist()) == {3, 5}


def test_halves_of_a_folder_have_no_image_in_common(folder_of_noise):
    reference = open_reference(DataSettings(name=folder_of_noise(21)))
    assert not reference.held_out
    assert set(reference.real) | set(reference.control) == set(range(21))
    assert not set(reference.real) & set(reference.control)
    assert "no test split" in reference.description
    assert len(reference.control_images(100)) == 11
    assert torch.equal(reference.control_images(3), reference.control_images(100)[:3])
    assert (reference.usual_nearest() > 0).all()


def test_the_usual_distance_is_that_of_images_that_were_not_learned_from(digits_reference):
    usual = digits_reference.usual_nearest()
    expected, _ = nearest(digits_reference.real_images(), digits_reference.train)
    np.testing.assert_array_equal(usual, expected)


def test_a_folder_needs_four_images(folder_of_noise):
    with pytest.raises(DataError, match="at least four"):
        open_reference(DataSettings(name=folder_of_noise(3)))
