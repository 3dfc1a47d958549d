"""Runs of a placed circuit with noise on Aer: the whole density matrix, or one noisy state for each shot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qgen.backends.aer.runner import RUN_BYTES
from qgen.backends.aer.seeding import GAP, runs_of
from qgen.backends.angles import Doubles
from qgen.backends.measuring import Outcomes, confuse, draw_outcomes
from qgen.errors import BackendError, InputError
from qgen.randomness import Streams
from qgen.transpilation.delays import delay_parameters

LABEL = "read"
READING = 1 << 32  # beyond all numbers of bases: what is misread draws from a stream of its own


class _Run:
    """A circuit and its noise on one of Aer's methods."""

    def __init__(self, circuit: QuantumCircuit, parameters: Sequence[Parameter], model: Any, method: str) -> None:
        from qiskit_aer import AerSimulator

        self._circuit, self._wires = circuit.copy(), circuit.num_qubits
        self._parameters = tuple(parameters)
        self._lengths = delay_parameters(circuit)
        self._simulator = AerSimulator(method=method, noise_model=model)

    def _run(self, table: Doubles, shots: int, seed: int, late: bool = True) -> Any:
        """Aer's results, one a row, of one run; a circuit without parameters is run once for each.

        Numbers are bound `late`, by Aer, which is quicker, but draws otherwise for a row in a table than for it alone.
        Delays are as long in all rows: their relaxation is worked out before Aer binds the other numbers.
        """
        bound = dict(zip(self._parameters, table.T.tolist(), strict=True))
        circuit = self._circuit.assign_parameters({one: _length(bound.pop(one)[0]) for one in self._lengths})
        result = self._simulator.run(
            circuit if bound else [circuit] * len(table),
            parameter_binds=[bound] if bound else None,
            runtime_parameter_bind_enable=late,
            shots=shots,
            seed_simulator=seed,
            max_parallel_threads=torch.get_num_threads(),
        ).result()
        if not result.success:
            status = next((one.status for one in result.results if not one.success), result.status)
            raise BackendError(f"Aer could not run this noisy circuit of {self._wires} qubits: {status}")
        return result

    def _parts(self, table: Doubles, most: int) -> Iterator[npt.NDArray[np.int64]]:
        """The numbers of rows that can be one run, at most so many."""
        columns = [self._parameters.index(one) for one in self._lengths]
        alike: dict[tuple[float, ...], list[int]] = defaultdict(list)
        for row, lengths in enumerate(map(tuple, table[:, columns].tolist())):
            alike[lengths].append(row)
        for rows in alike.values():
            yield from (np.array(rows[at : at + most]) for at in range(0, len(rows), most))


class Density(_Run):
    """By the density matrix: exact probabilities of all outcomes."""

    def __init__(self, circuit: QuantumCircuit, parameters: Sequence[Parameter], model: Any) -> None:
        super().__init__(circuit, parameters, model, "density_matrix")
        self._circuit.save_probabilities(range(self._wires), label=LABEL)

    def probabilities(self, table: Doubles) -> Doubles:
        """(N, C) numbers -> probabilities (N, 2^k), bit w of an outcome being wire w, before readout errors."""
        most = max(1, RUN_BYTES >> (3 + self._wires))
        found = np.empty((len(table), 1 << self._wires))
        for rows in self._parts(table, most):
            found[rows] = [getattr(one.data, LABEL) for one in self._run(table[rows], 1, 0).results]
        return found

    def outcomes(self, table: Doubles, shots: int, streams: Streams, basis: int, confusion: Doubles) -> Outcomes:
        """See `Trajectories.outcomes`."""
        return draw_outcomes(confuse(self.probabilities(table), confusion), shots, streams.generators(basis))


class Trajectories(_Run):
    """By one state for each shot, on which errors happen at random."""

    def __init__(self, circuit: QuantumCircuit, parameters: Sequence[Parameter], model: Any) -> None:
        super().__init__(circuit, parameters, model, "statevector")
        self._circuit.measure_all()

    def outcomes(self, table: Doubles, shots: int, streams: Streams, basis: int, confusion: Doubles) -> Outcomes:
        """(N, C) numbers -> what is read, (N, shots), bit w of an outcome being wire w.

        Args:
            table: the numbers.
            shots: how many.
            streams: what the rows draw from.
            basis: the number of the basis that the circuit measures in.
            confusion: (k, 2, 2); see `qgen.backends.measuring.confuse`.
        """
        found = np.empty((len(table), shots), dtype=np.int64)
        # Delays of open length are bound before a run.
        for rows, seed in runs_of(streams, basis, GAP + 1 if self._lengths else shots):
            result = self._run(table[rows], shots, seed, late=False)
            found[rows] = [_spread(result.get_counts(k)) for k in range(len(rows))]
        rngs = streams.generators(basis + READING)
        return np.array([_misread(row, confusion, rng) for row, rng in zip(found, rngs, strict=True)])


def _length(seconds: float) -> float:
    if seconds < 0:
        raise InputError(f"a delay is {seconds:g} s long: keep its parameters where it is not below zero")
    return seconds


def _spread(counts: Mapping[str, int]) -> Outcomes:
    """Counts as outcomes (shots,), sorted."""
    outcomes = sorted(counts)
    return np.repeat(np.array([int(bits, 2) for bits in outcomes]), [counts[bits] for bits in outcomes])


def _misread(outcomes: Outcomes, confusion: Doubles, rng: np.random.Generator) -> Outcomes:
    flips = np.zeros_like(outcomes)
    for wire, wrong in enumerate(confusion):
        chance = wrong[[0, 1], [1, 0]][outcomes >> wire & 1]
        flips |= (rng.random(len(outcomes)) < chance).astype(np.int64) << wire
    return outcomes ^ flips
