"""Conditioning as a value: parts, devices, and the null label."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from qgen.captions import CaptionFacts, Captions
from qgen.conditioning import Conditioning, LabelConditioning, Labels, TextConditioning, Texts
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


def some_texts(rng, count: int, vectors: bool) -> Texts:
    mask = torch.from_numpy(rng.random((count, 3)) < 0.7)
    null = torch.from_numpy(rng.random(count) < 0.3)
    if vectors:
        tokens, pooled = torch.from_numpy(rng.normal(size=(count, 3, 2))), torch.from_numpy(rng.normal(size=(count, 4)))
        return Texts(tokens, mask, pooled, null)
    return Texts(torch.from_numpy(rng.integers(0, 9, (count, 3))), mask, None, null)


@pytest.mark.parametrize("vectors", [True, False])
def test_parts_of_texts_are_those_of_numpy(rng, vectors):
    count = int(rng.integers(1, 7))
    texts: Conditioning = some_texts(rng, count, vectors)
    others = some_texts(rng, count, vectors)
    drop, index = rng.random(count) < 0.5, rng.integers(0, count, 5)
    assert len(texts) == count
    for name in ("tokens", "mask", "null", *(["pooled"] if vectors else [])):
        own, theirs = getattr(texts, name).numpy(), getattr(others, name).numpy()
        np.testing.assert_array_equal(getattr(texts.part(slice(1, 4)), name), own[1:4])
        np.testing.assert_array_equal(getattr(texts.repeated(3), name), np.repeat(own, 3, axis=0))
        np.testing.assert_array_equal(getattr(texts.chosen(torch.from_numpy(index)), name), own[index])
        in_turn = np.stack([own, theirs], 1).reshape(2 * count, *own.shape[1:])
        np.testing.assert_array_equal(getattr(texts.interleaved(others), name), in_turn)
        expected = own | drop if name == "null" else own
        np.testing.assert_array_equal(getattr(texts.dropped(torch.from_numpy(drop)), name), expected)
        assert getattr(texts.to("meta"), name).device.type == "meta"
    assert (texts.pooled is not None) == vectors


def test_labels_and_others_in_turn(rng):
    first, second = rng.integers(0, 5, (2, int(rng.integers(1, 6))))
    both = Labels.of(first.tolist(), 5).interleaved(Labels.of(second.tolist(), 5))
    np.testing.assert_array_equal(both.classes, np.stack([first, second], 1).ravel())


class Spelling:
    """An encoder of letters, that counts what it is asked."""

    def __init__(self):
        self.tables = 0

    def encode(self, texts, *, prompts):
        tokens = torch.tensor([[ord(char) for char in f"{text:4}"[:4]] for text in texts])
        return Texts(tokens, tokens != ord(" "), None, torch.tensor([not text for text in texts]))

    def table(self, texts):
        self.tables += 1
        return self.encode(texts, prompts=False)


def spelt(texts: Texts) -> list[str]:
    return ["".join(map(chr, row)).strip() for row in texts.tokens.tolist()]


def test_texts_of_images_are_captions_of_them_encoded_once(rng):
    own = [[f"{letter}{number}" for number in range(rng.integers(1, 4))] for letter in "abcdef"]
    images = SimpleNamespace(name="some", captions=Captions.of(own))
    encoder = Spelling()
    conditioning = TextConditioning(encoder, images.captions.facts)
    for _ in range(3):
        index = torch.from_numpy(rng.integers(0, 6, 5))
        texts = conditioning.of_images(images, index)
        assert all(text in own[image] for text, image in zip(spelt(texts), index, strict=True))
    assert encoder.tables == 1
    with pytest.raises(InputError, match="bare has no captions"):
        conditioning.of_images(SimpleNamespace(name="bare", captions=None), index)


def test_examples_take_prompts_in_turn_or_captions():
    facts = CaptionFacts(("a", "b"), ("a", "b a"))
    asked = TextConditioning(Spelling(), facts, ("x", "y", ""), "no")
    assert spelt(asked.examples(5)) == ["x", "y", "", "x", "y"]
    assert asked.examples(3).null.tolist() == [False, False, True]
    assert spelt(asked.negative(2)) == ["no", "no"]
    shown = TextConditioning(Spelling(), facts)
    assert spelt(shown.examples(3)) == ["a", "b a", "a"]
    assert shown.negative(2) is None
    assert shown.data_facts == {"captions": {"words": ["a", "b"], "examples": ["a", "b a"]}}
