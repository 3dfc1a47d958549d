"""Classifiers: how images are looked at, a whole training by the command, and a GAN that looks with one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import resume_small, small_gan, train_config, trainer
from typer.testing import CliRunner

from qgen.backends import open_settings
from qgen.cli.main import app
from qgen.data import DataSettings, ImageSet, open_images
from qgen.errors import ConfigError, QgenError
from qgen.generators import image_seeds
from qgen.generators.classifier import accuracy
from qgen.models.features import CLASSIFIER_FILE, load_classifier, save_classifier
from qgen.models.features.objective import Views, augment
from qgen.runs import Run, build_model, load_checkpoint, new_run, read_config
from qgen.sampling import open_trained

TINY = (
    "data={name: digits, size: null}",
    "model.width=4",
    "model.features=16",
    "training={steps: 60, batch: 64, learning_rate: 0.01, samples: 0}",
)


def qgen(*arguments: str) -> Any:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("classifiers") / "run"
    changes = [word for change in TINY for word in ("--set", change)]
    said = qgen("train", "classifier", *changes, "--out", str(folder), "--json")
    return Run(folder), json.loads(said.stdout)


# Views


def views(zoom: float, across: float, down: float, count: int) -> Views:
    return Views(torch.full((count,), zoom), torch.tensor([[across, down]]).expand(count, 2))


def test_an_image_seen_as_it_is_stays_the_same() -> None:
    images = torch.rand(3, 2, 7, 7)
    torch.testing.assert_close(augment(images, views(1, 0, 0, 3)), images, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("across", "down"), [(1, 0), (0, -2), (3, 2)])
def test_a_shift_in_half_sizes_moves_by_pixels(across: int, down: int) -> None:
    """Outside lies what the edge is."""
    images = torch.rand(2, 1, 8, 8)
    found = augment(images, views(1, across / 4, down / 4, 2))
    rows, columns = ((torch.arange(8) + moved).clamp(0, 7) for moved in (down, across))
    torch.testing.assert_close(found, images[:, :, rows][:, :, :, columns], rtol=0, atol=1e-5)


def test_a_zoom_of_two_shows_the_middle_half() -> None:
    """Pixel k of 8 then looks at k / 2 + 1.75, between two pixels."""
    images = torch.arange(8.0).expand(1, 1, 8, 8)
    found = augment(images, views(2, 0, 0, 1))
    torch.testing.assert_close(found[0, 0, 3], torch.arange(8) / 2 + 1.75)


def test_views_lie_within_the_settings() -> None:
    config = read_config("classifier", [*TINY, "model.zoom=1.5", "model.shift=0.1"])
    images = open_images(config.data)
    (player,) = build_model(config, images, open_settings(config.backend)).players()
    drawn = player.objective.draw(2000, images.shape, torch.Generator().manual_seed(1))
    assert drawn.zoom.shape == (2000,)
    assert (drawn.zoom.min(), drawn.zoom.max()) == (pytest.approx(1, abs=0.01), pytest.approx(1.5, abs=0.01))
    assert drawn.shift.abs().max() == pytest.approx(0.2, abs=0.005)  # a tenth of the size is two of half a size
    assert drawn.shift.mean(dim=0).abs().max() < 0.02
    part = drawn.part(slice(3, 5)).to("cpu")
    assert torch.equal(part.zoom, drawn.zoom[3:5])
    assert torch.equal(part.shift, drawn.shift[3:5])


# Training


def test_a_classifier_learns_to_tell_digits(trained: tuple[Run, dict[str, Any]]) -> None:
    run, said = trained
    assert said["accuracy"] > 0.6
    assert Path(said["classifier"]) == run.path / CLASSIFIER_FILE
    network = load_classifier(run.path / CLASSIFIER_FILE)
    held_out = open_images(DataSettings(name="digits", split="test"))
    logits = network(held_out.scaled(torch.arange(len(held_out))))
    right = (logits.argmax(dim=1) == held_out.labels).float().mean().item()
    assert right == pytest.approx(said["accuracy"]) == pytest.approx(accuracy(network, held_out))
    noted = json.loads((run.path / "classifier.json").read_text(encoding="utf-8"))
    assert (noted["held_out"], noted["accuracy"]) == (len(held_out), said["accuracy"])
    average = load_checkpoint(run.checkpoints()[-1]).tensors["ema"]
    assert all(torch.equal(value, average[name]) for name, value in network.state_dict().items())
    assert "accuracy" in said["metrics"]


def test_a_broken_training_of_a_classifier_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    changes = [*TINY, "training={batch: 16, decay: none, checkpoint_every: 2}", "model.zoom=1.3", "data.limit=64"]
    whole, _ = train_config(tmp_path / "whole", read_config("classifier", [*changes, "training.steps=6"]))
    broken, _ = train_config(tmp_path / "broken", read_config("classifier", [*changes, "training.steps=4"]))
    resume_small(broken, ["training.steps=6"])
    one, two = (load_checkpoint(each.checkpoints()[-1]).tensors for each in (broken, whole))
    for group, tensors in one.items():
        assert all(torch.equal(value, two[group][name]) for name, value in tensors.items())


def test_without_labels_there_is_nothing_to_learn(rng: np.random.Generator) -> None:
    pixels = torch.from_numpy(rng.integers(256, size=(4, 1, 8, 8), dtype=np.uint8))
    images = ImageSet.of("noise", pixels, None, None, "drawn")
    config = read_config("classifier", TINY)
    with pytest.raises(ConfigError, match="noise has no labels that a classifier could learn"):
        build_model(config, images, open_settings(config.backend))


def test_a_classifier_makes_no_images(trained: tuple[Run, dict[str, Any]]) -> None:
    result = CliRunner().invoke(app, ["sample", str(trained[0].path)], env={"COLUMNS": "200"})
    assert result.exit_code == 1
    assert "a classifier makes no images" in result.output


# A GAN that looks with it


def looking(run: Run) -> tuple[str, ...]:
    name = f"model.discriminator.extractor.name=classifier:{run.path}"
    return (name, "model.discriminator.extractor.width=32", "training.steps=2", "training.samples=0")


def test_a_gan_looks_with_it_and_does_not_change_it(trained: tuple[Run, dict[str, Any]], tmp_path: Path) -> None:
    run, _ = train_config(tmp_path / "gan", small_gan("gan-quantum-g", *looking(trained[0])))
    kept = load_checkpoint(run.checkpoints()[-1]).tensors
    assert not any(name.startswith("discriminator.extractor") for name in kept["weights"])
    assert not any("extractor" in name for name in kept["optimizer.discriminator"])
    body = load_classifier(trained[0].path / CLASSIFIER_FILE).body.state_dict()
    made = open_trained(run).generator
    frozen = made.network.discriminator.extractor.network.state_dict()
    assert all(torch.equal(value, frozen[name]) for name, value in body.items())
    assert not any(weight.requires_grad for weight in made.network.discriminator.extractor.parameters())
    assert made.sample(image_seeds(0, 2)).shape == (2, 1, 8, 8)


def test_a_thawed_stage_is_trained_and_kept(trained: tuple[Run, dict[str, Any]], tmp_path: Path) -> None:
    config = small_gan("gan-quantum-g", *looking(trained[0]), "model.discriminator.extractor.thaw=1")
    run, _ = train_config(tmp_path / "gan", config)
    kept = load_checkpoint(run.checkpoints()[-1]).tensors
    thawed = {name for name in kept["weights"] if name.startswith("discriminator.extractor.")}
    assert thawed
    assert all(".hidden." in name for name in thawed)
    assert any("extractor" in name for name in kept["optimizer.discriminator"])
    again = trainer(new_run("test", tmp_path / "again"), config)
    before = again.generator.network.state_dict()
    assert any(not torch.equal(kept["weights"][name], before[name]) for name in thawed)


def test_a_classifier_that_is_gone_is_named(trained: tuple[Run, dict[str, Any]], tmp_path: Path) -> None:
    source = Run(Path(shutil.copytree(trained[0].path, tmp_path / "classifier")))
    run, _ = train_config(tmp_path / "gan", small_gan("gan-quantum-g", *looking(source)))
    shutil.rmtree(source.path)
    for again in (resume_small, open_trained):
        with pytest.raises(QgenError, match=f"there is no classifier '{source.path}'"):
            again(run)


def test_a_classifier_that_was_trained_anew_is_noticed(trained: tuple[Run, dict[str, Any]], tmp_path: Path) -> None:
    """A run that goes on with other frozen weights would not take the steps of one that was never stopped."""
    source = Run(Path(shutil.copytree(trained[0].path, tmp_path / "classifier")))
    run, _ = train_config(tmp_path / "gan", small_gan("gan-quantum-g", *looking(source)))
    other = load_classifier(source.path / CLASSIFIER_FILE)
    with torch.no_grad():
        next(other.parameters()).add_(1)
    save_classifier(source.path / CLASSIFIER_FILE, other)
    with pytest.raises(QgenError):
        resume_small(run, ["training.steps=3"])


def test_the_command_keeps_the_whole_path_of_a_classifier(
    trained: tuple[Run, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run may be sampled from another place."""
    shutil.copytree(trained[0].path, tmp_path / "here" / "runs" / "told")
    monkeypatch.chdir(tmp_path / "here")
    changes = (
        "model.discriminator.extractor.name=classifier:runs/told",
        "model.generator.channels=4",
        "data.limit=16",
        "training={steps: 1, epochs: null, batch: 4, samples: 0, judged: 0}",
    )
    qgen("train", "gan-quantum-g", *[word for change in changes for word in ("--set", change)], "--name", "gan")
    monkeypatch.chdir(tmp_path)
    qgen("sample", "here/runs/gan", "--count", "2", "--out", "grid.png")
    assert (tmp_path / "grid.png").exists()
