"""The encoder of words: numbers, the null condition, and what it refuses."""

import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from qgen.errors import InputError
from qgen.models.text import WordEncoder

WORDS = ("boot", "dark", "left", "narrow", "right", "t-shirt", "wide")
ENCODER = WordEncoder(WORDS, 4)


@examples(60)
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=4), min_size=1, max_size=6))
def test_tokens_are_the_places_of_the_words_in_the_vocabulary(words):
    texts = ENCODER.encode([", ".join(own).upper() for own in words], prompts=True)
    for row, own in enumerate(words):
        numbers = texts.tokens[row][texts.mask[row]].tolist()
        assert [WORDS[number] for number in numbers] == own
        assert texts.mask[row].tolist() == [place < len(own) for place in range(4)]
        assert bool(texts.null[row]) == (not own)
    assert texts.pooled is None


def test_an_unknown_word_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"'a drak boot' has words .*: `a`, `drak` \(nearest: `dark`\); it knows 7 wo"):
        ENCODER.encode(["dark boot", "a drak boot"], prompts=True)


def test_a_prompt_that_is_too_long_is_refused_and_a_caption_cut():
    text = "dark narrow wide left boot"
    with pytest.raises(InputError, match=r"has 5 words, and this model takes 4 \(`model.text.tokens`\)"):
        ENCODER.encode([text], prompts=True)
    assert ENCODER.table([text]).tokens.tolist() == [[1, 3, 6, 2]]
    assert ENCODER.table(["a dark one"]).tokens.tolist() == [[1, 0, 0, 0]]
