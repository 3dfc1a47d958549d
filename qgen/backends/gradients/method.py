"""What a gradient method is: values, and the vector-Jacobian product that belongs to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import NamedTuple, Protocol

import torch

from qgen.backends.api import Executable
from qgen.backends.batch import Gradients
from qgen.randomness import Seed

PART_BYTES = 1 << 26  # of the angles or parameters of a part, but for a single evaluation that has more


class ValueAndVJP(NamedTuple):
    """Expectation values and their vector-Jacobian product.

    Attributes:
        values: (..., O).
        vjp: takes the gradient (..., O) of a loss for the values, gives those for inputs and weights, in their shapes
            and types; None for what was not wanted. It runs no circuit that was not run already, but for the
            adjoint method.
    """

    values: torch.Tensor
    vjp: Callable[[torch.Tensor], Gradients]


class GradientMethod(Protocol):
    """How derivatives of expectation values are obtained on a backend."""

    def check(self, executable: Executable) -> None:
        """Refuse what this method cannot differentiate.

        Raises:
            BackendError: the executable's backend does not offer what the method needs; the message names what to use.
        """
        ...

    def value_and_vjp(
        self,
        executable: Executable,
        inputs: torch.Tensor,
        weights: torch.Tensor,
        wants: tuple[bool, bool],
        seed: Seed | None = None,
    ) -> ValueAndVJP:
        """Return the values and their vector-Jacobian product; all circuits that this takes run now, together.

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
        """Return the number of circuits that `value_and_vjp` runs for one sample, the forward one included.

        Each is measured `shots` times in each basis. Where a random subset is drawn, the most that it may be.
        """
        ...


def parts(executable: Executable, evaluations: int, numbers: int) -> Iterator[range]:
    """Split evaluations of the whole batch into those that run together, in order; on a remote backend all of them.

    Args:
        executable: what is evaluated.
        evaluations: how many there are.
        numbers: angles or parameters of one evaluation, 8 bytes each.
    """
    most = evaluations if executable.backend.capabilities.remote else PART_BYTES // (8 * max(1, numbers))
    step = max(1, most)
    return (range(first, min(first + step, evaluations)) for first in range(0, evaluations, step))


def is_real(value: object) -> bool:
    """Whether this is a number, also one of NumPy; true and false are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: object) -> bool:
    """Whether this is a whole number by its type; true and false are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)
