"""The contests of `backends.py`: ways of `harness.ways` in interleaved rounds, and what they come to."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.turns import Way
from harness.ways import HQCONV

SHOTS, BINDINGS = 256, 64
OBSERVABLES, FEW = HQCONV["qubits"], 3  # EstimatorQNN runs every shift of every sample once for each observable
Row = dict[str, Any]


@dataclass(frozen=True)
class Contests:
    """How to measure.

    Attributes:
        rounds: times that every way has its turn.
        batch: samples of a step with gradients.
        forward_batch: samples of a step without.
        full: run EstimatorQNN's gradients on the whole batch, once, in place of one sample.
        verbose: show what the libraries print.
        say: takes a line on what goes on.
    """

    rounds: int
    batch: int
    forward_batch: int
    full: bool
    verbose: bool
    say: Callable[[str], None]

    def shift(self) -> list[Row]:
        """Values and parameter-shift gradients: qgen on the batch; EstimatorQNN's values on it, gradients on less."""
        rows = [{"input_gradients": both, "batch": self.batch} for both in (False, True)]
        for row in rows:
            row |= {key: [] for key in ("rounds", "stock_values", "stock_gradients", "differences")}
        with Way("Shift", self.verbose) as qgen, Way("Stock", self.verbose) as stock:
            for row in rows:
                qgen.ask(samples=self.batch, input_gradients=row["input_gradients"], seed=0)
            stock.ask(part="values", samples=1, seed=0)
            for number in range(self.rounds):
                for row in rows:
                    self._shift_round(row, qgen, stock, number)
            for row in rows:
                self._larger(row, stock)
        return [row | _shift_summary(row) for row in rows]

    def _shift_round(self, row: Row, qgen: Way, stock: Way, number: int) -> None:
        wants = {"input_gradients": row["input_gradients"], "seed": number}
        self.say(f"round {number + 1}: parameter-shift{' with inputs' * row['input_gradients']}")
        step = qgen.ask(samples=self.batch, **wants)
        row |= {key: step[key] for key in ("circuits", "runs")}
        row["rounds"].append(step["seconds"])
        values = stock.ask(part="values", samples=self.batch, seed=number)
        row["stock_values"].append(values["seconds"])
        part = {"samples": 1, "observables": FEW}
        gradients = stock.ask(part="gradients", **part, **wants)
        row["stock_gradients"].append(gradients["seconds"])
        parts = self.batch * OBSERVABLES // FEW
        row["stock_circuits"] = values["circuits"] + parts * gradients["circuits"]
        row["stock_runs"] = values["runs"] + parts * gradients["runs"]
        alone = qgen.ask(**part, **wants)["gradients"]
        pairs = [(step["values"], values["values"]), *zip(alone, gradients["gradients"], strict=True)]
        row["differences"].append(max(difference(*pair) for pair in pairs if None not in pair))

    def _larger(self, row: Row, stock: Way) -> None:
        """EstimatorQNN's gradients of the whole batch, or of one sample, to see whether they cost what they should."""
        samples = self.batch if self.full else 1
        self.say(f"gradients of EstimatorQNN for all observables, {samples} of {self.batch} samples")
        answer = stock.ask(part="gradients", samples=samples, input_gradients=row["input_gradients"], seed=0)
        row |= {"larger_samples": samples, "larger_seconds": answer["seconds"], "extrapolated": samples != self.batch}

    def forward(self) -> list[Row]:
        """Exact values of a large batch, three ways on Aer."""
        names = {"Values": "qgen", "Broadcast": "EstimatorV2, one PUB", "Stock": "EstimatorQNN"}
        rows = [{"way": way, "batch": self.forward_batch, "rounds": []} for way in names.values()]
        parts: list[Row] = [{}, {}, {"part": "values"}]
        with ExitStack() as stack:
            ways = [stack.enter_context(Way(name, self.verbose)) for name in names]
            for number in range(-1, self.rounds):  # the first round warms up
                self.say(f"round {number + 1}: values" if number >= 0 else "values, once to warm up")
                asked = {"samples": self.forward_batch, "seed": abs(number)}
                answers = [way.ask(**asked, **part) for way, part in zip(ways, parts, strict=True)]
                for row, answer in zip(rows, answers, strict=True):
                    row["rounds"] += [answer["seconds"]] * (number >= 0)
                    row["difference"] = difference(answer["values"], answers[0]["values"])
        return [row | {"ms_a_sample": 1e3 * statistics.median(row["rounds"]) / row["batch"]} for row in rows]

    def sampled(self) -> list[Row]:
        """qgen's values and parameter-shift gradients from shots."""
        rows = [{"input_gradients": both, "batch": self.batch, "shots": SHOTS, "rounds": []} for both in (False, True)]
        with Way("Shift", self.verbose, shots=SHOTS) as way:
            for number in range(-1, self.rounds):
                self.say(f"round {number + 1}: shots" if number >= 0 else "shots, once to warm up")
                for row in rows:
                    answer = way.ask(samples=self.batch, input_gradients=row["input_gradients"], seed=abs(number))
                    row["rounds"] += [answer["seconds"]] * (number >= 0)
                    row |= {"circuits": answer["circuits"], "executions": answer["circuits"] * SHOTS}
        return [row | {"seconds": statistics.median(row["rounds"])} for row in rows]

    def device(self) -> list[Row]:
        """A device's noise, every round from a fresh process; then whether its reduction changes any value."""
        names = {"Device": "qgen", "WholeDevice": "AerSimulator.from_backend"}
        rows = [{"way": way, "bindings": BINDINGS, "rounds": []} for way in names.values()]
        for number in range(self.rounds):
            for name, row in zip(names, rows, strict=True):
                self.say(f"round {number + 1}: device, {row['way']}")
                with Way(name, self.verbose) as way:
                    row["rounds"].append(way.ask(samples=BINDINGS, seed=number))
        with Way("OnePlacement", self.verbose) as way:
            check = way.ask(samples=BINDINGS, seed=0)
        times = rows[0]["rounds"][0].keys()
        medians = [{key: statistics.median(one[key] for one in row["rounds"]) for key in times} for row in rows]
        return [row | some | check for row, some in zip(rows, medians, strict=True)]


def difference(one: Any, other: Any) -> float:
    """The largest deviation."""
    return float(np.max(np.abs(np.asarray(one) - np.asarray(other))))


def _shift_summary(row: Row) -> Row:
    """Medians and their ratio; what was not measured on the batch is the cheaper of the two sizes, scaled up."""
    few = statistics.median(row["stock_gradients"]) * OBSERVABLES / FEW
    all_of_them = row["larger_seconds"] / row["larger_samples"]
    gradients = row["batch"] * (min(few, all_of_them) if row["extrapolated"] else all_of_them)
    seconds, stock = statistics.median(row["rounds"]), statistics.median(row["stock_values"]) + gradients
    return {
        "seconds": seconds,
        "stock_seconds": stock,
        "ratio": stock / seconds,
        "few_observables": FEW,
        "larger_to_scaled_few": all_of_them / few,
        "difference": max(row["differences"]),
    }
