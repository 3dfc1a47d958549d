"""Runs a study in a process of its own, and kills it or its workers at random moments until it is complete."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import numpy as np
import psutil
from trivial_study import run_here

from qgen.studies import read_study

#: Seconds after which a test gives up; nothing is concluded from how long it takes.
_DEADLINE = 600


def run_with_kills(folder: Path, dask: bool, kills: int, rng: np.random.Generator) -> list[str]:
    """Run the study in this folder with two workers to its end, restarting it where it was killed.

    Args:
        folder: the study's folder.
        dask: by `DaskExecutor` rather than `LocalExecutor`.
        kills: number of kills, of a worker or the command in turn, the first at random.
        rng: chooses the moments, by how much is done: however fast the machine is, the study has not ended by then.

    Returns:
        What was killed.
    """
    killed: list[str] = []
    parent = _start(folder, dask)
    whom = ["worker", "command"] if rng.random() < 0.5 else ["command", "worker"]
    while len(killed) < kills and _wait_for_work(folder, parent, kills - len(killed), rng):
        target = whom[len(killed) % 2]
        workers = _workers(parent)
        if target == "worker" and workers:
            workers[rng.integers(len(workers))].kill()
        else:
            target = "command"
            parent.kill()
            parent.join()
            _, alive = psutil.wait_procs(workers, timeout=60)
            assert alive == [], "workers outlive the command"
            parent = _start(folder, dask)
        killed.append(target)
    parent.join(_DEADLINE)
    assert parent.exitcode == 0
    return killed


def _start(folder: Path, dask: bool) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=run_here, args=(folder, 2, dask))
    process.start()
    return process


def _workers(parent: multiprocessing.process.BaseProcess) -> list[psutil.Process]:
    try:
        children = psutil.Process(parent.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.NoSuchProcess:
        return []


def _wait_for_work(
    folder: Path, parent: multiprocessing.process.BaseProcess, kills: int, rng: np.random.Generator
) -> bool:
    """Wait until some of what is left is done, and leave some for further kills; whether the study still runs."""
    tasks, until = list(read_study(folder).tasks()), time.monotonic() + _DEADLINE
    done, total = sum(task.progress(folder) for task in tasks), sum(task.size for task in tasks)
    wanted = done + int(rng.integers(1, max(2, (total - done) // (kills + 1))))
    while parent.is_alive() and sum(task.progress(folder) for task in tasks) < wanted:
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(float(rng.uniform(0, 0.02)))  # not always right after a write
    return parent.is_alive()
