"""Seconds and memory of a training step of the published presets: `python benchmarks/training.py --help`."""

from __future__ import annotations

import json
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from harness.machine import busy, machine
from harness.tables import Table
from harness.worker import Worker
from rich.console import Console

PRESETS = "unet,qvunet-1hq,qvunet-1fq,qvunet-7hq,qvunet-7fq,qvunet-full-hq,qvunet-full-fq,quanvunet"
#: The published Flax and PennyLane code on 2 cores at batch 128, as measured beforehand (not by this script).
PUBLISHED = {"unet": 2.2, "qvunet-1fq": 2.8, "qvunet-7fq": 12.0}
EPILOG = """
Examples:

  python benchmarks/training.py

  python benchmarks/training.py --presets unet,qvunet-1hq --rounds 5 --set training.precision=bf16
"""
console = Console(highlight=False)


class Training:
    """Takes steps of a preset, in a process of its own; images are noise, which costs the same."""

    def __init__(self, preset: str, changes: list[str]) -> None:
        import torch

        from qgen.data import ImageSet
        from qgen.runs import Run, read_config
        from qgen.training import Trainer, make_fabric

        config = read_config(preset, [*changes, "training.steps=1000000"])
        size, batch = config.data.size or 28, config.training.batch
        pixels = torch.randint(256, (4 * batch, config.data.channels or 1, size, size), dtype=torch.uint8)
        self.imports_mib, self.folder, self.done = peak_mib(), tempfile.TemporaryDirectory(), 0
        images = ImageSet.of("noise", pixels, None, None, "random")
        self.trainer = Trainer.build(Run(Path(self.folder.name)), config, images, make_fabric(config, "cpu"))
        self.circuits = self.trainer.generator.circuits_per_training_image * batch

    def __call__(self, steps: int) -> dict[str, Any]:
        seconds = []
        for _ in range(steps):
            started = time.perf_counter()
            self.trainer.step(self.done)
            seconds.append(time.perf_counter() - started)
            self.done += 1
        memory = {"peak_mib": peak_mib(), "imports_mib": self.imports_mib}
        return {"circuits": self.circuits, "seconds": seconds} | memory


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(
    presets: Annotated[
        str, typer.Option(help="Names with commas; the first is what the others are compared with.")
    ] = PRESETS,
    rounds: Annotated[int, typer.Option(min=1, help="Times that every preset has its turn.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Steps in a turn; the median counts.")] = 4,
    set_: Annotated[list[str], typer.Option("--set", help="KEY=VALUE, as in qgen train.")] = [],  # noqa: B006
    out: Annotated[Path, typer.Option(help="Results go to OUT.json.")] = Path("benchmarks/results/training"),
) -> None:
    """One training step (data, noise, loss, gradients, Adam, moving average) at batch 128 on 28x28 images."""
    if warning := busy():
        console.print(warning, style="yellow")
    names = presets.split(",")
    workers = {name: Worker("training:Training", verbose=True, preset=name, changes=set_) for name in names}
    times: dict[str, list[float]] = {name: [] for name in workers}
    for worker in workers.values():
        worker.ask(steps=2)  # kernels are compiled or loaded, and memory is taken
    for number in range(rounds):
        for name, worker in workers.items():
            times[name].append(statistics.median(worker.ask(steps=steps)["seconds"]))
            console.print(f"round {number + 1}: {name} {times[name][-1]:.3f} s", style="dim")
    rows = []
    for name, worker in workers.items():
        median, facts = statistics.median(times[name]), worker.ask(steps=0)
        worker.close()
        row = {"preset": name, "seconds": median, "rounds": times[name]}
        row["ratio"] = median / statistics.median(times[names[0]])
        row |= {key: facts[key] for key in ("circuits", "peak_mib", "imports_mib")}
        rows.append(row | {"published_seconds": PUBLISHED.get(name)})
    report = {"kind": "training", "machine": machine(os.cpu_count() or 1), "settings": {"rounds": rounds, "set": set_}}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(report | {"rows": rows}, indent=1) + "\n")
    console.print(table(rows).rich())


def table(rows: list[dict[str, Any]]) -> Table:
    columns = ("preset", "s a step", "min-max", "ratio", "circuits a step", "peak MiB", "published code, s")
    found = Table("", columns)
    for row in rows:
        times = (f"{row['seconds']:.3f}", f"{min(row['rounds']):.2f}-{max(row['rounds']):.2f}", f"{row['ratio']:.2f}")
        published = f"{row['published_seconds']:.1f}" if row["published_seconds"] else "-"
        found.rows.append((row["preset"], *times, f"{row['circuits']:,}", f"{row['peak_mib']:,.0f}", published))
    return found


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command(epilog=EPILOG)(main)
    app()
