"""Seconds and memory of a training step of the published presets: `python benchmarks/training.py --help`."""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from harness.machine import machine, warn_if_busy
from harness.tables import make_table, save
from harness.ways import Way, measure
from rich.console import Console

PRESETS = "unet,qvunet-1hq,qvunet-1fq,qvunet-7hq,qvunet-7fq,qvunet-full-hq,qvunet-full-fq,quanvunet"
#: The published Flax and PennyLane code on 2 cores at batch 128, as measured beforehand (not by this script).
PUBLISHED = {"unet": 2.2, "qvunet-1fq": 2.8, "qvunet-7fq": 12.0}
COLUMNS = ("preset", "s a step", "min-max", "ratio", "circuits a step", "peak MiB", "published code, s")
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

    def __call__(self, steps: int, seed: int) -> dict[str, Any]:
        seconds = []
        for _ in range(steps):
            started = time.perf_counter()
            self.trainer.step(self.done)
            seconds.append(time.perf_counter() - started)
            self.done += 1
        memory = {"peak_mib": peak_mib(), "imports_mib": self.imports_mib}
        return {"seconds": statistics.median(seconds), "circuits": self.circuits} | memory


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
    warn_if_busy(console)
    ways = {name: Way("training:Training", {"preset": name, "changes": set_}) for name in presets.split(",")}
    table, rows = make_table("", COLUMNS), []
    for row in measure(ways, {"steps": steps}, rounds, console):
        row |= {"preset": row["way"], "published_seconds": PUBLISHED.get(row["way"])}
        rows.append(row)
        published = f"{row['published_seconds']:.1f}" if row["published_seconds"] else "-"
        times = (f"{row['seconds']:.3f}", f"{min(row['rounds']):.2f}-{max(row['rounds']):.2f}", f"{row['ratio']:.2f}")
        table.add_row(row["preset"], *times, f"{row['circuits']:,}", f"{row['peak_mib']:,.0f}", published)
    settings = {"rounds": rounds, "set": set_}
    save({"kind": "training", "machine": machine(os.cpu_count() or 1), "settings": settings, "rows": rows}, out)
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
