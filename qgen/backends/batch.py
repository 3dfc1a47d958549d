"""From inputs and weights of any leading axes to one flat batch, and from the batch's gradients back."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from qgen.circuits import LayerCircuit
from qgen.errors import InputError

FLOAT_TYPES = (torch.float32, torch.float64)
Gradients: TypeAlias = tuple[torch.Tensor | None, torch.Tensor | None]


class Batch(NamedTuple):
    """Broadcast inputs and weights, flattened: sample n has inputs[n] and weights[weight_rows[n]].

    inputs: (N, I) and weights: (R, W), both float32 or both float64; weight_rows: (N,), int64; order: (N,), int64, the
    samples sorted by their row of weights. Where hardly any sample shares its weights with another, R is N.
    """

    inputs: torch.Tensor
    weights: torch.Tensor
    weight_rows: torch.Tensor
    order: torch.Tensor


@dataclass(frozen=True)
class BatchPlan:
    """How inputs and weights of given shapes and types become a `Batch`.

    Attributes:
        lead: the broadcast leading axes; a mixture adds a last one, for its points.
        kind: float32 or float64, what is computed with.
        result: the type that inputs and weights promote to, which the values have.
        weight_rows, order: see `Batch`.
        points: (K, M), the settings of a mixture; None without one.
        expand: whether every sample gets a row of weights of its own.
        plain: inputs are (N, I), weights (W,), and there is nothing to rearrange.
    """

    lead: tuple[int, ...]
    kind: torch.dtype
    result: torch.dtype
    weight_rows: torch.Tensor
    order: torch.Tensor
    points: torch.Tensor | None
    expand: bool
    plain: bool

    @property
    def rows(self) -> int:
        """The number N of a batch's samples, a mixture's points among them."""
        return prod(self.lead)

    @property
    def samples(self) -> tuple[int, ...]:
        """The leading axes of values."""
        return self.lead if self.points is None else self.lead[:-1]

    def flatten(self, inputs: torch.Tensor, weights: torch.Tensor) -> Batch:
        """Return the batch, for tensors of the plan's shapes."""
        if inputs.dtype != self.kind or weights.dtype != self.kind:
            inputs, weights = inputs.to(self.kind), weights.to(self.kind)
        if self.plain:
            return Batch(inputs, weights.unsqueeze(0), self.weight_rows, self.order)
        if self.points is not None:
            wide = inputs.unsqueeze(-2).expand(*self.lead, inputs.shape[-1])
            inputs = torch.cat([wide, self.points.expand(*self.lead, self.points.shape[-1])], dim=-1)
        if self.expand:
            weights = weights.unsqueeze(-2) if self.points is not None else weights
            weights = weights.expand(*self.lead, weights.shape[-1])
        # Sizes are spelt out, since -1 says nothing where a circuit has no inputs or no weights.
        flat = inputs.expand(*self.lead, inputs.shape[-1]).reshape(prod(self.lead), inputs.shape[-1])
        rows = weights.reshape(prod(weights.shape[:-1]), weights.shape[-1])
        return Batch(flat, rows, self.weight_rows, self.order)

    def values(self, values: torch.Tensor) -> torch.Tensor:
        """Return values (N, O) of a batch in the shape and type of the tensors; those of a mixture are averaged."""
        if self.plain:
            return _as(self.result, values)
        shaped = values.reshape(*self.lead, values.shape[-1])
        return (shaped if self.points is None else shaped.mean(dim=-2)).to(self.result)

    def upstream(self, upstream: torch.Tensor) -> torch.Tensor:
        """The transpose of `values`: gradients (..., O) for values, as gradients (N, O) for those of the batch."""
        if self.plain:
            return upstream.contiguous()
        outputs = upstream.shape[-1]
        if self.points is not None:
            upstream = (upstream / len(self.points)).unsqueeze(-2).expand(*self.lead, outputs)
        return upstream.reshape(prod(self.lead), outputs).contiguous()

    def gather(self, gradients: Gradients, inputs: torch.Tensor, weights: torch.Tensor) -> Gradients:
        """The transpose of `flatten`: gradients (N, I) and (R, W), in the shapes and types of inputs and weights."""
        d_inputs, d_weights = gradients
        return (
            None if d_inputs is None else _as(inputs.dtype, self._gather_inputs(d_inputs, inputs.shape)),
            None if d_weights is None else _as(weights.dtype, self._gather_weights(d_weights, weights.shape)),
        )

    def _gather_inputs(self, d_inputs: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        if self.plain:
            return d_inputs
        d_inputs = d_inputs.reshape(*self.lead, d_inputs.shape[-1])
        if self.points is not None:
            d_inputs = d_inputs[..., : shape[-1]].sum(dim=-2)
        return d_inputs.sum_to_size(shape)

    def _gather_weights(self, d_weights: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        if not self.expand:
            return d_weights.reshape(shape)
        d_weights = d_weights.reshape(*self.lead, shape[-1])
        return (d_weights.sum(dim=-2) if self.points is not None else d_weights).sum_to_size(shape)


def _as(dtype: torch.dtype, tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor in this type; the comparison takes a tenth of the time of a conversion that does nothing."""
    return tensor if tensor.dtype == dtype else tensor.to(dtype)


def plain_batch(inputs: torch.Tensor) -> Batch:
    """Return the batch of inputs (N, I) of a circuit without weights."""
    rows = torch.zeros(len(inputs), dtype=torch.int64), torch.arange(len(inputs))
    return Batch(inputs, inputs.new_zeros(1, 0), *rows)


def parameter_rows(batch: Batch) -> npt.NDArray[np.float64]:
    """Return inputs and weights of each sample side by side, (N, I + W)."""
    rows = torch.cat([batch.inputs, batch.weights[batch.weight_rows]], dim=1)
    return rows.detach().double().cpu().numpy()


def make_plan(circuit: LayerCircuit, inputs: torch.Tensor, weights: torch.Tensor) -> BatchPlan:
    """Return the plan for tensors like these.

    Raises:
        InputError: see `check_shapes`.
    """
    lead = check_shapes(circuit, inputs, weights)
    result = torch.promote_types(inputs.dtype, weights.dtype)
    kind = result if result in FLOAT_TYPES else torch.float32
    rows = torch.arange(prod(weights.shape[:-1])).reshape(weights.shape[:-1]).expand(lead)
    points = None
    if circuit.mixture is not None:
        points = torch.tensor(circuit.mixture.points, dtype=kind, device=inputs.device)
        lead = (*lead, len(points))
        rows = rows.unsqueeze(-1).expand(lead)
    samples, weight_rows = prod(lead), rows.reshape(-1).contiguous()
    distinct = prod(weights.shape[:-1])
    expand = distinct > 1 and 4 * distinct > samples  # hardly anything to share
    weight_rows = torch.arange(samples) if expand else weight_rows
    order = torch.argsort(weight_rows, stable=True)
    plain = inputs.dim() == 2 and weights.dim() == 1 and points is None
    indices = weight_rows.to(inputs.device), order.to(inputs.device)
    return BatchPlan(lead, kind, result, *indices, points, expand, plain)


def check_shapes(circuit: LayerCircuit, inputs: torch.Tensor, weights: torch.Tensor) -> tuple[int, ...]:
    """Return the leading axes that inputs and weights broadcast to.

    Raises:
        InputError: a wrong last axis, types that are not floating-point, different devices, or leading axes that do
            not broadcast.
    """
    _check_last_axis("inputs", inputs, circuit.num_inputs)
    _check_last_axis("weights", weights, circuit.num_weights)
    if inputs.device != weights.device:
        raise InputError(f"inputs are on {inputs.device}, weights on {weights.device}: move one to the other")
    return _broadcast(inputs, weights)


def check_finite(name: str, tensor: torch.Tensor) -> None:
    """Refuse NaN and infinity, on the CPU only, where the check does not wait for a device.

    Raises:
        InputError: the first number that is not finite, by its place.
    """
    if tensor.device.type != "cpu":
        return
    finite = torch.isfinite(tensor) if tensor.dtype not in FLOAT_TYPES else np.isfinite(tensor.detach().numpy())
    if not finite.all():
        first = tuple(np.argwhere(~np.asarray(finite))[0].tolist())
        raise InputError(f"{name}{list(first)} is {tensor[first].item()}: angles must be finite")


def _check_last_axis(name: str, tensor: torch.Tensor, wanted: int) -> None:
    if not tensor.is_floating_point():
        raise InputError(f"{name} are of type {tensor.dtype}; give real floating-point numbers")
    if tensor.dim() == 0 or tensor.shape[-1] != wanted:
        raise InputError(
            f"{name} have shape {tuple(tensor.shape)}, but this circuit has {wanted} {name}: give shape (..., {wanted})"
        )


def _broadcast(inputs: torch.Tensor, weights: torch.Tensor) -> tuple[int, ...]:
    try:
        return tuple(torch.broadcast_shapes(inputs.shape[:-1], weights.shape[:-1]))
    except RuntimeError:
        raise InputError(
            f"leading axes {tuple(inputs.shape[:-1])} of inputs and {tuple(weights.shape[:-1])} of weights "
            "do not broadcast: they must be equal, or 1, from the last one backwards"
        ) from None


def as_tensor(array: npt.ArrayLike) -> torch.Tensor:
    """Return real numbers as a tensor.

    Raises:
        InputError: they are of another type.
    """
    numbers = np.asarray(array)
    if not (np.isrealobj(numbers) and np.can_cast(numbers.dtype, np.float64)):
        raise InputError(f"inputs and weights have to be real numbers, not of type {numbers.dtype}")
    return torch.tensor(numbers if np.issubdtype(numbers.dtype, np.floating) else numbers.astype(np.float64))


def as_tensors(inputs: Any, weights: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Convert both to tensors on one device, that of the tensor among them."""
    if not isinstance(inputs, torch.Tensor):
        inputs = as_tensor(inputs).to(weights.device)
    if not isinstance(weights, torch.Tensor):
        weights = as_tensor(weights).to(inputs.device)
    return inputs, weights
