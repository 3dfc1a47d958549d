"""Noisy circuits to measure, what contenders take for values and gradients, and what others take at the same error."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from peers.noisy import repeated
from qiskit.circuit import Parameter

from qgen.backends import open_backend
from qgen.backends.api import Executable
from qgen.circuits import ansatz

WHAT = ("values", "gradient")
#: Errors below this are rounding.
EXACT = 1e-6
#: CPU seconds of a call after which it is not repeated.
LONG = 5.0
#: CPU seconds of all threads for a sample, numbers, and standard errors of what is sampled.
Result = tuple[float, np.ndarray, np.ndarray | None]


@dataclass
class Case:
    """HQConv on a device, or on a noise file, with angles for a batch."""

    qubits: int
    batch: int
    device: str
    layers: int = 3

    def __post_init__(self) -> None:
        self.circuit = ansatz("hqconv", qubits=self.qubits, layers=self.layers)
        rng = np.random.default_rng(1)
        self.inputs = torch.from_numpy(rng.uniform(-3, 3, (self.batch, self.circuit.num_inputs)))
        self.weights = torch.from_numpy(rng.uniform(-3, 3, self.circuit.num_weights))
        self.upstream = torch.from_numpy(rng.normal(size=(self.batch, self.circuit.num_observables)))

    def __str__(self) -> str:
        return f"HQConv, {self.qubits} qubits, {self.layers} layers, batch {self.batch}"

    def compiled(self, backend: str = "noisy", **options: Any) -> Executable:
        """The circuit on a backend with the device's noise."""
        return open_backend(f"{backend}:{self.device}", **options).compile(self.circuit)

    def values(self, executable: Executable, seed: int, samples: int | None = None) -> np.ndarray:
        """Values (samples, O)."""
        return executable.expectations(self.inputs[:samples], self.weights, seed).numpy()

    def gradient(self, executable: Executable, seed: int) -> np.ndarray:
        """The gradient for the weights, values included."""
        executable.expectations(self.inputs, self.weights, seed)
        return executable.vjp(self.inputs, self.weights, self.upstream, (False, True), seed)[1].numpy()

    def elsewhere(self, executable: Executable) -> None:
        """A value at other weights: what a method remembers of the last ones is gone."""
        executable.expectations(self.inputs[:1], self.weights + 1, 0)

    @cached_property
    def placed(self) -> Any:
        """The executable whose placement all share."""
        return self.compiled(method="paths", paths=1)

    @property
    def parameters(self) -> np.ndarray:
        """Inputs and weights of each sample."""
        return torch.cat([self.inputs, self.weights.expand(self.batch, -1)], dim=1).numpy()

    def of_weights(self, angles: np.ndarray) -> np.ndarray:
        """The gradient for the weights, from that for the angles (batch, C)."""
        return self.placed.routed.parameter_map.vjp(self.parameters, angles)[:, self.circuit.num_inputs :].sum(0)

    def described(self, noise: dict[str, float], paths: int) -> dict[str, Any]:
        """The placed circuit in plain values; see `peers.noisy.Library.build`."""
        routed, gates = self.placed.routed, []
        columns = {parameter: k for k, parameter in enumerate(routed.parameters)}
        body = routed.circuits[0]
        for one in body.data:
            wires = [body.find_bit(qubit).index for qubit in one.qubits]
            angle = next(iter(one.operation.params), None)
            opened = isinstance(angle, Parameter)
            value = None if opened or angle is None else float(angle)
            gates.append((one.operation.name, wires, columns[angle] if opened else None, value))
        return {
            "wires": len(routed.physical),
            "gates": gates,
            "measured": list(routed.wires),
            "noise": noise,
            "angles": routed.parameter_map.values(self.parameters).tolist(),
            "upstream": self.upstream.tolist(),
            "paths": paths,
        }


@dataclass
class Contender:
    """One way to values or gradients, and what was measured of it.

    Attributes:
        name: of the way.
        what: "values" or "gradient".
        call: of a seed.
        sampled: whether its error falls with the root of the time spent.
        allowed: what exact values may be off by.
        seconds: of the rounds, a sample.
        errors: of the rounds: root mean squares of values' errors, or of gradients' relative to their norm.
        expected: the same by the standard errors, where values are sampled.
    """

    name: str
    what: str
    call: Callable[[int], Result]
    sampled: bool = False
    allowed: float = EXACT
    seconds: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    expected: list[float] = field(default_factory=list)

    def take(self, seed: int, truth: np.ndarray | None = None) -> np.ndarray:
        """One round."""
        seconds, numbers, errors = self.call(seed)
        truth = numbers if truth is None else truth[: len(numbers)]
        scale = 1.0 if self.what == "values" else root_mean_square(truth)
        self.seconds.append(seconds)
        self.errors.append(root_mean_square(numbers - truth) / scale)
        if errors is not None:
            self.expected.append(root_mean_square(errors))
        return numbers

    @property
    def median(self) -> float:
        """CPU seconds a sample."""
        return statistics.median(self.seconds)

    @property
    def error(self) -> float:
        """Over the rounds."""
        return root_mean_square(np.array(self.errors))

    @property
    def right(self) -> bool:
        """Whether numbers are exact, or values off by no more than twice what their spread says."""
        allowed = 2 * root_mean_square(np.array(self.expected)) if self.expected else self.allowed
        return (self.sampled and not self.expected) or self.error <= allowed


def root_mean_square(numbers: np.ndarray) -> float:
    return float(np.sqrt(np.square(numbers).mean()))


def timed(samples: int, call: Callable[[int], np.ndarray], before: Callable[[], None], seed: int) -> Result:
    """Times a call, and not what comes before it."""
    seconds, numbers = repeated(lambda: call(seed), before)
    return seconds / samples, numbers, None


class Cost(NamedTuple):
    """What one way takes: CPU seconds a sample, at which error, and whether its square falls with the time spent."""

    seconds: float
    error: float = 0.0
    sampled: bool = False

    def at(self, error: float) -> float:
        """CPU seconds a sample at another error; infinite where it is out of reach."""
        error = 0.0 if error < EXACT else error
        if self.sampled:
            return self.seconds * (self.error / error) ** 2 if error else float("inf")
        return self.seconds if self.error <= max(error, EXACT) else float("inf")


#: Ways of one library, for values and for gradients.
Costs = dict[str, list[Cost]]


def seconds_at(costs: Costs, what: str, error: float) -> float:
    """Of the better way of a library."""
    return min((cost.at(error) for cost in costs[what]), default=float("inf"))


def shift_variance(case: Case, spread: np.ndarray, gradient: np.ndarray) -> float:
    """The squared relative error of a parameter-shift gradient from values with this variance (batch, O).

    An angle's slope is half the difference of two values, and has half the variance sum_o g_o^2 spread_o. A weight's
    slope is a sum over angles, and the gradient's over the samples of the batch.
    """
    table = case.placed.routed.parameter_map
    first = np.repeat(case.parameters[:1], table.count, axis=0)
    slopes = table.vjp(first, np.eye(table.count))[:, case.circuit.num_inputs :]
    squares = float((np.square(case.upstream.numpy()) * spread).sum() / 2 * np.square(slopes).sum())
    return squares / float(np.square(gradient).sum())
