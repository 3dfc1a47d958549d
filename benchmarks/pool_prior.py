"""What a prior pool is worth to a classical GAN: `python benchmarks/pool_prior.py --help`.

One GAN of 8x8 digits learns with three distributions of its latent numbers: codes that the Born machine of
`born-digits` drew (-1 and 1, arXiv:2507.01886), independent bits of the same means, and Gaussian numbers. All else is
the same, seed by seed. Judged by the Frechet distance of 1,000 images from the training images.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from harness.machine import cores_of_others, machine
from harness.tables import make_table, markdown, mean_and_interval, save
from rich.console import Console
from torch import Tensor

import qgen
from qgen.data import DataSettings, open_images
from qgen.metrics.distances import frechet
from qgen.metrics.fitted import open_fitted_space
from qgen.models.born.pool import PriorPool
from qgen.models.gan.generators import ConvGenerator
from qgen.runs import find_run
from qgen.sampling import open_trained, sample_images
from qgen.sampling.pool import draw_pool

PRIORS = ("pool", "independent bits", "Gaussian")

console = Console(highlight=False)
Row = dict[str, Any]


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Of each distribution.")] = 6,
    steps: Annotated[int, typer.Option(min=1, help="Of each GAN, on batches of 64.")] = 1500,
    channels: Annotated[int, typer.Option(min=1, help="Of the generator, at the size of the image.")] = 16,
    codes: Annotated[int, typer.Option(min=1000, help="Of the pool.")] = 20_000,
    count: Annotated[int, typer.Option(min=10, help="Images that are judged.")] = 1000,
    out: Annotated[Path, typer.Option(help="Results go to OUT.json and OUT.md.")] = Path(
        "benchmarks/results/pool-prior"
    ),
) -> None:
    """Train, judge, and write a table."""
    torch.set_num_threads(1)
    train = open_images(DataSettings(name="digits", split="train"))
    space, rows, others = open_fitted_space(train), [], {}
    facts = {"steps": steps, "channels": channels, "codes": codes, "count": count, "machine": machine(1, ("torch",))}
    reference = space.reference(train).features
    with tempfile.TemporaryDirectory() as folder, cores_of_others(others):
        pools = make_pools(Path(folder), codes)
        for seed in range(seeds):
            for prior in PRIORS:
                started = time.process_time()
                images = generated(prior, pools, Path(folder) / f"{prior}-{seed}", steps, channels, count, seed)
                distance = frechet(reference, space.extract(images).features)
                seconds = time.process_time() - started
                rows.append({"prior": prior, "seed": seed, "frechet": distance, "cpu_seconds": seconds})
                console.print(rows[-1])
            save({**facts, "rows": rows}, out)
            if seed:
                out.with_suffix(".md").write_text(table(rows), encoding="utf-8")
    save({**facts, **others, "rows": rows}, out)


def make_pools(folder: Path, codes: int) -> dict[str, Path]:
    """Draw a pool from the weights of `born-digits` that come with qgen, and shuffle each of its bits by itself."""
    files = {name: folder / f"{name}.pool" for name in PRIORS[:2]}
    pool = draw_pool(open_trained(find_run(Path("pretrained:born-digits"))), files["pool"], codes)
    source = torch.Generator().manual_seed(0)
    orders = torch.rand(pool.bits.shape, generator=source).argsort(0)
    PriorPool(pool.bits.gather(0, orders), {"circuit": None, "weights": "shuffled"}).write(files["independent bits"])
    return files


def generated(
    prior: str, pools: dict[str, Path], run: Path, steps: int, channels: int, count: int, seed: int
) -> Tensor:
    """Images of a GAN that has learned."""
    changes = ["model.generator.block.width=16", f"model.generator.channels={channels}"]
    changes += [f"training.sample_every={steps}", "training.judged=0"]
    if prior in pools:
        changes.append(f"model.generator.noise=pool:{pools[prior]}")
    with gaussian_numbers(prior not in pools):
        qgen.train("gan-classical", steps=steps, seed=seed, settings=changes, out=run, device="cpu", progress=False)
        return sample_images(open_trained(find_run(run)), count, seed)


@contextmanager
def gaussian_numbers(on: bool) -> Iterator[None]:
    """Within this block latent numbers are Gaussian where they would be uniform."""
    usual = ConvGenerator.draw
    if on:
        ConvGenerator.draw = lambda self, number, generator: torch.randn(number, self.latents, generator=generator)  # type: ignore[method-assign]
    try:
        yield
    finally:
        ConvGenerator.draw = usual  # type: ignore[method-assign]


def table(rows: list[Row]) -> str:
    """Means and 95 % intervals by Student's t; differences are of the same seed."""
    distances = {prior: [row["frechet"] for row in rows if row["prior"] == prior] for prior in PRIORS}
    made = make_table(f"{len(distances['pool'])} seeds", ("latent numbers", "Frechet distance", "less with the pool"))
    for prior, own in distances.items():
        gains = [one - pool for one, pool in zip(own, distances["pool"], strict=True)]
        made.add_row(prior, mean_and_interval(own, 2), "" if prior == "pool" else mean_and_interval(gains, 2))
    return markdown(made)


if __name__ == "__main__":
    typer.run(main)
