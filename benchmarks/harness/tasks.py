"""The tasks of `backends.py`: the same numbers computed by qgen and by others, a class for each way.

A worker builds one and calls it with each request; it answers with plain values. Time is taken around the computation
and nothing else. Imports are made when a task is built, so that a process holds one library only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

Answer = dict[str, Any]
HQCONV = {"qubits": 12, "layers": 3}
SMALL = {"qubits": 4, "layers": 1}
DEVICE = "fake_brisbane"
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def numbers(circuit: Any, samples: int, seed: int) -> Arrays:
    """Inputs (N, I), weights in turns (W,), gradients for the values (N, O); the first samples do not depend on N."""
    inputs, weights, upstream = (np.random.default_rng([seed, k]) for k in range(3))
    return (
        inputs.uniform(-np.pi, np.pi, (samples, circuit.num_inputs)),
        weights.uniform(0, 1, circuit.num_weights),
        upstream.normal(size=(samples, circuit.num_observables)),
    )


def hqconv(size: dict[str, int] = HQCONV) -> Any:
    from qgen.circuits import ansatz

    return ansatz("hqconv", **size)


def plain_circuit(circuit: Any) -> Any:
    """The circuit in plain gates: Aer leaves bound angles of controlled rotations at zero.

    That is done without optimisation, which would make it longer here.
    """
    from qiskit import transpile

    return transpile(circuit.circuit, basis_gates=["rx", "ry", "rz", "cx"], optimization_level=0)


@contextmanager
def runs_of_aer() -> Iterator[list[int]]:
    """Counts the runs of Aer meanwhile, one entry a run."""
    from qiskit_aer import AerSimulator

    run, runs = AerSimulator.run, []

    def counted(*args: Any, **kwargs: Any) -> Any:
        runs.append(1)
        return run(*args, **kwargs)

    AerSimulator.run = counted
    try:
        yield runs
    finally:
        AerSimulator.run = run


class Shift:
    """qgen: values and parameter-shift gradients on backend `aer`."""

    def __init__(self, shots: int | None = None) -> None:
        from qgen.backends import ParameterShift, open_backend

        self.circuit, self.method, self.exact = hqconv(), ParameterShift(), shots is None
        self.executable = open_backend("aer", shots=shots).compile(self.circuit)

    def __call__(self, samples: int, input_gradients: bool, seed: int) -> Answer:
        import torch

        inputs, weights, upstream = map(torch.from_numpy, numbers(self.circuit, samples, seed))
        wants = (input_gradients, True)
        torch.manual_seed(seed)
        with runs_of_aer() as runs:
            started = time.perf_counter()
            values, vjp = self.method.value_and_vjp(self.executable, inputs, weights, wants)
            gradients = vjp(upstream)
            seconds = time.perf_counter() - started
        found = [part.tolist() for part in (values, *gradients) if part is not None]
        circuits = samples * self.method.evaluations(self.executable, wants)
        answer = {"seconds": seconds, "circuits": circuits, "runs": len(runs)}
        return answer | {"numbers": found} if self.exact else answer


class Stock:
    """qiskit-machine-learning: `EstimatorQNN` on Aer's `EstimatorV2`, exact values, its parameter-shift gradients."""

    def __init__(self) -> None:
        from qiskit_aer.primitives import EstimatorV2
        from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
        from qiskit_machine_learning.neural_networks import EstimatorQNN

        class Counted(EstimatorV2):
            circuits = 0

            def run(self, pubs: Any, **kwargs: Any) -> Any:
                pubs = list(pubs)
                self.circuits += sum(np.asarray(pub[2]).size // pub[0].num_parameters for pub in pubs)
                return super().run(pubs, **kwargs)

        self.circuit = hqconv()
        self.estimator = Counted(options={"default_precision": 0.0})
        self.network = EstimatorQNN(
            circuit=plain_circuit(self.circuit),
            estimator=self.estimator,
            observables=list(self.circuit.observables),
            input_params=list(self.circuit.inputs),
            weight_params=list(self.circuit.weights),
            gradient=ParamShiftEstimatorGradient(self.estimator),
            default_precision=0.0,
        )

    def __call__(self, samples: int, seed: int, input_gradients: bool | None = None) -> Answer:
        """Values, and gradients unless `input_gradients` is None; products with the upstream ones are not timed."""
        inputs, weights, upstream = numbers(self.circuit, samples, seed)
        self.estimator.circuits, self.network.input_gradients = 0, bool(input_gradients)
        with runs_of_aer() as runs:
            started = time.perf_counter()
            found = [self.network.forward(inputs, weights)]
            if input_gradients is not None:
                by_input, by_weight = self.network.backward(inputs, weights)
            seconds = time.perf_counter() - started
        if input_gradients:
            found.append(np.einsum("no,noi->ni", upstream, by_input))
        if input_gradients is not None:
            found.append(np.einsum("no,now->w", upstream, by_weight))
        counts = {"circuits": self.estimator.circuits, "runs": len(runs)}
        return {"seconds": seconds, **counts, "numbers": [part.tolist() for part in found]}


class Values:
    """qgen: values on backend `aer`."""

    def __init__(self) -> None:
        from qgen.backends import open_backend

        self.circuit = hqconv()
        self.executable = open_backend("aer").compile(self.circuit)

    def __call__(self, samples: int, seed: int) -> Answer:
        inputs, weights, _ = numbers(self.circuit, samples, seed)
        started = time.perf_counter()
        values = self.executable.expectations(inputs, weights)
        return {"seconds": time.perf_counter() - started, "numbers": [values.tolist()]}


class Broadcast:
    """Aer's `EstimatorV2` as well as it can be called: one PUB of all samples and observables, bound at run time."""

    def __init__(self) -> None:
        from qiskit_aer.primitives import EstimatorV2

        self.circuit = hqconv()
        self.plain = plain_circuit(self.circuit)
        options = {"default_precision": 0.0, "run_options": {"runtime_parameter_bind_enable": True}}
        self.estimator = EstimatorV2(options=options)

    def __call__(self, samples: int, seed: int) -> Answer:
        inputs, weights, _ = numbers(self.circuit, samples, seed)
        started = time.perf_counter()
        table = np.concatenate([inputs, np.tile(weights, (samples, 1))], axis=1)[:, None]
        bound = {(*self.circuit.inputs, *self.circuit.weights): table}
        values = self.estimator.run([(self.plain, list(self.circuit.observables), bound)]).result()[0].data.evs
        return {"seconds": time.perf_counter() - started, "numbers": [values.tolist()]}


class Device:
    """qgen: a device's noise without readout errors, from the name of the device to values, then a second call."""

    def __init__(self) -> None:
        from qgen.backends import open_backend

        self.open, self.circuit = open_backend, hqconv(SMALL)

    def __call__(self, samples: int, seed: int) -> Answer:
        (first, weights, _), (second, _, _) = (numbers(self.circuit, samples, seed + k) for k in range(2))
        started = time.perf_counter()
        executable = self.open(f"aer:{DEVICE}", noise=["gates", "relaxation"]).compile(self.circuit)
        executable.expectations(first, weights)
        between = time.perf_counter()
        executable.expectations(second, weights)
        return {"seconds": between - started, "again_seconds": time.perf_counter() - between}


class WholeDevice:
    """The same with `AerSimulator.from_backend`: the noise of all 127 qubits."""

    def __init__(self) -> None:
        from qiskit import transpile
        from qiskit_aer import AerSimulator
        from qiskit_ibm_runtime.fake_provider import FakeBrisbane

        self.snapshot, self.simulator, self.circuit = FakeBrisbane, AerSimulator, hqconv(SMALL)
        self.transpile = transpile

    def __call__(self, samples: int, seed: int) -> Answer:
        (first, weights, _), (second, _, _) = (numbers(self.circuit, samples, seed + k) for k in range(2))
        started = time.perf_counter()
        simulator = self.simulator.from_backend(self.snapshot(), method="density_matrix")
        placed = self.transpile(self.circuit.circuit, simulator, optimization_level=2, seed_transpiler=0)
        placed.save_probabilities(placed.layout.final_index_layout(), label="read")
        self._values(simulator, placed, first, weights)
        between = time.perf_counter()
        self._values(simulator, placed, second, weights)
        return {"seconds": between - started, "again_seconds": time.perf_counter() - between}

    def _values(self, simulator: Any, placed: Any, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(N, qubits): <Z> of each qubit, from the probabilities that the circuit saves."""
        bound = dict(zip(self.circuit.inputs, inputs.T.tolist(), strict=True))
        bound |= {name: [value] * len(inputs) for name, value in zip(self.circuit.weights, weights, strict=True)}
        result = simulator.run(placed, parameter_binds=[bound], runtime_parameter_bind_enable=True, shots=1).result()
        probabilities = np.array([part.data.read for part in result.results])
        bits = np.arange(probabilities.shape[1])[:, None] >> np.arange(self.circuit.qubits) & 1
        return probabilities @ (1 - 2 * bits)
