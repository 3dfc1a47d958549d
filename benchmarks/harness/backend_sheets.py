"""The tables of `backends.py`, and which targets are met."""

from __future__ import annotations

import statistics
from itertools import groupby
from typing import Any

from harness.report import duration
from harness.sheets import Sheet

Row = dict[str, Any]


def sheets(report: Row) -> list[Sheet]:
    """Those of the parts that were run."""
    makers = {"shift": _shift, "forward": _forward, "sampled": _sampled, "device": _device}
    found = []
    for part, maker in makers.items():
        if part in report:
            found.append(maker(report[part]["rows"]))
            found[-1].notes.append(_when(report[part]))
    found += _bills(_rows(report, "bills"))
    return [*found, _targets(report["targets"])] if report["targets"] else found


def targets(report: Row) -> list[Row]:
    """Each aim that was measured: what it is, what was found, whether it holds."""
    found = []
    for row in _rows(report, "shift"):
        what = f"parameter-shift, {_wanted(row)}: EstimatorQNN takes at least 50 times as long"
        found.append({"target": what, "found": row["ratio"], "holds": row["ratio"] >= 50})
        what = f"parameter-shift, {_wanted(row)}: values and gradients of both differ by less than 1e-8"
        found.append({"target": what, "found": row["difference"], "holds": row["difference"] < 1e-8})
    for row in _rows(report, "forward")[:1]:
        what = f"values of {row['batch']} samples: less than 1.2 ms a sample"
        found.append({"target": what, "found": row["ms_a_sample"], "holds": row["ms_a_sample"] < 1.2})
    for row in _rows(report, "device")[:1]:
        what = f"aer:fake_brisbane, {row['bindings']} bindings: less than 5 s from its name to values"
        found.append({"target": what, "found": row["seconds"], "holds": row["seconds"] < 5})
    return found


def page(report: Row, made: list[Sheet]) -> str:
    """A Markdown page of them all."""
    machine = next(part["machine"] for part in report.values() if isinstance(part, dict))
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    where = f"{machine['threads']} cores ({machine['cpu']}), Python {machine['python']}, {packages}"
    head = f"# Backends, measured\n\nWritten by `benchmarks/backends.py`. {where}. Times are medians.\n"
    return "\n".join([head, *(sheet.markdown() for sheet in made)])


def _rows(report: Row, part: str) -> list[Row]:
    return report[part]["rows"] if part in report else []


def _when(part: Row) -> str:
    machine, rounds = part["machine"], part["settings"]["rounds"]
    taken = "an unknown share" if machine["cores_taken_by_others"] is None else machine["cores_taken_by_others"]
    date = machine["date"][:16].replace("T", " ")
    return f"{rounds} rounds, {date} UTC; other processes took {taken} of {machine['cores']} cores meanwhile."


def _wanted(row: Row) -> str:
    return "weights and inputs" if row["input_gradients"] else "weights"


def _spread(times: list[float]) -> str:
    return f"{duration(min(times))} - {duration(max(times))}"


def _shift(rows: list[Row]) -> Sheet:
    title = (
        f"Values and parameter-shift gradients, HQConv, 12 qubits, 84 weights, batch {rows[0]['batch']}, exact on Aer"
    )
    sheet = Sheet(title, ("gradients for", "way", "circuits", "runs of Aer", "seconds", "min-max", "ratio"), words=2)
    for row in rows:
        mark = " *" if row["extrapolated"] else ""
        own = (f"{row['circuits']:,}", f"{row['runs']:,}", f"{row['seconds']:.2f}", _spread(row["rounds"]), "1")
        stock = (f"{row['stock_circuits']:,}", f"{row['stock_runs']:,}", f"{row['stock_seconds']:,.0f}{mark}", "-")
        sheet.rows.append((_wanted(row), "qgen", *own))
        sheet.rows.append((_wanted(row), "EstimatorQNN", *stock, f"{row['ratio']:,.0f}"))
    apart = max(row["difference"] for row in rows)
    sheet.notes.append(f"Largest difference between both ways' values and gradients: {apart:.1e}.")
    for row in rows:
        if row["extrapolated"]:
            few = statistics.median(row["stock_gradients"])
            sheet.notes.append(
                f"* {_wanted(row)}: extrapolated. Values were measured on the batch, gradients on one sample, for "
                f"{row['few_observables']} observables in each round ({few:.1f} s) and once for all "
                f"({row['larger_seconds']:.1f} s: {row['larger_to_scaled_few']:.2f} times as long an observable); "
                "the cheaper one counts. --full measures all."
            )
    return sheet


def _forward(rows: list[Row]) -> Sheet:
    title = f"Exact values, HQConv, 12 qubits, 3 layers, batch {rows[0]['batch']}, on Aer"
    sheet = Sheet(title, ("way", "ms a sample", "min-max of the batch", "ratio", "difference"))
    for row in rows:
        ratio = f"{row['ms_a_sample'] / rows[0]['ms_a_sample']:.1f}"
        sheet.rows.append(
            (row["way"], f"{row['ms_a_sample']:.2f}", _spread(row["rounds"]), ratio, f"{row['difference']:.0e}")
        )
    sheet.notes.append(
        "EstimatorV2, one PUB: all samples and observables broadcast, bound at run time, called by hand."
    )
    return sheet


def _sampled(rows: list[Row]) -> Sheet:
    title = f"The same step from {rows[0]['shots']} shots, backend `aer`, batch {rows[0]['batch']}"
    sheet = Sheet(title, ("gradients for", "circuits", "shots in all", "seconds", "min-max"))
    for row in rows:
        numbers = (f"{row['circuits']:,}", f"{row['executions']:,}", f"{row['seconds']:.2f}", _spread(row["rounds"]))
        sheet.rows.append((_wanted(row), *numbers))
    return sheet


def _device(rows: list[Row]) -> Sheet:
    title = f"Noise of fake_brisbane, HQConv, 4 qubits, 1 layer, {rows[0]['bindings']} bindings, exact values"
    sheet = Sheet(title, ("way", "imports", "name to values", "min-max", "a second call", "ratio of second calls"))
    for row in rows:
        times = (row["import_seconds"], row["seconds"], row["again_seconds"])
        imports, seconds, again = map(duration, times)
        spread = _spread([one["seconds"] for one in row["rounds"]])
        ratio = f"{row['again_seconds'] / rows[0]['again_seconds']:.0f}"
        sheet.rows.append((row["way"], imports, seconds, spread, again, ratio))
    sheet.notes.append("Every round in a fresh process. qgen's values include readout errors, the other way's do not.")
    sheet.notes.append(f"On one placement, and without readout errors, both differ by {rows[0]['difference']:.1e}.")
    return sheet


def _bills(rows: list[Row]) -> list[Sheet]:
    return [_bill(list(group)) for _, group in groupby(rows, key=lambda row: row["circuit"])]


def _bill(rows: list[Row]) -> Sheet:
    """One circuit; the places of a row together where they cost the same."""
    first, columns = rows[0], ("gradient", "circuit", "circuits a sample", "circuits", "shots in all", "QPU seconds")
    size = f"{first['qubits']} qubits, {first['layers']} layer{'s' * (first['layers'] > 1)}"
    title = f"A training step of {first['circuit']}, {size}, batch {first['batch']}, {first['shots']:,} shots a circuit"
    places: dict[tuple[str, ...], list[str]] = {}
    for row in sorted(rows, key=lambda row: _order(rows, row["scheme"])):
        shots = "-" if row["executions"] is None else f"{row['executions']:,}"
        seconds = "-" if row["qpu_seconds"] is None else f"{row['qpu_seconds']:,.0f}"
        cells = (row["scheme"], f"{row['evaluations']:,}", f"{row['circuits']:,}", shots, seconds)
        places.setdefault(cells, []).append("as written" if row["place"] == "aer" else "as placed")
    sheet = Sheet(title, columns, words=2)
    sheet.rows = [(cells[0], "either" if len(some) > 1 else some[0], *cells[1:]) for cells, some in places.items()]
    sheet.notes.append(
        f"as placed: on {rows[-1]['place'].partition(':')[2]}, where shifts move the device's own angles."
    )
    sheet.notes.append(
        "QPU seconds: IBM's estimate, 2 + 0.00035 a shot. Adjoint needs the state, which no hardware has."
    )
    return sheet


def _order(rows: list[Row], scheme: str) -> int:
    return next(k for k, row in enumerate(rows) if row["scheme"] == scheme)


def _targets(rows: list[Row]) -> Sheet:
    sheet = Sheet("Targets", ("target", "found", "holds"))
    sheet.rows = [(row["target"], f"{row['found']:.3g}", "yes" if row["holds"] else "NO") for row in rows]
    return sheet
