"""The loop: a broken run goes on to the same numbers, and what ends one keeps what was won."""

import errno
import json
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from small_runs import resume_small, small_config, train_small, trainer

from qgen.errors import ConfigError, RunError
from qgen.runs import Checkpoint, Run, find_run, load_checkpoint, new_run, read_config, resume_config
from qgen.training import Report, metrics, start
from qgen.training.optimization import decay_change, learning_rate


class HaltError(Exception):
    """What a test raises in place of a crash."""


class StopAt(Report):
    """Asks the run to stop, or breaks it, at a step."""

    def __init__(self, step: int, *, crash: bool = False) -> None:
        self.at, self.crash = step, crash

    def step(self, done: int) -> None:
        if done == self.at:
            if self.crash:
                raise HaltError
            os.kill(os.getpid(), signal.SIGINT)


def last(run: Run) -> Checkpoint:
    return load_checkpoint(run.checkpoints()[-1])


def equal(one: Checkpoint, other: Checkpoint) -> bool:
    flat = [
        {f"{group}/{name}": tensor for group, tensors in each.tensors.items() for name, tensor in tensors.items()}
        for each in (one, other)
    ]
    return (
        one.step == other.step
        and one.numbers == other.numbers
        and flat[0].keys() == flat[1].keys()
        and all(torch.equal(flat[0][key], flat[1][key]) for key in flat[0])
    )


def timeless(run: Run) -> list[dict[str, float | int]]:
    return [{k: v for k, v in row.items() if not k.endswith("per_second")} for row in metrics.read(run.metrics)]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run, finished = train_small(tmp_path_factory.mktemp("runs") / "unbroken")
    assert (finished.step, finished.stopped) == (12, False)
    return run


def test_a_run_leaves_what_is_promised(unbroken: Run) -> None:
    assert unbroken.config() == small_config()
    assert [row["step"] for row in metrics.read(unbroken.metrics)] == [5, 10, 12]
    assert [path.name for path in unbroken.checkpoints()] == ["step-00000009.safetensors", "step-00000012.safetensors"]
    assert unbroken.grid(12).read_bytes().startswith(b"\x89PNG")
    facts = json.loads((unbroken.path / "provenance.json").read_text())
    assert facts["data"]["images"] == 64
    assert facts["backend"]["name"] == "statevector"
    assert {"torch", "qiskit"} <= facts["machine"]["packages"].keys()
    assert len(list(unbroken.path.rglob("*.tmp*"))) == 0


@pytest.mark.rows(1)
@pytest.mark.skipif(os.name == "nt", reason="there is no umask")
@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_every_file_of_a_run_is_as_readable_as_the_umask_says(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        run, _ = train_small(tmp_path / "run", "training.steps=1", "training.judged=8")
    finally:
        os.umask(before)
    modes = {path.relative_to(run.path): path.stat().st_mode & 0o777 for path in run.path.rglob("*") if path.is_file()}
    assert len(modes) >= 6
    assert {path: mode for path, mode in modes.items() if mode != 0o666 & ~umask} == {}


def test_a_crashed_run_goes_on_to_the_same_bits(unbroken: Run, rng: np.random.Generator, tmp_path: Path) -> None:
    run = new_run("test", tmp_path / "crashed")
    with pytest.raises(HaltError):
        start(trainer(run, small_config()), StopAt(int(rng.integers(1, 12)), crash=True))
    resume_small(run)
    assert equal(last(run), last(unbroken))
    assert timeless(run) == timeless(unbroken)
    assert run.grid(12).read_bytes() == unbroken.grid(12).read_bytes()


def test_ctrl_c_finishes_the_step_and_saves(unbroken: Run, rng: np.random.Generator, tmp_path: Path) -> None:
    at, before = int(rng.integers(1, 11)), signal.getsignal(signal.SIGINT)
    run, finished = train_small(tmp_path / "stopped", report=StopAt(at))
    assert (finished.step, finished.stopped) == (at + 1, True)  # the request came between two steps
    assert last(run).step == at + 1
    assert signal.getsignal(signal.SIGINT) is before
    resume_small(run)
    assert equal(last(run), last(unbroken))


def test_a_finished_run_can_go_on_for_longer(unbroken: Run, tmp_path: Path) -> None:
    run, _ = train_small(tmp_path / "short", "training.steps=7")
    resume_small(run, ["training.steps=12"])
    assert equal(last(run), last(unbroken))


def test_two_runs_of_one_seed_are_equal_and_of_two_differ(unbroken: Run, tmp_path: Path) -> None:
    same, _ = train_small(tmp_path / "same")
    other, _ = train_small(tmp_path / "other", "training.seed=1")
    assert equal(last(same), last(unbroken))
    assert not equal(last(other), last(unbroken))


@pytest.mark.parametrize("change", ["training.batch=4", "training.learning_rate=1", "model.dim=4", "data.limit=32"])
def test_a_run_that_goes_on_keeps_its_settings(unbroken: Run, change: str) -> None:
    key = change.partition("=")[0]
    with pytest.raises(ConfigError, match=rf"keeps its settings, and {key} would change"):
        resume_config(unbroken, ["training.steps=20", change])


@pytest.mark.parametrize(
    "changes",
    [
        ["training.epochs=30"],
        ["training.log_every=1", "training.judged=3", "training.samples=0"],
        ["sampling.steps=5", "training.sample_every=3", "training.checkpoint_every=null"],
        ["backend.name=aer", "backend.shots=100"],
        ["data.name=/somewhere/else"],
    ],
)
def test_what_no_step_depends_on_may_change(unbroken: Run, changes: list[str]) -> None:
    changed = resume_config(unbroken, changes).plain()
    for change in changes:
        key, _, value = change.partition("=")
        group, name = key.split(".")
        assert changed[group][name] == yaml.safe_load(value)


def test_another_backend_by_set_is_another_one_as_by_its_option(unbroken: Run, tmp_path: Path) -> None:
    run = new_run("test", tmp_path / "shots")
    run.start(small_config("backend.name=aer", "backend.shots=100"), {})
    assert resume_config(run, ["backend.name=statevector"]) == resume_config(run, [], {"name": "statevector"})
    assert resume_config(run, ["backend.name=statevector"]).backend.shots is None


def test_a_falling_learning_rate_is_stretched_when_a_run_goes_on_for_longer(tmp_path: Path) -> None:
    """64 images in batches of 8 are 8 steps an epoch."""
    cosine = ("training.decay=cosine", "training.warm_up=0", "training.learning_rate=0.01")
    cosine += ("training.epochs=1", "training.log_every=1", "training.samples=0")
    run, finished = train_small(tmp_path / "cosine", *cosine)
    assert finished.step == 8
    said: list[str] = []

    class Listening(Report):
        def message(self, line: str) -> None:
            said.append(line)

    resume_small(run, ["training.epochs=3"], Listening())
    rates = [row["learning_rate"] for row in metrics.read(run.metrics)]
    planned = [0.01 * (1 + math.cos(math.pi * step / 8)) / 2 for step in range(8)]
    stretched = [0.01 * (1 + math.cos(math.pi * step / 24)) / 2 for step in range(8, 24)]
    assert rates == pytest.approx(planned + stretched, rel=1e-12)
    (line,) = said
    assert "ends at step 24, not 8" in line
    assert "goes on at 0.0075" in line
    assert run.provenance()["resumed"][0]["learning_rate"] == line
    resume_small(run, [], Listening())
    assert said == [line]  # a run that goes on as it is planned has nothing to say


def test_a_constant_learning_rate_says_nothing() -> None:
    settings = small_config("training.decay=none").training
    assert decay_change(settings, 8, 8, 24) is None


def test_a_run_cannot_end_before_where_it_is(unbroken: Run) -> None:
    before = (unbroken.path / "config.yaml").read_bytes()
    with pytest.raises(RunError, match="has taken 12 steps already"):
        resume_small(unbroken, ["training.steps=5"])
    with pytest.raises(RunError, match=r"cannot end at step 8 \(training.epochs=1 is that\)"):
        resume_small(unbroken, ["training.epochs=1"])
    assert (unbroken.path / "config.yaml").read_bytes() == before


def test_a_run_is_trained_by_one_process_at_a_time(unbroken: Run) -> None:
    with unbroken.alone(), pytest.raises(RunError, match="by another process"):
        resume_small(unbroken)


def test_transfer_takes_over_encoder_and_decoder_and_a_new_vertex(unbroken: Run, tmp_path: Path) -> None:
    given = last(unbroken).tensors["weights"]
    other = ("model.vertex.ansatz=fqconv", "training.seed=5", "training.steps=1", "training.learning_rate=1e-30")
    run, _ = train_small(tmp_path / "transfer", *other, f"start.run={unbroken.path}")
    taken = last(run).tensors["weights"]
    for part in ("encoder", "decoder"):
        names = [name for name in taken if name.startswith(part)]
        assert names
        assert all(torch.equal(taken[name], given[name]) for name in names)
    vertex = [name for name in taken if name.startswith("vertex") and taken[name].ndim > 1]
    assert all(name not in given or not torch.equal(taken[name], given[name]) for name in vertex)
    resume_small(run)  # also without the run that it came from
    with pytest.raises(RunError, match=r"the encoder of .* has other weights"):
        train_small(tmp_path / "wider", "model.dim=16", f"start.run={unbroken.path}")
    with pytest.raises(RunError, match="not the folder of a run"):
        train_small(tmp_path / "none", f"start.run={tmp_path}")


def test_a_damaged_checkpoint_is_named_and_the_one_before_serves(unbroken: Run, tmp_path: Path) -> None:
    run, _ = train_small(tmp_path / "damaged")
    latest = run.checkpoints()[-1]
    latest.write_bytes(latest.read_bytes()[:-100])
    with pytest.raises(RunError, match=f"{latest.name} is damaged"):
        resume_small(run)
    latest.unlink()
    resume_small(run)
    assert equal(last(run), last(unbroken))


def test_a_checkpoint_of_another_model_is_refused(unbroken: Run, tmp_path: Path) -> None:
    run, _ = train_small(tmp_path / "other", "training.steps=3", "model.dim=4")
    theirs, ours = run.checkpoints()[-1], run.checkpoint(99)
    ours.write_bytes(unbroken.checkpoints()[-1].read_bytes())
    with pytest.raises(RunError, match="other settings"):
        resume_small(run, ["training.steps=100"])
    assert theirs.exists()


def test_other_images_are_refused(tmp_path: Path) -> None:
    run, _ = train_small(tmp_path / "run", "training.steps=2")
    config = run.config()
    run.write_config(config.model_copy(update={"data": config.data.model_copy(update={"limit": 32})}))
    with pytest.raises(RunError, match="other images"):
        resume_small(run)


def test_a_loss_that_is_not_finite_stops_with_the_last_good_checkpoint(tmp_path: Path) -> None:
    class Poison(Report):
        def step(self, done: int) -> None:
            if done == 7:
                with torch.no_grad():
                    next(p for n, p in made.generator.network.named_parameters() if n.startswith("decoder")).fill_(1e30)

    run = new_run("test", tmp_path / "nan")
    made = trainer(run, small_config())
    with pytest.raises(RunError) as caught:
        start(made, Poison())
    said = str(caught.value)
    assert said.startswith("step 8: the ")
    assert "step-00000006.safetensors" in said
    assert "decoder" in said
    assert last(run).step == 6
    assert all(tensor.isfinite().all() for group in last(run).tensors.values() for tensor in group.values())


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qgen import tensor_files

    run = new_run("test", tmp_path / "full")
    write, count = tensor_files.save_file, [0]

    def full(*arguments: object) -> None:
        count[0] += 1
        if count[0] == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(*arguments)

    monkeypatch.setattr(tensor_files, "save_file", full)
    with pytest.raises(RunError, match="no space left on device"):
        start(trainer(run, small_config()), Report())
    assert last(run).step == 6
    assert len(list(run.path.glob("checkpoints/*"))) == 2


def test_a_taken_folder_is_left_alone(unbroken: Run) -> None:
    before = unbroken.checkpoints()[-1].read_bytes()
    with pytest.raises(RunError, match="exists already"):
        new_run("x", unbroken.path)
    with pytest.raises(RunError, match="exists already"):
        start(trainer(unbroken, small_config("training.seed=9")), Report())
    assert unbroken.checkpoints()[-1].read_bytes() == before


def test_the_latest_run_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="no run with a checkpoint"):
        find_run()
    for name in ("b", "a"):
        train_small(Path("runs") / name, "training.steps=1", "training.samples=0")
    Path("runs/empty").mkdir()
    assert find_run().name == "a"
    with pytest.raises(RunError, match=r"no config\.yaml"):
        find_run(Path("runs/empty"))


def test_learning_rates() -> None:
    settings = read_config("unet", ["training.warm_up=4", "training.decay=cosine"]).training
    rates = [learning_rate(step, 104, settings) / settings.learning_rate for step in range(104)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[54] == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(0, abs=1e-3)
    assert rates[4:] == sorted(rates[4:], reverse=True)
    constant = read_config("unet").training
    assert {learning_rate(step, 10, constant) for step in range(10)} == {1e-3}
