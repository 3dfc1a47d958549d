"""Interpolation between seeds: ends, lengths, and what stays that of the first seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from qgen.interpolation import SeedBetween, draw_each, seeds_between, spherical
from qgen.randomness import generator


@examples(30)
@given(st.integers(2, 40), st.floats(0, 1), st.integers(0, 2**31))
def test_the_angle_is_divided_and_lengths_lie_between(size: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = (torch.from_numpy(rng.normal(size=size)) for _ in range(2))
    second = second / second.norm() * first.norm()  # of one length, a great circle keeps it
    found = spherical(first, second, share)
    assert float(found.norm()) == pytest.approx(float(first.norm()), rel=1e-6)

    def angle(other: torch.Tensor) -> float:
        return math.acos(max(-1.0, min(1.0, float(torch.dot(first, other) / first.norm() / other.norm()))))

    assert angle(found) == pytest.approx(share * angle(second), abs=1e-5)


def test_parallel_numbers_are_joined_by_a_line() -> None:
    first = torch.tensor([1.0, 2.0])
    torch.testing.assert_close(spherical(first, 3 * first, 0.5), 2 * first)
    torch.testing.assert_close(spherical(first, -first, 0.25), 0.5 * first)
    assert torch.equal(spherical(torch.zeros(2), torch.zeros(2), 0.3), torch.zeros(2))


def test_standard_normal_numbers_stay_standard_normal(rng: np.random.Generator) -> None:
    first, second = (torch.from_numpy(rng.normal(size=10_000)) for _ in range(2))
    for share in (0.25, 0.5):
        found = spherical(first, second, share)
        assert float(found.var()) == pytest.approx(1, abs=0.1)  # seven deviations
        assert float(torch.lerp(first, second, share).var()) < 0.8


def test_a_way_has_both_ends_and_all_else_of_its_first_seed() -> None:
    seeds = seeds_between([5, 17, 3], 4)
    assert [int(seed) for seed in seeds] == [5] * 4 + [17] * 4
    assert [seed.share for seed in seeds[:4]] == [0, 1 / 3, 2 / 3, 1]

    def draw(source: torch.Generator) -> torch.Tensor:
        return torch.randn(1, 6, generator=source)

    drawn = list(draw_each([*seeds, 3], draw))
    ends = {seed: torch.randn(1, 6, generator=generator(seed, "image")) for seed in (5, 17, 3)}
    for place, seed in ((0, 5), (3, 17), (4, 17), (7, 3), (8, 3)):
        assert torch.equal(drawn[place], ends[seed])
    assert torch.equal(drawn[1], spherical(ends[5], ends[17], 1 / 3))
    line = list(draw_each([SeedBetween(5, 17, 0.25)], draw, torch.lerp))
    torch.testing.assert_close(line[0], 0.75 * ends[5] + 0.25 * ends[17])
