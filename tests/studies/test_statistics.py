"""Intervals, tests and verdicts against scipy's own tests, tables in books, and what they promise."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qgen.studies.formatting import format_difference, format_mean, format_values
from qgen.studies.statistics import estimate, holm, paired_p_value, verdict

numbers = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)
chances = st.lists(st.floats(0, 1), min_size=1, max_size=6)


def test_three_values_by_hand() -> None:
    found = estimate([1.0, 2.0, 3.0])
    assert found is not None
    reach = 4.302653 / math.sqrt(3)  # the table's t for 97.5 % and two degrees of freedom; the deviation is 1
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2 - reach, 2 + reach), abs=1e-6)


@pytest.mark.parametrize("count", [2, 3, 7, 30])
def test_intervals_and_chances_are_scipys(count: int, rng: np.random.Generator) -> None:
    ours, theirs = rng.normal(3, 2, count), rng.normal(2, 1, count)
    found = estimate(list(ours))
    assert found is not None
    expected = stats.t.interval(0.95, count - 1, ours.mean(), stats.sem(ours))
    np.testing.assert_allclose((found.low, found.high), expected, rtol=1e-9)
    assert paired_p_value(list(ours - theirs)) == pytest.approx(stats.ttest_rel(ours, theirs).pvalue, rel=1e-6)


def test_intervals_hold_the_mean_as_often_as_they_say(rng: np.random.Generator) -> None:
    held = 0
    for values in rng.normal(1.5, 3, (4000, 3)):
        found = estimate(list(values))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low < 1.5 < found.high
    assert 0.93 < held / 4000 < 0.97


@given(st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_an_interval_ends_where_the_mean_cannot_be(values: list[float]) -> None:
    free, share = estimate(values), estimate(values, (0.0, 1.0))
    assert free is not None
    assert share is not None
    assert free.low is not None
    assert free.high is not None
    assert (share.low, share.high) == (min(max(free.low, 0.0), share.mean), max(min(free.high, 1.0), share.mean))
    text = format_mean(share, share=True)
    assert ("±" in text) != ("[" in text)


def test_both_ends_are_told_where_one_was_moved() -> None:
    assert format_mean(estimate([0.4, 0.5, 0.6], (0.0, 1.0)), share=True) == "50.0 ± 24.8"
    assert format_mean(estimate([0.9, 1.0, 0.95], (0.0, 1.0)), share=True) == "95.0 [82.6, 100.0]"


def test_commas_are_between_numbers_only() -> None:
    found = estimate([1234.0, 2345.0, 3456.0])
    assert found is not None
    assert format_values(found) == "1\u202f234, 2\u202f345, 3\u202f456"
    assert format_difference(found) == "+2\u202f345 [\u2212415, +5\u202f105]"  # 1111 times 4.302653 / sqrt(3)


def test_one_value_has_no_interval_and_none_has_no_mean() -> None:
    found = estimate([None, 4.0])
    assert found is not None
    assert (found.mean, found.low, found.high, found.values) == (4, None, None, (None, 4.0))
    assert estimate([None, None]) is None
    assert estimate([]) is None
    assert paired_p_value([1.0]) is None
    assert verdict(found, 0.0, True) is None


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([]) == []


@given(chances)
def test_holm_is_bonferroni_of_every_part(given_chances: list[float]) -> None:
    """The closed test: a hypothesis is rejected if every set that it is in is, by Bonferroni."""
    places = range(len(given_chances))
    parts = [part for size in places for part in combinations(places, size + 1)]
    levels = {part: min(1.0, len(part) * min(given_chances[place] for place in part)) for part in parts}
    expected = [max(level for part, level in levels.items() if place in part) for place in places]
    assert holm(given_chances) == pytest.approx(expected)


@given(st.lists(numbers, min_size=2, max_size=8), st.integers(1, 40), st.booleans())
def test_a_verdict_needs_an_interval_without_zero(values: list[float], others: int, lower: bool) -> None:
    found, alone = estimate(values), paired_p_value(values)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    adjusted = None if alone is None else holm([alone] + [1.0] * (others - 1))[0]
    said = verdict(found, adjusted, lower)
    if found.low <= 0 <= found.high:
        assert said == "not resolved"
    if said != "not resolved":
        assert adjusted is not None
        assert adjusted < 0.05
        assert said == ("better" if (found.mean < 0) == lower else "worse")


@given(st.lists(numbers, min_size=2, max_size=8))
def test_alone_the_test_and_the_interval_agree(values: list[float]) -> None:
    found, alone = estimate(values), paired_p_value(values)
    assert found is not None
    if alone is None or abs(alone - 0.05) < 1e-6:
        return
    assert found.low is not None
    assert found.high is not None
    assert (alone < 0.05) == (found.low > 0 or found.high < 0)
    assert (verdict(found, alone, True) == "not resolved") == (alone >= 0.05)


@pytest.mark.parametrize("values", [[0.1, 0.1], [0.3 - 0.2, 0.2 - 0.1, 0.4 - 0.3]])
def test_equal_differences_resolve_nothing(values: list[float]) -> None:
    """Shares of few samples are often equal: that they do not spread is chance."""
    found = estimate(values)
    assert found is not None
    assert paired_p_value(values) is None
    assert verdict(found, None, False) == "not resolved"
    assert paired_p_value([0.0, 0.0]) == 1
