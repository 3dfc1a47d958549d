"""The processes that train together: how they are started, watched and ended, and what is said when one is lost."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from subprocess import Popen
from typing import Any

import torch

from qgen.errors import ConfigError, QgenError, RunError
from qgen.launchers import Place, adopt_srun
from qgen.training.device import Device, choose_device
from qgen.training.fabric import DDPStrategy, Fabric, LightningEnvironment, TorchElasticEnvironment

#: The others wait while the first process draws samples, and that may take long.
_TIMEOUT = timedelta(days=1)
#: Seconds in which this process notices by itself that another one has ended: it may be in a long step.
_PATIENCE = 20.0
_POLL = 0.5
#: What torch's transports say when the process at the other end is gone.
_LOST = re.compile(r"gloo|NCCL|[Cc]onnection (was )?(closed|reset|refused)|Broken pipe|[Ss]ocket|TCPStore")


class Workers:
    """The processes that this one has started, which train with it.

    Lightning kills this process with -9, and without a word, once one of them has ended; so they are taken from it.

    Args:
        strategy: of the devices, not launched yet.
        count: number of processes that it is going to start.
    """

    def __init__(self, strategy: DDPStrategy, count: int) -> None:
        self._strategy, self._count = strategy, count
        self._processes: list[Popen[bytes]] = []
        self._released = False
        threading.Thread(target=self._watch, name="workers", daemon=True).start()

    def release(self) -> None:
        """Watch them no longer: they end by themselves."""
        self._released = True

    def kill(self) -> None:
        """End them: without this process they would wait for one another for ever."""
        self._released = True
        self._take()
        for process in self._processes:
            process.kill()

    def _take(self) -> None:
        started = getattr(self._strategy.launcher, "procs", [])
        self._processes += started
        started.clear()

    def _watch(self) -> None:
        while not self._released and len(self._processes) < self._count:
            time.sleep(_POLL)
            self._take()
        ended = None
        while not self._released and ended is None:
            time.sleep(_POLL)
            ended = next((process for process in self._processes if process.poll()), None)
        deadline = time.monotonic() + _PATIENCE
        while not self._released and time.monotonic() < deadline:
            time.sleep(_POLL)
        if not self._released and ended is not None:
            self.kill()
            line = f"{_lost(self._count + 1)} (process {ended.pid} with {_cause(ended.returncode)})"
            os.write(2, f"qgen: {line}\n".encode())
            os._exit(1)


class _Devices(DDPStrategy):
    """Several devices; `workers` are the processes that this one has started, None where a launcher did."""

    workers: Workers | None = None


def launch(device: Device, devices: int, place: Place, precision: Any, find_unused_parameters: bool = False) -> Fabric:
    """Launch the devices that train: start the other processes, or join those that torchrun or srun has started.

    Args:
        device: where classical layers run.
        devices: number of processes on this machine, if this one is to start the others.
        place: which of the processes of a launcher this one is.
        precision: as of `Fabric`.
        find_unused_parameters: as of `DistributedDataParallel`.

    Raises:
        ConfigError: `devices` contradicts the launcher, CUDA is wanted and there is none, or there are not enough GPUs.
    """
    kind, external = choose_device(device), place.launcher != "qgen"
    devices = count_devices(devices, place)
    if kind == "cuda" and devices > torch.cuda.device_count():
        what = f"{place.launcher} has started {devices} processes here" if external else f"--devices {devices}"
        hint = ", and every process has to see all of them (srun: --gpus-per-node)" if external else ""
        raise ConfigError(f"{what}: there are {torch.cuda.device_count()} GPUs here{hint}")
    if place.launcher == "srun":
        adopt_srun()
    if sys.flags.safe_path:  # the processes that it starts have the same path as this one
        os.environ["PYTHONSAFEPATH"] = "1"
    several = _Devices(timeout=_TIMEOUT, find_unused_parameters=find_unused_parameters)
    fabric = Fabric(
        accelerator=kind,
        devices=devices,
        num_nodes=place.nodes,
        strategy=several if devices * place.nodes > 1 else "auto",
        precision=precision,
        plugins=[TorchElasticEnvironment() if external else LightningEnvironment()],
    )
    if devices > 1 and not external and place.rank == 0:
        several.workers = Workers(several, devices - 1)
    try:
        fabric.launch()
    except BaseException:
        terminate_workers(fabric)
        raise
    return fabric


def count_devices(devices: int, place: Place) -> int:
    """Return the number of devices on this machine: `devices`, or as many as processes that a launcher has started.

    Raises:
        ConfigError: both are given, and differ.
    """
    if place.launcher == "qgen":
        return devices
    if devices not in (1, place.local_size):
        raise ConfigError(
            f"--devices {devices}: {place.launcher} has started {place.local_size} processes on this machine, and each "
            "has a device of its own; leave --devices out"
        )
    return place.local_size


def terminate_workers(fabric: Fabric) -> None:
    """End the processes that this one has started: without it they would wait for each other for ever."""
    if isinstance(fabric.strategy, _Devices) and fabric.strategy.workers is not None:
        fabric.strategy.workers.kill()


def release_workers(fabric: Fabric) -> None:
    """Let the processes that this one has started end by themselves."""
    if isinstance(fabric.strategy, _Devices) and fabric.strategy.workers is not None:
        fabric.strategy.workers.release()


@contextmanager
def connected(fabric: Fabric, run: Path) -> Iterator[None]:
    """Turn what torch raises within this block, when another process has ended, into an error of one line.

    Args:
        fabric: the devices, launched.
        run: folder of the run.

    Raises:
        RunError: another process has ended.
    """
    try:
        yield
    except QgenError:
        raise
    except RuntimeError as error:
        lost = fabric.world_size > 1 and (isinstance(error, torch.distributed.DistError) or _LOST.search(str(error)))
        if not lost:
            raise
        hint = f". Go on from the last checkpoint with --resume: {run}" if run.exists() else ""
        raise RunError(f"{_lost(fabric.world_size)}{hint}") from error


def _lost(world_size: int) -> str:
    return f"of the {world_size} processes that train together another one has ended, and this one with it"


def _cause(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"signal {signal.Signals(-code).name}"
