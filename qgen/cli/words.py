"""The words that name a circuit on a command line: `NAME[:QUBITS,LAYERS]` or a file, and `--option KEY=VALUE`."""

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from qgen.circuits import LayerCircuit

_NAME = re.compile(r"(?P<name>[^:,]+)(?::(?P<qubits>\d*)(?:,(?P<layers>\d*))?)?")
_ENCODING = "encoding."


def is_file(circuit: str) -> bool:
    """Whether the words name a saved circuit rather than an ansatz."""
    return circuit.endswith(".json")


def ansatz_name(circuit: str) -> str:
    """The NAME in `NAME[:QUBITS,LAYERS]`."""
    return _parts(circuit)["name"]


def read_circuit(circuit: str, options: Sequence[str]) -> "LayerCircuit":
    """The circuit that the words name.

    Raises:
        typer.BadParameter: the words do not have the form.
        CircuitError: no such ansatz, option or file, or a number that the ansatz does not take.
    """
    from qgen.circuits import LayerCircuit, get_ansatz
    from qgen.circuits.arguments import one_of

    given = dict(_key_value(option) for option in options)
    if is_file(circuit):
        if given:
            raise typer.BadParameter("A saved circuit takes no options.", param_hint="--option")
        return LayerCircuit.load(circuit)

    parts = _parts(circuit)
    known = get_ansatz(parts["name"])
    fields = [_ENCODING + field.name for field in dataclasses.fields(known.encoding)]
    arguments: dict[str, Any] = {key: int(parts[key]) for key in ("qubits", "layers") if parts[key]}
    for key in given:
        one_of("The option", key, ("qubits", "layers", "mirrored", *fields, *known.options))
        if key in arguments:
            raise typer.BadParameter(f"{key!r} is given twice: {circuit}, {key}={given[key]}.", param_hint="--option")
    encoding = {key.removeprefix(_ENCODING): value for key, value in given.items() if key in fields}
    arguments |= {key: value for key, value in given.items() if key not in fields}
    return known.build(encoding=dataclasses.replace(known.encoding, **encoding), **arguments)


def _parts(circuit: str) -> dict[str, str]:
    match = _NAME.fullmatch(circuit)
    if not match:
        raise typer.BadParameter(
            f"{circuit!r} is not NAME, NAME:QUBITS, NAME:QUBITS,LAYERS or FILE.json; for example hqconv:12,3.",
            param_hint="--circuit",
        )
    return match.groupdict(default="")


def _key_value(option: str) -> tuple[str, Any]:
    key, equals, text = option.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"{option!r} is not KEY=VALUE; for example mirrored=true.", param_hint="--option")
    if text.lower() in ("true", "false"):
        return key, text.lower() == "true"
    try:
        return key, json.loads(text)
    except ValueError:
        return key, text
