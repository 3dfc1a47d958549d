"""Descriptions of models: their parts, parameters and circuits, in numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, final

from torch import nn

from qgen.errors import counted


@final
@dataclass(frozen=True, slots=True)
class Part:
    """One part of a model.

    Attributes:
        name: the prefix of its parameters.
        shape: what comes out for one image: (C, H, W), or (features,).
        parameters: how many numbers are learned in it; those that are frozen count.
        circuits: circuits that it runs for one image in one call.
    """

    name: str
    shape: tuple[int, ...]
    parameters: int
    circuits: int


@final
@dataclass(frozen=True, slots=True)
class UsedCircuit:
    """A kind of circuit in a model.

    Attributes:
        part: the prefix of the parameters of all of its kind.
        ansatz: its name; likewise `qubits`, ancillas with them, and `layers`, None where they are not known.
        copies: how many there are with weights of their own.
    """

    part: str
    ansatz: str
    qubits: int
    layers: int | None
    copies: int


@final
@dataclass(frozen=True, slots=True, repr=False)
class ModelDescription:
    """Description of a model in numbers. A notebook shows its parts as a table.

    Attributes:
        rows: its parts, in the order in which they run.
        parameters: the number of its parameters.
        quantum_parameters: those among them that are weights of circuits, unused ones too.
        trainable: those among all that can change.
        circuits_per_call: circuits that are run for one image in one call.
        qubits: of the widest circuit; 0 without circuits.
        circuits: the kinds of circuits.
        branch_parameters: the number of parameters in branches beside features: those of the circuits, of the layers
            before and behind them, and gates; 0 without such branches.
    """

    rows: tuple[Part, ...]
    parameters: int
    quantum_parameters: int
    trainable: int
    circuits_per_call: int
    qubits: int
    circuits: tuple[UsedCircuit, ...]
    branch_parameters: int = 0

    def __repr__(self) -> str:
        """Return its parts as a table of text, and the sums below it."""
        names = max(len(row.name) for row in self.rows)
        lines = [
            f"{name:<{names}}  {shape:>10}  {count:>11}  {circuits}" for name, shape, count, circuits in self._cells()
        ]
        return "\n".join([*(line.rstrip() for line in lines), self._sums])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("part", "output", "parameters", "circuits"))
        rows = ("".join(f"<td>{escape(cell)}</td>" for cell in cells) for cells in self._cells())
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{self._sums}</p>"

    def _cells(self) -> Iterator[tuple[str, str, str, str]]:
        for row in self.rows:
            yield row.name, "x".join(map(str, row.shape)), f"{row.parameters:,}", f"{row.circuits or ''}"

    @property
    def _sums(self) -> str:
        circuits = f"{counted(self.circuits_per_call, 'circuit')} for an image in each call"
        return f"{counted(self.parameters, 'parameter')}, of which {self.quantum_parameters:,} in circuits; {circuits}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, dicts, numbers and text, ready for JSON."""
        plain = asdict(self)
        rows = [row | {"shape": list(row["shape"])} for row in plain["rows"]]
        return plain | {"rows": rows, "circuits": list(plain["circuits"])}


def count(module: nn.Module) -> int:
    """Return the number of parameters of a module, frozen ones too."""
    return sum(parameter.numel() for parameter in module.parameters())
