"""Conditioning as a value: parts, devices, and the null label."""

import numpy as np
import pytest
import torch

from qgen.conditioning import Conditioning, LabelConditioning, Labels
from qgen.data import ImageSet
from qgen.errors import InputError


def test_parts_and_dropped_labels_are_those_of_numpy(rng):
    classes = int(rng.integers(2, 12))
    drawn = rng.integers(0, classes, int(rng.integers(1, 9)))
    mask = rng.random(len(drawn)) < 0.5
    labels: Conditioning = Labels.of(drawn.tolist(), classes)
    assert len(labels) == len(drawn)
    np.testing.assert_array_equal(labels.part(slice(1, 4)).classes, drawn[1:4])
    np.testing.assert_array_equal(labels.dropped(torch.from_numpy(mask)).classes, np.where(mask, classes, drawn))
    np.testing.assert_array_equal(labels.classes, drawn)  # the value itself does not change
    assert labels.to("meta").classes.device.type == "meta"
    assert labels.classes.dtype == torch.int64


@pytest.mark.parametrize("label", [-1, 10])
def test_a_class_that_is_not_there_is_refused(label):
    with pytest.raises(InputError, match=f"no class {label}: labels lie in 0 to 9"):
        Labels.of([3, label], 10)


def test_examples_take_the_classes_in_turn():
    assert LabelConditioning(3).examples(7).classes.tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_labels_of_images_are_those_of_the_set(rng):
    labels = torch.from_numpy(rng.integers(0, 4, 20))
    images = ImageSet.of("some", torch.zeros(20, 1, 2, 2, dtype=torch.uint8), labels, ("a", "b", "c", "d"), "here")
    index = torch.from_numpy(rng.integers(0, 20, 6))
    assert torch.equal(LabelConditioning(4).of_images(images, index).classes, labels[index])
    bare = ImageSet.of("bare", images.images, None, None, "here")
    with pytest.raises(InputError, match="bare has no labels"):
        LabelConditioning(4).of_images(bare, index)
