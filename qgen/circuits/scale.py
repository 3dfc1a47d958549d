"""How far an angle turns when a weight grows by one: what an initialisation over one turn must divide by."""

from qiskit.circuit import Parameter, ParameterExpression

from qgen.circuits.flattening import flattened
from qgen.circuits.layer_circuit import LayerCircuit


def angle_scales(circuit: LayerCircuit) -> tuple[float, ...]:
    """For each weight, the largest |d angle / d weight| over the gates that it appears in: W positive floats.

    Where an angle is not affine in the weight (its derivative is not a number), that gate counts as 1.0. The angle of
    a weight that is uniform over [0, 2*pi / scale) is uniform over one turn (scale 2*pi for `hqconv`, whose weights are
    turns). One turn is a period of a rotation, up to the global phase -1; of a controlled rotation it is half a period,
    because its control sees that phase.
    """
    scales = dict.fromkeys(circuit.weights, 0.0)
    flat = flattened(circuit.circuit)
    for angle in (flat.global_phase, *(value for gate in flat.data for value in gate.operation.params)):
        if isinstance(angle, ParameterExpression):
            for weight in angle.parameters & scales.keys():
                scales[weight] = max(scales[weight], _slope(angle, weight))
    # A scale of zero (w - w, a barrier's leftovers) says nothing about a turn.
    return tuple(scale or 1.0 for scale in scales.values())


def _slope(angle: ParameterExpression, weight: Parameter) -> float:
    try:
        derivative = angle.gradient(weight)
    except RuntimeError:  # Qiskit differentiates all functions but sign()
        return 1.0
    if isinstance(derivative, ParameterExpression):
        if derivative.parameters:
            return 1.0
        derivative = derivative.numeric()
    return float(abs(derivative))
