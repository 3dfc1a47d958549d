"""Properties of parameter expressions: whether they are unbound, and their derivatives."""

from __future__ import annotations

from typing import Any

from qiskit.circuit import Parameter, ParameterExpression


def is_unbound(value: Any) -> bool:
    """Return whether a value is an expression with parameters."""
    return isinstance(value, ParameterExpression) and bool(value.parameters)


def constant_derivative(expression: ParameterExpression, parameter: Parameter) -> complex | None:
    """Return d expression / d parameter; None if it depends on parameters, or Qiskit cannot compute it."""
    try:
        derivative = expression.gradient(parameter)
    except RuntimeError:  # Qiskit differentiates all functions but sign()
        return None
    if not isinstance(derivative, ParameterExpression):
        return derivative  # type: ignore[no-any-return]
    return None if derivative.parameters else derivative.numeric()


def linear_coefficients(expression: ParameterExpression) -> list[tuple[Parameter, complex]] | None:
    """Return each parameter with its coefficient; None if the expression is not affine."""
    coefficients = []
    for parameter in expression.parameters:
        coefficient = constant_derivative(expression, parameter)
        if coefficient is None:
            return None
        coefficients.append((parameter, coefficient))
    return coefficients
