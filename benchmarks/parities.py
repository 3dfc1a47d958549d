"""What an adaptive kernel is worth where bits obey parities: `python benchmarks/parities.py --help`.

Data are uniform over the strings of n bits in which random parities are even, as in arXiv:2510.08476. An IQP circuit
with a gate for each pair learns them with Gaussian kernels, and with half of its Z strings from an adaptive kernel, at
equal numbers of strings, phases and steps. Judged by the total variation distance of its exact probabilities.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import torch
import typer
from harness.machine import cores_of_others, machine
from harness.tables import make_table, markdown, mean_and_interval, save
from rich.console import Console
from torch import Tensor

from qgen.circuits.iqp import iqp
from qgen.models.born.kernels import AdaptiveKernel
from qgen.models.born.machine import BornMachine
from qgen.randomness import derive

CASES = {8: 2, 10: 2, 12: 3}  # bits: parities
BATCH, RATE = 500, 0.02

console = Console(highlight=False)


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Of parities, data and angles.")] = 10,
    steps: Annotated[int, typer.Option(min=1, help=f"Of training, on batches of {BATCH}.")] = 1500,
    out: Annotated[Path, typer.Option(help="Results go to OUT.json and OUT.md.")] = Path("benchmarks/results/parities"),
) -> None:
    """Train, judge, and write a table."""
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    facts: dict[str, Any] = {"steps": steps, "machine": machine(1, ("torch",))}
    with cores_of_others(facts):
        for bits, parities in CASES.items():
            for seed in range(seeds):
                data = uniform_where_even(bits, parities, seed)
                for kernel in ("gaussian", "adaptive"):
                    found = learned(data, kernel, steps, seed)
                    rows.append({"bits": bits, "parities": parities, "seed": seed, **found})
                    console.print(*rows[-1].values())
    save({**facts, "rows": rows}, out)
    out.with_suffix(".md").write_text(table(rows), encoding="utf-8")


def all_bits(bits: int) -> Tensor:
    """(2^n, n), float32; bit q of a row's number is column q."""
    return (torch.arange(1 << bits)[:, None] >> torch.arange(bits) & 1).float()


def uniform_where_even(bits: int, parities: int, seed: int) -> Tensor:
    """Probabilities (2^n,): equal where each of so many random parities is even, else zero."""
    source = torch.Generator().manual_seed(seed)
    checks = torch.randint(0, 2, (parities, bits), generator=source).float()
    even = (all_bits(bits) @ checks.T).remainder(2).sum(1) == 0
    return even.double() / even.sum()


def learned(data: Tensor, kernel: str, steps: int, seed: int) -> dict[str, Any]:
    """Train on samples of the data; the distance from it, and CPU seconds."""
    strings = all_bits((len(data) - 1).bit_length())
    machine = BornMachine(iqp(strings.shape[1], "all"), seed=seed)
    compared = [AdaptiveKernel(machine.kernel, derive(seed, "kernel"))] if kernel == "adaptive" else []
    source, started = torch.Generator().manual_seed(seed), time.process_time()
    machine.start(data.float() @ strings, strings.T * data.float() @ strings)
    with torch.no_grad():  # of fair coins without correlations there is no gradient
        machine.weight += 0.05 * torch.randn(machine.weight.shape, generator=source)
    optimizer = torch.optim.Adam([weights for one in (machine, *compared) for weights in one.parameters()], RATE)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        batch = strings[torch.multinomial(data, BATCH, replacement=True, generator=source)]
        machine.loss(batch, source, *compared).backward()
        optimizer.step()
        decay.step()
    distance = float((machine.probabilities().detach() - data).abs().sum() / 2)
    return {"kernel": kernel, "distance": distance, "cpu_seconds": time.process_time() - started}


def table(rows: list[dict[str, Any]]) -> str:
    """Means, and of the differences between kernels 95 % intervals."""
    seeds = len({row["seed"] for row in rows})
    columns = ("bits, parities", "Gaussian", "adaptive", "less, seed by seed", "nearer", "CPU s", "adaptive")
    made = make_table(f"Total variation distance after training, {seeds} seeds", columns)
    for bits, parities in CASES.items():
        own = {
            kernel: [row for row in rows if (row["bits"], row["kernel"]) == (bits, kernel)]
            for kernel in ("gaussian", "adaptive")
        }
        distances = [[row["distance"] for row in some] for some in own.values()]
        gains = [one - other for one, other in zip(*distances, strict=True)]
        made.add_row(
            f"{bits}, {parities}",
            *(f"{mean(some):.3f}" for some in distances),
            mean_and_interval(gains, 3),
            f"{sum(gain > 0 for gain in gains)} of {seeds}",
            *(f"{mean(row['cpu_seconds'] for row in some):.1f}" for some in own.values()),
        )
    return markdown(made)


if __name__ == "__main__":
    typer.run(main)
