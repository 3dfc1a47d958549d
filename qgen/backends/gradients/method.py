"""What a gradient method is: values now, and the way from a gradient for them to those for inputs and weights."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import NamedTuple, Protocol

import torch

from qgen.backends.base import Executable
from qgen.backends.batching import Gradients
from qgen.randomness import Seed


class Recorded(NamedTuple):
    """Expectation values and their vector-Jacobian product.

    Attributes:
        values: (..., O).
        pull_back: takes the gradient (..., O) of a loss for the values, gives those for inputs and weights, in their
            shapes and types; None for what was not wanted. It runs no circuit that was not run already, but for the
            adjoint method.
    """

    values: torch.Tensor
    pull_back: Callable[[torch.Tensor], Gradients]


class GradientMethod(Protocol):
    """How derivatives of expectation values are obtained on a backend."""

    def check(self, executable: Executable) -> None:
        """Refuse what this method cannot differentiate.

        Raises:
            BackendError: the executable's backend does not offer what the method needs; the message names what to use.
        """
        ...

    def record(
        self,
        executable: Executable,
        inputs: torch.Tensor,
        weights: torch.Tensor,
        wants: tuple[bool, bool],
        seed: Seed | None = None,
    ) -> Recorded:
        """Evaluate, along with all that the gradients take: where values are sampled, in one submission.

        Args:
            executable: the compiled circuit.
            inputs: (..., I).
            weights: (..., W); leading axes broadcast against those of `inputs`.
            wants: whether gradients for inputs and for weights are wanted.
            seed: see `Executable.streams`. The values are those of `Executable.expectations` with this seed, but for
                remote backends; the gradients see the same errors, or draw from streams of their own.

        Raises:
            InputError: see `Executable.expectations`.
        """
        ...

    def evaluations(self, executable: Executable, wants: tuple[bool, bool]) -> int:
        """Circuits that `record` runs for one sample, the forward one included.

        Each is measured `shots` times in each basis. Where a random subset is drawn, the most that it may be.
        """
        ...


def is_real(given: object) -> bool:
    """Whether this is a number, NumPy's among them; true and false are none."""
    return isinstance(given, Real) and not isinstance(given, bool)


def is_whole(given: object) -> bool:
    """Whether this is a whole number by its type; true and false are none."""
    return isinstance(given, Integral) and not isinstance(given, bool)
