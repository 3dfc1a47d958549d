"""`qgen transpile`: what circuits become on a device."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from qgen.cli import circuit_arguments
from qgen.cli.output import check_outputs, make_console, print_json
from qgen.cli.progress import progress
from qgen.cli.transpile_tables import print_report, print_suitability, print_warnings

if TYPE_CHECKING:
    from qgen.circuits import LayerCircuit
    from qgen.reports import Work

EXAMPLES = """\b
Examples:
  qgen transpile --circuit hqconv:8,1 --backend fake_fez --seeds 5
  qgen transpile --circuit basic --backend fake_fez --compare fake_lagos
  qgen transpile --circuit basic:6,2 --backend fake_fez --levels 2-3 --json
  qgen transpile --circuit basic --backend fake_fez --html page.html --seeds 3
  qgen transpile --circuit basic:4,2 --backend fake_fez --seeds 2 --simulate
  qgen transpile --circuit basic:4,2 --backend fake_fez --seeds 2 --tiles
  qgen transpile --circuit basic --backend fake_fez --seeds 2 --decouple XY4
  qgen transpile --catalogue 4,1 --backend fake_fez --seeds 2
  qgen transpile --qasm circuit.qasm --backend fake_torino --seeds 5
  qgen transpile runs/first-try --backend fake_fez --seeds 5 --pin fez.json
  qgen sample runs/first-try --backend aer:fake_fez --layout fez.json"""

_LEVELS = re.compile(r"(?P<first>\d)(?:-(?P<last>\d))?")
_CATALOGUE = re.compile(r"(?P<qubits>\d{1,4}),(?P<layers>\d{1,4})")
#: Seeds that are worth one more process: to start one and to bring its circuits back takes as long as many of them.
_WORTH = 30
#: Settings of the angles that a prediction is checked with.
_BINDINGS = 8


@dataclass(frozen=True)
class _Wanted:
    """A circuit, what it is called, what is to be done with it, and the same with one layer fewer."""

    name: str
    circuit: LayerCircuit
    work: Work
    smaller: LayerCircuit | None = None


def transpile(
    backend: Annotated[str, typer.Option(metavar="NAME", help="A device; `qgen backends` lists them.")],
    run: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="The folder of a trained run: its circuits. Default: the latest."),
    ] = None,
    circuit: Annotated[
        str | None, typer.Option(metavar="CIRCUIT", help="NAME[:QUBITS,LAYERS], or the file of a saved circuit.")
    ] = None,
    qasm: Annotated[Path | None, typer.Option(metavar="FILE", help="A circuit in OpenQASM 2 or 3.")] = None,
    catalogue: Annotated[
        str | None,
        typer.Option(metavar="QUBITS,LAYERS", help="Every ansatz of this size: which one suits which device."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="What an ansatz offers; see `qgen describe`. Repeatable."),
    ] = None,
    compare: Annotated[str | None, typer.Option(metavar="NAME,NAME", help="Other devices to set beside it.")] = None,
    levels: Annotated[str, typer.Option(metavar="0-3", help="Optimisation levels: 3, 1-3 or 0,2.")] = "0-3",
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="How many seeds of the transpiler.")] = 20,
    images: Annotated[int, typer.Option(min=1, help="Say what it costs to sample so many images.")] = 64,
    shots: Annotated[int, typer.Option(min=1, help="Measurements of each circuit, for the cost.")] = 1024,
    batch: Annotated[int, typer.Option(min=1, help="Images in a step of training, for the cost.")] = 16,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Also run the best on the device's noise, up to 10 qubits.")
    ] = False,
    decouple: Annotated[
        Literal["XX", "XpXm", "XY4"] | None, typer.Option(help="Say what dynamical decoupling would cost.")
    ] = None,
    tiles: Annotated[bool, typer.Option("--tiles", help="Say how many copies fit on the device.")] = False,
    pin: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Keep the best on the first device, for sample and train --layout."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Also write a page with pictures; one circuit only.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all that was tried.")] = False,
) -> None:
    """Search for the best way to run circuits on devices, and tell how likely they succeed and what they cost.

    Success is the probability that no gate, no readout and no waiting qubit fails in one execution; gain is that over
    what Qiskit's level 3 reaches with seed 0.
    """
    from qgen.backends.pins import write_pins
    from qgen.reports import Extras, Work, report_with_circuits
    from qgen.reports.page import write_page
    from qgen.reports.suitability import suitability, summary

    if sum(given is not None for given in (run, circuit, qasm, catalogue)) > 1:
        raise typer.BadParameter("Give one of RUN, --circuit, --qasm and --catalogue.")
    if option and circuit is None:
        raise typer.BadParameter("--option goes with --circuit.", param_hint="--option")
    wanted, devices = _levels(levels), _devices(backend, compare)
    _check_suffix("--html", html, (".html", ".htm"))
    _check_suffix("--pin", pin, (".json",))
    check_outputs(html, pin)
    console, found, chosen = make_console(as_json), [], []
    circuits = _circuits(run, circuit, qasm, catalogue, option or [], Work(images, shots, batch))
    if html and len(circuits) > 1:
        raise typer.BadParameter(f"there are {len(circuits)} circuits, and a page shows one.", param_hint="--html")
    for one in circuits:
        extras = Extras(one.work, _BINDINGS if simulate else 0, decouple, tiles)
        with progress(console, f"transpiling {one.name}") as told:
            report, best = report_with_circuits(
                one.circuit, devices, wanted, seeds, told, name=one.name, processes=_processes(seeds), extras=extras
            )
        found.append(suitability(report, one.smaller))
        chosen.append((one.circuit, best[0].isa))
        if html:
            write_page(report, html, dict(zip(devices, (each.isa for each in best), strict=True)))
    if pin:
        write_pins(pin, devices[0], chosen)
    if as_json:
        plain = {"reports": [each.report.to_dict() for each in found], "suitability": summary(found)}
        print_json(plain)
        return
    if catalogue:
        print_suitability(console, found)
    else:
        for each in found:
            print_report(console, each.report)
    print_warnings(console, [each.report for each in found])
    for what, path in (("page", html), ("pinned", pin)):
        if path:
            console.print(f"{what}: {path}", soft_wrap=True)


def _check_suffix(option: str, path: Path | None, allowed: tuple[str, ...]) -> None:
    if path and path.suffix.lower() not in allowed:
        raise typer.BadParameter(f"{str(path)!r} does not end in {allowed[0]}.", param_hint=option)


def _levels(text: str) -> tuple[int, ...]:
    """The levels that `3`, `1-3` or `0,2` name, in order."""
    found: set[int] = set()
    for part in text.split(","):
        match = _LEVELS.fullmatch(part.strip())
        first, last = (int(match["first"]), int(match["last"] or match["first"])) if match else (1, 0)
        if not 0 <= first <= last <= 3:
            raise typer.BadParameter(
                f"{text!r} names no optimisation levels from 0 to 3; write 3, 1-3 or 0,2.", param_hint="--levels"
            )
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def _devices(backend: str, compare: str | None) -> tuple[str, ...]:
    names = [backend, *(compare or "").split(",")]
    return tuple(dict.fromkeys(name.strip().removeprefix("aer:") for name in names if name.strip()))


def _circuits(
    run: Path | None, circuit: str | None, qasm: Path | None, catalogue: str | None, options: list[str], work: Work
) -> list[_Wanted]:
    """What is asked for, by the names that a reader is shown."""
    if qasm is not None:
        from qgen.reports.qasm import read_qasm

        return [_Wanted(str(qasm), read_qasm(qasm), work)]
    if catalogue is not None:
        return list(_all_of(catalogue, work))
    if circuit is not None:
        from qgen.circuits import LayerCircuit

        recipe = circuit_arguments.read_recipe(circuit, options)
        built = recipe.build() if recipe else LayerCircuit.load(circuit)
        return [_Wanted(circuit, built, _mixed(work, built))]
    return _circuits_of_run(run, work)


def _all_of(text: str, work: Work) -> Iterator[_Wanted]:
    """Every ansatz of a size that is given as `QUBITS,LAYERS`."""
    from qgen.reports.suitability import catalogue_circuits

    match = _CATALOGUE.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not QUBITS,LAYERS, as in 12,3.", param_hint="--catalogue")
    layers = int(match["layers"])
    for name, build in catalogue_circuits(int(match["qubits"]), layers).items():
        built = build()
        yield _Wanted(name, built, _mixed(work, built), build(fewer=1) if layers > 1 else None)


def _mixed(work: Work, circuit: LayerCircuit) -> Work:
    """One circuit an image, or as many as its mixture has."""
    points = 1 if circuit.mixture is None else len(circuit.mixture)
    return replace(work, circuits=points, training_circuits=points)


def _processes(seeds: int) -> int:
    """One for each core, where there is enough to do."""
    return min(os.cpu_count() or 1, 8, 1 + seeds // _WORTH)


def _circuits_of_run(path: Path | None, work: Work) -> list[_Wanted]:
    """Every circuit in the model of a run once, with how often all layers of that circuit are called."""
    from qgen.costing.circuit_use import CircuitUse, sampling_uses, training_uses
    from qgen.errors import RunError
    from qgen.runs import find_run
    from qgen.sampling import open_trained

    run = find_run(path)
    generator = open_trained(run, {"name": "statevector"}).generator
    groups: dict[str, list[CircuitUse]] = {}
    for use in training_uses(generator):
        groups.setdefault(use.circuit.digest, []).append(use)
    sampled: dict[str, list[CircuitUse]] = {}
    for use in sampling_uses(generator):
        sampled.setdefault(use.circuit.digest, []).append(use)
    if not groups:
        raise RunError(f"{run.path} has no circuits: its model is classical")
    # The largest first: one that does not fit is refused before anything is run.
    ordered = sorted(groups, key=lambda key: -groups[key][0].circuit.qubits)
    return [
        _of_layers(f"{run.name}, circuit {k}", groups[key], sampled.get(key, []), work)
        for k, key in enumerate(ordered, 1)
    ]


def _of_layers(name: str, uses: list[Any], sampled: list[Any], work: Work) -> _Wanted:
    (calls, each), (training_calls, training_each) = _calls(sampled), _calls(uses)
    called = f"{name} ({uses[0].circuit.qubits} qubits, in {', '.join(use.layer for use in uses)})"
    changed = replace(work, calls=calls, circuits=each, training_calls=training_calls, training_circuits=training_each)
    return _Wanted(called, uses[0].circuit, changed)


def _calls(uses: list[Any]) -> tuple[int, int]:
    """How many calls there are, and the circuits of one for an image, rounded up."""
    calls = sum(use.submissions for use in uses)
    return calls, ceil(sum(use.per_image for use in uses) / max(1, calls))
