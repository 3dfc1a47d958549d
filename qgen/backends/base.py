"""The waist: what every backend is, and the one function in which everything meets.

    expectations(inputs (..., I), weights (..., W)) -> values (..., O)

Leading axes broadcast as in NumPy. Inputs vary with every image, weights are shared by many of them, and a backend is
told which sample uses which row of weights, so that the difference is never lost on the way down.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch

from qgen.backends.batching import Batch as Batch
from qgen.backends.batching import BatchPlan, check_finite, make_plan
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError, InputError

Floats = npt.NDArray[np.floating[Any]]
MOST_PLANS = 64  # batch shapes remembered by one executable


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do.

    Attributes:
        exact: values are expectation values, not estimates from shots.
        noisy: a model of a device's errors, or a device, is behind the values.
        remote: running costs somebody's time or money.
        adjoint: gradients by the adjoint method.
    """

    exact: bool
    noisy: bool = False
    remote: bool = False
    adjoint: bool = False


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

    @abstractmethod
    def compile(self, circuit: LayerCircuit) -> Executable:
        """Prepare a circuit to run: all validation and all refusals happen here, before anything is spent.

        Raises:
            CircuitError: the circuit holds an instruction that this backend cannot run.
            BackendError: it has more qubits than fit.
        """


class Executable(ABC):
    """A compiled circuit. A backend fills in `evaluate`, and `pull_back` where it has an adjoint."""

    def __init__(self, circuit: LayerCircuit, backend: Backend) -> None:
        self.circuit = circuit
        self.backend = backend
        self._plans: dict[Any, BatchPlan] = {}

    @abstractmethod
    def evaluate(self, batch: Batch) -> torch.Tensor:
        """Expectation values (N, O) of the conditional circuit (`LayerCircuit.conditional`)."""

    def pull_back(
        self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool]
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Gradients (N, I) and (R, W) of sum(upstream (N, O) * values), for those that are wanted; None for others."""
        raise BackendError(
            f"backend `{self.backend.name}` has no adjoint gradients. "
            "Choose a gradient method that needs values only, or backend `statevector`."
        )

    @overload
    def expectations(self, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor: ...
    @overload
    def expectations(self, inputs: npt.ArrayLike, weights: npt.ArrayLike) -> Floats: ...
    def expectations(self, inputs: Any, weights: Any) -> Any:
        """Expectation values of all observables.

        Args:
            inputs: (..., I), radians or whatever the circuit's expressions take. Tensors stay on their device.
            weights: (..., W). Leading axes broadcast against those of `inputs`.

        Returns:
            (..., O), of the type that inputs and weights promote to; an array for arrays, a tensor for tensors.

        Raises:
            InputError: a wrong last axis, leading axes that do not broadcast, NaN or infinity (checked on the CPU).
        """
        if not (isinstance(inputs, torch.Tensor) or isinstance(weights, torch.Tensor)):
            return self.expectations(_tensor(inputs), _tensor(weights)).numpy()
        inputs, weights = _together(inputs, weights)
        plan = self._plan(inputs, weights)
        check_finite("inputs", inputs)
        check_finite("weights", weights)
        values = self.evaluate(plan.flatten(inputs, weights)).reshape(*plan.lead, self.circuit.num_observables)
        if self.circuit.mixture is not None:
            values = values.mean(dim=-2)
        return values.to(plan.result)

    def adjoint(
        self, inputs: torch.Tensor, weights: torch.Tensor, upstream: torch.Tensor, wants: tuple[bool, bool]
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """The vector-Jacobian product: gradients of sum(upstream * expectations) for inputs and weights.

        Args:
            inputs: (..., I).
            weights: (..., W).
            upstream: (..., O), of the shape of `expectations`.
            wants: whether the gradients for inputs and for weights are wanted; the other is None.

        Returns:
            Gradients of the shapes and types of inputs and weights.
        """
        plan = self._plan(inputs, weights)
        batch = plan.flatten(inputs, weights)
        mixture = self.circuit.mixture
        if mixture is not None:
            upstream = (upstream / len(mixture)).unsqueeze(-2).expand(*plan.lead, self.circuit.num_observables)
        flat = upstream.reshape(len(batch.inputs), self.circuit.num_observables).contiguous()
        d_inputs, d_weights = self.pull_back(batch, flat, wants)
        if d_inputs is not None:
            d_inputs = plan.gather_inputs(d_inputs, inputs.shape).to(inputs.dtype)
        if d_weights is not None:
            d_weights = plan.gather_weights(d_weights, weights.shape).to(weights.dtype)
        return d_inputs, d_weights

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
