"""What runs of GANs came to: their last grids side by side, how good the samples are, and what training took.

`python benchmarks/gan_runs.py runs/one runs/other --out benchmarks/results/gan-mnist`
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from harness.grids import side_by_side

from qgen.models import describe_model
from qgen.runs import Run, build_generator, find_run, load_checkpoint
from qgen.training import metrics


def facts(run: Run) -> dict[str, Any]:
    """One run in plain values: its settings, size, and the curve of its samples' quality."""
    rows, config = metrics.read(run.metrics), run.config()
    spent, before = 0.0, 0
    for row in rows:
        spent += (row["images"] - before) / max(row["images_per_second"], 1e-9)
        before = row["images"]
    channels, height, width = load_checkpoint(run.checkpoints()[-1]).numbers["shape"]
    found = describe_model(build_generator(config, (channels, height, width)).network)
    return {
        "steps": run.steps_taken,
        "images": before,
        "seconds_of_steps": spent,
        "parameters": found.parameters,
        "quantum_parameters": found.quantum_parameters,
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
    out.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    for name, result in results.items():
        last = {key: value for key, value in result["quality"][-1].items() if isinstance(value, float)}
        print(name, f"{result['seconds_of_steps'] / 60:.0f} min", last)


if __name__ == "__main__":
    typer.run(main)
