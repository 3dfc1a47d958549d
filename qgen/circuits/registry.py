"""The registry of ansatzes. A new one is a file in `ansatze/` and a line here."""

from types import MappingProxyType
from typing import Any

from qgen.circuits.ansatze import (
    basic,
    fqconv,
    hardware_efficient,
    hqconv,
    hqconv_published,
    masked,
    ry_cz,
    strongly_entangling,
    style,
)
from qgen.circuits.ansatze.base import Ansatz
from qgen.circuits.arguments import one_of
from qgen.circuits.encodings import Encoding
from qgen.circuits.layer_circuit import LayerCircuit

_REGISTRY = MappingProxyType(
    {
        ansatz.name: ansatz
        for ansatz in (
            hqconv.ANSATZ,
            fqconv.ANSATZ,
            hqconv_published.ANSATZ,
            basic.ANSATZ,
            strongly_entangling.ANSATZ,
            hardware_efficient.ANSATZ,
            masked.ANSATZ,
            ry_cz.ANSATZ,
            style.ANSATZ,
        )
    }
)


def ansatz_names() -> tuple[str, ...]:
    """Return the names of all ansatzes."""
    return tuple(_REGISTRY)


def get_ansatz(name: str) -> Ansatz:
    """Return an ansatz: its summary, figure, reference, defaults and options.

    Raises:
        CircuitError: no ansatz has this name.
    """
    return _REGISTRY[one_of("The ansatz", name, _REGISTRY)]


def ansatz(
    name: str,
    *,
    qubits: int | None = None,
    layers: int | None = None,
    encoding: Encoding | None = None,
    mirrored: bool = False,
    **options: Any,
) -> LayerCircuit:
    """Build the circuit of an ansatz, with Z measured on each data qubit.

    Args:
        name: one of `ansatz_names()`.
        qubits: the number of data qubits; None, here and below: the ansatz' own default.
        layers: the number of layers.
        encoding: how inputs become angles, for an ansatz that has an encoding.
        mirrored: layers in pairs that are the identity if their weights are equal; see `Ansatz.build`.
        **options: the ansatz' own options; `get_ansatz(name).options` lists them.

    Raises:
        CircuitError: an unknown name or option, or a number of qubits or layers that the ansatz does not take.
    """
    return get_ansatz(name).build(qubits, layers, encoding, mirrored, **options)
