"""What routes lose on a device: gates, waiting in the meantime, and reading.

Of two routes the one with more gates may be the shorter in time. Routes are first compared on qubits that are all as
the device's median, since they are moved to better ones afterwards (`subgraph_isomorphism`), and then there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

import numpy as np
from qiskit.transpiler import Target

from qgen.transpilation.blocks import Block
from qgen.transpilation.circuit_metrics import readout_error
from qgen.transpilation.kernels.pricing import Prices
from qgen.transpilation.schedule import gate_properties, reported_error
from qgen.transpilation.state_fidelity import target_rates

#: What a two-qubit gate loses where a device gives no errors.
_UNKNOWN = 0.01
#: The most that anything loses, so that of two bad places one is the better.
_MOST = 10.0
_NOT_GATES = ("measure", "reset", "delay")


class _Kind(NamedTuple):
    """A kind of gate: what it loses, and its seconds, by place."""

    lost: dict[tuple[int, ...], float]
    seconds: dict[tuple[int, ...], float]


def route_prices(blocks: Iterable[Block], target: Target, usual: bool) -> Prices:
    """Price gates, time and reading.

    Beside each two-qubit gate, a one-qubit gate that takes time is counted on either qubit.

    Args:
        blocks: of the circuit.
        target: the device.
        usual: whether every qubit is as the device's median.
    """
    size = int(target.num_qubits)
    pair, one = _usual_kind(target, 2), _usual_kind(target, 1)
    one_lost, one_seconds = _median(one.lost), _median(one.seconds)
    gate, seconds = np.full((size, size), _median(pair.lost) or _UNKNOWN), np.full((size, size), _median(pair.seconds))
    rates = [target_rates(target, site) for site in range(size)]
    waiting = np.array([populations / 4 + coherences / 2 for populations, coherences in rates])
    reading = np.array([_lost(readout_error(target, site) or 0.0, 1.0) for site in range(size)])
    beside = np.full(size, one_lost)
    if usual:
        waiting, reading = np.full(size, median(waiting)), np.full(size, median(reading))
    else:
        for (a, b), lost in pair.lost.items():
            gate[a, b] = gate[b, a] = lost
        for (a, b), duration in pair.seconds.items():
            seconds[a, b] = seconds[b, a] = duration
        beside = np.array([one.lost.get((site,), one_lost) for site in range(size)])
    return Prices(
        np.array([block.gates for block in blocks], np.int32),
        gate + beside[:, None] + beside[None, :],
        seconds + one_seconds,
        beside,
        np.full(size, one_seconds),
        waiting,
        reading,
    )


def _usual_kind(target: Target, qubits: int) -> _Kind:
    """Return the kind of gate that loses the least in the median; without places where nothing is known.

    Of one qubit, those that take no time are changes of its frame.
    """
    kinds = []
    for name in target.operation_names:
        if name in _NOT_GATES:
            continue
        places = [place for place in target[name] or {} if place is not None and len(place) == qubits]
        known = {place: one for place in places if (one := gate_properties(target, name, place)) is not None}
        errors = {place: error for place, one in known.items() if (error := reported_error(one)) is not None}
        lost = {place: _lost(error, 1 + 1 / (1 << qubits)) for place, error in errors.items()}
        seconds = {place: one.duration for place, one in known.items() if one.duration is not None}
        if lost and (qubits > 1 or _median(seconds) > 0):
            kinds.append(_Kind(lost, seconds))
    return min(kinds, key=lambda kind: _median(kind.lost), default=_Kind({}, {}))


def _median(values: dict[tuple[int, ...], float]) -> float:
    return median(values.values()) if values else 0.0


def _lost(error: float, factor: float) -> float:
    """Minus the logarithm of what an error leaves."""
    return -math.log(max(1 - factor * error, math.exp(-_MOST)))
