"""Where the circuits of a model run."""

from __future__ import annotations

from dataclasses import dataclass

from qgen.backends import Backend, GradientMethod
from qgen.randomness import derive


@dataclass(frozen=True)
class Engine:
    """Where circuits run, how they are differentiated, and the seed of their weights."""

    backend: Backend
    gradient: str | GradientMethod
    seed: int

    def at(self, *purpose: str | int) -> Engine:
        """The same engine with a seed of its own for this purpose."""
        return Engine(self.backend, self.gradient, derive(self.seed, *purpose))
