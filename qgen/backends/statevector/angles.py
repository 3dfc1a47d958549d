"""From a batch's parameters to the half turns of its angles, and from gradients of angles to those of parameters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from qgen.backends.batch import Batch, Gradients
from qgen.backends.parameters import ParameterMap
from qgen.backends.statevector.affine import FEW, affine_map, few_half_turns, many_angles, pull_back
from qgen.backends.statevector.program import Program
from qgen.errors import InputError

Doubles = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]
Integers = npt.NDArray[np.int64]


class NotFiniteError(InputError):
    """A parameter is NaN or infinite; whoever knows the tensors that it came from says which."""


class AngleRows(NamedTuple):
    """The half turns exp(i angle / 2) of a batch of N samples, complex128.

    shared: (R, weight angles), a row for each distinct row of weights; own: (N, row angles);
    weight_rows: (N,), the row of `shared` that each sample uses; order: (N,), the samples, sorted by weight_rows.
    """

    shared: Complexes
    own: Complexes
    weight_rows: Integers
    order: Integers


def half_turns(angles: Doubles) -> Complexes:
    """exp(i angle / 2) of angles in radians, as fast as numpy's real cosine is."""
    turns = np.empty(angles.shape, dtype=np.complex128)
    np.cos(angles * 0.5, out=turns.real)
    np.sin(angles * 0.5, out=turns.imag)
    return turns


class Angles:
    """The angles of a program as functions of inputs and weights.

    Those of weights alone and those of the samples are two maps. Where both are affine, and no sample's angle depends
    on a weight, compiled loops go from parameters to half turns; else numpy and torch do.
    """

    def __init__(self, program: Program) -> None:
        conditional = program.circuit
        weights = set(conditional.weights)
        self._inputs = conditional.num_inputs
        self._mixed = any(weights & set(angle.parameters) for angle in program.row_angles)
        self._of_weights = ParameterMap(program.weight_angles, conditional.weights)
        self._of_rows = ParameterMap(
            program.row_angles, conditional.inputs + (conditional.weights if self._mixed else ())
        )
        self._affine = not self._mixed and self._of_weights.is_affine and self._of_rows.is_affine
        if self._affine:
            self._shared = affine_map(self._of_weights.offset, self._of_weights.slope)
            self._own = affine_map(self._of_rows.offset, self._of_rows.slope)

    def rows(self, batch: Batch) -> AngleRows:
        """Return the half turns of all angles.

        Raises:
            InputError: an angle is NaN or infinite; `NotFiniteError`, if a parameter is.
        """
        rows, order = batch.weight_rows.numpy(), batch.order.numpy()
        inputs, weights = _array(batch.inputs), _array(batch.weights)
        if not self._affine:
            _check_finite(inputs, weights)
            shared, own = self._of_weights.values(weights.astype(np.float64)), self._of_rows.values(self._wide(batch))
            return AngleRows(half_turns(shared), half_turns(own), rows, order)
        sizes = (len(weights), len(self._shared.offset)), (len(inputs), len(self._own.offset))
        if sizes[0][0] * sizes[0][1] + sizes[1][0] * sizes[1][1] <= FEW:
            turns = [np.empty(size, dtype=np.complex128) for size in sizes]
            finite = few_half_turns(inputs, weights, self._own, self._shared, turns[1], turns[0])
        else:
            angles = [np.empty(size) for size in sizes]
            finite = many_angles(inputs, weights, self._own, self._shared, angles[1], angles[0])
            turns = [half_turns(part) for part in angles] if finite else []
        if not finite:
            _check_finite(inputs, weights)
            self._of_weights.values(weights.astype(np.float64))  # these name the angle
            self._of_rows.values(inputs.astype(np.float64))
        return AngleRows(turns[0], turns[1], rows, order)

    def pull_back(self, batch: Batch, d_shared: Doubles, d_own: Doubles, wants: tuple[bool, bool]) -> Gradients:
        """Return the gradients of inputs (N, I) and weights (R, W), from those of the angles; None where not wanted."""
        if self._affine:
            kind = np.float32 if batch.inputs.dtype == torch.float32 else np.float64
            d_inputs = np.empty((len(d_own) if wants[0] else 0, self._inputs), dtype=kind)
            d_weights = np.empty((len(d_shared) if wants[1] else 0, batch.weights.shape[1]), dtype=kind)
            pull_back(d_own, d_shared, self._own, self._shared, d_inputs, d_weights)
        else:
            d_parameters = self._of_rows.vjp(self._wide(batch), d_own)
            d_inputs = d_parameters[:, : self._inputs]
            d_weights = self._of_weights.vjp(_array(batch.weights).astype(np.float64), d_shared)
            if self._mixed:
                np.add.at(d_weights, batch.weight_rows.numpy(), d_parameters[:, self._inputs :])
        return (
            torch.from_numpy(d_inputs) if wants[0] else None,
            torch.from_numpy(d_weights) if wants[1] else None,
        )

    def tensors(
        self, inputs: torch.Tensor, weights: torch.Tensor, rows: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the angles of weights (R, ·) and of samples (N, ·), differentiable, on any device."""
        parameters = torch.cat([inputs, weights[rows]], dim=1) if self._mixed else inputs
        return self._of_weights(weights), self._of_rows(parameters)

    def _wide(self, batch: Batch) -> Doubles:
        """The parameters of the samples' own angles."""
        inputs = _array(batch.inputs).astype(np.float64)
        if not self._mixed:
            return inputs
        return np.concatenate([inputs, _array(batch.weights).astype(np.float64)[batch.weight_rows.numpy()]], axis=1)


def _array(tensor: torch.Tensor) -> npt.NDArray[np.floating]:
    return np.ascontiguousarray(tensor.detach().numpy())


def _check_finite(*arrays: npt.NDArray[np.floating]) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise NotFiniteError("inputs and weights have to be finite numbers")
