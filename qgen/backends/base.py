"""The waist: what every backend is, and the one function in which everything meets.

    expectations(inputs (..., I), weights (..., W)) -> values (..., O)

Leading axes broadcast as in NumPy. Inputs vary with every image, weights are shared by many of them, and a backend is
told which sample uses which row of weights, so that the difference is never lost on the way down.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar, overload

import numpy as np
import numpy.typing as npt
import torch

from qgen.backends.angle_form import Frequencies, angle_form
from qgen.backends.angles import Angles, Doubles
from qgen.backends.batching import Batch as Batch
from qgen.backends.batching import BatchPlan, check_finite, make_plan, plain_batch
from qgen.circuits import LayerCircuit
from qgen.circuits.exact_synthesis import ideal_circuit
from qgen.circuits.observables import support
from qgen.errors import BackendError, InputError
from qgen.randomness import NOTHING_DRAWN, Seed, Streams, next_streams

Floats = npt.NDArray[np.floating[Any]]
Value = TypeVar("Value")
MOST_PLANS = 64  # batch shapes remembered by one executable


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do.

    Attributes:
        exact: values are expectation values, not estimates from shots.
        noisy: a model of a device's errors, or a device, is behind the values.
        remote: running costs somebody's time or money.
        adjoint: gradients by the adjoint method, and derivatives of these (`Executable.traced`).
        shots: how often each circuit is measured, for every sample and every basis that observables share: the standard
            error of a Pauli string's value is at most 1 / sqrt(shots). None where values are exact.
        countable: exact values are the default, and shots can be asked for.
        qubits: how many there are; None: as many as memory allows.
    """

    exact: bool
    noisy: bool = False
    remote: bool = False
    adjoint: bool = False
    shots: int | None = None
    countable: bool = False
    qubits: int | None = None


class Backend(ABC):
    """A place where circuits run."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name that `open_backend` knows it by."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def facts(self) -> dict[str, Any]:
        """What else a run's provenance should say of it, in plain values: a device, the date of its calibration."""
        return {}

    def close(self) -> None:  # noqa: B027, for most there is nothing to do
        """Lets go of what it holds: a batch, a file."""

    @abstractmethod
    def compile(self, circuit: LayerCircuit) -> Executable:
        """Prepare a circuit to run: all validation and all refusals happen here, before anything is spent.

        Raises:
            CircuitError: the circuit holds an instruction that this backend cannot run.
            BackendError: it has more qubits than fit.
        """


class Angled(NamedTuple):
    """A compiled circuit in its angles, which parameter-shift rules move one by one.

    Attributes:
        angles: from the conditional circuit's inputs and weights (rows, I + W) to angles (rows, A).
        frequencies: of every angle; see `angle_form`.
        evaluate: angles (N, A) and the rows' streams -> values (N, O).
    """

    angles: Angles
    frequencies: tuple[Frequencies, ...]
    evaluate: Callable[[Doubles, Streams], torch.Tensor]


class Executable(ABC):
    """A compiled circuit. A backend fills in `evaluate`; `pull_back` and `traced` where it has an adjoint."""

    def __init__(self, circuit: LayerCircuit, backend: Backend) -> None:
        self.circuit = circuit
        self.backend = backend
        self._plans: dict[Any, BatchPlan] = {}
        self._exact = backend.capabilities.exact

    @abstractmethod
    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        """Expectation values (N, O) of the conditional circuit (`LayerCircuit.conditional`).

        Where anything is drawn, shots or errors, each row draws from its own stream alone: its value follows from its
        angles and its stream, on the same machine, whatever else is in the batch. A remote backend, which runs all
        rows as one, owes equal values for equal calls only.
        """

    @property
    def method(self) -> str:
        """How its values come about, in words: "exact", "1,024 shots", "density matrix"."""
        shots = self.backend.capabilities.shots
        return "exact" if shots is None else f"{shots:,} shots"

    @cached_property
    def angled(self) -> Angled:
        """The circuit in its angles: by default compiled once more on the same backend, with angles for inputs."""
        conditional = self.circuit.conditional
        form = angle_form(ideal_circuit(conditional.circuit), support(conditional.observables))
        compiled = self.backend.compile(form.layer(conditional.observables))

        def evaluate(angles: Doubles, streams: Streams) -> torch.Tensor:
            return compiled.evaluate(plain_batch(torch.from_numpy(angles)), streams)

        return Angled(form.angles(conditional.inputs + conditional.weights), form.frequencies, evaluate)

    def settled(self, call: Callable[[], Value]) -> Value:
        """What something returns that asks for `angled`, and then for values at angles of it.

        A backend that may have several forms of the circuit runs it for one of them.
        """
        return call()

    def pull_back(
        self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool], streams: Streams
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Gradients (N, I) and (R, W) of sum(upstream (N, O) * values), for those that are wanted; None for others.

        The values are those of `evaluate` with the same streams: where errors are drawn, both see the same ones.
        """
        raise BackendError(
            f"backend `{self.backend.name}` has no adjoint gradients. "
            "Choose a gradient method that needs values only, or backend `statevector`."
        )

    def traced(self, batch: Batch, streams: Streams) -> torch.Tensor:
        """The values (N, O) of `evaluate`, by torch operations that autograd differentiates any number of times."""
        raise BackendError(
            f"backend `{self.backend.name}` has no derivatives of gradients. Choose backend `statevector`, or `aer` "
            "without shots."
        )

    @overload
    def expectations(self, inputs: torch.Tensor, weights: torch.Tensor, seed: Seed | None = None) -> torch.Tensor: ...
    @overload
    def expectations(self, inputs: npt.ArrayLike, weights: npt.ArrayLike, seed: Seed | None = None) -> Floats: ...
    def expectations(self, inputs: Any, weights: Any, seed: Seed | None = None) -> Any:
        """Expectation values of all observables.

        Args:
            inputs: (..., I), radians or whatever the circuit's expressions take. Tensors stay on their device.
            weights: (..., W). Leading axes broadcast against those of `inputs`.
            seed: of shots and errors, where any are drawn; see `streams`.

        Returns:
            (..., O), of the type that inputs and weights promote to; an array for arrays, a tensor for tensors.

        Raises:
            InputError: a wrong last axis, leading axes that do not broadcast, NaN or infinity (checked on the CPU);
                seeds that do not fit.
        """
        if not (isinstance(inputs, torch.Tensor) or isinstance(weights, torch.Tensor)):
            return self.expectations(_tensor(inputs), _tensor(weights), seed).numpy()
        inputs, weights = _together(inputs, weights)
        plan, batch = self.batch(inputs, weights)
        return plan.values(self.evaluate(batch, self.streams(inputs, weights, seed)))

    def adjoint(
        self,
        inputs: torch.Tensor,
        weights: torch.Tensor,
        upstream: torch.Tensor,
        wants: tuple[bool, bool],
        seed: Seed | None = None,
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """The vector-Jacobian product: gradients of sum(upstream * expectations) for inputs and weights.

        Args:
            inputs: (..., I).
            weights: (..., W).
            upstream: (..., O), of the shape of `expectations`.
            wants: whether the gradients for inputs and for weights are wanted; the other is None.
            seed: that of the values which are differentiated; see `streams`.

        Returns:
            Gradients of the shapes and types of inputs and weights.
        """
        plan, streams = self._plan(inputs, weights), self.streams(inputs, weights, seed)
        gradients = self.pull_back(plan.flatten(inputs, weights), plan.upstream(upstream), wants, streams)
        return plan.gather(gradients, inputs, weights)

    def differentiable(self, inputs: torch.Tensor, weights: torch.Tensor, seed: Seed | None = None) -> torch.Tensor:
        """The values of `expectations` as a step of autograd's own, for derivatives of gradients: see `traced`.

        It takes more time and memory than `expectations` with `adjoint`, which first derivatives come from.

        Raises:
            BackendError: the backend has no adjoint.
        """
        plan = self._plan(inputs, weights)
        return plan.values(self.traced(plan.flatten(inputs, weights), self.streams(inputs, weights, seed)))

    def batch(self, inputs: torch.Tensor, weights: torch.Tensor) -> tuple[BatchPlan, Batch]:
        """Inputs and weights of any leading axes as one flat batch, and the way back.

        Raises:
            InputError: see `expectations`.
        """
        plan = self._plan(inputs, weights)
        check_finite("inputs", inputs)
        check_finite("weights", weights)
        return plan, plan.flatten(inputs, weights)

    def streams(self, inputs: torch.Tensor, weights: torch.Tensor, seed: Seed | None = None) -> Streams:
        """What the rows of one evaluation draw from: the same for forward and backward, if both are given it as seed.

        Args:
            inputs: (..., I).
            weights: (..., W).
            seed: of shots and errors, in [0, 2^63). One number: rows are told apart by their places in the batch.
                Several, of the shape of the first leading axes (one an image, say): rows are told apart by their seed
                and their places among those that share it, so that equal rows with seeds of their own get equal
                values, wherever they are. None: within `qgen.randomness.for_images` those of the images; else the next
                number of torch's global generator, so that no two calls share what they draw and `torch.manual_seed`
                repeats it all. Exact values need none, and leave torch's generator alone.

        Raises:
            InputError: seeds that do not fit, or are out of range.
        """
        if self._exact and (seed is None or isinstance(seed, Streams)):
            return NOTHING_DRAWN  # at once: a step of four qubits takes little more than its way here
        plan, capabilities = self._plan(inputs, weights), self.backend.capabilities
        if seed is None:
            # What runs all rows of a call as one cannot tell images apart.
            own = None if capabilities.remote else next_streams(plan.samples, plan.rows)
            seed = int(torch.randint(2**62, ())) if own is None else own
        return Streams.of(seed, plan.samples, plan.rows)

    def _plan(self, inputs: torch.Tensor, weights: torch.Tensor) -> BatchPlan:
        """How tensors of these shapes become a batch; shapes are checked at their first sight.

        Raises:
            InputError: see `expectations`.
        """
        key = (inputs.shape, weights.shape, inputs.dtype, weights.dtype, inputs.device, weights.device)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            with torch.inference_mode(False):  # what is made in inference mode can never be part of a graph
                plan = self._plans[key] = make_plan(self.circuit, inputs, weights)
        return plan


def _tensor(array: npt.ArrayLike) -> torch.Tensor:
    numbers = np.asarray(array)
    if not (np.isrealobj(numbers) and np.can_cast(numbers.dtype, np.float64)):
        raise InputError(f"inputs and weights have to be real numbers, not of type {numbers.dtype}")
    return torch.tensor(numbers if np.issubdtype(numbers.dtype, np.floating) else numbers.astype(np.float64))


def _together(inputs: Any, weights: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Both as tensors; an array follows the tensor beside it to its device."""
    if not isinstance(inputs, torch.Tensor):
        inputs = _tensor(inputs).to(weights.device)
    if not isinstance(weights, torch.Tensor):
        weights = _tensor(weights).to(inputs.device)
    return inputs, weights
