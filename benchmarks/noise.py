"""Values and gradients under noise, beside Aer and other libraries: `python benchmarks/noise.py --help`.

Aer is measured by its density matrix, which is exact, and by its trajectories, a state for each shot; the better of the
two at equal error is what qgen is compared with, and so for others. Libraries without gradients take those of
parameter-shift: so many values, times the seconds of one. Times are CPU seconds of all threads, in interleaved rounds.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from harness.machine import cores_of_others, machine, warn_if_busy
from harness.noisy import EXACT, LONG, WHAT, Case, Contender, Cost, Costs, Result, seconds_at, shift_variance, timed
from harness.tables import duration, make_table, markdown, save
from harness.worker import Worker, WorkerError
from peers.noisy import LIBRARIES
from rich.console import Console
from rich.table import Table

from qgen.backends import ParameterShift

#: The noise that all libraries can be told: depolarisation after each gate but RZ.
NOISE = {"sx": 1e-3, "x": 1e-3, "cx": 1e-2}
NOISE_FILE = f"basis: [rz, sx, x, cx]\ndepolarizing: {{one_qubit: {NOISE['sx']}, two_qubit: {NOISE['cx']}}}\n"
#: Methods that are compared, with their options.
METHODS: dict[str, dict[str, Any]] = {
    "exact": {"method": "exact"},
    "propagate, tolerance 0.03": {"method": "propagate", "tolerance": 0.03},
    "propagate, tolerance 0.01": {"method": "propagate", "tolerance": 0.01},
    "16 paths": {"method": "paths", "paths": 16},
    "100 paths": {"method": "paths", "paths": 100},
}
#: Shots of Aer's trajectories, and paths of others, that are measured.
SHOTS, PATHS = 200, 16
#: What `--scaling` measures: qubits, layers, batch, scale of the noise.
GROWTH = [
    *[(qubits, 3, 16, 1.0) for qubits in (4, 8, 12, 16)],
    *[(12, layers, 16, 1.0) for layers in (1, 6)],
    *[(12, 3, batch, 1.0) for batch in (1, 256, 1024)],
    *[(12, 3, 16, scale) for scale in (0.1, 5.0)],
]
GROWING = {"exact": {"method": "exact"}, "propagate": {"method": "propagate"}, "paths": {"method": "paths"}}
EXACT_QUBITS = 8
COLUMNS = ("way", "what", "a sample", "error")
GROWTH_COLUMNS = ("method", "circuit", "noise", "values", "values and gradient", "peak MiB")
PAGE = """CPU seconds of all threads, for each sample of a batch. Error: root mean square, of gradients relative to
their norm. The columns `x` say how many times longer another library takes at the same error; where there is no number,
it does not reach it. Gradients are for the weights, with values; libraries that have none take parameter-shift on the
placed circuit.
"""
Row = dict[str, Any]
console = Console(highlight=False)


def nothing() -> None:
    """What comes before a call of what remembers nothing."""


def ours(case: Case) -> list[Contender]:
    """qgen's methods; `exact` comes first, as the truth for the others, and remembers nothing of its last call."""
    found = []
    for name, options in METHODS.items():
        executable = case.compiled(**options)
        for what, call in zip(WHAT, (case.values, case.gradient), strict=True):
            forget = nothing if name == "exact" else partial(case.elsewhere, executable)
            found.append(Contender(name, what, partial(timed, case.batch, partial(call, executable), forget)))
    return found


def aers(case: Case, small: int) -> list[Contender]:
    """Aer's two methods, on the whole batch up to so many qubits, else on one sample."""
    samples, found = case.batch if case.qubits <= small else 1, []
    for name, options in (("density matrix", {}), (f"{SHOTS} shots", {"shots": SHOTS})):
        call = partial(case.values, case.compiled("aer", **options), samples=samples)
        found.append(Contender(f"Aer, {name}", "values", partial(timed, samples, call, nothing), bool(options)))
    return found


def library(name: str, case: Case, stack: ExitStack, give_up: float) -> list[Contender]:
    """A library in a process of its own.

    Raises:
        WorkerError: it is not installed, took too long, or failed; the message says which.
    """
    title, task = LIBRARIES[name]
    python = os.environ.get(f"QGEN_PEER_PYTHON_{name.upper()}", sys.executable)
    worker = stack.enter_context(Worker(f"peers.noisy:{task}", python))
    facts = worker.ask("build", give_up, **case.described(NOISE, PATHS))

    def ask(what: str, seed: int) -> Result:
        answer = worker.ask(what, give_up, seed=seed)
        numbers, errors = np.array(answer["numbers"]), answer.get("errors")
        numbers = numbers if what == "values" else case.of_weights(numbers)
        return answer["seconds"], numbers, None if errors is None else np.array(errors)

    found = [Contender(title, what, partial(ask, what), facts["sampled"], facts["allowed"]) for what in facts["what"]]
    for one in found:
        one.call(0)  # where compilers compile
    return found


def costs(case: Case, rows: list[Contender], truth: dict[str, np.ndarray]) -> dict[str, Costs]:
    """What each library takes for values and gradients, at which error."""
    spread, evaluations = 1 - truth["values"] ** 2, ParameterShift().evaluations(case.placed, (False, True))
    of_shots = shift_variance(case, spread, truth["gradient"]) / float(spread.mean())
    differentiating, found = {row.name for row in rows if row.what == "gradient"}, dict[str, Costs]()
    for row in rows:
        own = found.setdefault(row.name.partition(",")[0], {what: [] for what in WHAT})
        variance = float(np.square(row.expected).mean()) if row.expected else float(spread.mean()) / SHOTS
        if row.what == "values" and row.sampled:
            own["values"].append(Cost(row.median, variance**0.5, True))
        else:
            own[row.what].append(Cost(row.median, row.error, row.sampled))
        if row.name in differentiating:
            continue
        if row.sampled:
            own["gradient"].append(Cost(evaluations * row.median, (of_shots * variance) ** 0.5, True))
        elif row.error < EXACT:  # else nothing is known of the gradient's error
            own["gradient"].append(Cost(evaluations * row.median))
    return found


def measure(
    case: Case, title: str, peers: list[str], rounds: int, small: int, give_up: float
) -> tuple[list[Row], dict[str, str], Table]:
    """Rows of one case, why libraries are not among them, and a table."""
    own, truth, reasons = ours(case), dict[str, np.ndarray](), dict[str, str]()
    with ExitStack() as stack:
        others = aers(case, small)
        for name in peers:
            console.print(f"{case}: building {LIBRARIES[name][0]}", style="dim")
            try:
                others += library(name, case, stack, give_up)
            except WorkerError as error:
                reasons[LIBRARIES[name][0]] = str(error)
        for number in range(rounds):
            console.print(f"{case}: round {number + 1} of {rounds}", style="dim")
            for row in (*own, *others):
                if not row.seconds or sum(row.seconds) * case.batch < LONG:
                    truth.setdefault(row.what, row.take(number, truth.get(row.what)))
    wrong = {row.name: f"its values are off by {row.error:.1e}" for row in others if not row.right}
    rivals = costs(case, [row for row in others if row.name not in wrong], truth)
    table = make_table(f"{case}, {title}", (*COLUMNS, *(f"x {name}" for name in rivals)), 2)
    reasons |= wrong
    table.caption = "; ".join(f"{name}: {reason}" for name, reason in reasons.items()) or None
    rows = []
    for row in (*own, *others):
        ratios = {name: seconds_at(rival, row.what, row.error) / row.median for name, rival in rivals.items()}
        shown = {name: ratio for name, ratio in ratios.items() if row in own and ratio < float("inf")}
        texts = [f"{shown[name]:,.{0 if shown[name] >= 20 else 1}f}" if name in shown else "" for name in rivals]
        table.add_row(row.name, row.what, duration(row.median), f"{row.error:.1e}", *texts)
        facts = {"noise": title, "qubits": case.qubits, "batch": case.batch, "way": row.name, "what": row.what}
        measured = {"seconds": row.median, "rounds": row.seconds, "error": row.error}
        rows.append(facts | measured | ({"ratios": shown} if row in own else {}))
    return rows, reasons, table


def growth(device: str) -> tuple[list[Row], Table]:
    """How qgen's own methods grow with qubits, layers, batch and noise."""
    table, rows = make_table(f"Growth, {device}: seconds of the whole batch", GROWTH_COLUMNS, 2), []
    for (qubits, layers, batch, scale), (name, options) in product(GROWTH, GROWING.items()):
        if name == "exact" and qubits > EXACT_QUBITS:
            continue
        size = {"qubits": qubits, "batch": batch, "device": device, "layers": layers}
        console.print(f"growth: {name}, {Case(**size)}, noise {scale:g}", style="dim")
        with Worker("harness.growth:Growth", case=size, options=options | {"noise_scale": scale}) as worker:
            answer = worker.ask(calls=3, long=LONG)
        rows.append({**size, "noise": scale, "method": name, **answer})
        cells = str(Case(**size)), f"{scale:g}", duration(answer["values"]), duration(answer["gradient"])
        table.add_row(name, *cells, "-" if answer["peak_mib"] is None else f"{answer['peak_mib']:.0f}")
    console.print(table)
    return rows, table


def main(
    sizes: Annotated[str, typer.Option(help="Of HQConv on the device, QUBITSxBATCH.")] = "4x16,8x16,12x64",
    common: Annotated[str, typer.Option(help="The same, of the noise that all libraries know.")] = "4x16,8x16",
    device: Annotated[str, typer.Option(help="The device whose noise it is.")] = "fake_brisbane",
    peers: Annotated[str, typer.Option(help="`all`, `none`, or of " + ", ".join(LIBRARIES))] = "all",
    scaling: Annotated[bool, typer.Option("--scaling", help="Also the growth of qgen's methods.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Times that everything is measured.")] = 3,
    small: Annotated[int, typer.Option(help="Aer runs the whole batch up to so many qubits, else a sample.")] = 8,
    give_up_seconds: Annotated[float, typer.Option(help="Longest call of a library, compilation included.")] = 120.0,
    out: Annotated[Path, typer.Option(help="Results go to OUT.json and OUT.md.")] = Path("benchmarks/results/noise"),
) -> None:
    """qgen's noisy engine beside Aer's density matrix and trajectories, and beside other libraries."""
    warn_if_busy(console)
    names = list(LIBRARIES) if peers == "all" else [name for name in peers.split(",") if name != "none"]
    if unknown := sorted(set(names) - set(LIBRARIES)):
        raise typer.BadParameter(f"no library is called {', '.join(unknown)}; there are {', '.join(LIBRARIES)}")
    facts = machine(torch.get_num_threads(), ("qiskit-aer",))
    report: Row = {"kind": "noise", "machine": facts, "settings": {"rounds": rounds, "device": device}}
    report |= {"rows": [], "not measured": []}
    tables = []
    with tempfile.TemporaryDirectory() as folder, cores_of_others(facts):
        file = Path(folder) / "depolarizing.yaml"
        file.write_text(NOISE_FILE)
        for one in ours(Case(4, 16, device)):
            one.call(0)  # kernels are compiled, or loaded
        plan = [(size, device, device, []) for size in _sizes(sizes)]
        plan += [(size, str(file), "depolarisation after each gate", names) for size in _sizes(common)]
        for size, place, title, known in plan:
            rows, reasons, table = measure(Case(*size, place), title, known, rounds, small, give_up_seconds)
            report["rows"] += rows
            report["not measured"] += [{"qubits": size[0], "library": one, "why": reasons[one]} for one in reasons]
            tables.append(table)
            console.print(table)
            save(report, out)
        if scaling:
            report["growth"], table = growth(device)
            tables.append(table)
    save(report, out)
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    where = f"{facts['cpu']}, {packages}, {facts['date'][:10]}"
    others = f"other processes took {facts['cores_taken_by_others']} of {facts['cores']} cores meanwhile"
    page = [f"# Noise, measured\n\nBy `benchmarks/noise.py`. {where}. Medians of {rounds} rounds; {others}.\n", PAGE]
    out.with_suffix(".md").write_text("\n".join([*page, *map(markdown, tables)]), encoding="utf-8")


def _sizes(text: str) -> list[tuple[int, int]]:
    pairs = [size.split("x") for size in text.split(",") if size]
    return [(int(qubits), int(batch)) for qubits, batch in pairs]


if __name__ == "__main__":
    typer.run(main)
