"""What every source of noise answers: the errors on a few chosen qubits, of the kinds and at the strength asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from qiskit.transpiler import Target

from qgen.errors import BackendError
from qgen.extras import require_aer

if TYPE_CHECKING:
    from qiskit_aer.noise import NoiseModel

Doubles = npt.NDArray[np.float64]

#: Depolarisation by gates; energy relaxation (T1) and dephasing (T2) during gates; wrongly read bits.
KINDS = ("gates", "relaxation", "readout")
STRONGEST = 1e6  # the largest scale: by then nothing survives a gate
UNREADABLE = 0.5  # a bit that is read wrongly this often says nothing


@dataclass(frozen=True, eq=False)
class LocalNoise:
    """The noise on k qubits, renamed to wires 0..k-1 in the order in which they were asked for.

    Attributes:
        model: Aer's errors of gates, without readout errors. It is ideal where no error of a gate was asked for.
        confusion: float64 (k, 2, 2), probabilities: confusion[wire, prepared, read]; rows sum to one.
        origin: see `facts`.
    """

    model: NoiseModel
    confusion: Doubles
    origin: Mapping[str, Any]

    def facts(self) -> dict[str, Any]:
        """Plain values for a run's provenance: those of the source, and `qubits`, `scale` and `kinds`."""
        return dict(self.origin)


class NoiseSource(Protocol):
    """A device, or a file, that says what happens to circuits."""

    @property
    def name(self) -> str:
        """What it is called: "fake_brisbane", "noise.yaml"."""

    @property
    def qubits(self) -> int | None:
        """How many there are; None: as many as a circuit needs."""

    def target(self, qubits: int) -> Target:
        """What to transpile a circuit of so many qubits for.

        Raises:
            BackendError: there are not so many qubits; the message gives both numbers.
        """

    def local(self, qubits: Sequence[int], scale: float = 1.0, kinds: Collection[str] = KINDS) -> LocalNoise:
        """The noise on these qubits of the target: qubits[k] becomes wire k.

        Args:
            qubits: different qubits of the target, in the order of the wires.
            scale: how strong the errors are; 1: as they are, 0: none at all, at most 1e6.
            kinds: those of `KINDS` that are on.

        Raises:
            BackendError: a qubit that does not exist or comes twice, a scale or kind that is not allowed, or
                qiskit-aer is not installed.
        """

    def facts(self) -> dict[str, Any]:
        """Plain values for a run's provenance: `name`, `calibrated` (ISO date, or None), and what else is known."""


class Choice(NamedTuple):
    """What `local` was asked for, checked.

    Attributes:
        active: the kinds that make a difference: none at scale 0.
    """

    qubits: tuple[int, ...]
    scale: float
    kinds: tuple[str, ...]
    active: tuple[str, ...]

    @classmethod
    def of(cls, qubits: Sequence[int], scale: float, kinds: Collection[str], available: int | None) -> Choice:
        """The choice, if it is one between so many available qubits (None: there are as many as one likes).

        Raises:
            BackendError: see `NoiseSource.local`.
        """
        wanted = tuple(int(qubit) for qubit in qubits)
        if len(set(wanted)) < len(wanted):
            raise BackendError(f"noise was asked for on qubits {list(wanted)}: name each of them once")
        wrong = [qubit for qubit in wanted if qubit < 0 or (available is not None and qubit >= available)]
        if wrong:
            upto = "" if available is None else f" to {available - 1}"
            raise BackendError(f"noise was asked for on qubit {wrong[0]}, but qubits are numbered from 0{upto}")
        strength, on = check_scale(scale), check_kinds(kinds)
        return cls(wanted, strength, on, on if strength else ())

    def facts(self) -> dict[str, Any]:
        """Plain values for a run's provenance."""
        return {"qubits": list(self.qubits), "scale": self.scale, "kinds": list(self.kinds)}


def check_scale(scale: float) -> float:
    """The scale of a noise, if it can be one.

    Raises:
        BackendError: it is not a number from 0 to 1e6.
    """
    number = float(scale) if isinstance(scale, int | float | np.number) and not isinstance(scale, bool) else -1.0
    if not (isfinite(number) and 0 <= number <= STRONGEST):
        raise BackendError(
            f"the noise scale has to be a number from 0 (no noise) over 1 (as it is) to {STRONGEST:.0e}, not {scale!r}"
        )
    return number


def check_kinds(kinds: Collection[str]) -> tuple[str, ...]:
    """The kinds of noise that are on, in the order of `KINDS`.

    Raises:
        BackendError: one of them does not exist.
    """
    given = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    for kind in given:
        if kind not in KINDS:
            near = get_close_matches(str(kind), KINDS, 1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise BackendError(f"there is no kind of noise `{kind}`.{hint} Known: {', '.join(KINDS)}.")
    return tuple(kind for kind in KINDS if kind in given)


def confusions(wrong: npt.ArrayLike, scale: float) -> Doubles:
    """Confusion matrices (k, 2, 2) from the probabilities (k, 2) to read a prepared 0, and a prepared 1, wrongly.

    They are multiplied by `scale`, up to one half, where a bit says nothing any more; one that is beyond that already
    does not grow.
    """
    given = np.asarray(wrong, dtype=np.float64).reshape(-1, 2)
    scaled = np.minimum(given * scale, np.maximum(given, UNREADABLE))
    read_1 = np.stack([scaled[:, 0], 1 - scaled[:, 1]], axis=-1)
    return np.stack([np.stack([1 - scaled[:, 0], scaled[:, 1]], axis=-1), read_1], axis=-1)


def aer_noise() -> ModuleType:
    """Aer's module of errors.

    Raises:
        BackendError: qiskit-aer is not installed.
    """
    require_aer("noise")
    import qiskit_aer.noise

    return qiskit_aer.noise  # type: ignore[no-any-return]
