"""Circuits with their weights bound to numbers, while their inputs stay open."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from qiskit.exceptions import QiskitError

from qgen.circuits.layer_circuit import LayerCircuit
from qgen.errors import CircuitError, InputError


class BoundCircuit(NamedTuple):
    """A circuit whose weights are numbers.

    Attributes:
        circuit: without weights and without a mixture; its digest covers the numbers.
        columns: its inputs among those of the conditional circuit (`LayerCircuit.conditional`); an input that is
            multiplied by a weight of zero has gone.
    """

    circuit: LayerCircuit
    columns: tuple[int, ...]


def bind_weights(circuit: LayerCircuit, weights: npt.NDArray[np.float64]) -> BoundCircuit:
    """Bind the weights of a circuit at one setting of its mixture to numbers.

    Args:
        circuit: with W weights.
        weights: (W,), float64, radians or whatever the circuit's expressions take.

    Raises:
        InputError: another shape, or numbers that are not finite.
        CircuitError: an angle has no finite value at these weights.
    """
    if weights.shape != (circuit.num_weights,):
        raise InputError(f"weights have shape {weights.shape}, but this circuit takes ({circuit.num_weights},)")
    if not np.isfinite(weights).all():
        first = int(np.flatnonzero(~np.isfinite(weights))[0])
        raise InputError(f"weights[{first}] is {weights[first]}: angles must be finite")
    conditional = circuit.conditional
    numbers = (weights + 0.0).tolist()  # no minus zero, which is the same angle and would be another circuit
    try:
        bound = conditional.circuit.assign_parameters(dict(zip(conditional.weights, numbers, strict=True)))
    except (QiskitError, ValueError, TypeError, ZeroDivisionError) as error:
        raise CircuitError(f"the weights cannot be bound to numbers in this circuit: {error}") from error
    left = set(bound.parameters)
    columns = tuple(k for k, parameter in enumerate(conditional.inputs) if parameter in left)
    inputs = [conditional.inputs[k] for k in columns]
    return BoundCircuit(LayerCircuit(bound, inputs, (), conditional.observables), columns)
