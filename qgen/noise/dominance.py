"""Which wire most of the errors of a circuit happen on."""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, log1p, sqrt
from typing import NamedTuple

import numpy as np

from qgen.noise.channels import GateNoise, Relaxation, relaxation
from qgen.noise.model import LocalNoise
from qgen.noise.readout import Doubles

#: An error that is certain counts as one that is missing once in so many times.
_CERTAIN = 1 - 1e-12
#: A wire dominates with so many errors, if they are so many times the mean of the others. A circuit that hardly fails
#: has no qubit to be warned of; nor does one on two qubits because the pair's errors are not quite even.
_MANY, _TIMES = 0.1, 4.0


class Dominance(NamedTuple):
    """A wire that the errors of a circuit mostly happen on.

    Attributes:
        wire: the wire.
        share: of -log P(no error), in (0, 1].
        no_error: P(no error), the probability that no error happens in one execution, before readout.
        without: the same, if there were no errors on this wire.
    """

    wire: int
    share: float
    no_error: float
    without: float


def expected_errors(
    gates: Iterable[tuple[str, tuple[int, ...]]], noise: LocalNoise, waits: Iterable[tuple[int, float]] = ()
) -> Doubles:
    """Return -log P(no error) of each wire, (k,): about the number of errors that is to be expected there.

    An error is a Pauli of a depolarisation (half of it counts for each qubit of a gate), a decay, or a flip of phase.
    Relaxation is a decay with probability (1 - e1) / 2 and a flip with (1 - e2 / sqrt(e1)) / 2, as those that
    trajectories of the noisy engine draw.

    Args:
        gates: name and wires of each gate of the circuit.
        noise: of its wires.
        waits: wire and seconds of each `delay`.
    """
    expected = np.zeros(len(noise.confusion))
    for name, wires in gates:
        errors = noise.after(name, wires)
        if errors is not None:
            expected[list(wires)] += _expected(errors)
    for wire, seconds in waits:
        expected[wire] += _of_relaxation(relaxation(noise.rates(wire), seconds))
    return expected


def dominant_wire(expected: Doubles) -> Dominance | None:
    """Return the wire that dominates -log P(no error); None if no wire does.

    It does with 0.1 or more, if that is at least 4 times the mean of the others.

    Args:
        expected: what `expected_errors` returned.
    """
    if len(expected) < 2:
        return None
    wire = int(np.argmax(expected))
    most, total = float(expected[wire]), float(expected.sum())
    if most < _MANY or most * (len(expected) - 1) < _TIMES * (total - most):
        return None
    return Dominance(wire, most / total, exp(-total), exp(most - total))


def _expected(errors: GateNoise) -> list[float]:
    """Return what `expected_errors` adds for each qubit of one gate."""
    size = len(errors.relaxation)
    paulis = _hazard(errors.depolarizing * (1 - 0.25**size)) / size
    return [paulis + _of_relaxation(one) for one in errors.relaxation]


def _of_relaxation(left: Relaxation) -> float:
    kept = left.e2 / sqrt(left.e1) if left.e1 else 0.0
    return _hazard((1 - left.e1) / 2) + _hazard((1 - kept) / 2)


def _hazard(probability: float) -> float:
    return -log1p(-min(max(probability, 0.0), _CERTAIN))
