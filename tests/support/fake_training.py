"""Stands in for `qgen train`: leaves what a run leaves in its folder, in no time, and fails or waits where it is told.

    python fake_training.py train SETTINGS.yaml --out RUN    python fake_training.py train RUN --resume

The study's folder may hold `faults.json`: the name of a run -> {"at": step, "say": line} or {"at": step, "wait": true}.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")


def write_end(folder: Path, step: int, quality: Mapping[str, Any] | None = None, sha256: str = "abc") -> None:
    """A checkpoint, the provenance, a grid of samples and a row of quality after so many steps."""
    for name in ("checkpoints", "samples"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / f"checkpoints/step-{step:08d}.safetensors").touch()
    data = {"name": "digits", "images": 1438, "sha256": sha256}
    (folder / "provenance.json").write_text(json.dumps({"data": data}))
    append(folder / "quality.jsonl", {"step": step, "collapse": None} | dict(quality or {}))
    (folder / f"samples/step-{step:08d}.png").write_bytes(PIXEL)


def write_run(folder: Path, steps: int, batch: int, quality: Mapping[str, Any], sha256: str = "abc") -> None:
    """A run that has finished: half-way its quality was twice what it is at the end."""
    folder.mkdir(parents=True)
    for step in range(1, steps + 1):
        write_row(folder, step, batch)
    half = {key: 2 * value for key, value in quality.items() if isinstance(value, float)}
    append(folder / "quality.jsonl", {"step": steps // 2, "collapse": None} | half)
    write_end(folder, steps, quality, sha256)
    (folder / "config.yaml").write_text("")


def write_row(folder: Path, step: int, batch: int) -> None:
    """A row of metrics: 200 images a second, and a discriminator that is right more often with every step."""
    row = {"step": step, "images": step * batch, "discriminator_accuracy": 0.5 + 0.001 * step}
    append(folder / "metrics.jsonl", row | {"images_per_second": 200.0})


def append(path: Path, row: Mapping[str, Any]) -> None:
    with open(path, "a") as file:
        file.write(json.dumps(row) + "\n")


def train(run: Path, study: Path, fault: Mapping[str, Any]) -> int:
    settings = yaml.safe_load((run / "config.yaml").read_text())["training"]
    done = max((int(path.stem[5:]) for path in run.glob("checkpoints/*")), default=0)
    for step in range(done + 1, settings["steps"] + 1):
        if fault.get("at") == step and not fault.get("wait"):
            sys.stdout.write(f"working\nqgen: {fault['say']}\n\n")
            return 1
        if fault.get("at") == step:
            wait(study / f"{run.name}.waits")
            return 0
        write_row(run, step, settings["batch"])
        (run / "checkpoints").mkdir(exist_ok=True)
        (run / f"checkpoints/step-{step:08d}.safetensors").touch()
    write_end(run, settings["steps"], {"frechet": float(settings["seed"])})
    return 0


def wait(sign: Path) -> None:
    """Until SIGINT comes; the sign is there once it may."""
    asked: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    sign.touch()
    while not asked:
        time.sleep(0.01)


def main(arguments: list[str]) -> int:
    resumed = "--resume" in arguments
    run = Path(arguments[0] if resumed else arguments[arguments.index("--out") + 1])
    study = run.parent.parent
    if not resumed:
        run.mkdir(parents=True)
        shutil.copy(arguments[0], run / "config.yaml")
    alone = os.getsid(0) == os.getpid()
    append(study / "started.jsonl", {"run": run.name, "resumed": resumed, "with": arguments, "alone": alone})
    faults = study / "faults.json"
    return train(run, study, json.loads(faults.read_text()).get(run.name, {}) if faults.exists() else {})


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
