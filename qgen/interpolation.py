"""Interpolation between the random numbers of two seeds, so that images on the way from one to another can be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Self

from qgen.randomness import generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class SeedBetween(int):
    """The seed of an image on the way from that of one seed to that of another.

    What is drawn for the image itself, from `numbers`, is interpolated. For all else that is random, as shots, it is
    the number of the first seed.

    Attributes:
        first: where the way begins.
        second: where it ends.
        share: of the way, in [0, 1].
    """

    first: int
    second: int
    share: float

    def __new__(cls, first: int, second: int, share: float) -> Self:
        made = super().__new__(cls, first)
        made.first, made.second, made.share = int(first), int(second), share
        return made


def spherical(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Return what lies on the great circle from one tensor to another of its shape, at this share of the angle.

    Standard normal numbers of many dimensions lie near a sphere; on the straight line between two of them are none
    that are as likely (K. Shoemake 1985, SIGGRAPH 19, 245; White 2016, arXiv:1609.04468). Where both point the same way
    or opposite ways there is no one great circle, and the line is taken.
    """
    import torch

    one, two = first.flatten().double(), second.flatten().double()
    cosine = torch.dot(one, two) / (one.norm() * two.norm()).clamp_min(1e-300)
    angle = cosine.clamp(-1, 1).acos()
    if float(angle.sin()) < 1e-6:
        return torch.lerp(first, second, share)
    mixed = (((1 - share) * angle).sin() * one + (share * angle).sin() * two) / angle.sin()
    result: Tensor = mixed.to(first.dtype).view_as(first)
    return result


def seeds_between(seeds: Sequence[int], columns: int) -> list[SeedBetween]:
    """Return the seeds of ways from each seed to the next one: `columns` for each, both ends among them."""
    return [
        SeedBetween(first, second, step / (columns - 1)) for first, second in pairwise(seeds) for step in range(columns)
    ]


def draw_each(
    seeds: Sequence[int],
    draw: Callable[[torch.Generator], Tensor],
    between: Callable[[Tensor, Tensor, float], Tensor] = spherical,
) -> Iterator[Tensor]:
    """Yield what is drawn for each image from the generator of its seed, interpolated where that is a `SeedBetween`.

    Args:
        seeds: one an image.
        draw: draws the numbers of one image.
        between: interpolates them.
    """
    for source in map(ImageSource, seeds):
        yield source.draw(draw, between)


class ImageSource:
    """The generator of the random numbers of an image, or two of them.

    Args:
        seed: of the image.
    """

    def __init__(self, seed: int) -> None:
        ends = (seed.first, seed.second) if isinstance(seed, SeedBetween) else (seed,)
        self._sources = [generator(end, "image") for end in ends]
        self._share = seed.share if isinstance(seed, SeedBetween) else 0.0

    def draw(
        self,
        draw: Callable[[torch.Generator], Tensor],
        between: Callable[[Tensor, Tensor, float], Tensor] = spherical,
    ) -> Tensor:
        """Return what is drawn next; at both ends exactly what their seeds give."""
        drawn = [draw(source) for source in self._sources]
        if len(drawn) == 1 or self._share in (0.0, 1.0):
            return drawn[-1 if self._share else 0]
        return between(drawn[0], drawn[1], self._share)
