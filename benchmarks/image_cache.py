"""A large folder of images, in memory and in a cache: `python benchmarks/image_cache.py --help`."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from harness.machine import cores_of_others, machine
from harness.tables import make_table, save
from harness.worker import Worker
from rich.console import Console

BATCH, SEED = 128, 7
console = Console(highlight=False)


class Opening:
    """Opens a folder of images, in a process of its own."""

    def __init__(self, folder: str, cache: str) -> None:
        from qgen.data import DataSettings, open_images

        before, (cpu, started) = peak_mib(), times()
        self.images = open_images(DataSettings(name=folder, cache=cache))
        seconds, clock = times()
        self.facts: dict[str, Any] = {
            "cpu_seconds": seconds - cpu,
            "clock_seconds": clock - started,
            "peak_mib": peak_mib() - before,
            "sha256": self.images.sha256,
        }

    def __call__(self, steps: int, cold: bool, seed: int) -> dict[str, Any]:
        """Draw batches, as training does; `cold`: nothing of the file is in the system's memory before."""
        from qgen.data import batch_indices

        if cold and self.images.mapped is not None:
            drop()
        batches = [batch_indices(SEED, seed * steps + step, BATCH, len(self.images)) for step in range(steps + 1)]
        cpu, clock = times()
        for step in range(steps):
            self.images.scaled(batches[step])
            if self.images.mapped is not None:
                self.images.prefetch(batches[step + 1])
            if cold:
                time.sleep(0.02)  # a short training step
        cpu_after, clock_after = times()
        waited = 0.02 * steps if cold else 0
        return self.facts | {
            "batch_cpu_us": 1e6 * (cpu_after - cpu) / steps,
            "batch_clock_us": 1e6 * (clock_after - clock - waited) / steps,
        }


def drop() -> None:
    """Has the system forget a file, so that it is read from the disk again."""
    for path in Path(os.environ["QGEN_CACHE"]).rglob("*.npy"):
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def times() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make(folder: Path, count: int, size: int) -> None:
    """Noise in PNG files, a thousand in each of as many folders as that takes."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(count):
        if number % 1000 == 0:
            (folder / f"{number // 1000:04}").mkdir()
        pixels = rng.integers(256, size=(size, size), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number // 1000:04}" / f"{number:07}.png", compress_level=1)


def main(
    images: Annotated[int, typer.Option(min=1000, help="How many.")] = 200_000,
    size: Annotated[int, typer.Option(min=1, help="Height and width, in pixels; grey.")] = 28,
    steps: Annotated[int, typer.Option(min=1, help="Batches of 128 in a turn.")] = 2_000,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each.")] = 5,
    out: Annotated[Path, typer.Option(help="Results go to OUT.json.")] = Path("benchmarks/results/image-cache"),
) -> None:
    """Processor seconds to open a folder, and microseconds to draw a batch, in memory and from the cache."""
    place = Path(tempfile.mkdtemp(prefix="qgen-images-"))
    os.environ["QGEN_CACHE"] = str(place / "cache")
    try:
        (place / "set").mkdir()
        console.print(f"making {images:,} files", style="dim")
        make(place / "set", images, size)
        facts = machine(1)
        with cores_of_others(facts):
            rows = measured(str(place / "set"), steps, rounds)
    finally:
        shutil.rmtree(place)
    settings = {"images": images, "size": size, "batch": BATCH, "steps": steps, "rounds": rounds}
    save({"kind": "image-cache", "machine": facts, "settings": settings, "rows": rows}, out)
    columns = "way", "CPU s to open", "peak MiB", "batch, CPU us", "batch, clock us"
    table = make_table(f"{images:,} images of {size}x{size}", columns)
    for row in rows:
        batch = (f"{row[name]:.0f}" if name in row else "-" for name in ("batch_cpu_us", "batch_clock_us"))
        table.add_row(row["way"], f"{row['cpu_seconds']:.2f}", f"{row['peak_mib']:.0f}", *batch)
    console.print(table)


def worker_for(folder: str, cache: str) -> Worker:
    return Worker("image_cache:Opening", threads=1, folder=folder, cache=cache)


def measured(folder: str, steps: int, rounds: int) -> list[dict[str, Any]]:
    with worker_for(folder, "always") as worker:
        making = {"way": "making the cache"} | worker.ask(steps=1, cold=False, seed=0)
    making = {name: value for name, value in making.items() if not name.startswith("batch")}
    rows = [making]
    ways = {"in memory": "never", "the cache": "always"}
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(worker_for(folder, cache)) for name, cache in ways.items()}
        for number in range(rounds + 1):
            for name, worker in workers.items():
                answer = worker.ask(steps=steps, cold=False, seed=number)
                if number:  # the first round warms up
                    answers[name].append(answer)
    for name, found in answers.items():
        medians = {key: float(np.median([row[key] for row in found])) for key in ("batch_cpu_us", "batch_clock_us")}
        rows.append({"way": name} | found[0] | medians)
    with worker_for(folder, "always") as cold:  # nothing of the file is mapped yet
        rows.append({"way": "the cache, from the disk"} | cold.ask(steps=min(steps, 300), cold=True, seed=0))
    assert len({row["sha256"] for row in rows}) == 1
    return rows


if __name__ == "__main__":
    typer.run(main)
