"""What a method is: it finds the values of one noisy circuit, and their gradients."""

from __future__ import annotations

from typing import Protocol

from qgen.backends.noisy.point import Doubles, Point


class Method(Protocol):
    """Finds the values of one circuit and their gradients, by its `NoisyProgram`."""

    @property
    def method(self) -> str:
        """In words, for `Executable.method`."""
        ...

    def values(self, point: Point) -> Doubles:
        """Return the values (N, O) at a point."""
        ...

    def gradients(self, point: Point, upstream: Doubles, inputs: bool, weights: bool) -> tuple[Doubles, Doubles]:
        """Return the gradient of sum(upstream * values) for the angles.

        The values are those of the same point: what was drawn for them is drawn again.

        Args:
            point: N samples, which share R rows of weights.
            upstream: (N, O).
            inputs: whether the gradient for angles that depend on inputs is wanted.
            weights: whether that for the others is.

        Returns:
            Two parts, whose sum is the gradient: (R, C), summed over the samples that share a row of weights, and
            (N, C), of each sample.
        """
        ...
