"""The plan for hardware is what runs there: circuits, jobs and executions, for each kind of model and gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cloud import cloud
from small_runs import small_autoencoder, small_config, small_gan, small_latent, trainer

from qgen.backends.ibm import IBMBackend
from qgen.costing.plan import HardwarePlan, plan_sampling, plan_training
from qgen.devserver import DevServer, Plan
from qgen.models.autoencoder import build_autoencoder, save_autoencoder
from qgen.runs import RunConfig, new_run
from qgen.training import Trainer

pytestmark = pytest.mark.slow

ONE = "model.vertex={groups: 1, group_channels: 1, ansatz: hqconv, layers: 1}"
BOTH = "model.quanvolution={level: 1, groups: 1, ansatz: basic, layers: 1}"
GRADIENTS = ["parameter-shift", "parameter-shift:fraction=0.3", "spsa", "spsa:directions=3"]
THERE = ("backend.name=ibm_guadalupe", "backend.shots=2", "training.batch=3")


def config(preset: str, *changes: str) -> RunConfig:
    if preset == "digits":
        return small_config(ONE, *THERE, *changes)
    if preset == "quanvolution":
        return small_config(ONE, BOTH, *THERE, *changes)
    if preset in ("encoder", "decoder"):
        return small_autoencoder(f"model.quantum.place={preset}", *THERE, *changes)
    return small_gan(preset, *THERE, *changes)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> Any:
    """Whose bits are drawn, not simulated: how many there are is what counts."""

    def draw(circuit: Any, values: Any, shots: int, *_: Any) -> dict[str, Any]:
        return {one.name: rng.integers(2, size=(len(values), shots, one.size)).astype(bool) for one in circuit.cregs}

    monkeypatch.setattr("qgen.devserver.executor_program.simulate", draw)
    monkeypatch.setattr("qgen.backends.ibm.runner.FIRST_POLL", 0.01)
    with cloud(tmp_path, monkeypatch, plan=Plan(seconds=1e9)) as running:
        yield running


def built(folder: Path, settings: RunConfig) -> Trainer:
    run = new_run("plan", folder / "run")
    run.path.mkdir()
    return trainer(run, settings)


def compare(server: DevServer, plan: HardwarePlan) -> None:
    jobs = server.ledger.jobs
    assert (len(jobs), server.ledger.executions) == (plan.jobs, plan.executions)
    assert sum(job.circuits for job in jobs) == plan.circuits
    assert server.ledger.seconds <= plan.seconds


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize(
    "preset",
    [
        "digits",
        "quanvolution",
        "gan-quantum-g",
        "gan-quantum-d",
        "gan-quantum-both",
        "patch-gan",
        "style-gan",
        "encoder",
        "decoder",
    ],
)
def test_a_step_of_training(preset: str, gradient: str, server: DevServer, tmp_path: Path) -> None:
    settings = config(preset, f"backend.gradient={gradient}")
    training = built(tmp_path, settings)
    backend = training.generator.backend
    assert isinstance(backend, IBMBackend)
    try:
        plan = plan_training(training.generator, settings, backend, 1)
        backend.allow(plan.seconds)
        training.step(0)
        compare(server, plan)
    finally:
        backend.close()


@pytest.mark.parametrize("preset", ["digits", "quanvolution", "gan-quantum-g", "patch-gan", "style-gan", "decoder"])
@pytest.mark.parametrize("count", [1, 3])
def test_sampling(preset: str, count: int, server: DevServer, tmp_path: Path) -> None:
    settings = config(preset)
    generator: Any = built(tmp_path, settings).generator
    try:
        plan = plan_sampling(generator, settings, generator.backend, count, 0)
        generator.backend.allow(plan.seconds)
        generator.sample(list(range(count)))
        compare(server, plan)
    finally:
        generator.backend.close()


@pytest.mark.parametrize("place", ["encoder", "decoder"])
def test_a_latent_diffusion(place: str, server: DevServer, tmp_path: Path) -> None:
    """The encoder is on the exact engine, and costs nothing; the decoder makes each image once, behind the sampler."""
    first = tmp_path / "autoencoder.safetensors"
    settings = small_autoencoder(f"model.quantum.place={place}").model
    save_autoencoder(first, build_autoencoder(settings, (1, 8, 8)), (torch.zeros(2, 1, 1), torch.ones(2, 1, 1)))
    circuit = ("model.denoiser.quantum.kind=circuit", "model.denoiser.quantum.qubits=2")
    config = small_latent(first, *circuit, *THERE, "backend.gradient=spsa")
    training = built(tmp_path, config)
    generator: Any = training.generator
    try:
        plan = plan_training(generator, config, generator.backend, 1)
        sampling = plan_sampling(generator, config, generator.backend, 3, 0)
        assert sampling.circuits == 3 * generator.circuits_per_image == 3 * (6 + (place == "decoder"))
        generator.backend.allow(plan.seconds + sampling.seconds)
        training.step(0)
        compare(server, plan)
        generator.sample([1, 2, 3], generator.conditioning.examples(3))
        assert sum(job.circuits for job in server.ledger.jobs) == plan.circuits + sampling.circuits
        assert len(server.ledger.jobs) == plan.jobs + sampling.jobs
    finally:
        generator.backend.close()


@pytest.mark.parametrize(
    ("interval", "rows", "words"), [("null", 6, "guidance 2"), ("[0.5, 1]", 5, "guidance 2 in 2 of 3 evaluations")]
)
def test_a_model_with_labels_and_guidance(
    interval: str, rows: int, words: str, server: DevServer, tmp_path: Path
) -> None:
    changes = ("model.conditioning=label", "sampling.labels=[3, 5]", "sampling.guidance=2", "backend.gradient=spsa")
    settings = config("digits", *changes, f"sampling.guidance_interval={interval}")
    training = built(tmp_path, settings)
    generator: Any = training.generator
    try:
        plan = plan_training(generator, settings, generator.backend, 1)
        sampling = plan_sampling(generator, settings, generator.backend, 3, 0)
        assert sampling.task == f"sampling 3 images of seed 0 with dpm-solver in 3 steps, {words}, of class 3, 5"
        assert sampling.circuits == 3 * generator.circuits_per_image == 3 * rows * generator.network.circuits_per_call
        generator.backend.allow(plan.seconds + sampling.seconds)
        training.step(0)
        compare(server, plan)
        generator.sample([1, 2, 3], generator.conditioning.examples(3))
        assert sum(job.circuits for job in server.ledger.jobs) == plan.circuits + sampling.circuits
    finally:
        generator.backend.close()
