"""Parameter expressions: whether they are unbound, their derivatives, and a circuit with the parameters of another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qiskit import QuantumCircuit
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


def with_parameters_of(circuit: QuantumCircuit, parameters: Iterable[Parameter]) -> QuantumCircuit:
    """Return a copy of a circuit whose parameters are replaced by these of the same names.

    `QuantumCircuit.assign_parameters` alone refuses where the global phase has several: it replaces one after the
    other, and meets the new one and the old one of a name at once.

    Args:
        circuit: any circuit.
        parameters: one of each name that the circuit has; further ones are not used.
    """
    named = {parameter.name: parameter for parameter in parameters}
    copy, phase = circuit.copy(), circuit.global_phase
    copy.global_phase = 0.0
    copy.assign_parameters({parameter: named[parameter.name] for parameter in copy.parameters}, inplace=True)
    if is_unbound(phase):
        phase = phase.subs({parameter: named[parameter.name] for parameter in phase.parameters})
    copy.global_phase = phase
    return copy
