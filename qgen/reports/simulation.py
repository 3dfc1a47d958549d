"""Predicted success checked against a simulation: the circuit on its device's noise, as a density matrix on Aer.

A prediction multiplies numbers of single gates and qubits; the simulation runs the circuit. Where they differ is known
beforehand, to first order in the errors:

- A gate's reported error r is its average infidelity over input states. Of a state that is entangled with others the
  gate spoils (d + 1) / d times as much (M., P. and R. Horodecki, 1999, quant-ph/9807091): 5/4 r on two qubits, 3/2 r on
  one. Losses by gates are predicted too small, then.
- Where qubits relax more during a gate than its reported error allows, the simulation has the relaxation.
- Waiting for a time t loses 1 - (1 + exp(-t / T1) + 2 exp(-t / T2)) / 4 of such a state, about t / 4 T1 + t / 2 T2,
  where the prediction takes t / min(T1, T2): losses by waiting are predicted 4/3 to 2 times too large.
- Where a state is not touched by what goes wrong (phases of a basis state, decay of a ground state), and where errors
  undo one another, nothing is lost; the prediction counts every error. It falls to 0 with more and more gates, where
  the simulation ends at the fidelity of a state that knows nothing, 2^-k on k qubits.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.backends.measuring import confuse, rewire_probabilities
from qgen.circuits import LayerCircuit
from qgen.circuits.observables import support
from qgen.devices import Device
from qgen.errors import BackendError
from qgen.extras import require_aer
from qgen.noise import DeviceNoise
from qgen.randomness import derive
from qgen.reports.compact import CompactCircuit
from qgen.transpilation.moving import ends_of
from qgen.transpilation.result import Success
from qgen.transpilation.search import Found

Doubles = npt.NDArray[np.float64]
States = npt.NDArray[np.complex128]

#: Qubits of the largest density matrix: 16 MiB, and about a minute for eight settings of a usual circuit.
MOST_QUBITS = 10
BINDINGS = 8
_LABEL = "state"


@dataclass(frozen=True)
class SimulatedFidelity:
    """What a device's noise does to a circuit, as a mean over settings of its angles. All in [0, 1].

    Attributes:
        bindings: over how many settings.
        gates: <psi| rho |psi> just before readout, where nothing happens to waiting qubits; psi is the ideal state and
            rho the simulated one, of all qubits in use.
        state: the same where they relax.
        readout: how likely all measured bits are read rightly in the ideal state, a 0 and a 1 each with its own error.
        total: the mean of the products of `state` and `readout`.
        standard_error: of `total`; None for one setting of open angles.
        hellinger: the Hellinger fidelity (sum over outcomes of sqrt(p q))^2 of what is read, p, and what should be, q.
    """

    bindings: int
    gates: float
    state: float
    readout: float
    total: float
    standard_error: float | None
    hellinger: float

    @property
    def idle(self) -> float:
        """What waiting leaves of the fidelity, `state` over `gates`."""
        return self.state / self.gates if self.gates else 1.0


@dataclass(frozen=True)
class PredictionCheck:
    """Predicted success beside the simulated one.

    Attributes:
        device: its name.
        predicted: from the errors of gates, readout and waiting.
        simulated: by Aer, with the same numbers.
        seed: of the angles.
        seconds: how long the simulation took.
    """

    device: str
    predicted: Success
    simulated: SimulatedFidelity
    seed: int
    seconds: float


def check_prediction(
    circuit: LayerCircuit, found: Found, device: Device, seed: int = 0, bindings: int = BINDINGS
) -> PredictionCheck:
    """Runs the circuit that a search has found on its device's noise, with random angles.

    Inputs and weights are uniform over one turn; a mixture's parameters take one of its settings.

    Args:
        circuit: what was searched for.
        found: the result; what it predicts is compared.
        device: where it is.
        seed: of the angles.
        bindings: over how many settings of the angles the mean is taken, 2 or more.

    Raises:
        BackendError: see `simulated_fidelity`; fewer than 2 settings.
    """
    if bindings < 2:
        raise BackendError(f"a mean over random angles, with its error, needs 2 or more settings, not {bindings}")
    began, ends = time.perf_counter(), ends_of(found.isa)
    measured = [ends[qubit] for qubit in support(circuit.observables)]
    angles = random_angles(circuit, found.isa, seed, bindings)
    simulated = simulated_fidelity(found.isa, device.target, measured, angles)
    predicted = found.candidate.figures.success
    return PredictionCheck(device.name, predicted, simulated, seed, time.perf_counter() - began)


def random_angles(circuit: LayerCircuit, isa: QuantumCircuit, seed: int, bindings: int) -> Doubles:
    """Settings (bindings, P) of the P parameters that a transpiled circuit still has; the first of more are the same.

    Without parameters there is one setting.
    """
    rng, drawn = np.random.default_rng(derive(seed, "angles")), circuit.inputs + circuit.weights
    turns = dict(zip(drawn, rng.uniform(0, 2 * np.pi, (bindings, len(drawn))).T, strict=True))
    if circuit.mixture is not None:
        chosen = np.random.default_rng(derive(seed, "mixture")).integers(len(circuit.mixture), size=bindings)
        turns |= dict(zip(circuit.mixture.parameters, circuit.mixture.points[chosen].T, strict=True))
    columns = [turns[parameter] for parameter in isa.parameters]
    return np.stack(columns, axis=1) if columns else np.zeros((1, 0))


def simulated_fidelity(
    isa: QuantumCircuit, target: Target, measured: Sequence[int], angles: npt.ArrayLike
) -> SimulatedFidelity:
    """The circuit on the device's noise, on the qubits in use alone, as a density matrix on Aer.

    Gates have the errors of Aer's `NoiseModel.from_backend`: depolarisation and relaxation, together as strong as the
    device reports. The circuit is scheduled as late as possible, and waiting qubits relax with their T1 and T2, from
    their first gate until all are measured (or until their last gate, where they are not). What the device does not
    say costs nothing.

    Args:
        isa: in the device's own gates, on its physical qubits, without measurements.
        target: the device.
        measured: the physical qubits that are read at the end.
        angles: (N, P), a setting a row, of the parameters in the order of `isa.parameters`; radians.

    Raises:
        BackendError: more than 10 qubits in use, angles of another shape, a gate that the device does not have, or
            qiskit-aer is not installed.
    """
    table = np.asarray(angles, dtype=np.float64)
    if table.ndim != 2 or not len(table) or table.shape[1] != isa.num_parameters:
        raise BackendError(
            f"angles have shape (N, {isa.num_parameters}): one or more settings of the circuit's "
            f"{isa.num_parameters} parameters; given: {table.shape}"
        )
    circuits = CompactCircuit(isa, target, tuple(measured))
    _check_size(len(circuits.wires))
    noise = DeviceNoise(target, "the device").local(list(circuits.wires))
    ideal = _run(circuits.plain(), table, "statevector").reshape(len(table), -1)
    gates = _overlaps(ideal, _run(circuits.plain(), table, "density_matrix", noise.model))
    noisy = _run(circuits.waiting(), table, "density_matrix", noise.model)
    state, read = _overlaps(ideal, noisy), [circuits.wires[qubit] for qubit in measured]
    expected = rewire_probabilities(np.abs(ideal) ** 2, read)
    found = rewire_probabilities(np.einsum("nii->ni", noisy).real.clip(0), read)
    right = expected @ _all_right(noise.confusion[read])
    total = state * right
    return SimulatedFidelity(
        bindings=len(table),
        gates=float(gates.mean()),
        state=float(state.mean()),
        readout=float(right.mean()),
        total=float(total.mean()),
        standard_error=_standard_error(total) if isa.num_parameters else 0.0,
        hellinger=float(np.mean(np.sqrt(confuse(found, noise.confusion[read]) * expected).sum(axis=1) ** 2)),
    )


def _check_size(used: int) -> None:
    if used > MOST_QUBITS:
        raise BackendError(
            f"this circuit uses {used} qubits of the device, and its noise is simulated on {MOST_QUBITS} at most: "
            "take fewer qubits, or go without the simulation"
        )


def _run(circuit: QuantumCircuit, table: Doubles, method: str, model: Any = None) -> States:
    """The states (N, 2^k), or density matrices (N, 2^k, 2^k), for N settings of the angles."""
    require_aer("simulation")
    from qiskit_aer import AerSimulator

    saved = circuit.copy()
    getattr(saved, f"save_{method}")(label=_LABEL)
    bound = [saved.assign_parameters(row) for row in table]
    result = AerSimulator(method=method, noise_model=model).run(bound, shots=1).result()
    if not result.success:
        raise BackendError(f"Aer could not simulate this circuit on {circuit.num_qubits} qubits: {result.status}")
    return np.array([np.asarray(result.data(k)[_LABEL]) for k in range(len(table))])


def _overlaps(ideal: States, noisy: States) -> Doubles:
    """<psi| rho |psi> of states (N, D) and density matrices (N, D, D)."""
    overlaps: Doubles = np.einsum("ni,nij,nj->n", ideal.conj(), noisy, ideal, optimize=True).real
    return overlaps


def _all_right(confusion: Doubles) -> Doubles:
    """For each outcome (2^m) of m bits how likely all are read as they are; confusion: (m, 2, 2)."""
    right: Doubles = np.ones(1)
    for wrong in confusion:
        right = (np.diag(wrong)[:, None] * right).ravel()  # the first qubit is the lowest bit of an outcome
    return right


def _standard_error(values: Doubles) -> float | None:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
