"""What a device's errors cost a GAN: the same images on several backends, side by side, and judged.

`python benchmarks/gan_noise.py runs/my-gan` samples images with the same latent numbers everywhere.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from harness.machine import machine
from harness.tables import save
from run_figures import side_by_side

from qgen.data import open_images, save_grid
from qgen.generators import image_seeds
from qgen.metrics import compute_quality, open_fitted_space
from qgen.runs import find_run
from qgen.sampling import open_trained

BACKENDS = ("aer", "aer:fake_brisbane", "fake_brisbane")
SHOWN = 64


def sampled(run: Path, backend: str, shots: int | None, count: int) -> tuple[torch.Tensor, float]:
    """Images (count, C, H, W) of a run on this backend, and the seconds that they took."""
    trained = open_trained(find_run(run), {"name": backend} | ({"shots": shots} if shots else {}))
    with closing(trained.backend):
        started = time.perf_counter()
        return trained.generator.sample(image_seeds(0, count)), time.perf_counter() - started


def main(
    run: Annotated[Path, typer.Argument(help="The folder of a run of a GAN with a circuit in its generator.")],
    count: Annotated[int, typer.Option(help="How many images are judged.")] = 1000,
    shots: Annotated[int, typer.Option(help="On the backends that are measured.")] = 1024,
    out: Annotated[Path, typer.Option(help="The results, as .json and .png.")] = Path("benchmarks/results/gan-noise"),
) -> None:
    """Samples on an ideal simulator, with a device's errors, and with its errors and shots."""
    real = open_images(find_run(run).config().data)
    space, rows = open_fitted_space(real), {}
    grids: list[tuple[str, Path]] = []
    folder = Path(tempfile.mkdtemp())
    exact: torch.Tensor | None = None
    for backend in BACKENDS:
        images, seconds = sampled(run, backend, shots if backend.startswith("fake") else None, count)
        exact = images if exact is None else exact
        row: dict[str, Any] = {"seconds": seconds, "rms_pixel_change": float((images - exact).square().mean().sqrt())}
        rows[backend] = row | compute_quality(space, real, images).plain()
        grids.append((backend, folder / f"{len(grids)}.png"))
        save_grid(images[:SHOWN], grids[-1][1])
        print(backend, {key: row_value for key, row_value in rows[backend].items() if isinstance(row_value, float)})
    side_by_side(grids, out.with_suffix(".png"))
    facts = {"machine": machine(torch.get_num_threads()), "judge": space.description, "images": count, "shots": shots}
    save(facts | {"backends": rows}, out)


if __name__ == "__main__":
    typer.run(main)
