"""Curves against what was put into the cells: means, losses and half scales, computed in another way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from qgen.studies.noise.conditions import Condition
from qgen.studies.noise.curves import crossing, half_scale, in_sequence, judged, make_difference, quality_lost


@given(
    st.lists(st.floats(0.01, 10), min_size=1, max_size=6),
    st.lists(st.floats(-5, 5), min_size=7, max_size=7),
    st.floats(-5, 5),
)
@examples(150)
def test_a_crossing_is_where_the_line_first_has_the_target(steps, heights, target) -> None:
    scales = [0.0, *np.cumsum(steps)]
    values = heights[: len(scales)]
    if math.isclose(target, values[0], abs_tol=1e-6):
        return
    found = crossing(scales, values, target)
    beyond = [(value - target) * (values[0] - target) <= 0 for value in values]
    assert (found is not None) == any(beyond)
    if found is not None:
        assert np.interp(found, scales, values) == pytest.approx(target, abs=1e-9)
        before = np.linspace(0, found, 50)[:-1]
        assert ((np.interp(before, scales, values) - target) * (values[0] - target) > -1e-9).all()


@given(st.floats(0.1, 5), st.floats(0.2, 4), st.booleans(), st.integers(2, 8))
@examples(60)
def test_a_known_half_scale(ideal: float, half: float, lower: bool, count: int) -> None:
    """A metric that is linear in the scale has one half scale, wherever it was looked at."""

    def metric(scale: float) -> float:
        return ideal * (1 + scale / half) if lower else ideal * (1 - 0.5 * scale / half)

    scales = np.linspace(0, 5, count)
    found = half_scale(list(scales), [[metric(scale)] * 2 for scale in scales], lower)
    assert found is not None
    assert found.largest == 5
    root = optimize.brentq(lambda scale: quality_lost(metric(scale), ideal, lower) - 0.5, 0, 1.9 * half)
    assert found.values == pytest.approx((root, root))
    assert found.estimate is not None
    assert found.estimate.mean == pytest.approx(half)


def test_a_half_scale_that_not_all_seeds_reach_has_no_mean() -> None:
    found = half_scale([0, 1, 2], [[1.0, 1.0, None], [1.5, 1.2, 1.0], [2.5, 1.3, 1.0]], True)
    assert found is not None
    assert found.values == (1.5, None, None)
    assert (found.reached, found.known, found.estimate) == (1, 2, None)
    assert half_scale([0, 1], [[0.0], [1.0]], True) is None
    assert half_scale([0, 1], [[None], [1.0]], True) is None


def test_quality_is_lost_by_half_where_a_distance_doubles() -> None:
    assert quality_lost(4.0, 2.0, True) == 0.5
    assert quality_lost(0.2, 0.4, False) == 0.5
    assert quality_lost(1.0, 2.0, True) == -1
    assert quality_lost(-0.1, 2.0, True) is None  # an unbiased kernel distance may be below 0
    assert quality_lost(1.0, 0.0, True) is None
    assert quality_lost(None, 1.0, True) is None


def test_curves_are_what_the_cells_say(
    make_noise: Callable[..., Any], analysed: Callable[..., Any], rng: np.random.Generator
) -> None:
    study = make_noise(("one", "two"), ("noisy:fake_fez", "aer:fake_torino"), (0.0, 0.5, 2.0), 4)
    drawn = {
        cell.name: {"frechet": rng.uniform(1, 9), "coverage": rng.uniform(0.1, 0.9), "pixels": rng.uniform(0, 1)}
        | {"layers": {"a": rng.uniform(0, 1), "b": rng.uniform(0, 1)}}
        for cell in study.cells()
    }
    results = analysed(study, lambda cell: drawn[cell.name])
    assert results.cells.missing == ()
    tests = []
    for source in ("one", "two"):
        for device, backend in (("fake_fez", "noisy:fake_fez"), ("aer-fake_torino", "aer:fake_torino")):
            curve = next(c for c in results.curves_of(source, "frechet") if c.like.device == device)
            ideal = np.array([drawn[f"{source}-seed{seed}-ideal"]["frechet"] for seed in range(4)])
            for point in curve.points:
                name = "ideal" if point.condition.ideal else Condition(backend, point.condition.scale).name
                values = np.array([drawn[f"{source}-seed{seed}-{name}"]["frechet"] for seed in range(4)])
                assert point.estimate.mean == pytest.approx(values.mean())
                reach = stats.t.ppf(0.975, 3) * stats.sem(values)
                assert (point.estimate.low, point.estimate.high) == pytest.approx(
                    (values.mean() - reach, values.mean() + reach)
                )
                assert point.lost.mean == pytest.approx((1 - ideal / values).mean())
                if not point.condition.ideal:
                    chance = stats.ttest_rel(values, ideal).pvalue
                    assert point.change.p_value == pytest.approx(chance)
                    tests.append((chance, point.change))
            errors = next(c for c in results.curves_of(source, "expectation_error") if c.like.device == device)
            layers = [drawn[f"{source}-seed{s}-{Condition(backend, 2.0).name}"]["layers"].values() for s in range(4)]
            expected = np.mean([np.sqrt(np.mean(np.square(list(of)))) for of in layers])
            assert errors.points[-1].estimate.mean == pytest.approx(expected)
            assert errors.half is None
            # From the largest scale down, at a quarter of the level: two sources on two devices are four curves.
            (small, first), (large, second) = tests[-2:]
            assert second.adjusted == pytest.approx(min(1, 4 * large))
            assert first.adjusted == pytest.approx(min(1, 4 * max(small, large)))


def test_no_difference_is_not_resolved(make_noise: Callable[..., Any], analysed: Callable[..., Any]) -> None:
    study = make_noise(("one", "two"), ("noisy:fake_fez", "noisy:fake_torino"))
    results = analysed(study, lambda cell: {"frechet": 3.0 + cell.generation.seed, "pixels": 0.1})
    changes = [point.change for curve in results.curves_of("one", "frechet") for point in curve.points[1:]]
    assert changes
    assert {change.verdict for change in changes} == {"not resolved"}
    for ranking in results.rankings:
        assert not ranking.complete
        assert all(pair.difference.verdict == "not resolved" for pair in ranking.pairs)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=6), st.integers(1, 9))
@examples(60)
def test_a_sequence_goes_on_while_all_above_are_resolved(chances: list[float | None], curves: int) -> None:
    found = in_sequence(chances, curves)
    for place, (chance, adjusted) in enumerate(zip(chances, found, strict=True)):
        above = [1.0 if each is None else each for each in chances[place:]]
        resolved = all(curves * each < 0.05 for each in above)
        assert (adjusted is not None and adjusted < 0.05) == (chance is not None and resolved)


def test_noise_alone_is_seldom_called_a_change(rng: np.random.Generator) -> None:
    """The promise of both corrections: among studies without any effect at most 5 % claim one."""
    wrong = dict.fromkeys(("holm", "sequence"), 0)
    for _ in range(400):
        values = rng.normal(0, 1, (8, 4))
        changes = [make_difference(list(row)) for row in values]
        wrong["holm"] += any(each.verdict != "not resolved" for each in judged(changes, [True] * 8))
        chances = [change.p_value for change in changes]
        adjusted = [p for part in (chances[:4], chances[4:]) for p in in_sequence(part, 2)]
        wrong["sequence"] += any(p is not None and p < 0.05 for p in adjusted)
    assert (
        max(wrong.values()) < 50
    )  # 20 are expected at most, 50 with a probability of 4e-9; uncorrected it would be 134
