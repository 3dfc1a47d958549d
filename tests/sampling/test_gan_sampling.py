"""Samples of trained GANs: which weights make them, on which backends, and what they cost on hardware."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from cloud import PACE, cloud
from small_runs import small_gan, train_config, trainer
from typer.testing import CliRunner

from qgen.backends.ibm import IBMBackend
from qgen.cli.main import app
from qgen.costing.plan import plan_sampling, plan_training
from qgen.errors import BackendError, ConfigError, RunError
from qgen.generators import gan, image_seeds
from qgen.nn import describe_runs
from qgen.runs import Run, load_checkpoint
from qgen.sampling import open_trained, sample_run

SHAPES = {"gan-quantum-both": (1, 8, 8), "patch-gan": (1, 8, 8), "style-gan": (3, 1, 1)}
Trained = Callable[..., Run]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Runs of two steps by their preset and changes to it, each trained once."""
    runs: dict[tuple[str, ...], Run] = {}

    def get(preset: str, *changes: str) -> Run:
        if (preset, *changes) not in runs:
            config = small_gan(preset, "training.steps=2", "training.samples=0", *changes)
            runs[preset, *changes] = train_config(tmp_path_factory.mktemp("runs") / "run", config)[0]
        return runs[preset, *changes]

    return get


def images(run: Run, count: int = 5, **backend: object) -> torch.Tensor:
    made = open_trained(run, backend or None)
    return made.generator.sample(image_seeds(3, count))


@pytest.mark.rows(1)
@pytest.mark.parametrize("preset", SHAPES)
def test_every_backend_makes_them(preset: str, trained: Trained) -> None:
    run = trained(preset)
    exact = images(run)
    assert exact.shape == (5, *SHAPES[preset])
    assert exact.dtype == torch.float32
    torch.testing.assert_close(images(run, name="aer"), exact, rtol=0, atol=1e-4)
    measured, again = (images(run, name="aer", shots=2000) for _ in range(2))
    assert torch.equal(measured, again)  # shots follow from the seeds
    noisy = images(run, 2, name="aer:fake_manila", shots=100)
    for made in (measured, noisy):
        assert made.isfinite().all()
        assert made.abs().max() <= 1 + 1e-6
    if preset != "gan-quantum-both":  # there convolutions with random weights stand between circuit and pixels
        assert 0 < (measured - exact).abs().mean() < 0.15


def test_a_run_with_a_gradient_penalty_is_sampled_where_none_can_be_had(trained: Trained) -> None:
    """The penalty is for training alone: its discriminator takes no part in sampling."""
    run = trained("gan-quantum-both", "adversarial.loss=wasserstein")
    assert images(run, name="aer", shots=50).isfinite().all()


@pytest.mark.parametrize("preset", SHAPES)
def test_an_image_depends_on_its_seed_alone(preset: str, trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    made = open_trained(trained(preset)).generator
    seeds = image_seeds(1, 7)
    together, told = made.sample(seeds), list[tuple[int, int]]()
    monkeypatch.setattr(gan, "BATCH", 3)
    parts = made.sample(seeds, progress=lambda done, total: told.append((done, total)))
    torch.testing.assert_close(parts, together, rtol=0, atol=1e-5)
    assert told == [(3, 7), (6, 7), (7, 7)]
    torch.testing.assert_close(made.sample([99, seeds[4]])[1], together[4], rtol=0, atol=1e-5)
    assert made.sample([]).shape == (0, *SHAPES[preset])
    assert (together[0] - together[1]).abs().max() > 1e-4


def test_sampling_uses_the_average_of_the_generator_alone(trained: Trained) -> None:
    run = trained("gan-quantum-both", "training.steps=4")  # a copy at first
    tensors = load_checkpoint(run.checkpoints()[-1]).tensors
    weights, average = tensors["weights"], tensors["ema"]
    assert {name for name in weights if name.startswith("generator.")} == average.keys()
    assert any(not torch.equal(value, weights[name]) for name, value in average.items())
    used = open_trained(run).generator.network.state_dict()
    assert all(torch.equal(value, average.get(name, weights[name])) for name, value in used.items())


def test_sampling_leaves_torchs_generator_and_the_network_as_they_are(trained: Trained) -> None:
    made = open_trained(trained("gan-quantum-both")).generator
    before, state = torch.get_rng_state(), {k: v.clone() for k, v in made.network.state_dict().items()}
    made.sample([1, 2])
    assert torch.equal(torch.get_rng_state(), before)
    assert made.network.training
    assert all(torch.equal(value, state[name]) for name, value in made.network.state_dict().items())


@pytest.mark.parametrize(("preset", "each"), [("gan-quantum-both", 1), ("patch-gan", 4), ("style-gan", 1)])
def test_a_grid_and_a_note_are_written(preset: str, each: int, trained: Trained, tmp_path: Path) -> None:
    samples = sample_run(open_trained(trained(preset)), tmp_path / "grid.png", 3, 5)
    assert samples.grid.read_bytes().startswith(b"\x89PNG")
    facts = json.loads(samples.provenance.read_text(encoding="utf-8"))
    assert (facts["circuits_per_image"], facts["circuits"]) == (each, 3 * each)
    assert facts["sampling"]["label"] == "one-pass"
    if preset == "style-gan":
        with pytest.raises(RunError, match="no images to write one by one"):
            sample_run(open_trained(trained(preset)), tmp_path / "other.png", single=True)


def test_there_is_no_sampler_to_choose(trained: Trained) -> None:
    with pytest.raises(ConfigError, match="makes an image in one pass: it has no sampler"):
        open_trained(trained("patch-gan"), None, {"steps": 5})


# Hardware


@pytest.mark.parametrize(("preset", "circuits"), [("gan-quantum-g", 3), ("patch-gan", 12)])
def test_all_images_are_one_job(
    preset: str, circuits: int, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud(tmp_path, monkeypatch) as server:
        made = open_trained(trained(preset), {"name": "ibm_guadalupe", "shots": 30})
        backend = made.backend
        assert isinstance(backend, IBMBackend)
        backend.runner.client.pace = PACE
        plan = plan_sampling(made.generator, made.config, backend, 3, 0)
        assert not server.ledger.jobs
        backend.allow(plan.seconds)
        drawn = made.generator.sample(image_seeds(0, 3))
        backend.close()
    assert drawn.isfinite().all()
    (job,) = server.ledger.jobs
    assert plan.jobs == 1
    assert plan.circuits == circuits
    assert plan.executions == job.executions == circuits * 30


def test_a_plan_of_training_is_an_upper_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not want all gradients is cheaper; no call is forgotten."""
    folder = tmp_path / "run"
    folder.mkdir()  # of a run that goes on
    where = ("backend={name: ibm_guadalupe, shots: 20, gradient: spsa}", "training.batch=2", "training.steps=1")
    fewer = ("model.generator.block={width: 2, layers: 1}", "model.discriminator.block={width: 2, layers: 1}")
    config = small_gan("gan-quantum-both", *where, *fewer, "adversarial.discriminator_steps=2")
    with cloud(tmp_path, monkeypatch) as server:
        made = trainer(Run(folder), config)
        backend = made.generator.backend
        assert isinstance(backend, IBMBackend)
        backend.runner.client.pace = PACE
        plan = plan_training(made.generator, config, backend, 1)
        backend.allow(plan.seconds)
        made.step(0)
        backend.close()
    jobs = server.ledger.jobs
    # Two moves with an image made and both kinds scored; one with an image made and scored.
    assert plan.jobs == len(jobs) == 2 * 2 + 2
    assert sum(job.executions for job in jobs) <= plan.executions <= 3 * sum(job.executions for job in jobs)


def test_a_generator_without_circuits_has_nothing_to_run_there(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud(tmp_path, monkeypatch):
        made = open_trained(trained("gan-quantum-d"), {"name": "ibm_guadalupe", "shots": 30})
        with pytest.raises(BackendError, match="no circuits that ibm_guadalupe could run"):
            plan_sampling(made.generator, made.config, made.backend, 3, 0)
        made.backend.close()


# What commands say


def qgen(*arguments: str) -> Any:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_transpilation_prices_what_sampling_runs(trained: Trained) -> None:
    """Also where both players have the same circuit, which training calls more often."""
    run = trained("gan-quantum-both")
    asked = ("--backend", "fake_manila", "--images", "4", "--levels", "1", "--seeds", "1", "--json")
    (report,) = json.loads(qgen("transpile", str(run.path), *asked))["reports"]
    costs = {one["task"]: one for one in report["devices"][0]["workloads"]}
    assert costs["sampling"]["cost"]["circuits"] == 4 * open_trained(run).generator.circuits_per_image


def test_a_description_lists_the_circuits_of_both_players() -> None:
    said = qgen("describe", "gan-quantum-both", "--set", "model.generator.block={width: 7, layers: 4}")
    assert "7 qubits, 4 layers" in said
    assert "5 qubits, 3 layers" in said


def test_only_the_generator_goes_to_the_backend(trained: Trained) -> None:
    run = trained("gan-quantum-both", "model.discriminator.block.width=8")  # more than this device has
    made = open_trained(run, {"name": "aer:fake_manila", "shots": 100}).generator
    assert describe_runs(made.sampler) == "aer:fake_manila (density matrix, 100 shots)"
    assert made.sample(image_seeds(0, 2)).isfinite().all()
