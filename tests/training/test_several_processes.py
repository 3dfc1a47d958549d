"""Several processes that train together, started by qgen, torchrun or srun: the same bits, stopped, killed, resumed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from small_runs import SMALL, SMALL_LATENT, small_autoencoder, train_config, trainer

from qgen.runs import Run, load_checkpoint
from qgen.training import export, metrics

pytestmark = pytest.mark.slow

STEPS = 16
CHANGES = (f"training.steps={STEPS}", "training.log_every=1", "training.checkpoint_every=4")
QGEN = (sys.executable, "-m", "qgen")


def training(out: Path, *changes: str) -> list[str]:
    sets = [word for change in (*SMALL, *CHANGES, *changes) for word in ("--set", change)]
    return ["train", "--device", "cpu", "--out", str(out), *sets]


def torchrun(*words: str) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", *words]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(commands: Sequence[list[str]], **environment: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Starts commands; whatever is left of them, and of what they have started, is killed at the end."""
    environ = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    processes = [
        subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for words in commands
    ]
    try:
        yield processes
    finally:
        for process in processes:
            family(process.pid, kill=True)
            process.wait()


def family(pid: int, kill: bool = False) -> list[psutil.Process]:
    """What a process has started, and what that has."""
    try:
        own = psutil.Process(pid)
        found = own.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    for process in [*found, own] if kill else []:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return found


def run(*commands: list[str], code: int = 0, **environment: str) -> list[str]:
    with started(commands, **environment) as processes:
        said = [process.communicate(timeout=300)[0] for process in processes]
        assert all(process.returncode == code for process in processes), said
    return said


def weights(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = load_checkpoint(Run(folder).checkpoints()[-1])
    assert checkpoint.step == STEPS
    tensors = checkpoint.tensors
    return {f"{group}/{name}": value for group in tensors for name, value in tensors[group].items()}


def assert_same(one: Path, other: Path) -> None:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


@pytest.fixture(scope="module")
def by_devices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by `qgen train --devices 2`."""
    path = tmp_path_factory.mktemp("devices") / "run"
    run([*QGEN, *training(path), "--devices", "2"])
    return path


def one_node(form: str, out: Path) -> list[str]:
    words = training(out)
    if form == "-m":
        return torchrun("--nproc-per-node", "2", "-m", "qgen", *words)
    script = shutil.which("qgen", path=str(Path(sys.executable).parent))
    assert script is not None
    return torchrun("--nproc-per-node", "2", *(["--no-python"] if form == "--no-python" else []), script, *words)


@pytest.mark.parametrize("form", ["-m", "--no-python", "script"])
def test_torchrun_takes_the_same_steps(form: str, by_devices: Path, tmp_path: Path) -> None:
    (said,) = run(one_node(form, tmp_path / "run"))
    assert said.count("training on ") == 1  # one of them prints
    assert_same(tmp_path / "run", by_devices)


def nodes(out: Path, port: int, *changes: str, rendezvous: str = "static") -> list[list[str]]:
    """The command of each of two nodes, one process each."""
    common = ["--nnodes", "2", "--nproc-per-node", "1"]
    if rendezvous == "c10d":
        place = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "test"]
        return [torchrun(*common, *place, "-m", "qgen", *training(out, *changes)) for _ in range(2)]
    place = ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    return [
        torchrun(*common, "--node-rank", str(rank), *place, "-m", "qgen", *training(out, *changes)) for rank in range(2)
    ]


@pytest.mark.parametrize("rendezvous", ["static", "c10d"])
def test_two_nodes_take_the_same_steps(rendezvous: str, by_devices: Path, tmp_path: Path) -> None:
    said = run(*nodes(tmp_path / "run", free_port(), rendezvous=rendezvous))
    assert sum(text.count("training on ") for text in said) == 1
    assert_same(tmp_path / "run", by_devices)


def srun(out: Path, *changes: str, given: Sequence[str] = ()) -> tuple[list[list[str]], list[dict[str, str]]]:
    """What srun starts on two nodes, and what it tells each process."""
    common = {
        "SLURM_JOB_ID": str(free_port()),
        "SLURM_STEP_ID": "0",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NUM_NODES": "2",
        "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
        "SLURM_STEP_NODELIST": "127.0.0.1,127.0.0.2",
        "SLURM_LOCALID": "0",
    }
    told = [common | {"SLURM_PROCID": str(rank), "SLURM_NODEID": str(rank)} for rank in range(2)]
    return [[*QGEN, *training(out, *changes), *given] for _ in range(2)], told


def test_srun_takes_the_same_steps(by_devices: Path, tmp_path: Path) -> None:
    commands, told = srun(tmp_path / "run")
    with started(commands[:1], **told[0]) as first, started(commands[1:], **told[1]) as second:
        said = [process.communicate(timeout=300)[0] for process in (*first, *second)]
        assert [process.returncode for process in (*first, *second)] == [0, 0], said
    assert sum(text.count("training on ") for text in said) == 1
    assert_same(tmp_path / "run", by_devices)


def test_a_batch_that_does_not_divide_is_one_line(tmp_path: Path) -> None:
    words = training(tmp_path / "run", "training.batch=9")
    with started([torchrun("--nproc-per-node", "2", "-m", "qgen", *words)]) as (process,):
        said = process.communicate(timeout=300)[0]
    assert process.returncode != 0
    assert said.count("does not divide among 2 devices") == 1
    words = [*training(tmp_path / "run"), "--devices", "3"]
    with started([torchrun("--nproc-per-node", "2", "-m", "qgen", *words)]) as (process,):
        said = process.communicate(timeout=300)[0]
    assert said.count("qgen: --devices 3: torchrun has started 2 processes on this machine") == 1
    assert not (tmp_path / "run").exists()


def wait_for_rows(folder: Path, count: int, processes: Sequence[subprocess.Popen[str]]) -> None:
    deadline = time.monotonic() + 240
    while not (folder / "metrics.jsonl").exists() or len(metrics.read(folder / "metrics.jsonl")) < count:
        assert all(process.poll() is None for process in processes), processes[0].communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


LONG = ("training.steps=400", "training.checkpoint_every=null")


def finish(folder: Path) -> None:
    """Goes on with two devices to the last step of a run that was to take more."""
    steps = ["--set", f"training.steps={STEPS}"]
    run([*QGEN, "train", str(folder), "--resume", "--device", "cpu", "--devices", "2", *steps])


@pytest.mark.parametrize("launcher", ["torchrun", "qgen"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_stops_all_after_a_step(launcher: str, number: signal.Signals, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = training(folder, *LONG)
    starts = {
        "torchrun": torchrun("--nproc-per-node", "2", "-m", "qgen", *words),
        "qgen": [*QGEN, *words, "--devices", "2"],
    }
    with started([starts[launcher]]) as (process,):
        wait_for_rows(folder, 3, [process])
        children = family(process.pid)
        process.send_signal(number)
        said = process.communicate(timeout=120)[0]
        assert not psutil.wait_procs(children, timeout=60)[1]
    taken = Run(folder).steps_taken
    assert 3 <= taken < 400
    assert f"stopped after step {taken}; go on with: qgen train {folder} --resume" in said
    assert said.count("stopped after step") == 1
    if launcher == "qgen":
        assert process.returncode == 128 + number


@pytest.mark.parametrize("launcher", ["torchrun", "nodes", "qgen"])
@pytest.mark.parametrize("victim", ["first", "other"])
def test_the_rest_end_with_a_line_when_one_is_killed(
    launcher: str, victim: str, by_devices: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    folder = tmp_path / "run"
    words = training(folder, "training.checkpoint_every=null")
    starts = {
        "torchrun": [torchrun("--nproc-per-node", "2", "-m", "qgen", *words)],
        "nodes": nodes(folder, free_port(), "training.checkpoint_every=null"),
        "qgen": [[*QGEN, *words, "--devices", "2"]],
    }
    with started(starts[launcher]) as processes:
        wait_for_rows(folder, int(rng.integers(1, STEPS - 6)), processes)
        ranks = {
            int(process.environ().get("RANK", process.environ().get("LOCAL_RANK", "0"))): process
            for each in processes
            for process in [psutil.Process(each.pid), *family(each.pid)]
            if "train" in process.cmdline() and "torch.distributed.run" not in process.cmdline()
        }
        assert set(ranks) == {0, 1}
        ranks[victim == "other"].kill()
        said = "".join(process.communicate(timeout=120)[0] for process in processes)
        assert not psutil.wait_procs(list(ranks.values()), timeout=60)[1]
    assert "of the 2 processes that train together another one has ended" in said
    assert "Traceback" not in said.replace("torch.distributed", "") or launcher != "qgen"
    finish(folder)
    assert_same(folder, by_devices)


def test_a_branch_has_the_losses_of_one_process(tmp_path: Path) -> None:
    """The mean of its circuit's values is that of the whole batch."""
    config = small_autoencoder("training.steps=2", "training.samples=0")
    first, _ = train_config(tmp_path / "first", config)
    ready = trainer(first, config)
    ready.restore()
    export(ready)
    changes = [*SMALL_LATENT, f"model.first_stage={first.path}", "training.log_every=1", "training.samples=0"]
    changes += ["model.denoiser.quantum.kind=circuit", "model.denoiser.quantum.qubits=2"]
    sets = [word for change in changes for word in ("--set", change)]
    for name, devices in (("one", "1"), ("two", "2")):
        out = str(tmp_path / name)
        run([*QGEN, "train", "latent-unet", "--device", "cpu", "--out", out, *sets, "--devices", devices])
    one, two = (metrics.read(tmp_path / name / "metrics.jsonl") for name in ("one", "two"))
    np.testing.assert_allclose([row["loss"] for row in two], [row["loss"] for row in one], rtol=1e-4)


LOST_IN_ONE = """
import torch
from lightning_fabric import Fabric
from torch import nn
from qgen.backends import open_backend
from qgen.generators import Player
from qgen.models.branch_settings import BranchSettings
from qgen.models.circuit_context import CircuitContext
from qgen.models.quantum_branch import QuantumBranch
from qgen.runs.config import TrainingSettings
from qgen.training.optimization import DivergedError, PlayerOptimizer

fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
fabric.launch()
context, kind = CircuitContext(open_backend("statevector"), "auto", 1), {"kind": "circuit", "qubits": 2, "layers": 1}

class Loss(nn.Module):
    def __init__(self):
        super().__init__()
        self.branches = nn.ModuleList(QuantumBranch(3, BranchSettings.read(kind), context) for _ in range(3))

    def forward(self, rows, draws, conditioning=None):
        for number, branch in enumerate(self.branches):
            rows = branch(rows * (float("nan") if number == draws else 1))
        return rows.square().mean()

    def metrics(self):
        return {}

loss = Loss()
player = PlayerOptimizer(Player("own", loss, dict(loss.named_parameters())), TrainingSettings(steps=2), fabric)
assert player.step(torch.ones(2, 3), None, None, 0.1).loss > 0
try:
    player.step(torch.ones(2, 3), 1 if fabric.global_rank else None, None, 0.1)
except DivergedError:
    print("heard", flush=True)
"""


def test_all_processes_hear_of_a_number_that_is_not_finite_in_one(tmp_path: Path) -> None:
    script = tmp_path / "lost.py"
    script.write_text(LOST_IN_ONE)
    (said,) = run(torchrun("--nproc-per-node", "2", str(script)))
    assert said.count("heard") == 2


@pytest.mark.parametrize("method", ["exact", "propagate"])
def test_noise_is_the_same_on_two_processes(method: str, tmp_path: Path) -> None:
    changes = ("backend.name=noisy:fake_guadalupe", f"backend.method={method}", "training.steps=3", "training.batch=4")
    run([*QGEN, *training(tmp_path / "one", *changes)])
    run([*QGEN, *training(tmp_path / "two", *changes), "--devices", "2"])
    one, two = (metrics.read(tmp_path / name / "metrics.jsonl") for name in ("one", "two"))
    np.testing.assert_allclose([row["loss"] for row in two], [row["loss"] for row in one], rtol=1e-5)
