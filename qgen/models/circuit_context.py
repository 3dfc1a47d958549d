"""Execution of a model's circuits: backend, gradient and seed."""

from __future__ import annotations

from dataclasses import dataclass

from qgen.backends import Backend, GradientMethod
from qgen.randomness import derive


@dataclass(frozen=True)
class CircuitContext:
    """Execution of the circuits of a part of a model.

    Attributes:
        backend: where they run.
        gradient: how they are differentiated.
        seed: of their initial weights.
    """

    backend: Backend
    gradient: str | GradientMethod
    seed: int

    def at(self, *part: str | int) -> CircuitContext:
        """Return the same context with a seed of its own for this part of the model."""
        return CircuitContext(self.backend, self.gradient, derive(self.seed, *part))
