"""Numbers as text: they read back as what they are rounded to, and a rounded zero has no sign."""

from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qgen.evaluation import text
from qgen.evaluation.measures import MEASURES
from qgen.number_text import fixed

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12)
MINUS = "\N{MINUS SIGN}"


def read(words: str) -> Decimal:
    return Decimal(words.replace(",", "").replace(MINUS, "-"))


@given(NUMBERS, st.integers(0, 8), st.booleans())
def test_a_number_reads_back_as_what_it_is_rounded_to(value: float, decimals: int, signed: bool) -> None:
    words = fixed(value, decimals, signed)
    assert read(words) == round(Decimal(value), decimals)
    assert (words[0] == MINUS) == (read(words) < 0)
    assert (words[0] == "+") == (signed and read(words) > 0)


@given(st.floats(1e-12, 1e6), st.floats(0, 1e-2), st.sampled_from([-1, 1]))
def test_cells_of_an_evaluation_say_something_or_0(size: float, width: float, sign: int) -> None:
    """Three digits of a value, down to the sixth decimal; less than half of that is 0, without a sign."""
    (measure,) = [each for each in MEASURES if each.name == "kid"]
    value = sign * size
    shown = text.number(value, measure)
    assert abs(float(read(shown)) - value) <= max(0.00500001 * size, 0.500001e-6)
    assert (shown == "0") == (read(shown) == 0)
    low, high = value - width, value + width
    allowed = max(0.05 * (high - low), 0.5e-6) if high > low else 0.005
    ends = text.ends(low, high, measure).split(" to ")
    for end, exact in zip(ends, (low, high), strict=True):
        assert abs(float(read(end)) - exact) <= 1.0001 * allowed
        assert read(end) or end[0] == "0"
    assert (ends == ["0", "0"]) == (not any(map(read, ends)))


def test_values_of_nothing_and_without_bounds_are_words_too() -> None:
    (measure,) = [each for each in MEASURES if each.name == "kid"]
    assert [text.number(value, measure) for value in (-0.0, np.inf, -np.inf, np.nan)] == [
        "0",
        "inf",
        f"{MINUS}inf",
        "nan",
    ]
    assert text.ends(-np.inf, np.inf, measure) == f"{MINUS}inf to inf"
    assert text.ends(-0.0, 0.0, measure) == "0 to 0"


def test_shares_that_round_to_zero_have_no_sign(rng: np.random.Generator) -> None:
    (measure,) = [each for each in MEASURES if each.name == "precision"]
    little = float(rng.uniform(0, 0.0005))
    assert text.number(-little, measure) == "0.0 %"
    assert text.ends(-little, little, measure) == "0.0 to 0.0 %"
