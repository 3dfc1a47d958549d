"""Settings of a circuit beside the features of a layer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from qgen.circuits import LayerCircuit
from qgen.models.ansatz_settings import AnsatzSettings


class BranchSettings(AnsatzSettings):
    """A circuit beside a few features of a network, or what stands in its place for comparison."""

    beside: ClassVar[Mapping[str, str]] = {"qubits": "qubits", **AnsatzSettings.beside}

    kind: Literal["circuit", "classical", "none"] = "none"
    """`circuit`; `classical`: a cosine of a linear map with as many parameters as that circuit; `none`: no branch"""
    qubits: PositiveInt = 8
    """qubits of the circuit"""
    ansatz: str = "strongly-entangling"
    layers: PositiveInt = 2
    """layers of the circuit"""
    gate: float = Field(0.1, ge=0)
    """where the learned factors of what the branch adds begin, one a feature"""

    @cached_property
    def circuit(self) -> LayerCircuit:
        """The circuit, also where a classical function stands in for it."""
        return self.build(self.qubits, self.layers)

    @property
    def circuits(self) -> int:
        """Circuits that one row of features takes."""
        mixture = self.circuit.mixture
        return (1 if mixture is None else len(mixture)) if self.kind == "circuit" else 0

    @model_validator(mode="after")
    def _circuit_exists(self) -> Self:
        _ = self.circuit  # with `none` too: the next one who sets the kind has not named it
        return self
