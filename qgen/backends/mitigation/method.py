"""Mitigation: what is done against errors, as text and as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import prod

from qgen.errors import BackendError, ConfigError, short_repr

#: The largest noise factor.
MAX_FACTOR = 99
EXAMPLES = "`readout`, `zne:1,3`, `zne:1,3,5`, `readout+zne:1,3`, or `none`"


@dataclass(frozen=True)
class Mitigation:
    """What is done against errors.

    Attributes:
        readout: readout errors are inverted, qubit by qubit.
        factors: noise factors of zero-noise extrapolation: odd, ascending, the first one 1; (1,): there is none.
    """

    readout: bool = False
    factors: tuple[int, ...] = (1,)

    @classmethod
    def parse(cls, text: str) -> Mitigation:
        """Return what a text says: `readout`, `zne:1,3,5`, or both, joined by `+`; `none` for nothing.

        Raises:
            ConfigError: the text says something else.
        """
        if text.strip().lower() == "none":
            return cls()
        given: dict[str, str] = {}
        for part in text.split("+"):
            name, _, factors = part.strip().lower().partition(":")
            if name in given or name not in ("readout", "zne") or (name == "readout" and factors):
                raise ConfigError(f"mitigation is one of {EXAMPLES}")
            given[name] = factors
        return cls("readout" in given, _noise_factors(given["zne"]) if "zne" in given else (1,))

    def __str__(self) -> str:
        zne = [f"zne:{','.join(map(str, self.factors))}"] if len(self.factors) > 1 else []
        return "+".join([*(["readout"] if self.readout else []), *zne]) or "none"

    @property
    def coefficients(self) -> tuple[float, ...]:
        """What the values at the noise factors count, see `richardson`."""
        return tuple(map(float, richardson(self.factors)))

    def shares(self, shots: int) -> tuple[int, ...]:
        """Divide the shots of a value among the noise factors, as their coefficients' sizes: the least variance.

        Raises:
            BackendError: there are fewer shots than noise factors.
        """
        if shots < len(self.factors):
            raise BackendError(
                f"mitigation `{self}` divides the shots of a value among {len(self.factors)} circuits: give more than "
                f"{shots}"
            )
        sizes = [abs(coefficient) for coefficient in richardson(self.factors)]
        free = shots - len(sizes)  # each has one at least
        exact = [free * size / sum(sizes) for size in sizes]
        shares = [1 + int(share) for share in exact]
        by_rest = sorted(range(len(sizes)), key=lambda k: exact[k] - int(exact[k]), reverse=True)
        for k in by_rest[: shots - sum(shares)]:
            shares[k] += 1
        return tuple(shares)


def richardson(factors: Sequence[int]) -> tuple[Fraction, ...]:
    """Return the coefficients c_i of Richardson's extrapolation: sum of c_i f(x_i) is the polynomial through all at 0.

    c_i is the product of x_j / (x_j - x_i) over all j other than i. Source: Temme, Bravyi and Gambetta, "Error
    mitigation for short-depth quantum circuits", 2017, arXiv:1612.02058.
    """
    return tuple(
        prod((Fraction(other, other - factor) for other in factors if other != factor), start=Fraction(1))
        for factor in factors
    )


def _noise_factors(text: str) -> tuple[int, ...]:
    try:
        factors = tuple(map(int, text.split(",")))
    except ValueError:  # also thousands of digits
        factors = ()
    if factors and factors[-1] > MAX_FACTOR:
        raise ConfigError(
            f"a noise factor of `zne` repeats every gate on two qubits so many times: {MAX_FACTOR} at most, given: "
            f"{short_repr(factors[-1])}"
        )
    ascending = all(low < high for low, high in pairwise(factors))
    if len(factors) < 2 or factors[0] != 1 or not ascending or not all(factor % 2 for factor in factors):
        raise ConfigError("noise factors of `zne` are odd numbers, two at least, ascending from 1, as in `zne:1,3,5`")
    return factors
