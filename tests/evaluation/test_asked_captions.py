"""Captions in words of their own: the nearest real image, the colour that is named, and what was held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from qgen.captions import CaptionFacts, Captions
from qgen.conditioning import TextConditioning
from qgen.data import DataSettings, ImageSet
from qgen.errors import DataError
from qgen.evaluation import PROTOCOLS, Evaluator, Requested, open_reference
from qgen.evaluation.asked_captions import coloured, retrieved
from qgen.metrics.spaces import open_feature_space
from qgen.models.text import WordEncoder

BRIGHT = {"red": (230, 20, 40), "green": (40, 180, 60), "blue": (40, 90, 220), "yellow": (250, 210, 60)}


def captioned(rng: np.random.Generator, count: int, words: int = 5) -> ImageSet:
    """Images of noise, which share a few captions."""
    pixels = torch.from_numpy(rng.integers(256, size=(count, 3, 4, 4), dtype=np.uint8))
    texts = [[f"word {k}" for k in rng.integers(words, size=rng.integers(1, 3)).tolist()] for _ in range(count)]
    return replace(ImageSet.of("noise", pixels, None, None, "drawn"), captions=Captions.of(texts))


@examples(40)
@given(seed=st.integers(0, 10**6))
def test_the_nearest_of_all_images_is_found_by_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sets = [captioned(rng, int(count)) for count in rng.integers(1, 9, size=rng.integers(1, 4))]
    images = torch.from_numpy(rng.uniform(-1, 1, size=(12, 3, 4, 4)))
    prompts = [f"word {k}" for k in rng.integers(7, size=12).tolist()]
    found = retrieved(prompts, images, sets)
    real = [
        (each.scaled(torch.tensor([place]))[0].double(), each.captions[place])
        for each in sets
        if each.captions is not None
        for place in range(len(each))
    ]
    for number, prompt in enumerate(prompts):
        having = sum(prompt in own for _, own in real)
        distances = [float((images[number] - other).square().sum()) for other, _ in real]
        if not having:
            assert np.isnan(found["caption"][number])
            assert np.isnan(found["caption by chance"][number])
            continue
        assert found["caption"][number] == (prompt in real[int(np.argmin(distances))][1])
        assert found["caption by chance"][number] == pytest.approx(having / len(real))


@examples(40)
@given(seed=st.integers(0, 10**6))
def test_the_colour_is_that_of_most_of_what_is_not_white(seed: int) -> None:
    rng = np.random.default_rng(seed)
    asked, drawn, other = rng.choice(list(BRIGHT), 3)
    values = np.full((3, 8, 8), 255.0)
    values[:, :3] = np.array(BRIGHT[drawn])[:, None, None]
    values[:, 3, :5] = np.array(BRIGHT[other])[:, None]
    image = torch.from_numpy(values / 127.5 - 1)[None]
    prompts = [f"a {asked} heart", "a heart", f"{asked} and purple heart", "white heart"]
    right = coloured(prompts, image.repeat(4, 1, 1, 1))
    assert right[0] == (asked == drawn)
    assert np.isnan(right[1:]).all()
    assert np.isnan(coloured(prompts[:1], image[:, :1])).all()
    assert coloured(prompts[:1], torch.ones(1, 3, 8, 8)).tolist() == [0]


@pytest.fixture
def folder(tmp_path, rng: np.random.Generator) -> str:
    """Sixteen disks in a folder, each colour in four sizes, with captions beside them."""
    y, x = np.mgrid[:12, :12] - 5.5
    for colour, values in BRIGHT.items():
        for number, size in enumerate(("small", "large", "huge", "whole")):
            picture = np.full((12, 12, 3), 255, np.uint8)
            picture[np.hypot(x, y) < 2 + 1.5 * number] = values
            Image.fromarray(picture).save(tmp_path / f"{colour}{number}.png")
            (tmp_path / f"{colour}{number}.txt").write_text(f"{colour} {size} disk\n{colour} disk\n")
    return str(tmp_path)


def asking(prompts: Callable[[int], tuple[str, ...] | None], count: int) -> TextConditioning:
    facts = CaptionFacts(("disk",), prompts(count) or ())
    return TextConditioning(WordEncoder(facts.words, 3), facts)


def test_real_images_are_what_their_captions_say(folder: str) -> None:
    reference = open_reference(DataSettings(name=folder, captions="own"))
    space = open_feature_space("fitted", reference.whole)
    asked = Requested.of_samples(asking(reference.captions, 8), 8, reference.whole)
    assert asked is not None
    assert asked.captions == reference.captions(8)
    evaluate = Evaluator(space, reference, PROTOCOLS["default"], resamples=5)
    found = evaluate(reference.real_images(8), "real", {}, requested=asked)
    metrics = found.plain()["metrics"]
    assert [metrics[name]["value"] for name in ("caption_asked", "colour_asked")] == [1, 1]
    assert metrics["caption_asked"]["chance"] == pytest.approx(1 / 16)
    assert metrics["caption_asked"]["real"]["value"] == metrics["colour_asked"]["real"]["value"] == 1
    turned = evaluate(reference.real_images(8).flip(0), "turned", {}, requested=asked).plain()["metrics"]
    assert turned["caption_asked"]["value"] == 0


def test_what_was_held_out_is_asked_for_and_was_not_trained_on(folder: str) -> None:
    settings = DataSettings(name=folder, captions="own", hold_out=("blue large", "red huge", "small", "green whole"))
    reference = open_reference(settings, held_out=True)
    assert len(reference.train) == 16 - 7
    assert len(reference.of) == 7
    assert (len(reference.real), len(reference.control)) == (4, 3)
    assert not set(reference.real) & set(reference.control)
    assert "what training never saw: blue large, red huge" in reference.description
    captions = reference.captions(4)
    assert captions is not None
    assert reference.train.captions is not None
    assert not set(captions) & set(reference.train.captions.texts)
    space = open_feature_space("fitted", reference.whole)
    asked = Requested.of_samples(asking(reference.captions, 4), 4, reference.whole)
    evaluate = Evaluator(space, reference, PROTOCOLS["default"], resamples=5)
    found = evaluate(reference.real_images(4), "held out", {}, requested=asked).plain()["metrics"]
    assert found["caption_asked"]["value"] == 1
    assert found["caption_asked"]["chance"] == pytest.approx(1 / 16)
    assert found["caption_asked"]["real"]["value"] == 1


def test_attributes_of_digits_are_held_out_in_both_splits() -> None:
    settings = DataSettings(name="digits", captions="attributes", hold_out=("thin 7", "thick 1"))
    reference = open_reference(settings, held_out=True)
    for images in (reference.of, reference.controls):
        assert images.captions is not None
        full = [set(images.captions[place][0].split()) for place in range(len(images))]
        assert all({"thin", "7"} <= words or {"thick", "1"} <= words for words in full)
    assert reference.of.sha256 != reference.controls.sha256
    asked = Requested.of_images(reference.controls, reference.control)
    assert asked is not None
    assert set(asked.labels.tolist()) == {1, 7}


def test_too_few_or_none_that_were_held_out_are_refused(folder: str) -> None:
    settings = DataSettings(name=folder, captions="own")
    with pytest.raises(DataError, match="no combination is held out"):
        open_reference(settings, held_out=True)
    with pytest.raises(DataError, match=r"1 images of .* are held out \(blue large\), and an evaluation"):
        open_reference(settings.model_copy(update={"hold_out": ("blue large",)}), held_out=True)
