"""Does training under a device's noise help there? `python benchmarks/noise_aware.py --help`.

Generators are trained on the ideal circuit and under noise, and each is judged under noise. All cells of a seed share
the order of the data, the first weights and the latent numbers of the images: trainings are compared seed by seed.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from harness.machine import machine
from harness.tables import make_table, markdown, save
from rich.console import Console
from rich.table import Table as RichTable

from qgen.data import open_images
from qgen.generators import image_seeds
from qgen.metrics import compute_quality, open_fitted_space
from qgen.runs import Run, new_run, read_config
from qgen.sampling import open_trained
from qgen.studies.statistics import Estimate, estimate, paired_p_value
from qgen.training import Report, Trainer, make_fabric, start

#: Presets with the settings that make a training a matter of a minute.
PRESETS = {
    "gan-quantum-g": ("data.name=digits", "training.steps=250"),
    "digits": ("training.steps=120", "training.warm_up=20"),
}
#: Measures of quality, and whether a smaller value is better.
MEASURES = {"frechet": True, "kernel": True, "coverage": False}


def backend(device: str, scale: float) -> dict[str, Any]:
    """Settings of the device's noise at this scale; at 0 the ideal circuit."""
    return {"name": f"noisy:{device}", "noise_scale": scale} if scale else {"name": "statevector"}


def trained(preset: str, settings: dict[str, Any], seed: int, folder: Path) -> tuple[Run, float]:
    """Train a preset on a backend; the run, and the seconds that it took."""
    changes = [*PRESETS[preset], f"training.seed={seed}", "training.samples=0", "training.judged=0"]
    config = read_config(preset, changes + [f"backend.{name}={value}" for name, value in settings.items()])
    run, images = new_run(preset, folder), open_images(config.data)
    started = time.perf_counter()
    start(Trainer.build(run, config, images, make_fabric(config, "cpu")), Report())
    return run, time.perf_counter() - started


def judged(run: Run, settings: dict[str, Any], count: int, seed: int) -> dict[str, float]:
    """Quality of a run's images on a backend."""
    real = open_images(run.config().data)
    model = open_trained(run, settings)
    with closing(model.backend):
        images = model.generator.sample(image_seeds(seed, count))
    quality = compute_quality(open_fitted_space(real), real, images).plain()
    return {name: float(quality[name]) for name in MEASURES}


def interval(one: Estimate | None) -> str:
    """The mean with half the width of its interval."""
    if one is None or one.high is None:
        return "" if one is None else f"{one.mean:.3f}"
    return f"{one.mean:.3f} ± {one.high - one.mean:.3f}"


def summary(cells: list[dict[str, Any]], preset: str, measure: str) -> RichTable:
    """Trainings down, judgements across, and what training under noise changes there."""
    scales = sorted({cell["judged_at"] for cell in cells})
    judged_at = [f"judged at {scale:g}" for scale in scales], [f"change at {scale:g}" for scale in scales]
    better = "smaller" if MEASURES[measure] else "larger"
    title = f"{preset}: {measure} ({better} is better), mean and 95 % interval over seeds"
    table = make_table(title, ("trained at", *judged_at[0], *judged_at[1]))
    of_preset = [cell for cell in cells if cell["preset"] == preset]
    for at in sorted({cell["trained_at"] for cell in of_preset}):
        values = [_by_seed(of_preset, at, scale, measure) for scale in scales]
        ideal = [_by_seed(of_preset, 0.0, scale, measure) for scale in scales]
        changes = [_change(*pair) if at else "" for pair in zip(values, ideal, strict=True)]
        table.add_row(f"{at:g}", *[interval(estimate(row)) for row in values], *changes)
    return table


def _by_seed(cells: list[dict[str, Any]], trained_at: float, judged_at: float, measure: str) -> list[float]:
    wanted = [cell for cell in cells if (cell["trained_at"], cell["judged_at"]) == (trained_at, judged_at)]
    return [cell[measure] for cell in sorted(wanted, key=lambda cell: cell["seed"])]


def _change(aware: list[float], ideal: list[float]) -> str:
    differences = [a - b for a, b in zip(aware, ideal, strict=True)]
    p_value = paired_p_value(differences)
    return interval(estimate(differences)) + ("" if p_value is None else f" (p {p_value:.2f})")


def main(
    device: Annotated[str, typer.Option(help="The device whose noise it is.")] = "fake_fez",
    scales: Annotated[str, typer.Option(help="Scales of the noise in training.")] = "0,1,3",
    judged_at: Annotated[str, typer.Option(help="Scales of the noise under which images are judged.")] = "0,1,3",
    seeds: Annotated[int, typer.Option(help="How many trainings of each kind.")] = 3,
    count: Annotated[int, typer.Option(help="How many images are judged.")] = 500,
    out: Annotated[Path, typer.Option(help="The results, as .json and .md.")] = Path("benchmarks/results/noise-aware"),
) -> None:
    """Trains and judges all cells, and tells what training under noise changes."""
    console, cells = Console(highlight=False), list[dict[str, Any]]()
    training, judging = ([float(scale) for scale in text.split(",")] for text in (scales, judged_at))
    for preset, seed, at in product(PRESETS, range(seeds), training):
        with tempfile.TemporaryDirectory() as folder:
            run, seconds = trained(preset, backend(device, at), seed, Path(folder) / "run")
            for scale in judging:
                cell = {"preset": preset, "trained_at": at, "judged_at": scale, "seed": seed, "seconds": seconds}
                cells.append(cell | judged(run, backend(device, scale), count, seed))
                console.print(cells[-1])
    results = [summary(cells, preset, measure) for preset, measure in product(PRESETS, MEASURES)]
    for table in results:
        console.print(table)
    facts = {"machine": machine(torch.get_num_threads()), "device": device, "images": count, "presets": PRESETS}
    save(facts | {"cells": cells}, out)
    out.with_suffix(".md").write_text("\n".join(map(markdown, results)), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
