"""Readout inversion: what errors of reading do to values is undone, qubit by qubit.

A device reads a 1 of a prepared 0 with probability a, and a 0 of a prepared 1 with probability b: a product of Z on
some qubits becomes the product of (1 - a - b) Z + (b - a). Each shot counts the product of (z - (b - a)) / (1 - a - b)
instead of that of its readings z = 1 and -1, whose mean is the value without errors. This is the inverse of a tensor
product of confusion matrices. Source: Bravyi, Sheldon, Kandala, McKay and Gambetta, "Mitigating measurement errors in
multiqubit experiments", 2020, arXiv:2006.14044.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qgen.backends.device.noisy_device import Placed
from qgen.backends.parameters import Doubles
from qgen.errors import BackendError
from qgen.noise import LocalNoise
from qgen.randomness import Streams

#: 1 - a - b below which a reading says next to nothing of a qubit, and its inversion is all noise.
LEAST = 0.05
# Beyond all numbers of bases and of readings: calibrations, and shots that are drawn anew, have streams of their own.
CALIBRATION, RESAMPLING = 1 << 33, 1 << 35


class Calibration:
    """Readout errors of the qubits of a circuit, as two calibration circuits find them: all prepared 0, and all 1.

    Each row calibrates anew, so that its value follows from its own stream. The prepared states are taken to be free of
    errors.

    Args:
        confusion: of the logical qubits, (n, 2, 2): confusion[qubit, prepared, read].
        shots: of each of the two circuits.
    """

    def __init__(self, confusion: Doubles, shots: int) -> None:
        self._wrong, self._shots = confusion[:, [0, 1], [1, 0]], shots

    def errors(self, streams: Streams) -> Doubles:
        """Return the errors that each row finds of reading a prepared 0 and 1, (N, n, 2)."""
        rngs = streams.generators(CALIBRATION)
        found = np.array([rng.binomial(self._shots, self._wrong) for rng in rngs]).reshape(-1, *self._wrong.shape)
        return found / self._shots

    def weights(self, streams: Streams) -> Doubles:
        """Return what a reading of 0 and of 1 counts for each qubit and row, (N, n, 2): 1 and -1 without errors."""
        return reading_weights(self.errors(streams))


def invertible(errors: Doubles) -> Doubles:
    """Return readout errors (..., 2) as they are inverted.

    Errors a and b that were found in few shots may leave nothing to invert: where 1 - a - b is below `LEAST`, both are
    scaled down until it is not.
    """
    sums = errors.sum(axis=-1, keepdims=True)
    return np.asarray(errors * np.minimum(1, (1 - LEAST) / np.maximum(sums, LEAST)))


def reading_weights(errors: Doubles) -> Doubles:
    """Return what a reading of 0 and of 1 counts, (..., 2), from readout errors (..., 2) of a prepared 0 and 1.

    Errors count as `invertible` says.
    """
    counted = invertible(errors)
    a, b = counted[..., 0], counted[..., 1]
    return np.stack([1 - (b - a), -1 - (b - a)], axis=-1) / (1 - a - b)[..., None]


def logical_confusion(placed: Placed) -> Doubles:
    """Return the readout errors (n, 2, 2) of logical qubits; none of those that no wire is read for."""
    wires = placed.routed.wires
    confusion = np.tile(np.eye(2), (len(wires), 1, 1))
    for qubit in placed.routed.read:
        confusion[qubit] = placed.noise.confusion[wires[qubit]]
    return confusion


def without_readout(noise: LocalNoise) -> LocalNoise:
    """Return the noise without errors of reading: what inverting them leaves, where they are known exactly."""
    return replace(noise, confusion=np.tile(np.eye(2), (len(noise.confusion), 1, 1)))


def unreadable(a: float, b: float) -> str | None:
    """Return why readings cannot be inverted that are wrong with these probabilities, of 0 and 1; None: they can."""
    if 1 - a - b >= LEAST:
        return None
    wrongly = f"a probability of {a:.2g}" if a == b else f"probabilities {a:.2g} (of 0) and {b:.2g} (of 1)"
    return (
        f"is read wrongly with {wrongly}, hardly better than chance: its readout cannot be inverted. Take qubits that "
        "are read better (--layout), weaker noise where it is simulated, or leave `readout` out of the mitigation"
    )


def check_invertible(placed: Placed) -> None:
    """Refuse to invert readings that say nothing.

    Raises:
        BackendError: the readings of a qubit are hardly better than chance.
    """
    for qubit in placed.routed.read:
        wire = placed.routed.wires[qubit]
        reason = unreadable(placed.noise.confusion[wire, 0, 1], placed.noise.confusion[wire, 1, 0])
        if reason is not None:
            raise BackendError(f"qubit {placed.routed.physical[wire]} {reason}")
