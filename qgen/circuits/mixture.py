"""Mixtures: parameters of a circuit that take one of K settings at random."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit.circuit import Parameter

from qgen.circuits.validation import as_parameters
from qgen.errors import CircuitError


@final
@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class Mixture:
    """K equally likely settings of some parameters; the value of a circuit is the average over them.

    Attributes:
        parameters: the M parameters that are set.
        points: their settings, float64 of shape `(K, M)`, finite and read-only.

    Raises:
        CircuitError: no parameter, or one given twice; no point, another shape than `(K, M)`, or a value that is not
            finite.
    """

    parameters: tuple[Parameter, ...]
    points: NDArray[np.float64]

    def __init__(self, parameters: Iterable[Parameter], points: ArrayLike) -> None:
        names = as_parameters("mixture parameters", parameters)
        if not names:
            raise CircuitError("A mixture needs at least one parameter; for a circuit without one, give mixture=None.")
        object.__setattr__(self, "parameters", names)
        object.__setattr__(self, "points", _checked_points(points, len(names)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mixture):
            return NotImplemented
        return self.parameters == other.parameters and np.array_equal(self.points, other.points)

    def __hash__(self) -> int:
        return hash((self.parameters, self.points.shape, self.points.tobytes()))

    def __reduce__(self) -> tuple[type["Mixture"], tuple[tuple[Parameter, ...], NDArray[np.float64]]]:
        # NumPy forgets the read-only flag in a pickle; the constructor sets it again.
        return Mixture, (self.parameters, self.points)

    def __repr__(self) -> str:
        return f"Mixture(parameters={len(self.parameters)}, points={len(self)})"

    def __len__(self) -> int:
        """Return the number K of settings."""
        return int(self.points.shape[0])


def _checked_points(points: ArrayLike, parameters: int) -> NDArray[np.float64]:
    try:
        # Adding zero copies, and turns -0.0 into 0.0: equal points have equal bytes, so equal hashes.
        array = np.asarray(points, dtype=np.float64) + 0.0
    except (TypeError, ValueError) as error:
        raise CircuitError(f"Mixture points must be real numbers of shape (K, {parameters}): {error}.") from error
    if array.ndim != 2 or array.shape[1] != parameters or array.shape[0] == 0:
        raise CircuitError(
            f"Mixture points have shape {array.shape}; give shape (K, {parameters}): at least one row, "
            f"and a column for each of the {parameters} parameters."
        )
    if not np.isfinite(array).all():
        raise CircuitError("Mixture points must be finite; there is a NaN or an infinity among them.")
    array.setflags(write=False)
    return array
