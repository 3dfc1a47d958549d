"""Captions: their words, which one is drawn, and digests."""

import re

import numpy as np
import torch
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from qgen.captions import CaptionFacts, Captions, words_of

TEXTS = st.text("ab cd-'7", max_size=12)
OWN = st.lists(st.lists(TEXTS, min_size=1, max_size=4), min_size=1, max_size=9)


@examples(60)
@given(st.text(max_size=40))
def test_words_hold_every_letter_and_digit_in_order_and_nothing_but_them(text):
    words = words_of(text)
    lower = text.lower()
    assert "".join(re.sub(r"['\u2019-]", "", word) for word in words) == "".join(
        char for char in lower if re.fullmatch(r"[^\W_]", char)
    )
    assert words == words_of(" / ".join(words))


def test_words_keep_hyphens_within_them():
    assert words_of("A dark T-shirt/top, woman's_7 -x-") == ["a", "dark", "t-shirt", "top", "woman's", "7", "x"]


@examples(60)
@given(OWN, st.data())
def test_each_image_keeps_its_captions_and_a_selection_those_of_its_images(own, data):
    captions = Captions.of(own)
    assert [list(captions[image]) for image in range(len(captions))] == own
    assert set(captions.texts) == {text for texts in own for text in texts}
    assert len(set(captions.texts)) == len(captions.texts)
    chosen = data.draw(st.lists(st.integers(0, len(own) - 1), min_size=1))
    selected = captions.select(chosen)
    assert [list(selected[place]) for place in range(len(chosen))] == [own[image] for image in chosen]


@examples(60)
@given(OWN, st.integers(0, 2**32), st.data())
def test_a_caption_that_is_drawn_is_one_of_the_image_and_follows_from_the_seed(own, seed, data):
    captions = Captions.of(own)
    index = torch.tensor(data.draw(st.lists(st.integers(0, len(own) - 1), min_size=1, max_size=20)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        numbers = captions.draw(index)
        torch.manual_seed(seed)
        assert torch.equal(captions.draw(index), numbers)
    assert all(captions.texts[number] in own[image] for number, image in zip(numbers, index, strict=True))


def test_all_of_an_image_s_captions_are_drawn_alike(rng):
    captions = Captions.of([["a"], ["b", "c", "d"], ["a", "c"]])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**31)))
        counts = torch.bincount(captions.draw(torch.full((3000,), 1)), minlength=4).numpy()
    assert counts[0] == 0
    # Six deviations of a binomial: fails once in 10^8.
    np.testing.assert_allclose(counts[1:], 1000, atol=6 * np.sqrt(3000 * 2 / 9))


@examples(60)
@given(OWN)
def test_facts_have_all_words_and_examples_that_are_captions(own):
    captions = Captions.of(own)
    facts = captions.facts
    assert list(facts.words) == sorted({word for texts in own for text in texts for word in words_of(text)})
    assert set(facts.examples) <= {texts[0] for texts in own}
    assert facts.examples
    assert CaptionFacts.read(facts.plain()) == facts


@examples(60)
@given(OWN, OWN)
def test_digests_are_equal_where_captions_are(first, second):
    assert (Captions.of(first).digest() == Captions.of(second).digest()) == (first == second)
