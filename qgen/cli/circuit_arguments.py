"""Circuits on a command line: `NAME[:QUBITS,LAYERS]` or a file, and `--option KEY=VALUE`."""

import dataclasses
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from qgen.cli.options import split_key_value

if TYPE_CHECKING:
    from qgen.circuits import Ansatz, Encoding, LayerCircuit

_NAME = re.compile(r"(?P<name>[^:,]+)(?::(?P<qubits>\d{0,100})(?:,(?P<layers>\d{0,100}))?)?")
_ENCODING = "encoding."


class Recipe(NamedTuple):
    """An ansatz and the given arguments of `Ansatz.build`."""

    ansatz: "Ansatz"
    encoding: "Encoding | None"
    arguments: dict[str, Any]

    @property
    def layers(self) -> int:
        """The number of layers, given or default."""
        given = self.arguments.get("layers")
        return self.ansatz.layers if given is None else int(given)

    @property
    def options(self) -> dict[str, Any]:
        """The given values of `mirrored` and of the ansatz' own options."""
        return {key: value for key, value in self.arguments.items() if key not in ("qubits", "layers")}

    def build(self, **changes: Any) -> "LayerCircuit":
        """Build the circuit, with some arguments changed."""
        return self.ansatz.build(encoding=self.encoding, **self.arguments | changes)


def read_recipe(circuit: str, options: Sequence[str]) -> Recipe | None:
    """Parse a circuit and its options; None for the file of a saved circuit.

    The name of an ansatz is never a file; a name that ends in `.json` always is.

    Raises:
        typer.BadParameter: an argument does not have this form.
        CircuitError: the ansatz, an option or an encoding does not exist.
    """
    from qgen.circuits import ansatz_names, get_ansatz
    from qgen.circuits.arguments import one_of

    if circuit not in ansatz_names() and (circuit.endswith(".json") or os.path.isfile(circuit)):
        if options:
            raise typer.BadParameter("A saved circuit takes no options.", param_hint="--option")
        return None

    parts = _parts(circuit)
    known = get_ansatz(parts["name"])
    fields = [_ENCODING + field.name for field in dataclasses.fields(known.encoding)] if known.encoding else []
    given: dict[str, Any] = {key: int(parts[key]) for key in ("qubits", "layers") if parts[key]}
    for option in options:
        key, value = _key_value(option)
        one_of("The option", key, ("qubits", "layers", "mirrored", *fields, *known.options))
        if key in given:
            raise typer.BadParameter(f"{key!r} is given twice; give it once.", param_hint="--option")
        given[key] = value
    encoding = {field.removeprefix(_ENCODING): given.pop(field) for field in fields if field in given}
    return Recipe(known, known.encoding and dataclasses.replace(known.encoding, **encoding), given)


def _parts(circuit: str) -> dict[str, str]:
    match = _NAME.fullmatch(circuit)
    if not match:
        raise typer.BadParameter(
            f"{circuit!r} is not NAME, NAME:QUBITS, NAME:QUBITS,LAYERS or a file; for example hqconv:12,3.",
            param_hint="CIRCUIT",
        )
    return match.groupdict(default="")


def _key_value(option: str) -> tuple[str, Any]:
    from qgen.yaml_values import coerce_any

    key, text = split_key_value(option, "--option", "mirrored=true")
    return key, coerce_any(text)
