"""Noise on chosen qubits: the model, the interface of its sources, and checks of scale and kinds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from math import isfinite
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from qiskit.transpiler import Target

from qgen.errors import BackendError
from qgen.extras import require_aer
from qgen.noise.channels import GateNoise, Rates
from qgen.noise.readout import Doubles

if TYPE_CHECKING:
    from qiskit_aer.noise import NoiseModel

#: Depolarisation by gates; energy relaxation (T1) and dephasing (T2) during gates; readout errors.
KINDS = ("gates", "relaxation", "readout")
#: The largest scale, at which nothing survives a gate.
MAX_SCALE = 1e6


class WireErrors(Protocol):
    """The errors of gates and delays on wires 0..k-1."""

    def after(self, name: str, wires: tuple[int, ...]) -> GateNoise | None:
        """See `LocalNoise.after`."""

    def rates(self, wire: int) -> Rates:
        """See `LocalNoise.rates`."""

    def aer_model(self) -> NoiseModel:
        """Return the same errors as Aer's model, without readout errors.

        Raises:
            BackendError: qiskit-aer is not installed.
        """


@dataclass(frozen=True, eq=False)
class LocalNoise:
    """The noise on k qubits, relabelled to wires 0..k-1 in the given order.

    Attributes:
        errors: of gates and delays.
        confusion: float64 (k, 2, 2), probabilities: confusion[wire, prepared, read]; rows sum to one.
        provenance: plain values: those of the source, and `qubits`, `scale` and `kinds`.
        dt: seconds of a step of the device's clock, in which a `delay` may be given; None if it has none.
    """

    errors: WireErrors
    confusion: Doubles
    provenance: Mapping[str, Any]
    dt: float | None = None

    @cached_property
    def model(self) -> NoiseModel:
        """Aer's gate errors, without readout errors; ideal if no gate errors are on.

        Raises:
            BackendError: qiskit-aer is not installed.
        """
        return self.errors.aer_model()

    def after(self, name: str, wires: tuple[int, ...]) -> GateNoise | None:
        """Return the errors after a gate; None if it has none.

        Args:
            name: of the operation in the target, as "sx" or "ecr"; a `delay` has none here, see `rates`.
            wires: of the gate, in its order: that of its errors, too.
        """
        return self.errors.after(name, wires)

    def rates(self, wire: int) -> Rates:
        """Return 1/T1 and 1/T2 during a `delay`, in 1/s, the scale included; (0, 0): a qubit that waits is ideal.

        In t seconds X and Y decay to exp(-t / T2), and Z to that of the ground state by exp(-t / T1).
        """
        return self.errors.rates(wire)


class NoiseSource(Protocol):
    """A device or a file that determines the noise of circuits."""

    @property
    def name(self) -> str:
        """The name of the device or file: "fake_brisbane", "noise.yaml"."""

    @property
    def qubits(self) -> int | None:
        """The number of qubits; None: as many as a circuit needs."""

    def target(self, qubits: int) -> Target:
        """Return the target for transpiling a circuit on this number of qubits.

        Raises:
            BackendError: there are fewer qubits; the message gives both numbers.
        """

    def local(self, qubits: Sequence[int], scale: float = 1.0, kinds: Collection[str] = KINDS) -> LocalNoise:
        """Return the noise on these qubits of the target: qubits[k] becomes wire k.

        Args:
            qubits: different qubits of the target, in the order of the wires.
            scale: strength of the errors, in [0, 1e6]; 1: as reported, 0: none.
            kinds: the kinds of errors that are on, of `KINDS`.

        Raises:
            BackendError: a qubit out of range or twice, or a scale or kind that is not allowed.
        """

    def provenance(self) -> dict[str, Any]:
        """Return plain values: `name`, `calibrated` (ISO date, or None), and what else is known."""


class NoiseSelection(NamedTuple):
    """The checked arguments of `NoiseSource.local`.

    Attributes:
        active: the kinds that have an effect: none at scale 0.
    """

    qubits: tuple[int, ...]
    scale: float
    kinds: tuple[str, ...]
    active: tuple[str, ...]

    @classmethod
    def check(
        cls, qubits: Sequence[int], scale: float, kinds: Collection[str], available: int | None
    ) -> NoiseSelection:
        """Check the arguments; `available` is the number of qubits (None: unlimited).

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

    def provenance(self) -> dict[str, Any]:
        """Return the arguments as plain values."""
        return {"qubits": list(self.qubits), "scale": self.scale, "kinds": list(self.kinds)}


def check_scale(scale: float) -> float:
    """Return the scale of a noise as a float.

    Raises:
        BackendError: it is not a number from 0 to 1e6.
    """
    number = float(scale) if isinstance(scale, int | float | np.number) and not isinstance(scale, bool) else -1.0
    if not (isfinite(number) and 0 <= number <= MAX_SCALE):
        raise BackendError(
            f"the noise scale has to be a number from 0 (no noise) over 1 (as it is) to {MAX_SCALE:.0e}, not {scale!r}"
        )
    return number


def check_kinds(kinds: Collection[str]) -> tuple[str, ...]:
    """Return the kinds of noise in the order of `KINDS`.

    Raises:
        BackendError: an unknown kind.
    """
    wanted = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    for kind in wanted:
        if kind not in KINDS:
            near = get_close_matches(str(kind), KINDS, 1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise BackendError(f"there is no kind of noise `{kind}`.{hint} Known: {', '.join(KINDS)}.")
    return tuple(kind for kind in KINDS if kind in wanted)


def aer_noise() -> ModuleType:
    """Import `qiskit_aer.noise`.

    Raises:
        BackendError: qiskit-aer is not installed.
    """
    require_aer("noise")
    import qiskit_aer.noise

    return qiskit_aer.noise  # type: ignore[no-any-return]
