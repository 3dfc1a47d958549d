"""Latent diffusion by prompt: trained, resumed, sampled from the command line and from Python, planned, described."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from quick import quick_evaluation
from small_runs import resume_small, small_autoencoder, small_latent, train_config, trainer
from typer.testing import CliRunner

import qgen
from qgen import storage
from qgen.cli.main import app
from qgen.conditioning import TextConditioning
from qgen.costing.circuit_use import sampling_uses, training_uses
from qgen.errors import ConfigError, InputError, RunError
from qgen.evaluation import open_reference
from qgen.metrics import networks
from qgen.runs import Run, load_checkpoint
from qgen.sampling import open_trained, sample_images
from qgen.training import export

TEXT = (
    *("model.conditioning=text", "data.captions=attributes", "data.attributes=[thickness]"),
    *("training.checkpoint_every=2", "training.steps=4", "sampling.guidance=2"),
)


@pytest.fixture(scope="module")
def first_stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = small_autoencoder("training.steps=2", "training.samples=0")
    run, _ = train_config(tmp_path_factory.mktemp("first") / "run", config)
    ready = trainer(run, config)
    ready.restore()
    export(ready)
    return run.path


@pytest.fixture(scope="module", params=["unet", "transformer-unet"])
def trained(request: pytest.FixtureRequest, first_stage: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("text") / "run"
    return train_config(path, small_latent(first_stage, *TEXT, f"model.denoiser.name={request.param}"))[0]


@pytest.mark.rows(1)
def test_a_resumed_run_comes_to_the_same_bits(trained: Run, first_stage: Path, tmp_path: Path) -> None:
    name = f"model.denoiser.name={trained.config().model.denoiser.name}"
    part, _ = train_config(tmp_path / "part", small_latent(first_stage, *TEXT, name, "training.steps=2"))
    resume_small(part, ["training.steps=4"])
    one, two = (load_checkpoint(run.checkpoints()[-1]) for run in (trained, part))
    assert all(
        torch.equal(value, two.tensors[group][key])
        for group in one.tensors
        for key, value in one.tensors[group].items()
    )
    assert one.numbers["captions"] == two.numbers["captions"]


@pytest.mark.rows(1)
def test_other_captions_are_not_gone_on_with(trained: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(trained.path, tmp_path / "run"))
    facts = run.provenance()
    run.write_provenance(facts | {"data": facts["data"] | {"captions": "0" * 64}})
    with pytest.raises(RunError, match=r"was trained with other captions than those at hand"):
        resume_small(run, ["training.steps=5"])


@pytest.mark.rows(1)
def test_prompts_make_their_images_whatever_else_is_asked(trained: Run) -> None:
    opened = open_trained(trained, None, {"prompts": ["thin 3", "7", "thick 1"]})
    assert isinstance(opened.generator.conditioning, TextConditioning)
    together = sample_images(opened, 5, 1)
    again = sample_images(open_trained(trained, None, {"prompts": ["Thin, 3.", "7", "1 THICK", "7", "7"]}), 4, 1)
    close = {"rtol": 0, "atol": 1e-4}
    torch.testing.assert_close(again[:2], together[:2], **close)
    alone = sample_images(open_trained(trained, None, {"prompts": ["thin 3"]}), 4, 1)
    torch.testing.assert_close(alone[[0, 3]], together[[0, 3]], **close)
    away = sample_images(open_trained(trained, None, {"prompts": ["thin 3"], "negative_prompt": "7"}), 4, 1)
    assert not torch.allclose(away, alone)


@pytest.mark.rows(1)
def test_a_prompt_of_unknown_words_is_refused_before_anything_runs(trained: Run) -> None:
    for wrong in ({"prompts": ["thim 7"]}, {"negative_prompt": "thim"}):
        with pytest.raises(InputError, match=r"`thim` \(nearest: `thin`\)"):
            open_trained(trained, None, wrong)


@pytest.mark.rows(1)
def test_the_command_line_keeps_the_prompts(trained: Run, tmp_path: Path) -> None:
    asked = ["--prompt", "thick 8", "--prompt", "2", "--negative-prompt", "thin", "--guidance", "3", "--count", "3"]
    result = CliRunner().invoke(app, ["sample", str(trained.path), *asked, "--out", str(tmp_path / "g.png"), "--json"])
    assert result.exit_code == 0, result.output
    facts = json.loads((tmp_path / "g.json").read_text())
    assert facts["prompts"] == ["thick 8", "2", "thick 8"]
    assert facts["sampling"]["negative_prompt"] == "thin"
    assert json.loads(result.stdout)["grid"] == str(tmp_path / "g.png")
    shown = CliRunner().invoke(app, ["describe", str(trained.path), "--json"])
    assert shown.exit_code == 0, shown.output


def test_costs_are_those_of_a_model_without_texts(first_stage: Path, tmp_path: Path) -> None:
    quantum = ("model.denoiser.name=unet", "model.denoiser.quantum.qubits=2", "model.denoiser.quantum.layers=1")
    config = small_latent(first_stage, *TEXT, *quantum, "sampling.guidance_interval=[0, 0.5]")
    run, _ = train_config(tmp_path / "run", config)
    generator = open_trained(run).generator
    assert sum(use.per_image for use in sampling_uses(generator)) == generator.circuits_per_image
    ready = trainer(run, config).generator
    assert sum(use.per_image for use in training_uses(ready)) >= ready.circuits_per_training_image


def test_what_cannot_be_is_refused_by_a_line(first_stage: Path) -> None:
    with pytest.raises(ConfigError, match=r"reads captions: set `data.captions` to `own`"):
        small_latent(first_stage, "model.conditioning=text")
    with pytest.raises(ConfigError, match=r"sampling.labels is for models that are trained with labels"):
        small_latent(first_stage, *TEXT, "sampling.labels=[1]")
    with pytest.raises(ConfigError, match=r"sampling.prompts is for models that are trained with captions"):
        small_latent(first_stage, "sampling.prompts=[a]")
    with pytest.raises(ConfigError, match=r"negative_prompt means nothing without guidance"):
        small_latent(first_stage, *TEXT, "sampling.negative_prompt=a", "sampling.guidance=1")
    with pytest.raises(ConfigError, match=r"text.encoder`: 'word' is no text encoder: `words`, `minilm`"):
        small_latent(first_stage, *TEXT, "model.text.encoder=word")


@pytest.mark.parametrize("trained", ["unet", pytest.param("transformer-unet", marks=pytest.mark.slow)], indirect=True)
def test_evaluation_counts_what_is_as_its_prompt_asks(trained: Run, tmp_path: Path, monkeypatch) -> None:
    """By the captions of the reference images, from both doors; or by prompts that are given."""
    monkeypatch.setattr(storage, "user_folder", lambda platform, environ: tmp_path / "user")
    monkeypatch.setattr(networks, "_MIN_STEPS", 2)
    monkeypatch.setattr(networks, "_MIN_EPOCHS", 0)
    quick_evaluation(monkeypatch)
    run = str(shutil.copytree(trained.path, tmp_path / "run"))
    shown = CliRunner().invoke(app, ["evaluate", run, "--count", "12", "--device", "cpu", "--no-controls", "--json"])
    assert shown.exit_code == 0, shown.output
    facts = json.loads(shown.stdout)
    reference = open_reference(trained.config().data)
    assert facts["samples"]["prompts"] == [reference.of.captions[image][0] for image in reference.real[:12].tolist()]
    words = sum(prompt.partition(" ")[0] in ("thin", "thick") for prompt in facts["samples"]["prompts"])
    asked = {name: each["count"] for name, each in facts["metrics"].items() if name.endswith("_asked")}
    assert asked == {"class_asked": 12, "thickness_asked": words, "all_asked": 12}
    assert "have the class that was asked for" in Path(facts["page"]).read_text("utf-8")
    python = qgen.load(run).evaluate(12, device="cpu", progress=False).plain()["metrics"]
    assert {name: python[name]["value"] for name in asked} == {name: facts["metrics"][name]["value"] for name in asked}

    thin = ["--prompt", "thin", "--count", "12", "--device", "cpu", "--no-controls", "--json"]
    given = json.loads(CliRunner().invoke(app, ["evaluate", run, *thin]).stdout)
    assert given["samples"]["prompts"] == ["thin"] * 12
    assert {name for name in given["metrics"] if name.endswith("_asked")} == {"thickness_asked", "all_asked"}
