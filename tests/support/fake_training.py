"""Stands in for an executor that trains: leaves what runs leave in their folders, in no time, and fails where told.

The study's folder may hold `faults.json`: the name of a run -> {"at": step, "say": line}.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgen.studies import Failure, Outcome, Status, Task
from qgen.studies.executor import MessageCallback, StatusCallback
from qgen.studies.layout import log_file
from qgen.studies.tasks import TrainTask, cell_run

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


@dataclass(frozen=True)
class FakeExecutor:
    """In place of `LocalExecutor`."""

    workers: int
    data_dir: Path | None = None
    device: str = "cpu"

    def run(self, folder: Path, tasks: Sequence[Task], progress: StatusCallback, message: MessageCallback) -> Outcome:
        failures = []
        for task in tasks:
            assert isinstance(task, TrainTask)
            if task.is_done(folder):
                continue
            row = {"run": task.name, "workers": self.workers, "data_dir": str(self.data_dir), "device": self.device}
            append(folder / "started.jsonl", row)
            line = train(folder, task)
            if line is not None:
                failures.append(Failure(task.name, line, log_file(folder, task.name)))
            message(f"{task.name} ended")
            work = sum(each.progress(folder) for each in tasks)
            progress(Status(work, sum(each.size for each in tasks), 0, len(failures), len(tasks)))
        return Outcome(sum(task.is_done(folder) for task in tasks), tuple(failures))


def train(folder: Path, task: TrainTask) -> str | None:
    """Leave what a run leaves; why it failed."""
    faults = folder / "faults.json"
    fault = json.loads(faults.read_text()).get(task.name) if faults.exists() else None
    if fault is not None:
        return str(fault["say"])
    settings = task.cell.config.training
    write_run(cell_run(folder, task.cell).path, task.size, settings.batch, {"frechet": float(settings.seed)})
    return None
