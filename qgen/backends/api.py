"""Backend and Executable: the interface that every backend implements, and the one call in which everything meets.

    expectations(inputs (..., I), weights (..., W), seed) -> values (..., O)

Beside it stands a second one, for the bits of single shots: `draw(inputs, weights, shots, seed) -> (..., shots, n)`.

Leading axes broadcast as in NumPy. Inputs vary with every image, weights are shared by many of them, and a backend is
passed which sample uses which row of weights, so that the difference is never lost on the way down.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias, TypeVar, overload

import numpy as np
import numpy.typing as npt
import torch

from qgen.backends.batch import Batch as Batch
from qgen.backends.batch import BatchPlan, Gradients, as_tensor, as_tensors, check_finite, make_plan, plain_batch
from qgen.backends.drawing import Bits, draw_bits
from qgen.backends.parameters import Doubles, ParameterMap
from qgen.backends.parameters.shift_form import Frequencies, parametrize_gates
from qgen.circuits import LayerCircuit
from qgen.circuits.exact_synthesis import ideal_circuit
from qgen.circuits.observables import support
from qgen.errors import BackendError, InputError
from qgen.randomness import NO_STREAMS, Seed, Streams, next_image_streams

Floats = npt.NDArray[np.floating[Any]]
#: Values, and from an upstream gradient of them to gradients of inputs and weights.
ValuesAndVJP: TypeAlias = tuple[torch.Tensor, Callable[[torch.Tensor], Gradients]]
Value = TypeVar("Value")
MOST_PLANS = 64  # batch shapes remembered by one executable


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do.

    Attributes:
        exact: values are expectation values, not estimates from shots.
        noisy: a model of a device's errors, or a device, is behind the values.
        remote: circuits run on somebody else's machine, all rows of a call as one submission.
        billed: running costs money: the backend is a `BilledBackend`, which plans and limits what it spends.
        adjoint: gradients by the adjoint method, and derivatives of these (`Executable.expectations_autograd`), unless
            `Executable.second_derivatives` says that there are none.
        shots: per circuit, for every sample and every basis that observables share: the standard error of a Pauli
            string's value is at most 1 / sqrt(shots). None where values are exact.
        countable: exact values are the default, and shots can be asked for.
        qubits: how many there are; None: as many as memory allows.
    """

    exact: bool
    noisy: bool = False
    remote: bool = False
    billed: bool = False
    adjoint: bool = False
    shots: int | None = None
    countable: bool = False
    qubits: int | None = None


class Backend(ABC):
    """A place where circuits run."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name by which `open_backend` opens it."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What the backend can do."""

    def facts(self) -> dict[str, Any]:
        """Return what else belongs into a run's provenance, as plain values: a device, the date of its calibration."""
        return {}

    def close(self) -> None:  # noqa: B027, for most there is nothing to do
        """Release what the backend holds: a batch, a file."""

    @abstractmethod
    def compile(self, circuit: LayerCircuit, weights: npt.ArrayLike | None = None) -> Executable:
        """Prepare a circuit to run: all validation and all refusals happen here, before anything is spent.

        Args:
            circuit: the circuit.
            weights: (W,), or (K, W) for K rows: what it will run with, as when a trained model is sampled. A backend
                that puts circuits onto a device binds them, for fewer gates: the executable then takes these weights
                only, refuses others, and has no gradients by weights. Elsewhere they change nothing. None: they stay
                open.

        Raises:
            InputError: weights of another shape, or not finite.
            CircuitError: the circuit holds an instruction that this backend cannot run.
            BackendError: it has more qubits than fit.
        """


class ShiftForm(NamedTuple):
    """A compiled circuit as a function of its gates' angles, which parameter-shift rules move one by one.

    Attributes:
        parameter_map: from the conditional circuit's inputs and weights (rows, I + W) to angles (rows, A).
        frequencies: of every angle; see `parametrize_gates`.
        evaluate: angles (N, A) and the rows' streams -> values (N, O).
    """

    parameter_map: ParameterMap
    frequencies: tuple[Frequencies, ...]
    evaluate: Callable[[Doubles, Streams], torch.Tensor]


class Executable(ABC):
    """A compiled circuit.

    A backend implements `evaluate` on a flat batch, and where it has an adjoint `evaluate_vjp` and `evaluate_autograd`.
    Callers use `expectations`, `vjp` and `expectations_autograd`, which take any leading axes.

    Attributes:
        draws: whether values depend on a seed, since shots or errors are drawn.
        second_derivatives: whether `expectations_autograd` serves this circuit.
        bound: whether it was compiled for fixed weights, and takes no others; see `Backend.compile`.
    """

    bound = False
    #: Whether `evaluate` itself raises `InputError` where inputs or weights are not finite.
    checks_numbers = False

    def __init__(self, circuit: LayerCircuit, backend: Backend) -> None:
        self.circuit = circuit
        self.backend = backend
        self._plans: dict[Any, BatchPlan] = {}
        self.draws = not backend.capabilities.exact
        self.second_derivatives = backend.capabilities.adjoint

    @abstractmethod
    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        """Return the expectation values (N, O) of the conditional circuit (`LayerCircuit.conditional`).

        Where anything is drawn, shots or errors, each row draws from its own stream alone: its value follows from its
        angles and its stream, on the same machine, whatever else is in the batch. A remote backend, which runs all
        rows as one, owes equal values for equal calls only.
        """

    @property
    def method(self) -> str:
        """How values are obtained, for messages: "exact", "1,024 shots", "density matrix"."""
        shots = self.backend.capabilities.shots
        return "exact" if shots is None else f"{shots:,} shots"

    @cached_property
    def shift_form(self) -> ShiftForm:
        """The circuit as a function of its angles: by default compiled once more, with the angles for inputs."""
        conditional = self.circuit.conditional
        gates = parametrize_gates(ideal_circuit(conditional.circuit), support(conditional.observables))
        compiled = self.backend.compile(gates.layer(conditional.observables))

        def evaluate(angles: Doubles, streams: Streams) -> torch.Tensor:
            return compiled.evaluate(plain_batch(torch.from_numpy(angles)), streams)

        parameter_map = gates.parameter_map(conditional.inputs + conditional.weights)
        return ShiftForm(parameter_map, gates.frequencies, evaluate)

    def on_one_layout(self, call: Callable[[], Value]) -> Value:
        """Return `call()`, which reads `shift_form` and then evaluates it, with the same form throughout.

        A backend that keeps several layouts of the circuit chooses one of them here.
        """
        return call()

    def evaluate_vjp(
        self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool], streams: Streams
    ) -> Gradients:
        """Return the gradients (N, I) and (R, W) of sum(upstream (N, O) * values); None for what is not wanted.

        The values are those of `evaluate` with the same streams: where errors are drawn, both see the same ones.
        """
        raise BackendError(
            f"backend `{self.backend.name}` has no adjoint gradients. "
            "Choose a gradient method that needs values only, or backend `statevector`."
        )

    def evaluate_with_vjp(self, batch: Batch, wants: tuple[bool, bool], streams: Streams) -> ValuesAndVJP:
        """Return the values of `evaluate`, and `evaluate_vjp` as a function of the upstream gradient.

        A backend that can go on from what it has computed for the values overrides this.
        """
        return self.evaluate(batch, streams), lambda upstream: self.evaluate_vjp(batch, upstream, wants, streams)

    def evaluate_autograd(self, batch: Batch, streams: Streams) -> torch.Tensor:
        """Return the values (N, O) of `evaluate`, by operations that autograd differentiates any number of times."""
        raise BackendError(
            f"backend `{self.backend.name}` has no derivatives of gradients. Choose backend `statevector`, or `aer` "
            "without shots."
        )

    @overload
    def expectations(self, inputs: torch.Tensor, weights: torch.Tensor, seed: Seed | None = None) -> torch.Tensor: ...
    @overload
    def expectations(self, inputs: npt.ArrayLike, weights: npt.ArrayLike, seed: Seed | None = None) -> Floats: ...
    def expectations(self, inputs: Any, weights: Any, seed: Seed | None = None) -> Any:
        """Return the expectation values of all observables.

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
            return self.expectations(as_tensor(inputs), as_tensor(weights), seed).numpy()
        inputs, weights = as_tensors(inputs, weights)
        plan = self._plan(inputs, weights)
        streams = self.streams(inputs, weights, seed)
        return plan.values(self._checked(self.evaluate, plan, inputs, weights, streams))

    def vjp(
        self,
        inputs: torch.Tensor,
        weights: torch.Tensor,
        upstream: torch.Tensor,
        wants: tuple[bool, bool],
        seed: Seed | None = None,
    ) -> Gradients:
        """Return the vector-Jacobian product: gradients of sum(upstream * expectations) for inputs and weights.

        Args:
            inputs: (..., I).
            weights: (..., W).
            upstream: (..., O), of the shape of `expectations`.
            wants: whether the gradients for inputs and for weights are wanted; the other is None.
            seed: that of the values which are differentiated; see `streams`.

        Returns:
            Gradients of the shapes and types of inputs and weights.

        Raises:
            BackendError: the backend has no adjoint.
        """
        plan, streams = self._plan(inputs, weights), self.streams(inputs, weights, seed)
        gradients = self.evaluate_vjp(plan.flatten(inputs, weights), plan.upstream(upstream), wants, streams)
        return plan.gather(gradients, inputs, weights)

    def expectations_with_vjp(
        self, inputs: torch.Tensor, weights: torch.Tensor, wants: tuple[bool, bool], seed: Seed | None = None
    ) -> ValuesAndVJP:
        """Return `expectations`, and `vjp` as a function of the upstream gradient, which may be called repeatedly.

        Args:
            inputs: (..., I).
            weights: (..., W).
            wants: whether the gradients for inputs and for weights are wanted; the other is None.
            seed: of both; see `streams`.

        Raises:
            InputError: see `expectations`.
            BackendError: from the function, where the backend has no adjoint.
        """
        plan = self._plan(inputs, weights)
        streams = self.streams(inputs, weights, seed)
        values, flat_vjp = self._checked(self.evaluate_with_vjp, plan, inputs, weights, wants, streams)

        def vjp(upstream: torch.Tensor) -> Gradients:
            return plan.gather(flat_vjp(plan.upstream(upstream)), inputs, weights)

        return plan.values(values), vjp

    def expectations_autograd(
        self, inputs: torch.Tensor, weights: torch.Tensor, seed: Seed | None = None
    ) -> torch.Tensor:
        """Return the values of `expectations` as part of torch's graph, for derivatives of gradients.

        It takes more time and memory than `expectations` with `vjp`, from which first derivatives come.

        Raises:
            BackendError: the backend has no adjoint, or none whose results can be differentiated.
        """
        plan = self._plan(inputs, weights)
        return plan.values(self.evaluate_autograd(plan.flatten(inputs, weights), self.streams(inputs, weights, seed)))

    def draw_rows(self, batch: Batch, shots: int, streams: Streams) -> Bits:
        """Return bits (N, shots, n) of the conditional circuit, all qubits read along Z; see `evaluate`."""
        raise BackendError(f"backend `{self.backend.name}` returns values only, no bits of single shots")

    @overload
    def draw(
        self, inputs: torch.Tensor, weights: torch.Tensor, shots: int, seed: Seed | None = None
    ) -> torch.Tensor: ...
    @overload
    def draw(self, inputs: npt.ArrayLike, weights: npt.ArrayLike, shots: int, seed: Seed | None = None) -> Bits: ...
    def draw(self, inputs: Any, weights: Any, shots: int, seed: Seed | None = None) -> Any:
        """Return what all qubits read along Z, shot by shot, whatever the observables are.

        Args:
            inputs: (..., I), as of `expectations`.
            weights: (..., W).
            shots: of every sample, from 1 on; the backend's own number of shots does not matter.
            seed: of shots and errors; see `streams`.

        Returns:
            (..., shots, n), uint8: qubit k of the circuit in column k. An array for arrays, a tensor for tensors.

        Raises:
            InputError: see `expectations`.
            BackendError: the backend cannot draw from this circuit, and nothing was spent; or mitigation can correct
                nothing of what was read, which hardware's journal keeps.
        """
        if not (isinstance(inputs, torch.Tensor) or isinstance(weights, torch.Tensor)):
            return self.draw(as_tensor(inputs), as_tensor(weights), shots, seed).numpy()
        return draw_bits(self, *as_tensors(inputs, weights), shots, seed)

    def batch(self, inputs: torch.Tensor, weights: torch.Tensor) -> tuple[BatchPlan, Batch]:
        """Return inputs and weights of any leading axes as one flat batch, and the plan that leads back.

        Raises:
            InputError: see `expectations`.
        """
        plan = self._plan(inputs, weights)
        check_finite("inputs", inputs)
        check_finite("weights", weights)
        return plan, plan.flatten(inputs, weights)

    def _checked(
        self, evaluate: Callable[..., Value], plan: BatchPlan, inputs: torch.Tensor, weights: torch.Tensor, *others: Any
    ) -> Value:
        """Evaluate the batch; numbers that are not finite are named by their places in the tensors."""
        if not self.checks_numbers:
            check_finite("inputs", inputs)
            check_finite("weights", weights)
            return evaluate(plan.flatten(inputs, weights), *others)
        try:
            return evaluate(plan.flatten(inputs, weights), *others)
        except InputError:
            check_finite("inputs", inputs)
            check_finite("weights", weights)
            raise

    def streams(self, inputs: torch.Tensor, weights: torch.Tensor, seed: Seed | None = None) -> Streams:
        """Return what the rows of one evaluation draw from; forward and backward pass that share it see equal errors.

        Args:
            inputs: (..., I).
            weights: (..., W).
            seed: of shots and errors, in [0, 2^63). One number: rows are told apart by their places in the batch.
                Several, of the shape of the first leading axes (one an image, say): rows are told apart by their seed
                and their places among those that share it, so that equal rows with seeds of their own get equal
                values, wherever they are. None: within `qgen.randomness.image_streams` those of the images; else the
                next number of torch's global generator, so that no two calls share what they draw and
                `torch.manual_seed` repeats it all. Where nothing is drawn none is needed, and torch's generator left
                alone.

        Raises:
            InputError: seeds that do not fit, or are out of range.
        """
        if not self.draws and (seed is None or isinstance(seed, Streams)):
            return NO_STREAMS  # at once: a step of four qubits takes little more than its way here
        return self.drawn_streams(self._plan(inputs, weights), seed)

    def drawn_streams(self, plan: BatchPlan, seed: Seed | None) -> Streams:
        """Return what the rows of a batch draw from; see `streams`."""
        if seed is None:
            # What runs all rows of a call as one cannot tell images apart.
            remote = self.backend.capabilities.remote
            own = None if remote else next_image_streams(plan.samples, plan.rows)
            seed = int(torch.randint(2**62, ())) if own is None else own
        return Streams.from_seed(seed, plan.samples, plan.rows)

    def _plan(self, inputs: torch.Tensor, weights: torch.Tensor) -> BatchPlan:
        """Return how tensors of these shapes become a batch; shapes are checked when they are first seen.

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
