"""Write parts of a routed circuit anew with fewer two-qubit gates, on the same couplers; angles stay open.

A part is rotations about Pauli operators and one Clifford operator (`pauli_frames`). Two-qubit gates change the
operators; a rotation can be done where its operator is on one qubit, and it does not matter whether the circuit's own
qubits are in their places then. A SWAP of a qubit that others were controlled by since its last gate costs two gates
instead of three, for one. That Clifford gates may be moved through rotations is after Litinski (2019),
arXiv:1808.02892; the search goes from gate to gate as that of Schmitz et al. (2021), arXiv:2103.08602. A part is
replaced by one of as many gates, too: from there others may be shortened.
"""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression

from qgen.transpilation.clifford_phase import phase_between
from qgen.transpilation.kernels.pricing import Prices
from qgen.transpilation.kernels.shortening import SitePrices, shorten
from qgen.transpilation.pauli_frames import emit, pauli_program, simplified

#: States that the search keeps of those that have done as many rotations.
_KEPT = 10
#: What a part may cost more than before, in the mean, in two-qubit gates.
_WARMTH = 0.2
#: Parts that are tried in all, in those that may be tried without success.
_PARTS = 5


def resynthesize(circuit: QuantumCircuit, prices: Prices, seed: int, patience: int) -> QuantumCircuit:
    """Write parts anew wherever that saves two-qubit gates, or one-qubit gates or time for as many.

    The unitary and its phase stay the same, and so do the angles, but for their signs.

    Args:
        circuit: in CX, CY, CZ, SWAP and one-qubit gates, on the device's qubits.
        prices: of the device.
        seed: of the choice of parts.
        patience: parts that are tried without success before the search ends; in all, five times as many.
    """
    simple = simplified(circuit)
    if simple is None or simple.num_nonlocal_gates() == 0:
        return circuit
    program = pauli_program(simple)
    operations, sites = program.operations.copy(), [circuit.find_bit(qubit).index for qubit in program.qubits]
    site_prices = _site_prices(prices, sites)
    warmth = _WARMTH * float(np.median(site_prices.pair))
    is_open = np.array([isinstance(angle, ParameterExpression) for angle in program.angles], bool)
    measured, parts = program.measured.copy(), _PARTS * patience
    count = shorten(operations, measured, is_open, site_prices, seed, _KEPT, parts, patience, warmth)
    if np.array_equal(operations, program.operations):
        return circuit
    shorter = emit(program, operations[:count])
    anew = simple.copy_empty_like()
    anew.compose(shorter, program.qubits, inplace=True)
    anew.global_phase += phase_between(_without_rotations(anew), _without_rotations(simple))
    return anew


def _site_prices(prices: Prices, sites: list[int]) -> SitePrices:
    one, one_seconds = prices.one[sites], prices.one_seconds[sites]
    pair, seconds = prices.gate[np.ix_(sites, sites)], prices.seconds[np.ix_(sites, sites)]
    return SitePrices(
        pair - one[:, None] - one[None, :], seconds - one_seconds[:, None], one, one_seconds, prices.waiting[sites]
    )


def _without_rotations(circuit: QuantumCircuit) -> QuantumCircuit:
    clifford = circuit.copy_empty_like()
    for step in circuit.data:
        if not step.operation.params:
            clifford.append(step)
    return clifford
