"""Settings of a run: presets, files, overrides, and what is said of mistakes."""

from pathlib import Path

import pytest
import yaml

from qgen.errors import ConfigError
from qgen.runs import RunConfig, override_config, preset_names, preset_summary, read_config

PUBLISHED = {
    "unet",
    "qvunet-1hq",
    "qvunet-1fq",
    "qvunet-7hq",
    "qvunet-7fq",
    "qvunet-full-hq",
    "qvunet-full-fq",
    "quanvunet",
}


def test_the_published_presets_are_shipped() -> None:
    assert set(preset_names()) >= PUBLISHED | {"digits"}


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_reads_and_has_a_summary(name: str) -> None:
    config = read_config(name)
    assert RunConfig.read(config.plain()) == config
    assert RunConfig.read(yaml.safe_load(yaml.safe_dump(config.plain()))) == config
    assert 20 < len(preset_summary(name)) < 120


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_presets_train_as_published(name: str) -> None:
    """Section 4.1 and the published configuration of De Falco et al., arXiv:2402.16147."""
    config = read_config(name)
    training = config.training
    assert training.total_steps(60_000) == 9375
    assert (training.learning_rate, training.betas, training.batch, training.decay) == (1e-3, (0.9, 0.99), 128, "none")
    assert (training.ema.decay, training.ema.every, training.ema.after) == (0.995, 10, 100)
    assert (config.diffusion.schedule, config.diffusion.steps) == ("cosine", 1000)
    assert (config.diffusion.p2_gamma, config.diffusion.p2_k) == (1.0, 1.0)
    assert config.sampling.sampler == "ancestral"
    assert config.data.name == "fashion-mnist"


def test_a_file_begins_from_a_preset_or_from_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("preset: qvunet-7hq\ntraining: {batch: 16}\n")
    (tmp_path / "mine.yaml").write_text("preset: base.yaml\ntraining: {seed: 5}\n")
    config = read_config(str(tmp_path / "mine.yaml"))
    assert (config.model.vertex.groups, config.training.batch, config.training.seed) == (7, 16, 5)


def test_overrides_have_the_last_word() -> None:
    config = read_config("unet", ["training.steps=200", "data.limit=50", "training.learning_rate=2e-3"])
    assert (config.training.steps, config.training.epochs) == (200, None)
    assert config.data.limit == 50
    assert config.training.learning_rate == 2e-3
    assert override_config(config, ["training.epochs=2"]).training.steps is None
    assert read_config("unet", ["training.precision=32"]).training.precision == "32"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["training.step=3"], "unknown key `training.step`. Did you mean `training.steps`?"),
        (["model.vertx.groups=1"], "unknown key `model.vertx`. Did you mean `model.vertex`?"),
        (["trainig.steps=3"], "Did you mean `training`?"),
        (["optimizer=sgd"], "unknown key `optimizer`. Did you mean `training.optimizer`?"),
        (["steps=3"], "Did you mean `diffusion.steps`, `sampling.steps` or `training.steps`?"),
        (["batch_size=3"], "Did you mean `data.size` or `training.batch`?"),
        (["model.layers=3"], "Did you mean `model.quanvolution.layers` or `model.vertex.layers`?"),
        (["xyz=3"], "unknown key `xyz`. Known: adversarial, backend, data,"),
        (["training.steps=0"], "`training.steps`: input should be greater than 0 (given: 0)"),
        (["training.steps=two"], "`training.steps`"),
        (["training.precision=fp8"], "`training.precision`: input should be '32' or 'bf16' (given: 'fp8')"),
        (["training.learning_rate=.nan"], "`training.learning_rate`: input should be a finite number"),
        (["training.betas=[0.9, 1.0]"], "training.betas must lie in [0, 1)"),
        (["training.steps=5", "training.steps=null"], "give either training.steps or training.epochs"),
        (["sampling.steps=2000"], "more than diffusion.steps = 1000"),
        (["training.steps"], "KEY=VALUE"),
        (["=3"], "KEY=VALUE"),
        (["training..steps=3"], "KEY=VALUE"),
        (["model.vertex={groups: 1"], "not YAML"),
        (["data.limit=2001-13-45"], "`data.limit`: input should be a valid integer"),
        (["data.limit=1:30"], "`data.limit`: input should be a valid integer"),
        (["data.fraction=yes"], "`data.fraction`: input should be a valid number"),
        (["data.classes=[0, true]"], "`data.classes.1`: input should be a valid integer"),
        (["sampling.clip=1"], "`sampling.clip`: give true or false (given: '1')"),
        (["backend.hardware.tiles=0"], "`backend.hardware.tiles`: input should be greater than or equal to 1, or"),
        (["model.vertex.options={name: basic}"], "set `ansatz`"),
    ],
)
def test_mistakes_are_named(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config("unet", overrides)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("training: [", "is not YAML"),
        ("- 1", "does not hold settings"),
        ("1: 2", "unknown key `1`"),
        ("preset: nowhere", "`nowhere` is neither a preset nor a readable file"),
        ("preset: mine.yaml", "begin from one another"),
        ("training: {steps: 3, epochs: 4}", "give either"),
        ("training: 3", "`training`"),
        ("", "`training` is missing"),
        ("training: {steps: 3, batch: 4, batch: 5}", "the key `batch` is there twice"),
        ("training: &a {steps: 3, ema: *a}", "holds itself"),
    ],
)
def test_bad_files_are_named(text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_config("mine.yaml")


def test_steps_of_an_epoch_that_is_not_whole() -> None:
    assert read_config("unet", ["training.epochs=1"]).training.total_steps(60_000) == 468
    assert read_config("unet", ["training.epochs=0.001"]).training.total_steps(100) == 1
