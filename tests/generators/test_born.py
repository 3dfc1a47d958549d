"""Images that are shots of one circuit: trained, resumed, sampled and priced by what knows no kind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cloud import cloud, hardware
from small_runs import resume_small, train_config

from qgen.backends.device.bound import BoundExecutable
from qgen.costing import plan_sampling
from qgen.errors import ConfigError, InputError
from qgen.generators import image_seeds
from qgen.randomness import derive
from qgen.runs import Run, RunConfig, read_config
from qgen.runs.building import build_generator
from qgen.runs.checkpoint import fingerprint, load_checkpoint, model_fingerprint
from qgen.sampling import check_interpolation, open_trained, sample_run
from qgen.sampling.sample import sample_facts, sample_name

PRIORS = ("iqp", "ansatz", "product", "boltzmann")


def small(prior: str, *changes: str) -> RunConfig:
    smaller = ["model.bits=5", "model.widths=[4]", "model.encoder_steps=3", "training.steps=6", "training.batch=8"]
    ansatz = ["model.prior.layers=1", "model.prior.strings=16", "model.prior.samples=16", f"model.prior.name={prior}"]
    watched = ["training.sample_every=100", "data.limit=32", "training.decay=none"]
    return read_config("born-digits", [*smaller, *ansatz, *watched, *changes])


def tensors(run: Run) -> dict[str, torch.Tensor]:
    return load_checkpoint(run.checkpoints()[-1]).tensors["weights"]


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("prior", "kernel"), [*((prior, "gaussian") for prior in PRIORS), ("iqp", "adaptive"), ("ansatz", "adaptive")]
)
def test_a_resumed_run_comes_to_the_same_bits(prior: str, kernel: str, tmp_path: Path) -> None:
    changes = [f"model.prior.kernel={kernel}"]
    whole, _ = train_config(tmp_path / "whole", small(prior, *changes))
    first, _ = train_config(tmp_path / "first", small(prior, *changes, "training.steps=4"))
    resume_small(first, ["training.steps=6"])
    one, other = tensors(whole), tensors(first)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_an_adaptive_kernel_learns_with_the_circuit(tmp_path: Path) -> None:
    config = small("iqp", "model.prior.kernel=adaptive")
    run, _ = train_config(tmp_path / "run", config)
    after, before = tensors(run), build_generator(config, (1, 8, 8)).network.state_dict()
    assert {name for name in after if "kernel" in name} == {"kernel.logits", "kernel.mixture"}
    assert not any(torch.equal(after[name], before[name]) for name in after if "kernel" in name)
    described = open_trained(run).generator.describe()
    assert described.quantum_parameters == len(after["prior.weight"])
    assert [row.name for row in described.rows if row.parameters] == ["autoencoder", "prior", "kernel"]
    assert next(row for row in described.rows if row.name == "prior").parameters == len(after["prior.weight"])


def test_nothing_is_drawn_with_an_adaptive_kernel(tmp_path: Path) -> None:
    """Its weights are not averaged, change no image, and other runs start from those beside it, of either kernel."""
    config = small("iqp", "model.prior.kernel=adaptive")
    run, _ = train_config(tmp_path / "run", config)
    saved = load_checkpoint(run.checkpoints()[-1]).tensors
    assert {name for name in saved["weights"] if name not in saved["ema"]} >= {"kernel.logits", "kernel.mixture"}
    trained = open_trained(run).generator
    images = trained.sample(range(3))
    with torch.no_grad():
        trained.network.kernel.logits.normal_()
    assert torch.equal(trained.sample(range(3)), images)
    other = small("iqp", f"start.run={run.path}", "model.prior.kernel=gaussian")
    later, _ = train_config(tmp_path / "later", other)
    assert later.checkpoints()


def test_runs_of_before_kernels_had_names_are_known() -> None:
    """The weights that ship are of such a run. One with the other kernel is another model, with more weights."""
    config, shape = read_config("born-digits", ["model.prior.kernel=gaussian"]), (1, 8, 8)
    plain = config.model.plain()
    del plain["prior"]["kernel"]
    assert model_fingerprint(config, shape) == fingerprint({**plain, "shape": [1, 8, 8]})
    other = read_config("born-digits", ["model.prior.kernel=adaptive"])
    assert model_fingerprint(other, shape) != model_fingerprint(config, shape)


def test_all_images_are_shots_of_one_circuit(tmp_path: Path) -> None:
    run, _ = train_config(tmp_path / "run", small("iqp"))
    shots = open_trained(run, {"name": "aer", "shots": 100})
    assert sample_facts(shots, 7, 0, torch.device("cpu"))["backend"]["shots"] == 7
    assert "shots" not in sample_name(shots, 7, 0)
    with pytest.raises(ConfigError, match="are shots of one circuit: there is nothing between two"):
        check_interpolation(shots)
    trained = open_trained(run)
    samples = sample_run(trained, tmp_path / "grid.png", count=9, seed=3)
    assert (samples.facts["images"], samples.facts["circuits"]) == (9, 1)
    assert samples.facts["sampling"]["image"] == "the shot of its number"
    network = trained.generator.network
    images = trained.generator.sample([7, 8, 9])
    assert images.shape == (3, 1, 8, 8)
    bits = network.prior.draw(3, derive(7, "shots of all images"))
    with torch.no_grad():
        torch.testing.assert_close(images, network(bits.float()))
    assert trained.generator.sample([]).shape == (0, 1, 8, 8)
    assert trained.generator.describe().circuits[0].ansatz == "iqp"


def test_images_of_mitigated_shots_are_decoded_strings_that_were_read(tmp_path: Path) -> None:
    run, _ = train_config(tmp_path / "run", small("iqp"))
    trained = open_trained(run, {"name": "aer:fake_manila", "mitigation": "readout"})
    samples = sample_run(trained, tmp_path / "grid.png", count=50, seed=3)
    assert samples.facts["sampling"]["image"].startswith("a string that was read")
    assert samples.facts["backend"]["mitigation"] == "readout"
    seed = derive(image_seeds(3, 50)[0], "shots of all images")
    unmitigated = open_trained(run, {"name": "aer:fake_manila"}).generator.network.prior.draw(50, seed)
    mitigated = trained.generator.network.prior.draw(50, seed)
    assert mitigated.shape == unmitigated.shape
    assert {tuple(row) for row in mitigated.tolist()} <= {tuple(row) for row in unmitigated.tolist()}


def test_mitigated_images_on_hardware_are_planned_with_their_calibration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = train_config(tmp_path / "run", small("iqp"))
    with cloud(tmp_path, monkeypatch, noisy=True) as server:
        trained = open_trained(run, {"name": "ibm_guadalupe", "mitigation": "readout"})
        plan = plan_sampling(trained.generator, trained.config, trained.backend, 200, 3)
        trained.backend.authorize(plan.seconds)
        samples = sample_run(trained, tmp_path / "grid.png", count=200, seed=3)
        assert [job.executions for job in server.ledger.jobs] == [200, 400]
        assert (plan.jobs, plan.executions) == (2, 600)
        assert server.ledger.seconds <= plan.seconds < server.ledger.seconds + 2  # each job in whole seconds
    assert samples.facts["sampling"]["image"].startswith("a string that was read")
    assert samples.facts["backend"]["mitigation"] == "readout"
    assert len(samples.facts["backend"]["jobs"]) == 2


def test_images_on_hardware_are_one_job_that_costs_what_was_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small("iqp")
    with cloud(tmp_path, monkeypatch) as server, hardware(tmp_path) as backend:
        made = build_generator(config, (1, 8, 8), backend)
        plan = plan_sampling(made, config, backend, 1000, 1)
        assert made.sample(range(1000)).shape == (1000, 1, 8, 8)
        (job,) = server.ledger.jobs
    assert (plan.jobs, plan.circuits, plan.executions) == (1, 1, 1000) == (1, job.circuits, job.executions)
    assert job.seconds <= plan.seconds <= 3


def test_sampling_compiles_the_circuit_for_its_weights(tmp_path: Path) -> None:
    """As it does those of quantum layers: on a device a circuit whose angles are numbers is shorter."""
    run, _ = train_config(tmp_path / "run", small("iqp", "backend.name=fake_manila"))
    trained = open_trained(run)
    prior = trained.generator.network.prior
    assert isinstance(prior.executable, BoundExecutable)
    assert trained.generator.sample(range(5)).shape == (5, 1, 8, 8)
    with torch.no_grad():
        prior.weight += 0.1
    with pytest.raises(InputError, match="not those that the circuit was compiled for"):
        prior.draw(3, 1)
    prior.release_weights()
    assert prior.draw(3, 1).shape == (3, 5)
