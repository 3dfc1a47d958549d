"""`qgen transpile`: search for the best transpilation of circuits for devices."""

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
from qgen.cli.born_circuits import find_born_circuit
from qgen.cli.output import check_outputs, make_console, print_json
from qgen.cli.run_argument import named_run
from qgen.cli.transpile_tables import print_report, print_suitability, print_warnings
from qgen.progress import progress_bar

if TYPE_CHECKING:
    from qgen.circuits import LayerCircuit
    from qgen.costing.circuit_use import CircuitUse
    from qgen.reports import WorkloadSpec

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
  qgen transpile runs/first-try --backend fake_fez --weights bound --seeds 5
  qgen transpile iqp-digits --backend fake_fez --seeds 1 --levels 2
  qgen sample runs/first-try --backend aer:fake_fez --layout fez.json"""

_LEVELS = re.compile(r"(?P<first>\d)(?:-(?P<last>\d))?")
_CATALOGUE = re.compile(r"(?P<qubits>\d{1,4}),(?P<layers>\d{1,4})")
#: Seeds per worker process: starting one and returning its circuits takes as long as a few of them.
_SEEDS_PER_PROCESS = 4
#: Bindings of the parameters in a simulation.
_BINDINGS = 8


@dataclass(frozen=True)
class _Job:
    """A circuit to report on.

    Attributes:
        name: shown to the reader.
        circuit: the circuit.
        workload: whose cost is estimated.
        smaller: the circuit with one layer fewer, if there is one.
    """

    name: str
    circuit: LayerCircuit
    workload: WorkloadSpec
    smaller: LayerCircuit | None = None


def transpile(
    backend: Annotated[str, typer.Option(metavar="NAME", help="A device; `qgen backends` lists them.")],
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN]",
            help="The folder of a trained run: its circuits; or a preset of a Born machine, or one that comes with "
            "weights. Default: the latest run.",
        ),
    ] = None,
    circuit: Annotated[
        str | None, typer.Option(metavar="CIRCUIT", help="NAME[:QUBITS,LAYERS], or the file of a saved circuit.")
    ] = None,
    qasm: Annotated[Path | None, typer.Option(metavar="FILE", help="A circuit in OpenQASM 2 or 3.")] = None,
    catalogue: Annotated[
        str | None,
        typer.Option(metavar="QUBITS,LAYERS", help="Every ansatz of this size, to compare them."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="An option of the ansatz; see `qgen describe`. Repeatable."),
    ] = None,
    compare: Annotated[str | None, typer.Option(metavar="NAME,NAME", help="Other devices to compare.")] = None,
    weights: Annotated[
        Literal["open", "bound"],
        typer.Option(help="Of a run: open, for training and sampling; or bound as trained: shorter, for sampling."),
    ] = "open",
    levels: Annotated[str, typer.Option(metavar="0-3", help="Optimisation levels: 3, 1-3 or 0,2.")] = "0-3",
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="Number of seeds of the transpiler.")] = 20,
    images: Annotated[int, typer.Option(min=1, help="Estimate the cost of sampling this number of images.")] = 64,
    shots: Annotated[int, typer.Option(min=1, help="Measurements of each circuit, for the cost.")] = 1024,
    batch: Annotated[int, typer.Option(min=1, help="Images in a step of training, for the cost.")] = 16,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Also simulate the best with the device's noise, up to 10 qubits.")
    ] = False,
    decouple: Annotated[
        Literal["XX", "XpXm", "XY4"] | None, typer.Option(help="Estimate the cost of dynamical decoupling.")
    ] = None,
    tiles: Annotated[
        bool, typer.Option("--tiles", help="Count the copies that fit on the device side by side.")
    ] = False,
    pin: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Keep the best on the first device, for sample and train --layout."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Also write a page with pictures; one circuit only.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all that was tried.")] = False,
) -> None:
    """Search for the best transpilation of circuits for devices, and report success probability and cost.

    Success is what gates, waiting qubits and readout leave of the ideal result in one execution; gain is its ratio to
    that of Qiskit's level 3 with seed 0.
    """
    from qgen.backends.device.saved_layouts import write_layouts
    from qgen.reports import ReportOptions, WorkloadSpec, report_with_circuits
    from qgen.reports.transpilation.page import write_page
    from qgen.reports.transpilation.suitability import suitability, summary

    if sum(source is not None for source in (run, circuit, qasm, catalogue)) > 1:
        raise typer.BadParameter("Give one of RUN, --circuit, --qasm and --catalogue.")
    if option and circuit is None:
        raise typer.BadParameter("--option goes with --circuit.", param_hint="--option")
    if weights == "bound" and (circuit is not None or qasm is not None or catalogue is not None):
        raise typer.BadParameter("only a run knows its weights: give RUN.", param_hint="--weights")
    wanted_levels, devices = _levels(levels), _devices(backend, compare)
    _check_suffix("--html", html, (".html", ".htm"))
    _check_suffix("--pin", pin, (".json",))
    check_outputs(html, pin)
    console, results, pins = make_console(as_json), [], []
    jobs = _jobs(run, circuit, qasm, catalogue, option or [], WorkloadSpec(images, shots, batch), weights == "bound")
    if html and len(jobs) > 1:
        raise typer.BadParameter(f"there are {len(jobs)} circuits, and a page shows one.", param_hint="--html")
    for job in jobs:
        options = ReportOptions(job.workload, _BINDINGS if simulate else 0, decouple, tiles, job.workload.one_circuit)
        with progress_bar(console, f"transpiling {job.name}") as callback:
            report, best = report_with_circuits(
                job.circuit,
                devices,
                wanted_levels,
                seeds,
                callback,
                name=job.name,
                processes=_processes(seeds),
                options=options,
            )
        results.append(suitability(report, job.smaller))
        pins.append((job.circuit, best[0].isa))
        if html:
            write_page(report, html, dict(zip(devices, (transpiled.isa for transpiled in best), strict=True)))
    if pin:
        write_layouts(pin, devices[0], pins)
    reports = [result.report for result in results]
    if as_json:
        print_json({"reports": [report.to_dict() for report in reports], "suitability": summary(results)})
        return
    if catalogue:
        print_suitability(console, results)
    else:
        for report in reports:
            print_report(console, report)
    print_warnings(console, reports)
    for label, path in (("page", html), ("pinned", pin)):
        if path:
            console.print(f"{label}: {path}", soft_wrap=True)


def _check_suffix(option: str, path: Path | None, allowed: tuple[str, ...]) -> None:
    if path and path.suffix.lower() not in allowed:
        raise typer.BadParameter(f"{str(path)!r} does not end in {allowed[0]}.", param_hint=option)


def _levels(text: str) -> tuple[int, ...]:
    """Parse levels such as `3`, `1-3` or `0,2`, ascending."""
    parsed: set[int] = set()
    for part in text.split(","):
        match = _LEVELS.fullmatch(part.strip())
        first, last = (int(match["first"]), int(match["last"] or match["first"])) if match else (1, 0)
        if not 0 <= first <= last <= 3:
            raise typer.BadParameter(
                f"{text!r} names no optimisation levels from 0 to 3; write 3, 1-3 or 0,2.", param_hint="--levels"
            )
        parsed.update(range(first, last + 1))
    return tuple(sorted(parsed))


def _devices(backend: str, compare: str | None) -> tuple[str, ...]:
    from qgen.devices import simulated

    names = [backend, *(compare or "").split(",")]
    return tuple(dict.fromkeys(simulated(name.strip()) for name in names if name.strip()))


def _jobs(
    run: Path | None,
    circuit: str | None,
    qasm: Path | None,
    catalogue: str | None,
    options: list[str],
    workload: WorkloadSpec,
    bound: bool,
) -> list[_Job]:
    """Collect the requested circuits."""
    if qasm is not None:
        from qgen.circuits.qasm import read_qasm

        return [_Job(str(qasm), read_qasm(qasm), workload)]
    if catalogue is not None:
        return list(_ansatz_jobs(catalogue, workload))
    if circuit is not None:
        from qgen.circuits import LayerCircuit

        recipe = circuit_arguments.read_recipe(circuit, options)
        built = recipe.build() if recipe else LayerCircuit.load(circuit)
        return [_Job(circuit, built, _with_mixture(workload, built))]
    if (found := find_born_circuit(run, bound)) is not None:
        name, built = found
        title = f"{name} ({built.qubits} qubits, all images are shots of this circuit)"
        return [_Job(title, built, replace(workload, one_circuit=True))]
    return _bound_jobs(run, workload) if bound else _run_jobs(run, workload)


def _ansatz_jobs(text: str, workload: WorkloadSpec) -> Iterator[_Job]:
    """Collect every ansatz of a size `QUBITS,LAYERS`."""
    from qgen.reports.transpilation.suitability import ansatz_builders

    match = _CATALOGUE.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not QUBITS,LAYERS, as in 12,3.", param_hint="--catalogue")
    layers = int(match["layers"])
    for name, build in ansatz_builders(int(match["qubits"]), layers).items():
        built = build()
        yield _Job(name, built, _with_mixture(workload, built), build(fewer=1) if layers > 1 else None)


def _with_mixture(workload: WorkloadSpec, circuit: LayerCircuit) -> WorkloadSpec:
    """Count one circuit per image, or the points of its mixture."""
    points = 1 if circuit.mixture is None else len(circuit.mixture)
    return replace(workload, circuits=points, training_circuits=points)


def _processes(seeds: int) -> int:
    """Use a process per core, if there is enough to do."""
    return min(os.cpu_count() or 1, 8, 1 + seeds // _SEEDS_PER_PROCESS)


def _run_jobs(path: Path | None, workload: WorkloadSpec) -> list[_Job]:
    """Collect the distinct circuits in the model of a run, with the calls of all layers that share one."""
    from qgen.costing.circuit_use import sampling_uses, training_uses
    from qgen.errors import RunError
    from qgen.sampling import open_trained

    run = named_run(path)
    generator = open_trained(run, {"name": "statevector"}).generator
    groups: dict[str, list[CircuitUse]] = {}
    for use in training_uses(generator):
        groups.setdefault(use.circuit.digest, []).append(use)
    sampled: dict[str, list[CircuitUse]] = {}
    for use in sampling_uses(generator):
        sampled.setdefault(use.circuit.digest, []).append(use)
    if not groups:
        raise RunError(f"{run.path} has no circuits: its model is classical")
    # The largest first, so that one that does not fit is refused before anything is run.
    ordered = sorted(groups, key=lambda key: -groups[key][0].circuit.qubits)
    return [
        _run_job(f"{run.name}, circuit {k}", groups[key], sampled.get(key, []), workload)
        for k, key in enumerate(ordered, 1)
    ]


def _bound_jobs(path: Path | None, workload: WorkloadSpec) -> list[_Job]:
    """Collect what sampling a run takes with its weights bound: a circuit for each layer and each of its copies."""
    import torch

    from qgen.circuits.bound import bind_weights
    from qgen.costing.circuit_use import sampling_uses
    from qgen.errors import RunError
    from qgen.sampling import open_trained

    run = named_run(path)
    generator = open_trained(run, {"name": "statevector"}).generator
    groups: dict[str, list[CircuitUse]] = {}
    for use in sampling_uses(generator):
        layer: Any = generator.network.get_submodule(use.layer)
        weights = torch.atleast_2d(layer.weight.detach().double().cpu())
        for copy, row in enumerate(weights.numpy()):
            name = use.layer if len(weights) == 1 else f"{use.layer}[{copy}]"
            one = bind_weights(use.circuit, row).circuit if use.circuit.num_weights else use.circuit
            part = replace(use, layer=name, circuit=one, circuits=use.circuits // len(weights))
            groups.setdefault(one.digest, []).append(part)
    if not groups:
        raise RunError(f"{run.path} has no circuits: its model is classical")
    ordered = sorted(groups, key=lambda key: -groups[key][0].circuit.qubits)
    return [
        _run_job(f"{run.name}, circuit {k}, weights bound", [], groups[key], workload)
        for k, key in enumerate(ordered, 1)
    ]


def _run_job(name: str, uses: list[CircuitUse], sampled: list[CircuitUse], workload: WorkloadSpec) -> _Job:
    (calls, circuits), (training_calls, training_circuits) = _calls(sampled), _calls(uses)
    shown = uses or sampled
    title = f"{name} ({shown[0].circuit.qubits} qubits, in {', '.join(use.layer for use in shown)})"
    counted = replace(
        workload,
        calls=calls,
        circuits=circuits,
        training_calls=training_calls,
        training_circuits=training_circuits,
    )
    return _Job(title, shown[0].circuit, counted)


def _calls(uses: list[CircuitUse]) -> tuple[int, int]:
    """Return the number of calls, and the circuits of a call per image, rounded up."""
    calls = sum(use.submissions for use in uses)
    return calls, ceil(sum(use.per_image for use in uses) / max(1, calls))
