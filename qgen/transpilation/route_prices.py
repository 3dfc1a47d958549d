"""What routes lose on a device's usual qubits: gates, and waiting in the meantime.

Of two routes the one with more gates may be the shorter in time. Routes are compared on a device all of whose qubits
are as its median: to better ones they are moved afterwards (`subgraph_isomorphism`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median

import numpy as np
from qiskit.transpiler import Target

from qgen.transpilation.blocks import Block
from qgen.transpilation.kernels.pricing import Prices
from qgen.transpilation.schedule import gate_properties, reported_error
from qgen.transpilation.state_fidelity import target_rates

#: What a two-qubit gate loses where a device gives no errors.
_UNKNOWN = 0.01


def route_prices(blocks: Iterable[Block], target: Target) -> Prices:
    """Price gates and time by a device's medians.

    Beside each two-qubit gate, a one-qubit gate that takes time is counted on either qubit.

    Args:
        blocks: of the circuit.
        target: the device.
    """
    size = int(target.num_qubits)
    (pair_lost, pair_seconds), (one_lost, one_seconds) = _usual_gate(target, 2), _usual_gate(target, 1)
    rates = [target_rates(target, site) for site in range(size)]
    lost = pair_lost + 2 * one_lost
    return Prices(
        np.array([block.gates for block in blocks], np.int32),
        lost if lost > 0 else _UNKNOWN,
        pair_seconds + one_seconds,
        median(populations / 4 + coherences / 2 for populations, coherences in rates),
    )


def _usual_gate(target: Target, qubits: int) -> tuple[float, float]:
    """Return what the least erroneous kind of gate loses in the median, and its seconds; 0 where none are known.

    Of one qubit, those of no duration are changes of its frame.
    """
    kinds = []
    for name in target.operation_names:
        places = [place for place in target[name] or {} if place is not None and len(place) == qubits]
        known = [properties for place in places if (properties := gate_properties(target, name, place)) is not None]
        errors = [error for one in known if (error := reported_error(one)) is not None and error < 1]
        seconds = [one.duration for one in known if one.duration is not None]
        duration = median(seconds) if seconds else 0.0
        if name in _NOT_GATES or not errors or (qubits == 1 and duration == 0):
            continue
        dimensions = 1 << qubits
        kinds.append((-math.log1p(-min(median(errors) * (dimensions + 1) / dimensions, 1 - 1e-9)), duration))
    return min(kinds, default=(0.0, 0.0))


_NOT_GATES = ("measure", "reset", "delay")
