"""Loss curves, samples and speed of runs, side by side: `python benchmarks/curves.py --help`."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from harness.machine import machine

from qgen.runs import Run
from qgen.training import metrics

EPILOG = """
Examples:

  qgen train unet --name unet --set training.steps=300 --set training.log_every=5

  qgen train qvunet-1hq --name qvunet-1hq --set training.steps=300 --set training.log_every=5

  python benchmarks/curves.py runs/unet runs/qvunet-1hq --out benchmarks/results/fashion-mnist
"""


def facts(run: Run) -> dict[str, Any]:
    """What a run's metrics say."""
    config, rows = run.config(), metrics.read(run.metrics)
    batch = config.training.batch
    return {
        "run": run.name,
        "images": json.loads((run.path / "provenance.json").read_text())["data"]["images"],
        "batch": batch,
        "steps": rows[-1]["step"],
        "seconds_a_step": statistics.median(batch / row["images_per_second"] for row in rows[1:]),
        "loss_of_the_first_rows": statistics.mean(row["loss"] for row in rows[:3]),
        "loss_of_the_last_rows": statistics.mean(row["loss"] for row in rows[-10:]),
    }


def draw(runs: list[Run], out: Path) -> None:
    """The curves in one plot, and each run's last samples beside it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1,
        1 + len(runs),
        figsize=(4.2 + 3.3 * len(runs), 3.5),
        width_ratios=[1.25, *[1] * len(runs)],
        layout="constrained",
    )
    for run, panel in zip(runs, axes[1:], strict=True):
        rows = metrics.read(run.metrics)
        axes[0].plot([row["step"] for row in rows], [row["loss"] for row in rows], label=run.name, linewidth=1.3)
        panel.imshow(pyplot.imread(run.grid(int(rows[-1]["step"]))), cmap="gray", interpolation="nearest")
        panel.set_title(f"{run.name}, step {rows[-1]['step']:,}", fontsize=10)
        panel.axis("off")
    axes[0].set(xlabel="step", ylabel="loss (P2-weighted)", yscale="log")
    axes[0].grid(alpha=0.3, which="both", linewidth=0.5)
    axes[0].legend(frameon=False)
    figure.savefig(out.with_suffix(".png"), dpi=160)
    pyplot.close(figure)


def main(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    out: Annotated[Path, typer.Option(help="Where to write .json and .png, without the ending.")],
) -> None:
    """Compare runs that were trained on the same images."""
    found = [Run(path) for path in runs]
    result = {"machine": machine(torch.get_num_threads()), "runs": [facts(run) for run in found]}
    out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    draw(found, out)
    typer.echo(json.dumps(result["runs"], indent=1))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(epilog=EPILOG)(main)
    app()
