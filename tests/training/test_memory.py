"""Memory is estimated before it is taken: what a step keeps, weights that do not fit, batches that cannot be filled."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from small_runs import small_config, small_gan, train_config, trainer

from qgen.backends import open_settings
from qgen.data import DataSettings, open_images
from qgen.errors import ConfigError
from qgen.generators import TrainableModel
from qgen.runs import RunConfig, build_in_memory, build_model, load_checkpoint, new_run, read_config
from qgen.training import memory

CPU = torch.device("cpu")


@pytest.mark.parametrize("config", [small_config(), small_gan("gan-quantum-both")], ids=["unet", "gan"])
def test_what_a_step_keeps_grows_by_the_same_for_every_image(config: RunConfig, tmp_path: Path) -> None:
    model = trainer(new_run("test", tmp_path / "run"), config).generator
    one, two, seven = (memory.bytes_kept(model, count, CPU) for count in (1, 2, 7))
    assert 0 < two - one <= one
    assert seven == one + 6 * (two - one)


def test_looking_changes_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = train_config(tmp_path / "looked", small_gan("gan-quantum-g"))
    monkeypatch.setattr(memory, "bytes_kept", lambda *_: 0)
    other, _ = train_config(tmp_path / "not", small_gan("gan-quantum-g"))
    assert len(run.checkpoints()) == 2
    for mine, theirs in zip(run.checkpoints(), other.checkpoints(), strict=True):
        ours, others = (load_checkpoint(path).tensors["weights"] for path in (mine, theirs))
        assert all(torch.equal(ours[name], others[name]) for name in ours)


def test_a_step_that_does_not_fit_is_refused_with_the_batch_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trainer(new_run("test", tmp_path / "run"), small_config())
    model, settings = made.generator, made.settings
    each = memory.bytes_kept(model, 2, CPU) - memory.bytes_kept(model, 1, CPU)
    trained = 3 * 4 * sum(weight.numel() for weight in model.network.parameters())
    monkeypatch.setattr(memory, "free_memory", lambda: trained + 100 * each)
    with pytest.raises(ConfigError, match=r"a step of 1,000 images takes about .* training.batch of at most (7|8)\d$"):
        memory.check_step(model, settings, 1000, CPU)
    monkeypatch.setattr(memory, "free_memory", lambda: trained + 2000 * each)
    memory.check_step(model, settings, 1000, CPU)


@pytest.mark.rows(2)
@pytest.mark.parametrize("preset", ["digits", "gan-quantum-both", "patch-gan", "style-gan", "classifier"])
def test_a_model_fits_to_the_byte_or_is_refused_before_it_is_made(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = read_config(preset)
    images = open_images(DataSettings(name=config.data.name.replace("mnist", "digits")))
    backend = open_settings(config.backend)
    made: list[str] = []

    def build() -> TrainableModel:
        model = build_model(config, images, backend)
        made.append(next(model.network.parameters()).device.type)
        return model

    weights = list(build().network.parameters())
    needed = 5 * sum(weight.numel() * weight.element_size() for weight in weights)
    for free, ways in ((100 * needed, ["cpu"]), (needed, ["meta", "cpu"]), (needed - 1, ["meta"])):
        made.clear()
        monkeypatch.setattr("qgen.runs.building.free_memory", lambda free=free: free)
        refused = (
            pytest.raises(ConfigError, match="does not fit into memory: w take") if free < needed else nullcontext()
        )
        with refused:
            ours = build_in_memory(build, 5, "w")
            assert all(torch.equal(*pair) for pair in zip(ours.network.parameters(), weights, strict=True))
        assert made == ways


def test_a_batch_that_the_images_cannot_fill_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"training\.batch = 65 is more than the 64 images"):
        trainer(new_run("test", tmp_path / "run"), small_config("training.batch=65"))
    trainer(new_run("test", tmp_path / "run"), small_config("training.batch=64"))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_limit_of_the_process_counts() -> None:
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30));"
        "from qgen.memory import free_memory; print(free_memory())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 2**30
