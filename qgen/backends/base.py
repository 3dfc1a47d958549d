"""The waist: what every backend is, and the one function in which everything meets.

    expectations(inputs (..., I), weights (..., W)) -> values (..., O)

Leading axes broadcast as in NumPy. Inputs vary with every image, weights are shared by many of them, and a backend is
told which sample uses which row of weights, so that the difference is never lost on the way down.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt
import torch

from qgen.circuits import LayerCircuit
from qgen.errors import BackendError, InputError

Floats = npt.NDArray[np.floating[Any]]
FLOAT_TYPES = (torch.float32, torch.float64)


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do.

    Attributes:
        exact: values are expectation values, not estimates from shots.
        noisy: a model of a device's errors, or a device, is behind the values.
        remote: running costs somebody's time or money.
        adjoint: gradients by the adjoint method.
        devices: torch device types whose tensors are used where they lie.
    """

    exact: bool
    noisy: bool = False
    remote: bool = False
    adjoint: bool = False
    devices: tuple[str, ...] = ("cpu",)


class Batch(NamedTuple):
    """Broadcast inputs and weights, flattened: sample n has inputs[n] and weights[weight_rows[n]].

    inputs: (N, I) and weights: (R, W), float32 or float64, both of one type; weight_rows: (N,), int64.
    """

    inputs: torch.Tensor
    weights: torch.Tensor
    weight_rows: torch.Tensor


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
        batch, lead = self._batch(inputs, weights)
        values = self.evaluate(batch).reshape(*lead, self.circuit.num_observables)
        if self.circuit.mixture is not None:
            values = values.mean(dim=-2)
        return values.to(torch.promote_types(inputs.dtype, weights.dtype))

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
        batch, lead = self._batch(inputs, weights)
        mixture = self.circuit.mixture
        if mixture is not None:
            upstream = (upstream / len(mixture)).unsqueeze(-2).expand(*lead, self.circuit.num_observables)
        flat = upstream.reshape(-1, self.circuit.num_observables).to(batch.inputs.dtype)
        d_inputs, d_weights = self.pull_back(batch, flat, wants)
        if d_inputs is not None:
            d_inputs = d_inputs.reshape(*lead, d_inputs.shape[-1])
            if mixture is not None:
                d_inputs = d_inputs[..., : self.circuit.num_inputs].sum(dim=-2)
            d_inputs = d_inputs.sum_to_size(inputs.shape).to(inputs.dtype)
        if d_weights is not None:
            d_weights = d_weights.reshape(weights.shape).to(weights.dtype)
        return d_inputs, d_weights

    def _batch(self, inputs: torch.Tensor, weights: torch.Tensor) -> tuple[Batch, tuple[int, ...]]:
        """The flattened batch, and its leading axes; a mixture adds a last one, for its points."""
        lead = self._check(inputs, weights)
        kind = torch.promote_types(inputs.dtype, weights.dtype)
        kind = kind if kind in FLOAT_TYPES else torch.float32
        inputs, weights = inputs.to(kind), weights.to(kind)
        inputs = inputs.expand(*lead, inputs.shape[-1])
        rows = torch.arange(prod(weights.shape[:-1]), device=inputs.device).reshape(weights.shape[:-1]).expand(lead)
        mixture = self.circuit.mixture
        if mixture is not None:
            points = torch.tensor(mixture.points, dtype=kind, device=inputs.device)
            lead = (*lead, len(mixture))
            inputs = torch.cat(
                [inputs.unsqueeze(-2).expand(*lead, inputs.shape[-1]), points.expand(*lead, points.shape[-1])], dim=-1
            )
            rows = rows.unsqueeze(-1).expand(lead)
        # Sizes are spelt out, since -1 says nothing where a circuit has no inputs or no weights.
        batch = Batch(
            inputs.reshape(prod(lead), inputs.shape[-1]),
            weights.reshape(prod(weights.shape[:-1]), weights.shape[-1]),
            rows.reshape(-1),
        )
        return batch, lead

    def _check(self, inputs: torch.Tensor, weights: torch.Tensor) -> tuple[int, ...]:
        for name, tensor, wanted in (
            ("inputs", inputs, self.circuit.num_inputs),
            ("weights", weights, self.circuit.num_weights),
        ):
            if not tensor.is_floating_point():
                raise InputError(f"{name} are of type {tensor.dtype}; give real floating-point numbers")
            if tensor.dim() == 0 or tensor.shape[-1] != wanted:
                raise InputError(
                    f"{name} have shape {tuple(tensor.shape)}, but this circuit has {wanted} {name}: "
                    f"give shape (..., {wanted})"
                )
            if tensor.device.type == "cpu" and not torch.isfinite(tensor).all():
                first = (~torch.isfinite(tensor)).nonzero()[0].tolist()
                raise InputError(f"{name}{first} is {tensor[tuple(first)].item()}: angles must be finite")
        if inputs.device != weights.device:
            raise InputError(f"inputs are on {inputs.device}, weights on {weights.device}: move one to the other")
        try:
            return tuple(torch.broadcast_shapes(inputs.shape[:-1], weights.shape[:-1]))
        except RuntimeError:
            raise InputError(
                f"leading axes {tuple(inputs.shape[:-1])} of inputs and {tuple(weights.shape[:-1])} of weights "
                "do not broadcast: they must be equal, or 1, from the last one backwards"
            ) from None


def _tensor(array: npt.ArrayLike) -> torch.Tensor:
    numbers = np.asarray(array)
    if not np.issubdtype(numbers.dtype, np.floating):
        numbers = numbers.astype(np.float64)
    return torch.from_numpy(np.ascontiguousarray(numbers))


def _together(inputs: Any, weights: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Both as tensors; an array follows the tensor beside it to its device."""
    if not isinstance(inputs, torch.Tensor):
        inputs = _tensor(inputs).to(weights.device)
    if not isinstance(weights, torch.Tensor):
        weights = _tensor(weights).to(inputs.device)
    return inputs.detach(), weights.detach()
