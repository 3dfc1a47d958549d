"""Check predicted success against a simulation with the device's noise, as a density matrix on Aer.

A prediction (`predict_fidelity`) multiplies what single gates and waits leave of the state; the simulation runs the
circuit. Both have the same model of errors. They differ as follows:

- The prediction follows what two qubits know of each other only until one of them has a gate with a third: where a gate
  is undone after that, it takes qubits for more mixed than they are. Over the catalogue of ansaetze, losses come out
  an eighth too large at most by this and the next point, and up to a third where four qubits lose a third of their
  state.
- Losses of losses: with more and more gates the prediction falls to 0, while the simulation reaches the fidelity of the
  maximally mixed state, 2^-k on k qubits.
- Only what can reach a measured qubit counts in the prediction; the simulation has the state of all qubits.
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

from qgen.backends.measurement import permute_probabilities
from qgen.circuits import LayerCircuit
from qgen.circuits.observables import support
from qgen.devices import Device
from qgen.errors import BackendError
from qgen.extras import require_aer
from qgen.noise import DeviceNoise, apply_readout_error
from qgen.randomness import derive
from qgen.reports.transpilation.compact_circuit import CompactCircuit
from qgen.transpilation import Success, TranspiledCircuit
from qgen.transpilation.relayout import final_layout

Doubles = npt.NDArray[np.float64]
States = npt.NDArray[np.complex128]

#: Qubits of the largest density matrix: 16 MiB, and about a minute for eight bindings of a typical circuit.
MAX_QUBITS = 10
BINDINGS = 8
_LABEL = "state"


@dataclass(frozen=True)
class SimulatedFidelity:
    """Fidelities of a circuit with its device's noise, as means over bindings of its parameters. All in [0, 1].

    Attributes:
        bindings: number of bindings.
        gates: <psi| rho |psi> just before readout, if idle qubits do not relax; psi is the ideal state and rho the
            simulated one, of all qubits in use.
        state: the same if they relax.
        readout: the probability that all measured bits of the ideal state are read correctly, a 0 and a 1 each with its
            own error.
        total: the mean of the products of `state` and `readout`.
        standard_error: of `total`; None for one binding of open parameters.
        hellinger: the Hellinger fidelity (sum over outcomes of sqrt(p q))^2 of the read outcomes, p, and the ideal, q.
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
        """The factor of idling in the fidelity, `state` over `gates`."""
        return self.state / self.gates if self.gates else 1.0


@dataclass(frozen=True)
class PredictionCheck:
    """Predicted success beside the simulated one.

    Attributes:
        device: name of the device.
        predicted: from the errors of gates, readout and idling.
        simulated: by Aer, with the same numbers.
        seed: of the angles.
        seconds: wall-clock time of the simulation.
    """

    device: str
    predicted: Success
    simulated: SimulatedFidelity
    seed: int
    seconds: float


def check_prediction(
    circuit: LayerCircuit, transpiled: TranspiledCircuit, device: Device, seed: int = 0, bindings: int = BINDINGS
) -> PredictionCheck:
    """Simulate a transpiled circuit with its device's noise and random angles, and compare with its prediction.

    Inputs and weights are uniform over one turn; a mixture's parameters take one of its settings.

    Args:
        circuit: the layer.
        transpiled: for the device.
        device: with its noise.
        seed: of the angles.
        bindings: number of bindings of the parameters, 2 or more.

    Raises:
        BackendError: see `simulated_fidelity`; fewer than 2 bindings.
    """
    if bindings < 2:
        raise BackendError(f"a mean over random angles, with its error, needs 2 or more settings, not {bindings}")
    began, ends = time.perf_counter(), final_layout(transpiled.isa)
    measured = [ends[qubit] for qubit in support(circuit.observables)]
    angles = random_angles(circuit, transpiled.isa, seed, bindings)
    simulated = simulated_fidelity(transpiled.isa, device.target, measured, angles)
    predicted = transpiled.result.metrics.success
    return PredictionCheck(device.name, predicted, simulated, seed, time.perf_counter() - began)


def random_angles(circuit: LayerCircuit, isa: QuantumCircuit, seed: int, bindings: int) -> Doubles:
    """Draw values (bindings, P) of the P parameters that a transpiled circuit still has.

    The first rows do not depend on the number of bindings. Without parameters there is one row.
    """
    rng, drawn = np.random.default_rng(derive(seed, "angles")), circuit.inputs + circuit.weights
    values = dict(zip(drawn, rng.uniform(0, 2 * np.pi, (bindings, len(drawn))).T, strict=True))
    if circuit.mixture is not None:
        chosen = np.random.default_rng(derive(seed, "mixture")).integers(len(circuit.mixture), size=bindings)
        values |= dict(zip(circuit.mixture.parameters, circuit.mixture.points[chosen].T, strict=True))
    columns = [values[parameter] for parameter in isa.parameters]
    return np.stack(columns, axis=1) if columns else np.zeros((1, 0))


def simulated_fidelity(
    isa: QuantumCircuit, target: Target, measured: Sequence[int], angles: npt.ArrayLike
) -> SimulatedFidelity:
    """Simulate a circuit with the device's noise, on the qubits in use, as a density matrix on Aer.

    Gates have the errors of Aer's `NoiseModel.from_backend`: depolarisation and relaxation, together as large as the
    device reports. The circuit is scheduled as late as possible, and idle qubits relax with their T1 and T2, from their
    first gate until all are measured (or until their last gate, if they are not). Numbers that the device does not
    report count as no error.

    Args:
        isa: in the device's own gates, on its physical qubits, without measurements.
        target: the device.
        measured: the physical qubits that are read at the end.
        angles: (N, P), one row per binding, of the parameters in the order of `isa.parameters`; radians.

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
    noisy = _run(circuits.with_idle_relaxation(), table, "density_matrix", noise.model)
    state, read = _overlaps(ideal, noisy), [circuits.wires[qubit] for qubit in measured]
    expected = permute_probabilities(np.abs(ideal) ** 2, read)
    outcomes = permute_probabilities(np.einsum("nii->ni", noisy).real.clip(0), read)
    read_out = apply_readout_error(outcomes, noise.confusion[read])
    readout = expected @ _readout_success(noise.confusion[read])
    total = state * readout
    return SimulatedFidelity(
        bindings=len(table),
        gates=float(gates.mean()),
        state=float(state.mean()),
        readout=float(readout.mean()),
        total=float(total.mean()),
        standard_error=_standard_error(total) if isa.num_parameters else 0.0,
        hellinger=float(np.mean(np.sqrt(read_out * expected).sum(axis=1) ** 2)),
    )


def _check_size(used: int) -> None:
    if used > MAX_QUBITS:
        raise BackendError(
            f"this circuit uses {used} qubits of the device, and its noise is simulated on {MAX_QUBITS} at most: "
            "take fewer qubits, or go without the simulation"
        )


def _run(circuit: QuantumCircuit, table: Doubles, method: str, model: Any = None) -> States:
    """Return the states (N, 2^k), or density matrices (N, 2^k, 2^k), of N bindings."""
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
    """Return <psi| rho |psi> of states (N, D) and density matrices (N, D, D)."""
    overlaps: Doubles = np.einsum("ni,nij,nj->n", ideal.conj(), noisy, ideal, optimize=True).real
    return overlaps


def _readout_success(confusion: Doubles) -> Doubles:
    """Return the probability (2^m) that all m bits of an outcome are read correctly; confusion: (m, 2, 2)."""
    success: Doubles = np.ones(1)
    for matrix in confusion:
        success = (np.diag(matrix)[:, None] * success).ravel()  # the first qubit is the lowest bit of an outcome
    return success


def _standard_error(values: Doubles) -> float | None:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
