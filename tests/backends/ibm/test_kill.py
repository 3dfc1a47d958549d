"""`qgen sample` on hardware, killed at any moment and started again: nothing is billed twice, images are the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import zygote
from cloud import cloud
from PIL import Image
from small_runs import train_small

CIRCUITS = "model.vertex={groups: 1, group_channels: 1, ansatz: hqconv, layers: 1}"
#: Seconds that a job waits at the server: there is time to kill in.
QUEUE = 0.15
#: Of two images in two steps, with four calls of circuits each.
JOBS = 8


class Command:
    """Runs `qgen sample` in processes that can be killed."""

    def __init__(self, process: subprocess.Popen[str], options: tuple[str, ...]) -> None:
        self._process, self._options = process, options

    def run(self, run: Path, seed: int, kill_after: float | None = None) -> int:
        """The exit code; -9 where it was killed."""
        given = ["--count", "2", "--steps", "2", "--shots", "20", "--seed", str(seed), "--yes", *self._options]
        self._say(["sample", str(run), "--backend", "ibm_guadalupe", *given])
        child = int(self._read())
        if kill_after is not None:
            time.sleep(kill_after)
            with suppress(ProcessLookupError):  # it has ended
                os.kill(child, signal.SIGKILL)
        return int(self._read())

    def _say(self, arguments: list[str]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def commands(options: tuple[str, ...]) -> Iterator[Command]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, zygote.__file__], text=True, env=environment, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Command(process, options)
        assert process.stdin is not None
        process.stdin.close()


def picture(run: Path, seed: int) -> np.ndarray:
    (grid,) = run.joinpath("samples").glob(f"ibm_guadalupe-*-seed{seed}-2.png")
    return np.asarray(Image.open(grid))


def kill_often(folder: Path, kills: int, options: tuple[str, ...], rng: np.random.Generator) -> None:
    """Images of as many seeds as it takes, undisturbed in one run, killed at random moments in the other."""
    trained, _ = train_small(folder / "trained", "training.steps=1", "training.samples=0", CIRCUITS)
    calm, rough = (Path(shutil.copytree(trained.path, folder / name)) for name in ("calm", "rough"))
    context = pytest.MonkeyPatch.context()
    with context as patch, cloud(folder, patch, queue_seconds=QUEUE) as server, commands(options) as command:
        began = time.monotonic()
        assert command.run(calm, 0) == 0
        length, struck, seed = time.monotonic() - began, 0, 0
        each, jobs = server.ledger.executions, JOBS * (2 if "readout" in options else 1)
        while struck < kills:
            # After the last kill a run is left alone: on a machine that has become slower, none might end otherwise.
            while code := command.run(rough, seed, float(rng.uniform(0, length)) if struck < kills else None):
                assert code == -signal.SIGKILL
                struck += 1
            seed += 1
        assert server.ledger.executions == (1 + seed) * each
        assert sum(job.executions > 0 for job in server.ledger.jobs) == (1 + seed) * jobs
        for k in range(seed):
            assert command.run(calm, k) == 0
            assert np.array_equal(picture(calm, k), picture(rough, k))


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "options"), [(1, ()), (20, ()), (8, ("--mitigation", "readout"))])
def test_killed_at_random_moments(
    kills: int, options: tuple[str, ...], tmp_path: Path, rng: np.random.Generator
) -> None:
    kill_often(tmp_path, kills, options, rng)
