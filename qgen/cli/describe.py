"""`qgen describe`: what a circuit is."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qgen.cli import pictures, words

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.circuits import Description


def describe(
    circuit: Annotated[
        str | None,
        typer.Option(metavar="NAME[:QUBITS,LAYERS]", help="An ansatz by name (see --list), or a saved FILE.json."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="What the ansatz offers: mirrored, encoding.gate, encoding.map, encoding.scale, encoding.reupload, "
            "or an option of its own. Repeatable.",
        ),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw the circuit into a .png, .svg, .pdf or .txt file.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the ansaetze instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Draw a circuit and list what it consists of.

    Depth and gates are those of the circuit as written, not transpiled to a device.
    """
    if list_ == (circuit is not None):
        raise typer.BadParameter("Give either --circuit or --list; for example --circuit hqconv.")
    if figure and figure.suffix not in pictures.ENDINGS:
        raise typer.BadParameter(
            f"{str(figure)!r} does not end in one of {', '.join(pictures.ENDINGS)}.", param_hint="--figure"
        )
    if circuit is None:
        _print_list(as_json)
    else:
        _print_circuit(circuit, option or [], figure, as_json)


def _print_circuit(circuit: str, options: list[str], figure: Path | None, as_json: bool) -> None:
    from rich.console import Console

    from qgen.circuits import describe, get_ansatz

    layer_circuit = words.read_circuit(circuit, options)
    known = None if words.is_file(circuit) else get_ansatz(words.ansatz_name(circuit))
    console = Console(highlight=False)
    facts = describe(layer_circuit, fold=console.width)
    if figure:
        pictures.save_drawing(layer_circuit, figure)
    if as_json:
        about = {"name": known.name, "figure": known.figure, "reference": known.reference} if known else {}
        typer.echo(json.dumps(about | _numbers(facts), indent=2, ensure_ascii=False))
        return
    # The facts come last: a long drawing scrolls away, and what one asked for stays in sight.
    typer.echo(facts.drawing)
    if known:
        typer.echo(f"\n{known.figure}")
    rows = {"ansatz": f"{known.name}: {known.summary}", "reference": known.reference} if known else {"file": circuit}
    _print_rows(console, rows | _rows(facts) | ({"drawn into": str(figure)} if figure else {}))


def _numbers(facts: "Description") -> dict[str, object]:
    # The same three names as for a whole model, where parameters are those that are learned and one evaluation is one
    # of many; a bare circuit learns its weights.
    numbers = {name: value for name, value in facts.to_dict().items() if name != "drawing"}
    return numbers | {
        "parameters": facts.weights,
        "quantum_parameters": facts.weights,
        "circuits_per_image": facts.circuits_per_evaluation,
    }


def _rows(facts: "Description") -> dict[str, str]:
    return {
        "qubits": str(facts.qubits),
        "inputs": str(facts.inputs),
        "weights": f"{facts.weights} (the parameters that are learned)",
        "observables": f"{len(facts.observables)}: {', '.join(facts.observables)}",
        "depth": f"{facts.depth} ({facts.two_qubit_depth} counting two-qubit gates only)",
        "two-qubit gates": str(facts.two_qubit_gates),
        "all gates": ", ".join(f"{count} {name}" for name, count in facts.gates),
        "circuits per evaluation": str(facts.circuits_per_evaluation),
    }


def _print_rows(console: "Console", rows: dict[str, str]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, Text(value))
    console.print()
    console.print(table)


def _print_list(as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from qgen.circuits import ansatz_names, get_ansatz

    ansaetze = [get_ansatz(name) for name in ansatz_names()]
    if as_json:
        rows = [
            {"name": a.name, "summary": a.summary, "qubits": a.qubits, "layers": a.layers, "reference": a.reference}
            | {"options": dict(a.options)}
            for a in ansaetze
        ]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for a in ansaetze:
        text = Text(f"{a.summary}\n").append(a.reference, style="dim")
        for option, meaning in a.options.items():
            text.append(f"\n--option {option}=...  {meaning}")
        table.add_row(a.name, text.append("\n"))
    Console(highlight=False).print(table)
