"""Settings of a circuit in a model, checked as far as a circuit can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, field_validator

from qgen.circuits import Encoding, LayerCircuit, ansatz
from qgen.settings import Settings


class AnsatzSettings(Settings):
    """A circuit by name, with options of its own; other settings say how wide and how deep it is."""

    #: Names that are no options, and the settings that take their place.
    beside: ClassVar[Mapping[str, str]] = {"layers": "layers", "name": "ansatz"}

    ansatz: str
    """name of the circuit (`qgen describe --list`)"""
    options: dict[str, Any] = Field(default_factory=dict)
    """further options of the ansatz; `encoding` as {gate, map, scale, reupload}"""

    @field_validator("options")
    @classmethod
    def _check_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        for key, instead in cls.beside.items():
            if key in options:
                raise ValueError(f"`{key}` is no option here: set `{instead}`, beside `options`")
        encoding = options.get("encoding")
        if not isinstance(encoding, Mapping):
            return options
        try:
            return options | {"encoding": Encoding(**encoding)}
        except TypeError as error:
            raise ValueError(
                f"`encoding` has gate, map, scale and reupload, not {', '.join(map(str, encoding))}"
            ) from error

    def build(self, qubits: int, layers: int, name: str | None = None) -> LayerCircuit:
        """Return the circuit, or another ansatz with the same options.

        Raises:
            CircuitError: the ansatz is unknown, or does not take this number of qubits or layers or these options.
        """
        return ansatz(name or self.ansatz, qubits=qubits, layers=layers, **self.options)
