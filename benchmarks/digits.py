"""The default job from command to grid, timed, and its samples judged by a classifier of real digits.

`python benchmarks/digits.py` runs `qgen train --backend aer` and `qgen sample`; `--run FOLDER` judges an old run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from harness.machine import machine
from harness.tables import save
from PIL import Image
from torch import nn

from qgen.data import DataSettings, open_images

CONFIDENT = 0.9


def classifier(seed: int = 0) -> nn.Module:
    """A small network trained on the real digits, and on noise and scrambled digits as an eleventh class: no digit."""
    real = open_images(DataSettings(name="digits"))
    torch.manual_seed(seed)
    network = nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 16, 64), nn.ReLU(), nn.Linear(64, 11)),
    )
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, weight_decay=1e-4)
    for _ in range(20):
        for index in torch.randperm(len(real)).split(64):
            digits = real.scaled(index)
            junk = torch.cat([torch.rand_like(digits[:8]) * 2 - 1, scrambled(digits[8:16])])
            labels = torch.cat([real.labels[index], torch.full((len(junk),), 10)])
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(torch.cat([digits, junk])), labels).backward()
            optimizer.step()
    return network.eval()


def scrambled(images: torch.Tensor) -> torch.Tensor:
    """The same pixels in another order, in each image its own."""
    flat = images.flatten(1)
    return flat.gather(1, torch.rand_like(flat).argsort(dim=1)).view_as(images)


@torch.no_grad()
def probabilities(network: nn.Module, images: np.ndarray) -> np.ndarray:
    """Probability of each of eleven classes, (N, 11), of uint8 images (N, 8, 8)."""
    pixels = torch.from_numpy(images).reshape(-1, 1, 8, 8) / 127.5 - 1
    return network(pixels).softmax(dim=1).numpy()


def judged(network: nn.Module, images: np.ndarray) -> dict[str, Any]:
    """How many images the classifier is sure of, and which digits it sees in those."""
    digit = probabilities(network, images)[:, :10]
    sure = digit.max(axis=1) > CONFIDENT
    seen = np.bincount(digit[sure].argmax(axis=1), minlength=10)
    return {"images": len(images), "confident": sure.mean(), "classes": int((seen > 0).sum()), "seen": seen.tolist()}


def qgen(*words: str) -> None:
    """Runs a command in a process of its own."""
    subprocess.run([sys.executable, "-m", "qgen", *words], check=True)


def main(
    run: Annotated[Path | None, typer.Option(help="Judge this run instead of training one.")] = None,
    backend: Annotated[str, typer.Option(help="Where the default job trains.")] = "aer",
    count: Annotated[int, typer.Option(help="How many samples are judged.")] = 256,
    set_: Annotated[list[str], typer.Option("--set", help="KEY=VALUE for qgen train.")] = [],  # noqa: B006
    out: Annotated[Path, typer.Option(help="The JSON file of the results.")] = Path("benchmarks/results/digits.json"),
) -> None:
    """Samples of the default job, real digits that were held out, and noise, before the same classifier."""
    network = classifier()
    held_out = open_images(DataSettings(name="digits", split="test"))
    right = (probabilities(network, held_out.images.numpy()).argmax(axis=1) == held_out.labels.numpy()).mean()
    noise = np.random.default_rng(0).integers(256, size=(count, 1, 8, 8), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as name:
        grid, seconds = Path(name) / "samples.png", None
        if run is None:
            run, started = Path(name) / "digits", time.perf_counter()
            changes = [f"--set={change}" for change in set_]
            qgen("train", "--backend", backend, "--out", str(run), *changes)
            seconds = time.perf_counter() - started
        qgen("sample", str(run), "--count", str(count), "--single", "--out", str(grid))
        images = [np.asarray(Image.open(path)) for path in sorted(grid.with_suffix("").glob("*.png"))]
        samples = judged(network, np.stack(images))
    facts = {
        "machine": machine(2),
        "backend": backend,
        "set": set_,
        "train_seconds": seconds,
        "classifier_accuracy": float(right),
        "samples": samples,
        "held_out": judged(network, held_out.images.numpy()),
        "noise": judged(network, noise),
    }
    save(facts, out)
    del facts["machine"]
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    typer.run(main)
