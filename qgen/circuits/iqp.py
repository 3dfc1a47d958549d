"""IQP circuits: H on all qubits, commuting rotations of products of Z, H on all; and what they read, exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import isqrt
from typing import final

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qgen.circuits.ansatze.lattices import heavy_hex, line
from qgen.circuits.arguments import whole_number
from qgen.circuits.layer_circuit import LayerCircuit
from qgen.errors import CircuitError, short_repr

#: Couplings by name; beside them `local:K` has all pairs of qubits at most K places apart.
COUPLINGS = ("none", "line", "grid", "heavy-hex", "all")
#: Qubits of exact probabilities: 16 MiB.
MOST_EXACT = 20


@final
@dataclass(frozen=True)
class IQP:
    """An IQP circuit: exp(i theta_j Z_{g_j}) for each gate j, between two layers of H.

    With all angles zero every bit is 0. One gate on qubit i alone gives a 1 with probability sin^2 theta_i. Source:
    Recio-Armengol, Ahmed and Bowles, "Train on classical, deploy on quantum", 2025, arXiv:2503.02934.

    Attributes:
        qubits: n, hidden ones among them.
        gates: the qubits of each gate, in the order of the weights theta.
        hidden: how many of the last qubits are no part of what is drawn.
    """

    qubits: int
    gates: tuple[tuple[int, ...], ...]
    hidden: int = 0

    @property
    def visible(self) -> int:
        """How many qubits are drawn: the first ones."""
        return self.qubits - self.hidden

    @property
    def masks(self) -> npt.NDArray[np.uint8]:
        """(J, n): 1 where a gate acts."""
        masks = np.zeros((len(self.gates), self.qubits), dtype=np.uint8)
        for row, gate in zip(masks, self.gates, strict=True):
            row[list(gate)] = 1
        return masks

    def circuit(self) -> LayerCircuit:
        """Return it with weights theta (J,) and no inputs; Z on every qubit."""
        theta, circuit = ParameterVector("theta", len(self.gates)), QuantumCircuit(self.qubits)
        circuit.h(range(self.qubits))
        for angle, gate in zip(theta, self.gates, strict=True):
            if len(gate) == 2:
                circuit.rzz(-2 * angle, *gate)
                continue
            ladder = list(pairwise(gate))
            for pair in ladder:
                circuit.cx(*pair)
            circuit.rz(-2 * angle, gate[-1])
            for pair in reversed(ladder):
                circuit.cx(*pair)
        circuit.h(range(self.qubits))
        return LayerCircuit(circuit, [], theta)

    def probabilities(self, theta: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the probabilities (2^n,) of all outcomes, by a Walsh-Hadamard transform of the phases.

        Raises:
            CircuitError: more than 20 qubits.
        """
        if self.qubits > MOST_EXACT:
            raise CircuitError(
                f"probabilities of {self.qubits} qubits are {2.0**self.qubits:.0e} numbers; {MOST_EXACT} qubits are "
                "the most"
            )
        states, angles = np.arange(1 << self.qubits), np.asarray(theta, dtype=np.float64)
        phases = np.zeros(len(states))
        for angle, gate in zip(angles, self.gates, strict=True):
            phases += angle * (1.0 - 2.0 * (np.bitwise_count(states & sum(1 << q for q in gate)) & 1))
        amplitudes = np.exp(1j * phases)
        for qubit in range(self.qubits):
            pairs = amplitudes.reshape(-1, 2, 1 << qubit)
            amplitudes = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).reshape(-1)
        found: npt.NDArray[np.float64] = np.abs(amplitudes / len(states)) ** 2
        return found


def iqp(qubits: int, coupling: str | Iterable[Sequence[int]] = "all", hidden: int = 0) -> IQP:
    """Return an IQP circuit with a gate on each qubit, and one on each of the couplings.

    Args:
        qubits: how many bits are drawn.
        coupling: a name out of `COUPLINGS`, `local:K`, or the sets of qubits themselves, as a device's couplers:
            hidden qubits are numbered behind the others.
        hidden: further qubits, which are not drawn: n + 1 of them, coupled to all, make n bits universal.

    Raises:
        CircuitError: a number or a coupling that is not allowed.
    """
    count = whole_number("qubits", qubits, 1) + whole_number("hidden", hidden, 0)
    pairs = _named(coupling, count) if isinstance(coupling, str) else [tuple(map(int, gate)) for gate in coupling]
    for gate in pairs:
        if len(gate) < 2 or len(set(gate)) < len(gate) or not set(gate) <= set(range(count)):
            raise CircuitError(f"a coupling has two or more different qubits from 0 to {count - 1}, not {gate}")
    return IQP(count, (*((qubit,) for qubit in range(count)), *dict.fromkeys(pairs)), hidden)


def _named(name: str, qubits: int) -> list[tuple[int, ...]]:
    kind, _, reach = name.partition(":")
    if kind == "local" and reach.isdecimal() and len(reach) < 10 and int(reach) > 0:
        return [pair for pair in combinations(range(qubits), 2) if pair[1] - pair[0] <= int(reach)]
    if name not in COUPLINGS:
        raise CircuitError(f"there is no coupling {short_repr(name)}: take {', '.join(COUPLINGS)}, or local:K")
    if name == "none":
        return []
    if name == "all":
        return list(combinations(range(qubits), 2))
    if name == "grid":
        side = isqrt(qubits)
        right = [(q, q + 1) for q in range(qubits - 1) if (q + 1) % side]
        return [*right, *((q, q + side) for q in range(qubits - side))]
    return [edge for layer in (line(qubits) if name == "line" else heavy_hex(qubits)) for edge in layer]
