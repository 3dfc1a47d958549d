"""Distributions of a binary autoencoder's codes, compared: `python benchmarks/born.py --help`.

A product of independent bits, restricted Boltzmann machines and Born machines learn the codes of one and the same
autoencoder, in equal numbers of steps of equal batches, with several seeds; those in bold have about equal numbers of
parameters. The learning rate of each is the best of `RATES` with another seed. Judged by the Frechet distance of
decoded images, and by the squared MMD of bits to those of held-out images. What a device's errors do to bits is
simulated where that is possible: see `on_device`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import torch
import typer
from harness.machine import cores_of_others, machine
from harness.tables import make_table, markdown, mean_and_interval, save
from rich.console import Console
from torch import Tensor

import qgen
from qgen.backends import open_backend
from qgen.data import DataSettings, ImageSet, open_images
from qgen.devices import open_device
from qgen.metrics.distances import frechet
from qgen.metrics.fitted import FittedFeatureSpace, open_fitted_space
from qgen.models.autoencoder.binary import BinaryAutoencoder
from qgen.models.born.couplings import choose_qubits, find_coupling
from qgen.models.born.machine import BornMachine
from qgen.models.born.network import build_kernel, build_prior
from qgen.models.born.settings import BornPriorSettings
from qgen.runs import find_run
from qgen.sampling import open_trained

DEVICE, BATCH, RATES = "fake_fez", 256, (0.01, 0.03)
#: The seed with which learning rates are chosen.
TUNED = 100

console = Console(highlight=False)
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """Codes of so many bits, and the distributions that learn them; the first one is what others are compared with."""

    name: str
    bits: int
    priors: dict[str, Row]

    @property
    def scales(self) -> tuple[float, ...]:
        """Of the kernel, in bits: its strings have 1, 2 and 4 bits on average."""
        return tuple(self.bits**0.5 * share for share in (0.25, 0.375, 0.5))


CASES = (
    Case(
        "16 bits",
        16,
        {
            "product": {"name": "product"},
            "**Boltzmann**, 7 units": {"name": "boltzmann", "units": 7},
            "**IQP**, all pairs": {"name": "iqp", "coupling": "all"},
            "IQP, all pairs, 4 hidden qubits": {"name": "iqp", "coupling": "all", "hidden": 4},
            "IQP, all pairs, adaptive kernel": {"name": "iqp", "coupling": "all", "kernel": "adaptive"},
        },
    ),
    Case(
        "64 bits",
        64,
        {
            "product": {"name": "product"},
            "**Boltzmann**, 1 unit": {"name": "boltzmann", "units": 1},
            "**IQP**, couplers of Fez": {"name": "iqp", "coupling": f"device:{DEVICE}"},
            "Boltzmann, 31 units": {"name": "boltzmann", "units": 31},
            "IQP, couplers of Fez, adaptive kernel": {
                "name": "iqp",
                "coupling": f"device:{DEVICE}",
                "kernel": "adaptive",
            },
        },
    ),
)


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Of all that follows the autoencoder.")] = 5,
    encoder_steps: Annotated[int, typer.Option(min=1, help="Of the autoencoder, on batches of 64.")] = 1500,
    steps: Annotated[int, typer.Option(min=1, help=f"Of each distribution, on batches of {BATCH}.")] = 500,
    count: Annotated[int, typer.Option(min=10, help="Images that are judged.")] = 1000,
    shots: Annotated[int, typer.Option(min=2, help="With a device's noise, and without.")] = 50,
    out: Annotated[Path, typer.Option(help="Results go to OUT.json and OUT.md.")] = Path("benchmarks/results/born"),
) -> None:
    """Train, judge, and write a table."""
    torch.set_num_threads(1)
    train, held = (open_images(DataSettings(name="digits", split=split)) for split in ("train", "test"))
    space, rows, facts = open_fitted_space(train), [], {"rates": {}}
    with cores_of_others(facts):
        learned = {case.name: Codes.learned(case, encoder_steps, train, held) for case in CASES}
        for case in CASES:
            rates = {name: tuned(case, name, learned[case.name], steps) for name in case.priors}
            facts["rates"][case.name] = rates
            console.print(case.name, rates)
        for seed in range(seeds):
            for case in CASES:
                codes = learned[case.name]
                judge = Judge(case, codes, space, train, count)
                rows += [judge.real(seed)]
                for name, rate in facts["rates"][case.name].items():
                    rows += judged(case, name, codes, judge, steps, rate, shots, seed)
                    console.print(rows[-1])
            keep(rows, facts, out, steps)
    keep(rows, facts, out, steps)


@dataclass(frozen=True)
class Codes:
    """An autoencoder that has learned, and the probabilities (N, n) of the bits of training and of held-out images."""

    autoencoder: BinaryAutoencoder
    train: Tensor
    held: Tensor

    @classmethod
    def learned(cls, case: Case, steps: int, train: ImageSet, held: ImageSet) -> Codes:
        """Train with the settings of `iqp-digits`, but for the number of bits; the prior learns nothing."""
        changes = [f"model.bits={case.bits}", f"model.encoder_steps={steps}", "model.prior.name=product"]
        changes += [f"training.sample_every={steps}", "training.judged=0"]
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            qgen.train("iqp-digits", steps=steps, seed=0, settings=changes, out=run, device="cpu", progress=False)
            autoencoder = open_trained(find_run(run)).generator.network.autoencoder
        with torch.no_grad():
            chances = [
                autoencoder.logits(images.scaled(torch.arange(len(images)))).sigmoid() for images in (train, held)
            ]
        return cls(autoencoder, *chances)

    def batch(self, source: torch.Generator) -> Tensor:
        """Bits (BATCH, n) of training images."""
        return drawn(self.train[torch.randint(len(self.train), (BATCH,), generator=source)], source)


def drawn(chances: Tensor, source: torch.Generator) -> Tensor:
    """Bits of their probabilities."""
    return (torch.rand(chances.shape, generator=source) < chances).float()


def fitted(case: Case, name: str, codes: Codes, steps: int, rate: float, seed: int) -> tuple[Any, float]:
    """A distribution that has learned the codes, and its CPU seconds."""
    settings = BornPriorSettings(**case.priors[name], scales=case.scales)
    prior = build_prior(settings, case.bits, open_backend("aer"), seed)
    source, started = torch.Generator().manual_seed(seed), time.process_time()
    bits = drawn(codes.train, source)
    prior.start(bits.mean(0), bits.T @ bits / len(bits))
    kernel = build_kernel(settings, prior, seed)
    compared = () if kernel is None else (kernel,)
    optimizer = torch.optim.Adam([weights for module in (prior, *compared) for weights in module.parameters()], rate)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        prior.loss(codes.batch(source), source, *compared).backward()
        optimizer.step()
        decay.step()
    return prior, time.process_time() - started


def tuned(case: Case, name: str, codes: Codes, steps: int) -> float:
    """The rate after which 2,000 draws are nearest to the codes of training images, by MMD."""
    wanted = drawn(codes.train, torch.Generator().manual_seed(TUNED))

    def distance(rate: float) -> float:
        prior, _ = fitted(case, name, codes, steps, rate, TUNED)
        return squared_mmd(prior.draw(2000, TUNED).float(), wanted, case.scales)

    return min(RATES, key=distance)


def squared_mmd(first: Tensor, second: Tensor, scales: Iterable[float]) -> float:
    """Without bias, with the Gaussian kernel of the Hamming distance; the mean over scales."""

    def kernels(x: Tensor, y: Tensor) -> Tensor:
        apart = x.sum(1)[:, None] + y.sum(1) - 2 * x @ y.T
        return torch.stack([(-apart.double() / (2 * scale**2)).exp() for scale in scales]).mean(0)

    def within(x: Tensor) -> Tensor:
        return (kernels(x, x).sum() - len(x)) / (len(x) * (len(x) - 1))

    return float(within(first) + within(second) - 2 * kernels(first, second).mean())


class Judge:
    """Distances of bits from held-out ones, and of their images from those of training."""

    def __init__(self, case: Case, codes: Codes, space: FittedFeatureSpace, train: ImageSet, count: int) -> None:
        self.case, self.codes, self.space, self.count = case, codes, space, count
        self.reference = space.reference(train).features
        self.held = drawn(codes.held, torch.Generator().manual_seed(0))

    def row(self, name: str, bits: Tensor, seed: int) -> Row:
        """Judge bits (N, n)."""
        with torch.no_grad():
            images = self.codes.autoencoder.decode(bits.float())
        found = {
            "frechet": frechet(self.reference, self.space.extract(images).features),
            "mmd": squared_mmd(bits.float(), self.held, self.case.scales),
        }
        return {"case": self.case.name, "prior": name, "seed": seed, "images": len(bits), **found}

    def real(self, seed: int) -> Row:
        """Codes of training images themselves: what a perfect distribution would have."""
        source = torch.Generator().manual_seed(seed)
        bits = drawn(self.codes.train[torch.randperm(len(self.codes.train), generator=source)[: self.count]], source)
        return self.row("codes of training images", bits, seed)


def judged(
    case: Case, name: str, codes: Codes, judge: Judge, steps: int, rate: float, shots: int, seed: int
) -> list[Row]:
    """A row of one distribution, and of what a device's errors make of it."""
    prior, seconds = fitted(case, name, codes, steps, rate, seed)
    bits = prior.draw(judge.count, seed)
    size = sum(weights.numel() for weights in prior.parameters())
    row = judge.row(name, bits, seed) | {"cpu_seconds": seconds, "parameters": size}
    settings = case.priors[name]
    alone = "coupling" in settings and not settings.keys() & {"hidden", "kernel"}
    noisy = on_device(name, prior, bits, shots, seed) if alone else {}
    return [row, *(judge.row(*pair, seed) for pair in noisy.items())]


def on_device(name: str, prior: BornMachine, bits: Tensor, shots: int, seed: int) -> dict[str, Tensor]:
    """What is drawn with all errors of a device, shot by shot, and as many without; on its couplers with flips, too."""
    noisy = BornMachine(prior.iqp, open_backend(f"aer:{DEVICE}", shots=shots))
    noisy.load_state_dict(prior.state_dict())
    noisy.bind_weights()
    found = {
        f"{name}, {shots} shots simulated with all errors of Fez": noisy.draw(shots, seed),
        f"{name}, {shots} shots without errors": bits[:shots],
    }
    if "couplers" in name:
        source = torch.Generator().manual_seed(seed)
        flips = (torch.rand(bits.shape, generator=source) < torch.tensor(flip_rates(prior))).to(torch.uint8)
        found[f"{name}, bits flipped as on Fez"] = bits ^ flips
    return found


def flip_rates(prior: BornMachine) -> list[float]:
    """How often each bit of a circuit on the device's couplers is flipped, if errors are independent.

    By errors of reading, and by those of the two CZ of each coupler: of 15 equally likely errors of two qubits, which
    are 5/4 of the error that is reported, 8 flip one of the bits. Errors that change the sign of later angles, those of
    gates on one qubit and of waiting are left out.
    """
    device = open_device(DEVICE)
    physical = choose_qubits(device, prior.circuit.qubits)
    kept = [1 - 2 * (device.readout_errors[qubit] or 0.0) for qubit in physical]
    for a, b in find_coupling(f"device:{DEVICE}", prior.circuit.qubits):
        error = device.coupler_errors[tuple(sorted((physical[a], physical[b])))]
        for qubit in (a, b):
            kept[qubit] *= (1 - 2 * error * 5 / 4 * 8 / 15) ** 2
    return [(1 - share) / 2 for share in kept]


def keep(rows: list[Row], facts: Row, out: Path, steps: int) -> None:
    """Write OUT.json and OUT.md."""
    where = machine(1, ("torch", "qiskit-aer", "scipy"))
    save({"steps": steps, "machine": where, **facts, "rows": rows}, out)
    out.with_suffix(".md").write_text(tables(rows), encoding="utf-8")


def tables(rows: list[Row]) -> str:
    """A table for each case: means and 95 % intervals; differences are of the same seed, and of as many images."""
    texts = []
    for case in CASES:
        own = [row for row in rows if row["case"] == case.name]
        if len({row["seed"] for row in own}) < 2:
            continue
        measures = "Frechet distance", "less than product", "MMD^2 / 1e-4", "less than product"
        columns = ("", "parameters", "images", *measures, "CPU s")
        table = make_table(f"{case.name}, {len({row['seed'] for row in own})} seeds", columns)
        for name in dict.fromkeys(row["prior"] for row in own):
            some = next(row for row in own if row["prior"] == name)
            cells = []
            for measure, scale in (("frechet", 1.0), ("mmd", 1e4)):
                values, product = _values(own, name, measure), _values(own, "product", measure)
                gains = [scale * (one - value) for one, value in zip(product, values, strict=True)]
                alike = name != "product" and some["images"] == own[0]["images"]
                cells += [
                    mean_and_interval([scale * value for value in values], 2),
                    mean_and_interval(gains, 2) if alike else "",
                ]
            seconds = _values(own, name, "cpu_seconds") if "cpu_seconds" in some else []
            spent = f"{mean(seconds):.1f}" if seconds else ""
            table.add_row(name, str(some.get("parameters", "")), str(some["images"]), *cells, spent)
        texts.append(markdown(table))
    return "\n".join(texts)


def _values(rows: list[Row], name: str, measure: str) -> list[float]:
    return [row[measure] for row in rows if row["prior"] == name]


if __name__ == "__main__":
    typer.run(main)
