"""Scales of weights: what an initialisation over one turn must divide by."""

from functools import lru_cache

from qiskit.circuit import ParameterExpression

from qgen.circuits.describe import flatten
from qgen.circuits.expressions import constant_derivative
from qgen.circuits.layer_circuit import LayerCircuit
from qgen.errors import CircuitError


def angle_scales(circuit: LayerCircuit) -> tuple[float, ...]:
    """Return for each weight the largest |d angle / d weight| over the gates that it appears in: W positive floats.

    A gate whose angle is not affine in the weight (the derivative is not a number) counts as 1.0. The angle of a weight
    that is uniform over [0, 2*pi / scale) is uniform over one turn (scale 2*pi for `hqconv`, whose weights are turns).
    One turn is a period of a rotation, up to the global phase -1; of a controlled rotation it is half a period, because
    its control sees that phase.
    """
    try:
        hash(circuit)
    except CircuitError:  # a circuit without an identity is equal to itself alone
        return _scales(circuit)
    return _known_scales(circuit)


def _scales(circuit: LayerCircuit) -> tuple[float, ...]:
    scales = dict.fromkeys(circuit.weights, 0.0)
    flat = flatten(circuit.circuit)
    for angle in (flat.global_phase, *(value for gate in flat.data for value in gate.operation.params)):
        if isinstance(angle, ParameterExpression):
            for weight in angle.parameters & scales.keys():
                derivative = constant_derivative(angle, weight)
                scales[weight] = max(scales[weight], 1.0 if derivative is None else float(abs(derivative)))
    # A scale of zero (from w - w, or a barrier) says nothing about a turn.
    return tuple(scale or 1.0 for scale in scales.values())


_known_scales = lru_cache(maxsize=64)(_scales)  # a network has the same circuit many times, and each copy asks for it
