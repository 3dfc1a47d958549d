"""Parameter expressions evaluated in batches: from inputs and weights to rotation angles, with derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy
import torch
from qiskit.circuit import Parameter, ParameterExpression

from qgen.circuits.expressions import linear_coefficients
from qgen.errors import CircuitError, InputError

Doubles = npt.NDArray[np.float64]
Expression = Callable[..., torch.Tensor]

# What Qiskit's ParameterExpression can contain, in torch's words.
_TORCH: dict[str, Any] = {
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "asin": torch.asin,
    "acos": torch.acos,
    "atan": torch.atan,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "Abs": torch.abs,
    "torch_sign": torch.sign,
    "conjugate": lambda value: value,  # angles and parameters are real
    "pi": np.pi,
    "E": np.e,
}
_SIGN = sympy.Function("torch_sign")


class ParameterMap:
    """A group of angles, evaluated together: an affine map for most, a function each for the rest.

    Args:
        expressions: the angles.
        parameters: what they depend on: the columns of what the methods take.
    """

    def __init__(self, expressions: Sequence[ParameterExpression], parameters: Sequence[Parameter]) -> None:
        self._expressions = tuple(expressions)
        self.count = len(expressions)
        column = {parameter: k for k, parameter in enumerate(parameters)}
        self._offset = np.zeros(self.count)
        self._slope = np.zeros((len(parameters), self.count))
        self._curved: list[tuple[int, list[int], Expression]] = []
        self._tensors: dict[torch.device, tuple[torch.Tensor, torch.Tensor]] = {}
        for k, expression in enumerate(expressions):
            line = affine(expression)
            if line is None:
                names = sorted(expression.parameters, key=lambda parameter: column[parameter])
                self._curved.append((k, [column[name] for name in names], _lambdify(expression, names)))
                continue
            self._offset[k] = line[0]
            for parameter, coefficient in line[1].items():
                self._slope[column[parameter], k] = coefficient

    @cached_property
    def _product(self) -> _Product:
        return _Product(self._slope)

    @cached_property
    def _transposed(self) -> _Product:
        return _Product(self._slope.T)

    @property
    def is_affine(self) -> bool:
        """Whether all angles are offset (A,) + parameters (P,) @ slope (P, A)."""
        return not self._curved

    @property
    def offset(self) -> Doubles:
        """The angles where all parameters are 0, of those that are affine."""
        return self._offset

    @property
    def slope(self) -> Doubles:
        """The derivatives of the angles that are affine, (P, A)."""
        return self._slope

    @property
    def depends(self) -> npt.NDArray[np.bool_]:
        """Whether an angle depends on a parameter, (P, angles)."""
        depends: npt.NDArray[np.bool_] = self._slope != 0
        for k, wanted, _ in self._curved:
            depends[wanted, k] = True
        return depends

    def values(self, parameters: Doubles) -> Doubles:
        """(rows, P) -> (rows, angles).

        Raises:
            InputError: an angle is NaN or infinite, though its parameters are not.
        """
        angles = self._product(parameters) + self._offset
        if self._curved:
            leaves = torch.from_numpy(parameters)
            for k, wanted, function in self._curved:
                angles[:, k] = function(*(leaves[:, j] for j in wanted))  # a number, where sympy sees it is constant
        if not np.isfinite(angles).all():
            row, k = np.argwhere(~np.isfinite(angles))[0]
            raise InputError(
                f"The angle {self._expressions[k]} is {angles[row, k]} at sample {row}: "
                "keep its parameters where the expression is finite."
            )
        return angles

    def vjp(self, parameters: Doubles, upstream: Doubles) -> Doubles:
        """Return the gradient of sum(upstream (rows, angles) * values) for the parameters (rows, P)."""
        if not self._curved:
            return self._transposed(upstream)
        leaf = torch.from_numpy(parameters).requires_grad_()
        with torch.enable_grad():
            angles = self(leaf)
        return torch.autograd.grad(angles, leaf, torch.from_numpy(upstream))[0].numpy()

    def __call__(self, parameters: torch.Tensor) -> torch.Tensor:
        """The same as `values` for a tensor on any device, float64, differentiable."""
        if parameters.device not in self._tensors:
            with torch.inference_mode(False):  # what is made in inference mode can never be part of a graph
                self._tensors[parameters.device] = (
                    torch.from_numpy(self._offset).to(parameters.device),
                    torch.from_numpy(self._slope).to(parameters.device),
                )
        offset, slope = self._tensors[parameters.device]
        angles = torch.addmm(offset, parameters, slope)
        if not self._curved:
            return angles
        columns = list(angles.unbind(-1))
        for k, wanted, function in self._curved:
            value = function(*(parameters[:, j] for j in wanted))  # a number, where sympy sees that it is constant
            columns[k] = torch.as_tensor(value, dtype=parameters.dtype, device=parameters.device).expand_as(columns[k])
        return torch.stack(columns, dim=-1)


class _Product:
    """rows (N, P) @ matrix (P, A) for few nonzero entries, rounded alike whatever rows are beside one, unlike BLAS.

    The entries are taken in as many parts as a column has at most, each with one of a column.
    """

    def __init__(self, matrix: Doubles) -> None:
        counts = np.count_nonzero(matrix, axis=0)
        # A factor of zero stands in the first part for a column without entries.
        self._places = np.argmax(matrix != 0, axis=0) if len(matrix) else counts
        self._factors = matrix[self._places, np.arange(len(counts))] if len(matrix) else np.zeros(len(counts))
        self._identity = len(counts) == len(matrix) and bool((self._places == np.arange(len(counts))).all())
        self._empty = not len(matrix)
        self._further: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Doubles]] = []
        for rank in range(1, counts.max(initial=0)):
            columns = np.flatnonzero(counts > rank)
            rows = np.array([np.flatnonzero(matrix[:, column])[rank] for column in columns])
            self._further.append((columns, rows, matrix[rows, columns]))

    def __call__(self, rows: Doubles) -> Doubles:
        if self._empty:
            return np.zeros((len(rows), len(self._factors)))
        result: Doubles = (rows if self._identity else rows[:, self._places]) * self._factors
        for columns, places, factors in self._further:
            result[:, columns] += rows[:, places] * factors
        return result


def affine(expression: ParameterExpression) -> tuple[float, dict[Parameter, float]] | None:
    """(constant, slopes) of an expression that is linear in its parameters; None of any other."""
    coefficients = linear_coefficients(expression)
    if coefficients is None:
        return None
    slopes = {parameter: _real(slope, expression) for parameter, slope in coefficients}
    at_zero = expression.bind(dict.fromkeys(expression.parameters, 0.0))
    return _real(at_zero.numeric(), expression), slopes


def _real(value: Any, expression: ParameterExpression) -> float:
    number = complex(value)
    if number.imag or not np.isfinite(number.real):
        raise CircuitError(f"The angle {expression} is not a finite real number: angles have to be.")
    return number.real


def _lambdify(expression: ParameterExpression, parameters: list[Parameter]) -> Expression:
    symbols = [sympy.Symbol(f"p{k}", real=True) for k in range(len(parameters))]
    body = sympy.sympify(expression.sympify())
    by_name = {parameter.name: symbol for parameter, symbol in zip(parameters, symbols, strict=True)}
    body = body.xreplace({symbol: by_name[symbol.name] for symbol in body.free_symbols})
    if body.has(sympy.I):
        raise CircuitError(f"The angle {expression} is complex: angles have to be real.")
    body = body.replace(sympy.sign, _SIGN)  # sympy would print a sign as a conditional, which no tensor can decide
    function: Expression = sympy.lambdify(symbols, body, modules=[_TORCH], cse=True)
    return function
