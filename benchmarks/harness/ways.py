"""Several ways to the same numbers, each in a process of its own, measured in interleaved rounds."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console

from harness.worker import Worker

Row = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """One of them.

    Attributes:
        task: "module:name" of what the worker builds; it answers with `seconds`, and with `numbers` where they are
            compared with those of the first way.
        settings: what that is built with.
        part: of the request that is measured, once, and scaled up; None: all of it, in every round.
    """

    task: str
    settings: Row = field(default_factory=dict)
    part: int | None = None


def measure(
    ways: dict[str, Way], request: Row, rounds: int, console: Console, size: str = "samples", fresh: bool = False
) -> list[Row]:
    """A row for each way: the median of its rounds, and what else it answered.

    Args:
        ways: what is measured, by name; the first one is what the others are compared with.
        request: what all are asked for.
        rounds: times that every way has its turn, after one that warms up.
        console: where progress is printed.
        size: the entry of the request that a way's `part` replaces.
        fresh: whether every round has new processes, and nothing warms up.
    """
    rows: list[Row] = [{"way": name, "rounds": [], "difference": None} for name in ways]
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for number in range(0 if fresh else -1, rounds):
            truth: list[Any] = []
            for row in rows:
                way = ways[row["way"]]
                if way.part is not None and number >= 0:
                    continue
                console.print(f"round {number + 1}: {row['way']}", style="dim")
                if fresh or row["way"] not in workers:
                    workers[row["way"]] = stack.enter_context(Worker(way.task, **way.settings))
                asked = request if way.part is None else request | {size: way.part}
                answer = workers[row["way"]].ask(**asked, seed=abs(number))
                found = answer.pop("numbers", None)
                truth = truth or found or []
                if number >= 0 or way.part is not None:
                    scale = 1 if way.part is None else request[size] / way.part
                    row["rounds"].append(scale * answer.pop("seconds"))
                    row |= {"extrapolated": scale != 1} | {key: scale * value for key, value in answer.items()}
                    if found:
                        row["difference"] = max(row["difference"] or 0.0, difference(truth, found))
    seconds = [statistics.median(row["rounds"]) for row in rows]
    return [row | {"seconds": own, "ratio": own / seconds[0]} for row, own in zip(rows, seconds, strict=True)]


def difference(numbers: list[Any], others: list[Any]) -> float:
    """The largest deviation; where the others have fewer samples, of what there is for each of those (2 dimensions)."""
    pairs = [(np.array(one), np.array(other)) for one, other in zip(numbers, others, strict=True)]
    same = all(one.shape == other.shape for one, other in pairs)
    return max(float(np.max(np.abs(one[: len(other)] - other))) for one, other in pairs if same or one.ndim == 2)
