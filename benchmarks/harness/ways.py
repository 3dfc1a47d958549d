"""What `backends.py` measures: the same job done by qgen and by others, each class one way of doing it.

An instance is called with a request and answers with plain values. Time is taken around the job and nothing else.
Imports are made when an instance is built, so that a process holds one library's ways only.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

Answer = dict[str, Any]
HQCONV = {"qubits": 12, "layers": 3}
SMALL = {"qubits": 4, "layers": 1}
PLAIN = ["rx", "ry", "rz", "cx"]
DEVICE = "fake_brisbane"
CALLS = 7  # of what takes a tenth of a second: their median is one measurement


def numbers(
    circuit: Any, samples: int, seed: int, observables: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs (N, I), weights (W,), gradients for the values (N, O), which are 0 but for the first few observables.

    The first samples do not depend on N.
    """
    inputs, weights, upstream = (np.random.default_rng([seed, k]) for k in range(3))
    counted = np.arange(circuit.num_observables) < (observables or circuit.num_observables)
    return (
        inputs.uniform(-np.pi, np.pi, (samples, circuit.num_inputs)),
        weights.uniform(0, 1, circuit.num_weights),  # turns
        upstream.normal(size=(samples, circuit.num_observables)) * counted,
    )


@contextmanager
def runs_of_aer() -> Iterator[list[int]]:
    """How often Aer is run meanwhile, one entry a run."""
    from qiskit_aer import AerSimulator

    run, found = AerSimulator.run, []

    def counted(simulator: Any, *given: Any, **named: Any) -> Any:
        found.append(1)
        return run(simulator, *given, **named)

    AerSimulator.run = counted
    try:
        yield found
    finally:
        AerSimulator.run = run


class Shift:
    """qgen: values and parameter-shift gradients on backend `aer`."""

    def __init__(self, shots: int | None = None) -> None:
        from qgen.backends import ParameterShift, open_backend
        from qgen.circuits import ansatz

        self.circuit, self.method = ansatz("hqconv", **HQCONV), ParameterShift()
        self.executable = open_backend("aer", shots=shots).compile(self.circuit)

    def __call__(self, samples: int, input_gradients: bool, seed: int, observables: int | None = None) -> Answer:
        import torch

        inputs, weights, upstream = map(torch.from_numpy, numbers(self.circuit, samples, seed, observables))
        wants = (input_gradients, True)
        torch.manual_seed(seed)
        with runs_of_aer() as runs:
            started = time.perf_counter()
            values, pull_back = self.method.record(self.executable, inputs, weights, wants)
            found = pull_back(upstream)
            seconds = time.perf_counter() - started
        circuits = samples * self.method.evaluations(self.executable, wants)
        answer = {"seconds": seconds, "circuits": circuits, "runs": len(runs), "values": values.tolist()}
        return answer | {"gradients": [None if one is None else one.tolist() for one in found]}


class Stock:
    """qiskit-machine-learning: `EstimatorQNN` on Aer's `EstimatorV2`, exact values, its parameter-shift gradients.

    Aer leaves bound angles of controlled rotations at zero, so the circuit is written in plain ones beforehand. That is
    done without optimisation, which would make it longer here.
    """

    def __init__(self) -> None:
        from qiskit import transpile
        from qiskit_aer.primitives import EstimatorV2
        from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
        from qiskit_machine_learning.neural_networks import EstimatorQNN

        from qgen.circuits import ansatz

        class Counted(EstimatorV2):
            circuits = 0

            def run(self, pubs: Any, **named: Any) -> Any:
                pubs = list(pubs)
                self.circuits += sum(np.asarray(pub[2]).size // pub[0].num_parameters for pub in pubs)
                return super().run(pubs, **named)

        self.circuit = ansatz("hqconv", **HQCONV)
        self.estimator = Counted(options={"default_precision": 0.0})
        plain = transpile(self.circuit.circuit, basis_gates=PLAIN, optimization_level=0)

        def network(observables: int | None) -> EstimatorQNN:
            return EstimatorQNN(
                circuit=plain,
                estimator=self.estimator,
                observables=list(self.circuit.observables)[:observables],
                input_params=list(self.circuit.inputs),
                weight_params=list(self.circuit.weights),
                gradient=ParamShiftEstimatorGradient(self.estimator),
                default_precision=0.0,
            )

        self.network = cache(network)

    def __call__(
        self, part: str, samples: int, seed: int, input_gradients: bool = False, observables: int | None = None
    ) -> Answer:
        """Either part of a step, `values` or `gradients`, for the first few observables.

        The gradients' products with the upstream ones are not timed.
        """
        inputs, weights, upstream = numbers(self.circuit, samples, seed, observables)
        network, self.estimator.circuits = self.network(observables), 0
        network.input_gradients = input_gradients
        with runs_of_aer() as runs:
            started = time.perf_counter()
            found = getattr(network, {"values": "forward", "gradients": "backward"}[part])(inputs, weights)
            seconds = time.perf_counter() - started
        answer = {"seconds": seconds, "circuits": self.estimator.circuits, "runs": len(runs)}
        if part == "values":
            return answer | {"values": found.tolist()}
        upstream = upstream[:, :observables]
        d_inputs = np.einsum("no,noi->ni", upstream, found[0]).tolist() if input_gradients else None
        return answer | {"gradients": [d_inputs, np.einsum("no,now->w", upstream, found[1]).tolist()]}


class Values:
    """qgen: values on backend `aer`."""

    def __init__(self) -> None:
        from qgen.backends import open_backend
        from qgen.circuits import ansatz

        self.circuit = ansatz("hqconv", **HQCONV)
        self.executable = open_backend("aer").compile(self.circuit)

    def __call__(self, samples: int, seed: int) -> Answer:
        inputs, weights, _ = numbers(self.circuit, samples, seed)
        times = []
        for _ in range(CALLS):
            started = time.perf_counter()
            values = self.executable.expectations(inputs, weights)
            times.append(time.perf_counter() - started)
        return {"seconds": statistics.median(times), "values": values.tolist()}


class Broadcast:
    """Aer's `EstimatorV2` as well as it can be called: one PUB of all samples and observables, bound at run time."""

    def __init__(self) -> None:
        from qiskit import transpile
        from qiskit_aer.primitives import EstimatorV2

        from qgen.circuits import ansatz

        self.circuit = ansatz("hqconv", **HQCONV)
        self.plain = transpile(self.circuit.circuit, basis_gates=PLAIN, optimization_level=0)
        options = {"default_precision": 0.0, "run_options": {"runtime_parameter_bind_enable": True}}
        self.estimator = EstimatorV2(options=options)

    def __call__(self, samples: int, seed: int) -> Answer:
        inputs, weights, _ = numbers(self.circuit, samples, seed)
        started = time.perf_counter()
        table = np.concatenate([inputs, np.tile(weights, (samples, 1))], axis=1)[:, None]
        bound = {(*self.circuit.inputs, *self.circuit.weights): table}
        values = self.estimator.run([(self.plain, list(self.circuit.observables), bound)]).result()[0].data.evs
        return {"seconds": time.perf_counter() - started, "values": values.tolist()}


class Device:
    """qgen: a device's noise, from the name of the device to values, then a second call."""

    def __init__(self) -> None:
        started = time.perf_counter()
        from qgen.backends import open_backend
        from qgen.circuits import ansatz

        self.open, self.circuit = open_backend, ansatz("hqconv", **SMALL)
        self.imports = time.perf_counter() - started

    def __call__(self, samples: int, seed: int) -> Answer:
        (first, weights, _), (second, _, _) = (numbers(self.circuit, samples, seed + k) for k in range(2))
        started = time.perf_counter()
        executable = self.open(f"aer:{DEVICE}").compile(self.circuit)
        executable.expectations(first, weights)
        between = time.perf_counter()
        executable.expectations(second, weights)
        seconds, again = between - started, time.perf_counter() - between
        return {"seconds": seconds, "again_seconds": again, "import_seconds": self.imports}


class WholeDevice:
    """The same with `AerSimulator.from_backend`: the noise of all 127 qubits, without readout errors."""

    def __init__(self) -> None:
        started = time.perf_counter()
        from qiskit_aer import AerSimulator
        from qiskit_ibm_runtime.fake_provider import FakeBrisbane

        from qgen.circuits import ansatz

        self.snapshot, self.simulator, self.circuit = FakeBrisbane, AerSimulator, ansatz("hqconv", **SMALL)
        self.imports = time.perf_counter() - started

    def __call__(self, samples: int, seed: int) -> Answer:
        from qiskit import transpile

        (first, weights, _), (second, _, _) = (numbers(self.circuit, samples, seed + k) for k in range(2))
        started = time.perf_counter()
        simulator = self.simulator.from_backend(self.snapshot(), method="density_matrix")
        placed = transpile(self.circuit.circuit, simulator, optimization_level=2, seed_transpiler=0)
        placed.save_probabilities(placed.layout.final_index_layout(), label="read")
        self._values(simulator, placed, first, weights)
        between = time.perf_counter()
        self._values(simulator, placed, second, weights)
        seconds, again = between - started, time.perf_counter() - between
        return {"seconds": seconds, "again_seconds": again, "import_seconds": self.imports}

    def _values(self, simulator: Any, placed: Any, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
        bound = dict(zip(self.circuit.inputs, inputs.T.tolist(), strict=True))
        bound |= {name: [value] * len(inputs) for name, value in zip(self.circuit.weights, weights, strict=True)}
        return values_of_z(simulator, placed, bound, self.circuit.qubits)


class OnePlacement:
    """How far `Device`, without readout errors, is from the noise of all 127 qubits on the same placed circuit.

    Transpilers may place a circuit differently for the one and the other: values then differ because qubits do.
    """

    def __call__(self, samples: int, seed: int) -> Answer:
        from qiskit_aer import AerSimulator
        from qiskit_ibm_runtime.fake_provider import FakeBrisbane

        from qgen.backends import open_backend
        from qgen.circuits import ansatz

        circuit = ansatz("hqconv", **SMALL)
        inputs, weights, _ = numbers(circuit, samples, seed)
        executable = open_backend(f"aer:{DEVICE}", noise=["gates", "relaxation"]).compile(circuit)
        placement = executable.placement
        (placed,) = placement.physical_circuits(measure=False)
        placed.save_probabilities([placement.physical[wire] for wire in placement.wires], label="read")
        angles = placement.angles.values(np.concatenate([inputs, np.tile(weights, (samples, 1))], axis=1))
        bound = dict(zip(placement.parameters, angles.T.tolist(), strict=True))
        simulator = AerSimulator.from_backend(FakeBrisbane(), method="density_matrix")
        whole = values_of_z(simulator, placed, bound, circuit.qubits)
        return {"difference": float(np.abs(executable.expectations(inputs, weights) - whole).max())}


def values_of_z(simulator: Any, circuit: Any, bound: dict[Any, list[float]], qubits: int) -> np.ndarray:
    """(N, qubits): <Z> of each qubit, from the probabilities that the circuit saves as `read`."""
    result = simulator.run(circuit, parameter_binds=[bound], runtime_parameter_bind_enable=True, shots=1).result()
    chances = np.array([one.data.read for one in result.results])
    return chances @ (1 - 2 * (np.arange(chances.shape[1])[:, None] >> np.arange(qubits) & 1))
