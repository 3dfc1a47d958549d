"""Seconds and memory of a training step of the published presets: `python benchmarks/training.py --help`."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from harness.machine import machine
from rich.console import Console
from rich.table import Table

PRESETS = "unet,qvunet-1hq,qvunet-1fq,qvunet-7hq,qvunet-7fq,qvunet-full-hq,qvunet-full-fq,quanvunet"
#: The published Flax and PennyLane code on 2 cores at batch 128, as measured beforehand (not by this script).
PUBLISHED = {"unet": 2.2, "qvunet-1fq": 2.8, "qvunet-7fq": 12.0}
EPILOG = """
Examples:

  python benchmarks/training.py

  python benchmarks/training.py --presets unet,qvunet-1hq --rounds 5 --set training.precision=bf16
"""
console = Console(highlight=False)


def worker(preset: str, changes: list[str]) -> None:
    """Answers each line on stdin with the seconds of so many steps; images are noise, which costs the same."""
    import torch

    from qgen.data import ImageSet
    from qgen.runs import Run, read_config
    from qgen.training import Trainer, make_fabric

    config = read_config(preset, [*changes, "training.steps=1000000"])
    size = config.data.size or 28
    pixels = torch.randint(256, (4 * config.training.batch, config.data.channels or 1, size, size), dtype=torch.uint8)
    before = peak_mib()
    with tempfile.TemporaryDirectory() as folder:
        images = ImageSet.of("noise", pixels, None, None, "random")
        trainer = Trainer.build(Run(Path(folder)), config, images, make_fabric(config, "cpu"))
        step = 0
        for line in sys.stdin:
            seconds = []
            for _ in range(int(line)):
                started = time.perf_counter()
                trainer.step(step)
                seconds.append(time.perf_counter() - started)
                step += 1
            facts = {"circuits": trainer.generator.circuits_per_training_image * config.training.batch}
            print(json.dumps(facts | {"seconds": seconds, "peak_mib": peak_mib(), "imports_mib": before}), flush=True)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Contender:
    """One preset in a process of its own, which sleeps in a read while others are measured."""

    def __init__(self, preset: str, changes: list[str]) -> None:
        sets = [word for change in changes for word in ("--set", change)]
        command = [sys.executable, __file__, "--worker", preset, *sets]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.rounds: list[float] = []
        self.facts: dict[str, Any] = {}

    def run(self, steps: int) -> list[float]:
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the process of {self.process.args} ended with {self.process.wait()}")
        self.facts = json.loads(line)
        return self.facts["seconds"]


def main(
    presets: Annotated[
        str, typer.Option(help="Names with commas; the first is what the others are compared with.")
    ] = PRESETS,
    rounds: Annotated[int, typer.Option(min=1, help="Times that every preset has its turn.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Steps in a turn; the median counts.")] = 4,
    set_: Annotated[list[str], typer.Option("--set", help="KEY=VALUE, as in qgen train.")] = [],  # noqa: B006
    out: Annotated[Path, typer.Option(help="Results go to OUT.json.")] = Path("benchmarks/results/training"),
    worker_: Annotated[str | None, typer.Option("--worker", hidden=True)] = None,
) -> None:
    """One training step (data, noise, loss, gradients, Adam, moving average) at batch 128 on 28x28 images."""
    if worker_ is not None:
        worker(worker_, set_)
        return
    if (load := os.getloadavg()[0]) > 0.5:
        console.print(f"Something else is running here (load {load:.1f}): times will be too long.", style="yellow")
    contenders = {name: Contender(name, set_) for name in presets.split(",")}
    for contender in contenders.values():
        contender.run(2)  # kernels are compiled or loaded, and memory is taken
    for number in range(rounds):
        for name, contender in contenders.items():
            contender.rounds.append(statistics.median(contender.run(steps)))
            console.print(f"round {number + 1}: {name} {contender.rounds[-1]:.3f} s", style="dim")
    rows = rows_of(contenders)
    report = {"kind": "training", "machine": machine(os.cpu_count() or 1), "settings": {"rounds": rounds, "set": set_}}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(report | {"rows": rows}, indent=1) + "\n")
    console.print(table(rows))


def rows_of(contenders: dict[str, Contender]) -> list[dict[str, Any]]:
    base = statistics.median(next(iter(contenders.values())).rounds)
    rows = []
    for name, contender in contenders.items():
        median = statistics.median(contender.rounds)
        rows.append(
            {"preset": name, "seconds": median, "rounds": contender.rounds, "ratio": median / base}
            | {"circuits": contender.facts["circuits"], "peak_mib": contender.facts["peak_mib"]}
            | {"imports_mib": contender.facts["imports_mib"], "published_seconds": PUBLISHED.get(name)}
        )
    return rows


def table(rows: list[dict[str, Any]]) -> Table:
    result = Table()
    for column in ("preset", "s a step", "min-max", "ratio", "circuits a step", "peak MiB", "published code, s"):
        result.add_column(column, justify="left" if column == "preset" else "right")
    for row in rows:
        spread = f"{min(row['rounds']):.2f}-{max(row['rounds']):.2f}"
        published = f"{row['published_seconds']:.1f}" if row["published_seconds"] else "-"
        numbers = (f"{row['circuits']:,}", f"{row['peak_mib']:,.0f}", published)
        result.add_row(row["preset"], f"{row['seconds']:.3f}", spread, f"{row['ratio']:.2f}", *numbers)
    return result


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command(epilog=EPILOG)(main)
    app()
