"""`qgen describe`: what a circuit, a model or a run is."""

from pathlib import Path
from typing import Annotated

import typer

from qgen.cli import describe_circuit, describe_model, pictures
from qgen.cli.output import check_outputs

EXAMPLES = """\b
Examples:
  qgen describe qvunet-1hq  # a preset: its layers and circuits
  qgen describe quanvunet --set model.variant=published --json
  qgen describe runs/first-try
  qgen describe --list
  qgen describe --circuit hqconv
  qgen describe hqconv:12,3 --json
  qgen describe --circuit basic --option mirrored=true --figure basic.png"""


def describe(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="WHAT",
            help="A preset, a YAML file of settings, the folder of a run; or a circuit: NAME[:QUBITS,LAYERS], or the "
            "file of a saved one.",
        ),
    ] = None,
    circuit: Annotated[str | None, typer.Option(metavar="CIRCUIT", help="A circuit, and nothing else.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of a model (`qgen train --keys`)."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="What an ansatz offers: qubits, layers, mirrored, encoding.gate, encoding.map, encoding.scale, "
            "encoding.reupload, or an option of its own. Repeatable.",
        ),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw the circuit into a .png, .svg, .pdf or .txt file.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the ansaetze instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a model, a run or a circuit is: layers, parameters, circuits.

    Depth and gates are those of a circuit as written, not transpiled to a device.
    """
    given = [word for word in (name, circuit) if word is not None]
    if len(given) + list_ != 1:
        raise typer.BadParameter("Give one circuit, preset or run, as with --circuit hqconv, or --list.")
    if list_ and (option or figure or set_):
        raise typer.BadParameter("--list takes neither --option nor --figure nor --set.")
    if figure and figure.suffix.lower() not in pictures.ENDINGS:
        raise typer.BadParameter(
            f"{str(figure)!r} does not end in one of {', '.join(pictures.ENDINGS)}.", param_hint="--figure"
        )
    check_outputs(figure)
    if list_:
        describe_circuit.print_list(as_json)
    elif name is not None and describe_model.is_model(name):
        if option or figure:
            raise typer.BadParameter("--option and --figure are for circuits; change a model with --set.")
        describe_model.print_model(name, set_ or [], as_json)
    else:
        if set_:
            raise typer.BadParameter("--set is for models; change a circuit with --option.")
        describe_circuit.print_circuit(given[0], option or [], figure, as_json)
