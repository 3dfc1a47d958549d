"""Libraries that simulate noise, for `noise.py`: the gates that qgen placed, and depolarisation after each but RZ.

A worker builds one of the classes and then asks for values and gradients. CPU seconds are of all threads of its
process. Imports are made in the methods, so that a process holds one library only.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from peers.registry import z_signs

Answer = dict[str, Any]
PAULIS = np.array([np.eye(2), [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], np.complex128)
#: All Paulis on one wire, and on two.
STRINGS = {1: list(PAULIS), 2: [np.kron(one, other) for one, other in product(PAULIS, PAULIS)]}
#: A round of one way: calls until either is reached, at least one.
ROUND_SECONDS, ROUND_CALLS = 0.2, 20


def repeated(call: Callable[[], Any], before: Callable[[], Any] = lambda: None) -> tuple[float, Any]:
    """Median CPU seconds of calls, not of what comes before each, and the last result."""
    seconds: list[float] = []
    while not seconds or (sum(seconds) < ROUND_SECONDS and len(seconds) < ROUND_CALLS):
        before()
        started = time.process_time()
        result = call()
        seconds.append(time.process_time() - started)
    return statistics.median(seconds), result


class Library:
    """A circuit in one library: subclasses have `prepare`, `run` and, where it differentiates, `differentiate`."""

    #: Whether values are means over errors drawn at random.
    sampled = False
    #: What values that are not sampled may be off by.
    allowed = 1e-6

    def build(self, **case: Any) -> Answer:
        """The circuit and its batch.

        Args:
            case: wires; gates, each a name, wires, and a column of the angles or None and an angle; noise, the
                depolarising probability by name; measured, the wires of the observables Z; angles (N, C) in radians;
                upstream (N, O); paths, how many a sample of those that draw errors.
        """
        self.wires, self.gates, self.noise = case["wires"], case["gates"], case["noise"]
        self.measured, self.paths = case["measured"], case["paths"]
        self.angles, self.upstream = np.array(case["angles"]), np.array(case["upstream"])
        self.prepare()
        what = ["values"] if type(self).differentiate is Library.differentiate else ["values", "gradient"]
        return {"sampled": self.sampled, "allowed": self.allowed, "what": what}

    def values(self, seed: int) -> Answer:
        """Values (N, O), and standard errors of those that are sampled."""
        seconds, (values, errors) = repeated(lambda: self.run(seed))
        errors = None if errors is None else errors.tolist()
        return {"seconds": seconds / len(self.angles), "numbers": values.tolist(), "errors": errors}

    def gradient(self, seed: int) -> Answer:
        """The gradient for the angles (N, C), values included."""
        seconds, gradient = repeated(lambda: self.differentiate(seed))
        return {"seconds": seconds / len(self.angles), "numbers": gradient.tolist()}

    def prepare(self) -> None:
        """Imports the library, and does once what does not depend on angles."""
        raise NotImplementedError

    def run(self, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Values and their standard errors."""
        raise NotImplementedError

    def differentiate(self, seed: int) -> np.ndarray:
        """The gradient for the angles."""
        raise NotImplementedError

    def weights(self, name: str, wires: int) -> list[float]:
        """Probabilities of all Pauli strings, the identity first, after this gate."""
        part = self.noise[name] / 4**wires
        return [1 - self.noise[name] + part, *[part] * (4**wires - 1)]

    def signs(self) -> np.ndarray:
        """(2^wires, O) eigenvalues of the observables; wire 0 is the leading bit."""
        return z_signs(self.wires)[:, self.measured]


class PennyLaneMixed(Library):
    """`default.mixed` and JAX: jit over vmap, backpropagation; 64-bit. Beyond 4 wires one sample after another.

    Backpropagation keeps what every gate and every Kraus operator made of the density matrix.
    """

    def prepare(self) -> None:
        if self.wires > 8:
            kept = sum(1 + 4 ** len(wires) * (name in self.noise) for name, wires, *_ in self.gates)
            raise MemoryError(f"not tried, a sample keeps {kept * 4**self.wires * 16 / 2**30:,.0f} GiB")
        import jax

        jax.config.update("jax_enable_x64", True)
        import pennylane as qml

        gates = {"rz": qml.RZ, "sx": qml.SX, "x": qml.PauliX, "cx": qml.CNOT}

        @qml.qnode(qml.device("default.mixed", wires=self.wires), interface="jax", diff_method="backprop")
        def circuit(row):
            for name, wires, column, angle in self.gates:
                angles = () if name != "rz" else (angle,) if column is None else (row[column],)
                gates[name](*angles, wires=wires)
                if name in self.noise and len(wires) == 1:
                    qml.DepolarizingChannel(0.75 * self.noise[name], wires=wires)
                elif name in self.noise:
                    pairs = zip(self.weights(name, 2), STRINGS[2], strict=True)
                    qml.QubitChannel([np.sqrt(weight) * string for weight, string in pairs], wires=wires)
            return [qml.expval(qml.PauliZ(wire)) for wire in self.measured]

        def one(row):
            return jax.numpy.stack(circuit(row))

        values = jax.vmap(one) if self.wires <= 4 else lambda angles: jax.lax.map(one, angles)
        self._values = jax.jit(values)
        self._gradient = jax.jit(jax.grad(lambda angles: (values(angles) * self.upstream).sum()))

    def run(self, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        return np.asarray(self._values(self.angles)), None

    def differentiate(self, seed: int) -> np.ndarray:
        return np.asarray(self._gradient(self.angles))


class TensorCircuit(Library):
    """Monte Carlo with `unitary_kraus`: jit over vmap, backpropagation; 32-bit."""

    sampled = True

    def prepare(self) -> None:
        import jax
        import tensorcircuit as tc

        tc.set_backend("jax")
        tc.set_dtype("complex64")
        signs, half = self.signs(), np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2
        events = sum(name in self.noise for name, *_ in self.gates)

        def path(row, status):
            circuit, event = tc.Circuit(self.wires), 0
            for name, wires, column, angle in self.gates:
                if name == "rz":
                    circuit.rz(*wires, theta=angle if column is None else row[column])
                elif name == "sx":
                    circuit.unitary(*wires, unitary=half)
                else:
                    getattr(circuit, name)(*wires)
                if name in self.noise:
                    strings, count = STRINGS[len(wires)], len(wires)
                    circuit.unitary_kraus(strings, *wires, prob=self.weights(name, count), status=status[event])
                    event += 1
            return (abs(circuit.state()) ** 2) @ signs

        paths = jax.vmap(jax.vmap(path, in_axes=(None, 0)))

        def means(angles, key):
            found = paths(angles, jax.random.uniform(key, (len(self.angles), self.paths, events)))
            return found.mean(1), found.std(1, ddof=1) / np.sqrt(self.paths)

        self._key, self._values = jax.random.PRNGKey, jax.jit(means)
        self._gradient = jax.jit(jax.grad(lambda angles, key: (means(angles, key)[0] * self.upstream).sum()))
        self.angles = self.angles.astype(np.float32)

    def run(self, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        values, errors = self._values(self.angles, self._key(seed))
        return np.asarray(values, np.float64), np.asarray(errors, np.float64)

    def differentiate(self, seed: int) -> np.ndarray:
        return np.asarray(self._gradient(self.angles, self._key(seed)), np.float64)


class Qulacs(Library):
    """`NoiseSimulator`, which runs equal errors once; values from its states, so that no bit is drawn. No gradients."""

    sampled = True

    def prepare(self) -> None:
        import qulacs
        from qulacs import gate

        self._qulacs = qulacs
        self._gates = {"rz": lambda wire, angle: gate.RZ(wire, -angle), "sx": gate.sqrtX, "x": gate.X, "cx": gate.CNOT}
        self._signs = z_signs(self.wires)[:, [self.wires - 1 - wire for wire in self.measured]]

    def run(self, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Not seeded: the simulator takes no seed."""
        means, errors = zip(*map(self._one, self.angles), strict=True)
        return np.array(means), np.array(errors)

    def _one(self, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        circuit = self._qulacs.QuantumCircuit(self.wires)
        for name, wires, column, angle in self.gates:
            angles = () if name != "rz" else (angle,) if column is None else (row[column],)
            gate = self._gates[name](*wires, *angles)
            if name in self.noise:
                paulis = 4 ** len(wires)
                circuit.add_noise_gate(gate, "Depolarizing", self.noise[name] * (paulis - 1) / paulis)
            else:
                circuit.add_gate(gate)
        state = self._qulacs.QuantumState(self.wires)
        found = self._qulacs.NoiseSimulator(circuit, state).execute_and_get_result(self.paths)
        count = range(found.get_count())
        shares = np.array([found.get_frequency(k) for k in count])[:, None] / self.paths
        values = np.array([abs(found.get_state(k).get_vector()) ** 2 @ self._signs for k in count])
        means = (shares * values).sum(0)
        return means, np.sqrt((shares * (values - means) ** 2).sum(0) / (self.paths - 1))


class PauliProp(Library):
    """Qiskit's Pauli propagation, one sample and observable at a time, exact up to four wires. No gradients."""

    def prepare(self) -> None:
        from pauli_prop import circuit_to_rotation_gates, evolve_through_cliffords, propagate_through_rotation_gates
        from qiskit import QuantumCircuit
        from qiskit.quantum_info import PauliList, SparsePauliOp
        from qiskit_aer.noise import PauliLindbladError

        circuit = QuantumCircuit(self.wires)
        for name, wires, *_ in self.gates:
            getattr(circuit, name)(*([1.0] if name == "rz" else []), *wires)
            if name in self.noise:
                paulis = 4 ** len(wires)
                labels = ["".join(letters) for letters in product("IXYZ", repeat=len(wires))][1:]
                rate = -np.log(1 - self.noise[name]) / paulis
                circuit.append(PauliLindbladError(PauliList(labels), [rate] * (paulis - 1)), wires)
        self._cliffords, turns = evolve_through_cliffords(circuit)
        self._turns = circuit_to_rotation_gates(turns)
        self._turn_signs = np.array(self._turns.thetas)  # all angles were 1: what is left is signs
        self._propagate = propagate_through_rotation_gates
        self._observables = [SparsePauliOp.from_sparse_list([("Z", [wire], 1.0)], self.wires) for wire in self.measured]
        self._limits = 4**self.wires, 0.0
        if self.wires > 4:
            self._limits, self.allowed = (4**8, 1e-3), 0.05

    def run(self, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        return np.array([[self._one(row, one) for one in self._observables] for row in self.angles]), None

    def _one(self, row: np.ndarray, observable: Any) -> float:
        turns = [gate[2:] for gate in self.gates if gate[0] == "rz"]
        angles = np.array([angle if column is None else row[column] for column, angle in turns])
        gates = self._turns._replace(thetas=(self._turn_signs * angles).tolist())
        found, _ = self._propagate(observable, gates, *self._limits, "h")
        start = found.paulis.evolve(self._cliffords, frame="h")
        signs = (1 - start.phase.astype(float)) * ~start.x.any(axis=1)  # phases are 0 and 2, |0...0> has Z strings
        return float((signs * found.coeffs.real).sum())


#: By the name on the command line: what it is called in tables, and the class here.
LIBRARIES = {
    "pennylane": ("PennyLane", "PennyLaneMixed"),
    "tensorcircuit": ("TensorCircuit", "TensorCircuit"),
    "qulacs": ("qulacs", "Qulacs"),
    "pauli_prop": ("pauli-prop", "PauliProp"),
}
