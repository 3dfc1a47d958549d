"""The tasks of `backends.py`: the same numbers computed by qgen and by others, a function for each way.

A worker calls one, which returns what answers each request with plain values. Time is taken around the computation and
nothing else. Imports are made in the functions, so that a process holds one library only.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

Answer = dict[str, Any]
HQCONV = {"qubits": 12, "layers": 3}
SMALL = {"qubits": 4, "layers": 1}
DEVICE = "fake_brisbane"


def hqconv(size: dict[str, int]) -> Any:
    from qgen.circuits import ansatz

    return ansatz("hqconv", **size)


def draw(circuit: Any, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs (N, I), weights in turns (W,), gradients for the values (N, O); the first samples do not depend on N."""
    inputs, weights, upstream = (np.random.default_rng([seed, k]) for k in range(3))
    return (
        inputs.uniform(-np.pi, np.pi, (samples, circuit.num_inputs)),
        weights.uniform(0, 1, circuit.num_weights),
        upstream.normal(size=(samples, circuit.num_observables)),
    )


def count_runs() -> Counter[str]:
    """Counts Aer's runs in this process from now on, and the circuits in them."""
    from qiskit_aer import AerSimulator

    run, counts = AerSimulator.run, Counter()

    def counted(self: Any, circuits: Any, *args: Any, parameter_binds: Any = None, **kwargs: Any) -> Any:
        bindings = [len(next(iter(bound.values()))) for bound in parameter_binds or ()]
        counts.update(runs=1, circuits=sum(bindings) or len(circuits))
        return run(self, circuits, *args, parameter_binds=parameter_binds, **kwargs)

    AerSimulator.run = counted
    return counts


def qgen_on_aer(shots: int | None = None) -> Callable[..., Answer]:
    """Backend `aer`: values, and parameter-shift gradients of weights, or of inputs too."""
    import torch

    from qgen.backends import ParameterShift, open_backend

    circuit, method, counts = hqconv(HQCONV), ParameterShift(), count_runs()
    executable = open_backend("aer", shots=shots).compile(circuit)

    def answer(samples: int, seed: int, input_gradients: bool | None = None) -> Answer:
        """Values, and gradients unless `input_gradients` is None."""
        inputs, weights, upstream = map(torch.from_numpy, draw(circuit, samples, seed))
        torch.manual_seed(seed)
        counts.clear()
        started, circuits = time.perf_counter(), samples
        if input_gradients is None:
            found = [executable.expectations(inputs.numpy(), weights.numpy())]
        else:
            values, vjp = method.value_and_vjp(executable, inputs, weights, (input_gradients, True))
            found = [values, *(gradient for gradient in vjp(upstream) if gradient is not None)]
            circuits *= method.evaluations(executable, (input_gradients, True))
        # Not as Aer counts them: several samples may share a binding.
        timed = {"seconds": time.perf_counter() - started, **counts, "circuits": circuits}
        return timed | ({"numbers": [part.tolist() for part in found]} if shots is None else {})

    return answer


def estimator_qnn() -> Callable[..., Answer]:
    """qiskit-machine-learning: `EstimatorQNN` on Aer's `EstimatorV2`, exact values, its parameter-shift gradients."""
    from peers.on_torch import estimator_network

    circuit, counts = hqconv(HQCONV), count_runs()
    observables = list(circuit.observables)
    network = estimator_network(circuit.circuit, observables, circuit.inputs, circuit.weights)

    def answer(samples: int, seed: int, input_gradients: bool | None = None) -> Answer:
        """Values, and gradients unless `input_gradients` is None; products with the upstream ones are not timed."""
        inputs, weights, upstream = draw(circuit, samples, seed)
        network.input_gradients = bool(input_gradients)
        counts.clear()
        started = time.perf_counter()
        found, gradients = [network.forward(inputs, weights)], (None, None)
        if input_gradients is not None:
            gradients = network.backward(inputs, weights)
        timed = {"seconds": time.perf_counter() - started, **counts}
        for gradient, product in zip(gradients, ("no,noi->ni", "no,now->w"), strict=True):
            if gradient is not None:
                found.append(np.einsum(product, upstream, gradient))
        return timed | {"numbers": [part.tolist() for part in found]}

    return answer


def estimator_by_hand() -> Callable[..., Answer]:
    """Aer's `EstimatorV2` as well as it can be called: one PUB of all samples and observables, bound at run time."""
    from qiskit import transpile
    from qiskit_aer.primitives import EstimatorV2

    circuit, counts = hqconv(HQCONV), count_runs()
    plain = transpile(circuit.circuit, basis_gates=["rx", "ry", "rz", "cx"], optimization_level=0)
    options = {"default_precision": 0.0, "run_options": {"runtime_parameter_bind_enable": True}}
    estimator = EstimatorV2(options=options)

    def answer(samples: int, seed: int) -> Answer:
        inputs, weights, _ = draw(circuit, samples, seed)
        counts.clear()
        started = time.perf_counter()
        table = np.concatenate([inputs, np.tile(weights, (samples, 1))], axis=1)[:, None]
        bound = {(*circuit.inputs, *circuit.weights): table}
        values = estimator.run([(plain, list(circuit.observables), bound)]).result()[0].data.evs
        return {"seconds": time.perf_counter() - started, **counts, "numbers": [values.tolist()]}

    return answer


def _opened_and_called_twice(circuit: Any, compiled: Callable[[], Any]) -> Callable[..., Answer]:
    """Times opening something and its first values, then a second call."""

    def answer(samples: int, seed: int) -> Answer:
        (first, weights, _), (second, _, _) = (draw(circuit, samples, seed + k) for k in range(2))
        started = time.perf_counter()
        values = compiled()
        values(first, weights)
        between = time.perf_counter()
        values(second, weights)
        return {"seconds": between - started, "again_seconds": time.perf_counter() - between}

    return answer


def qgen_on_device() -> Callable[..., Answer]:
    """A device's noise without readout errors, from the name of the device to values, then a second call."""
    from qgen.backends import open_backend

    circuit, name = hqconv(SMALL), f"aer:{DEVICE}"
    return _opened_and_called_twice(
        circuit, lambda: open_backend(name, noise=["gates", "relaxation"]).compile(circuit).expectations
    )


def aer_on_device() -> Callable[..., Answer]:
    """The same with `AerSimulator.from_backend`: the noise of all 127 qubits."""
    from qiskit import transpile
    from qiskit_aer import AerSimulator
    from qiskit_ibm_runtime.fake_provider import FakeBrisbane

    circuit = hqconv(SMALL)

    def compiled() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        simulator = AerSimulator.from_backend(FakeBrisbane(), method="density_matrix")
        placed = transpile(circuit.circuit, simulator, optimization_level=2, seed_transpiler=0)
        placed.save_probabilities(placed.layout.final_index_layout(), label="read")

        def values(inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
            """(N, qubits): <Z> of each qubit, from the probabilities that the circuit saves."""
            bound = dict(zip(circuit.inputs, inputs.T.tolist(), strict=True))
            bound |= {name: [value] * len(inputs) for name, value in zip(circuit.weights, weights, strict=True)}
            result = simulator.run(
                placed, parameter_binds=[bound], runtime_parameter_bind_enable=True, shots=1
            ).result()
            probabilities = np.array([part.data.read for part in result.results])
            bits = np.arange(probabilities.shape[1])[:, None] >> np.arange(circuit.qubits) & 1
            return probabilities @ (1 - 2 * bits)

        return values

    return _opened_and_called_twice(circuit, compiled)
