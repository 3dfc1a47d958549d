"""The errors after a gate as numbers: depolarisation of its qubits, then relaxation of each of them.

On the Pauli vector r[P] = Tr(P rho) of the gate's qubits, depolarisation with probability lambda multiplies every
string but the identity by 1 - lambda. Then relaxation of a qubit multiplies X and Y by e2, and Z becomes
e1 Z + (1 - e1) I, with e1 = exp(-t / T1) and e2 = exp(-t / T2): an excited state decays to 0 (M. Nielsen and I. Chuang,
Quantum Computation and Quantum Information, 8.3.5 and 8.3.6).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import exp, prod
from typing import NamedTuple

#: What relaxation leaves of a state, below which no other error can be determined.
NOTHING_LEFT = 1e-9


class Relaxation(NamedTuple):
    """What relaxation at zero temperature leaves of a qubit.

    Attributes:
        e1: of an excited population, in [0, 1]: exp(-t / T1).
        e2: of a coherence, in [0, sqrt(e1)]: exp(-t / T2).
    """

    e1: float
    e2: float


class GateNoise(NamedTuple):
    """The errors after a gate.

    Attributes:
        depolarizing: lambda of rho -> (1 - lambda) rho + lambda I/d on all qubits of the gate, of d dimensions; in
            [0, d^2 / (d^2 - 1)]. It acts first.
        relaxation: of each qubit, in the order of the gate's qubits; (1, 1): none.
    """

    depolarizing: float
    relaxation: tuple[Relaxation, ...]

    @property
    def infidelity(self) -> float:
        """One minus the average fidelity of both, one after the other."""
        d = 1 << len(self.relaxation)
        left = (1 - self.depolarizing) * _left(self.relaxation)
        return (d * d - 1 - left) / (d * (d + 1))


#: T1 and T2 as rates in 1/s; (0, 0): no relaxation.
Rates = tuple[float, float]
NO_RELAXATION: Rates = (0.0, 0.0)


def relaxation_rates(t1: float | None, t2: float | None, scale: float = 1.0) -> Rates:
    """Return 1/T1 and 1/T2, times a scale, in 1/s; T2 is at most 2 T1.

    Args:
        t1: in seconds; None or 0: unknown, no relaxation.
        t2: likewise; if it is unknown, 2 T1.
        scale: of all times; 2: everything takes twice as long.
    """
    rate_1 = scale / t1 if t1 else 0.0
    return rate_1, max(scale / t2 if t2 else 0.0, rate_1 / 2)


def relaxation(rates: Rates, seconds: float) -> Relaxation:
    """Return the relaxation of a qubit with these rates in this time."""
    return Relaxation(exp(-seconds * rates[0]), exp(-seconds * rates[1]))


def gate_noise(depolarizing: float, relaxations: Iterable[Relaxation]) -> GateNoise | None:
    """Return the errors after a gate; None if there are none."""
    noise = GateNoise(depolarizing, tuple(relaxations))
    return noise if depolarizing or any(one != (1.0, 1.0) for one in noise.relaxation) else None


def depolarizing_beyond(infidelity: float, relaxations: Sequence[Relaxation]) -> float:
    """Return the lambda of the depolarising channel that, with relaxation after it, has this average infidelity.

    With d the dimension, e the infidelity and G the process fidelity of relaxation, its average fidelity is
    F = (d G + 1) / (d + 1) (M., P. and R. Horodecki, 1999, quant-ph/9807091), and lambda = d (e - (1 - F)) / (d F - 1),
    at most d^2 / (d^2 - 1).

    Returns:
        lambda; 0 if relaxation alone has as large an infidelity, or leaves nothing that could depolarise.
    """
    d, left = 1 << len(relaxations), _left(relaxations)
    beyond = infidelity - GateNoise(0.0, tuple(relaxations)).infidelity
    if beyond <= 0 or left < NOTHING_LEFT:
        return 0.0
    return min(d * (d + 1) * beyond / left, d * d / (d * d - 1))


def _left(relaxations: Iterable[Relaxation]) -> float:
    """Return the trace of the Pauli transfer matrix of relaxation on all strings but the identity: d^2 G - 1."""
    return prod(1 + e1 + 2 * e2 for e1, e2 in relaxations) - 1
