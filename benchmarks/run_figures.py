"""Finished runs side by side: their last grids, losses, the quality of their samples, and what training took.

`python benchmarks/run_figures.py runs/one runs/other --out benchmarks/results/gan-mnist`
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from harness.tables import save
from PIL import Image, ImageDraw, ImageFont

from qgen.runs import Run, build_generator, find_run, load_checkpoint
from qgen.training import metrics

MARGIN = 24


def side_by_side(grids: Sequence[tuple[str, Path]], out: Path) -> None:
    """Joins PNG files of the same height into one picture, each under its name."""
    pictures = [(name, Image.open(path).convert("RGB")) for name, path in grids]
    wide = sum(picture.width for _, picture in pictures) + MARGIN * (len(pictures) - 1)
    page = Image.new("RGB", (wide, max(picture.height for _, picture in pictures) + 3 * MARGIN), "white")
    draw, left = ImageDraw.Draw(page), 0
    for name, picture in pictures:
        draw.text((left, MARGIN // 2), name, "black", ImageFont.load_default(size=2 * MARGIN - 8))
        page.paste(picture, (left, 3 * MARGIN))
        left += picture.width + MARGIN
    page.save(out)


def facts(run: Run) -> dict[str, Any]:
    """One run in plain values: its settings, size, losses, and the curve of its samples' quality."""
    rows, config = metrics.read(run.metrics), run.config()
    steps = zip(rows, [{"images": 0}, *rows], strict=False)
    spent = sum((row["images"] - before["images"]) / max(row["images_per_second"], 1e-9) for row, before in steps)
    channels, height, width = load_checkpoint(run.checkpoints()[-1]).numbers["shape"]
    model = build_generator(config, (channels, height, width)).describe()
    losses = [row["loss"] for row in rows if "loss" in row]
    return {
        "steps": run.steps_taken,
        "images": rows[-1]["images"],
        "seconds_of_steps": spent,
        "losses": {"first": statistics.mean(losses[:3]), "last": statistics.mean(losses[-10:])} if losses else None,
        "parameters": model.parameters,
        "quantum_parameters": model.quantum_parameters,
        "settings": {key: value for key, value in config.plain().items() if value is not None},
        "machine": run.provenance().get("machine"),
        "quality": metrics.read(run.quality),
    }


def main(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs that are over.")],
    out: Annotated[Path, typer.Option(help="The results, as .json and .png.")],
) -> None:
    """Collects what the runs wrote."""
    found = {path.name: find_run(path) for path in runs}
    results = {name: facts(run) for name, run in found.items()}
    side_by_side([(name, run.grid(run.steps_taken)) for name, run in found.items()], out.with_suffix(".png"))
    save(results, out)
    for name, result in results.items():
        last = {key: value for key, value in (result["quality"] or [{}])[-1].items() if isinstance(value, float)}
        print(name, f"{result['seconds_of_steps'] / 60:.0f} min", result["losses"], last)


if __name__ == "__main__":
    typer.run(main)
