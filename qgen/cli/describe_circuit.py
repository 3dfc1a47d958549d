"""`qgen describe` of a circuit: its drawing and its numbers."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from qgen.cli import circuit_arguments, pictures
from qgen.cli.output import make_console, print_json, print_rows
from qgen.cli.tables import print_pairs

if TYPE_CHECKING:
    from qgen.circuits import Description, Encoding, LayerCircuit

#: A drawing of more lines than this is cut to as few layers as there can be.
_MOST_LINES = 60
_ABOUT = ("name", "figure", "reference", "data_qubits", "layers", "encoding", "options")


def print_circuit(circuit: str, options: list[str], figure: Path | None, as_json: bool) -> None:
    """Draws a circuit and lists its facts."""
    from qgen.circuits import LayerCircuit, describe

    recipe = circuit_arguments.read_recipe(circuit, options)
    layer_circuit = recipe.build() if recipe else LayerCircuit.load(circuit)
    console = make_console()
    facts = describe(layer_circuit, fold=console.width, draw=not as_json)
    if figure:
        pictures.save_drawing(layer_circuit, figure)
    if as_json:
        print_json(_about(recipe, layer_circuit) | _numbers(facts))
        return
    # The facts come last: a long drawing scrolls away, and what one asked for stays in sight.
    typer.echo(_drawing(facts, recipe, console.width))
    rows = {"file": circuit}
    if recipe:
        known = recipe.ansatz
        typer.echo(f"\n{known.figure}")
        rows = {"ansatz": f"{known.name}: {known.summary}", "reference": known.reference}
    print_rows(console, rows | _rows(facts) | ({"drawn into": str(figure)} if figure else {}))


def _drawing(facts: "Description", recipe: circuit_arguments.Recipe | None, columns: int) -> str:
    from qgen.circuits import describe

    if recipe is None or len(facts.drawing.splitlines()) <= _MOST_LINES:
        return facts.drawing
    fewest = 2 if recipe.options.get("mirrored") else 1
    if recipe.layers <= fewest:
        return facts.drawing
    part = describe(recipe.build(layers=fewest), fold=columns).drawing
    return f"{part}\n\nDrawn: {fewest} of {recipe.layers} layers; --figure FILE.txt draws all of them."


def _about(recipe: circuit_arguments.Recipe | None, circuit: "LayerCircuit") -> dict[str, object]:
    """What tells one circuit of the catalogue from another; all None for a saved one."""
    if recipe is None:
        return dict.fromkeys(_ABOUT)
    known = recipe.ansatz
    identity = (circuit.num_observables, recipe.layers, _encoding(recipe.encoding), recipe.options)
    return dict(zip(_ABOUT, (known.name, known.figure, known.reference, *identity), strict=True))


def _encoding(encoding: "Encoding | None") -> dict[str, object] | None:
    return None if encoding is None else dataclasses.asdict(encoding)


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
        "parameters": f"{facts.weights} learned + {facts.inputs} inputs",
        "observables": f"{len(facts.observables)}: {', '.join(facts.observables)}",
        "depth": f"{facts.depth} ({facts.two_qubit_depth} counting two-qubit gates only)",
        "two-qubit gates": str(facts.two_qubit_gates),
        "all gates": ", ".join(f"{count} {name}" for name, count in facts.gates),
        "circuits per evaluation": str(facts.circuits_per_evaluation),
    }


def print_list(as_json: bool) -> None:
    """The ansaetze, with what each is and what it offers."""
    from rich.text import Text

    from qgen.circuits import ansatz_names, get_ansatz

    ansaetze = [get_ansatz(name) for name in ansatz_names()]
    if as_json:
        rows = [
            {"name": a.name, "summary": a.summary, "reference": a.reference, "layers": a.layers}
            | {"qubits": a.qubits, "qubit_unit": a.qubit_unit, "min_qubits": a.min_qubits}
            | {"encoding": _encoding(a.encoding), "options": dict(a.options)}
            for a in ansaetze
        ]
        print_json(rows)
        return
    listed: list[tuple[str, str | Text]] = []
    for a in ansaetze:
        text = Text(f"{a.summary}\n").append(f"{a.reference}\n", style="dim")
        text.append(f"default: {a.qubits} qubits, {a.layers} layers")
        for option, meaning in a.options.items():
            text.append(f"\n--option {option}=...  {meaning}")
        listed.append((a.name, text.append("\n")))
    print_pairs(make_console(), listed)
