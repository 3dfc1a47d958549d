"""Cells of real runs: values against Aer's, images against `qgen sample`'s, and what a changed run does to a study."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from small_runs import small_gan, train_config

from qgen.errors import ConfigError, RunError
from qgen.generators import image_seeds
from qgen.runs import Run
from qgen.sampling import open_trained
from qgen.studies import write_study
from qgen.studies.noise import analyse
from qgen.studies.noise.conditions import KINDS
from qgen.studies.noise.measure import layer_values_of
from qgen.studies.noise.plan import NoiseStudy, make_noise_study
from qgen.studies.noise.probes import chosen_inputs, layer_values, recorded_inputs
from qgen.studies.noise.tasks import CellTask, cell_file
from qgen.studies.tasks import TaskContext

COUNT = 12


@pytest.fixture(scope="module")
def gans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small runs of GANs with circuits in their generators."""
    folder = tmp_path_factory.mktemp("gans")
    return {
        name: train_config(folder / name, small_gan(name, "training.steps=2"))[0].path
        for name in ("gan-quantum-g", "patch-gan")
    }


def study_of(sources: Sequence[Path | str], **others: Any) -> NoiseStudy:
    options: dict[str, Any] = {"kinds": (KINDS,), "shots": (None,), "mitigations": (None,), "count": COUNT}
    options |= {"backends": ["noisy:fake_fez", "aer:fake_fez"], "scales": (0.0, 1.0), "seeds": 1} | others
    return make_noise_study([str(source) for source in sources], **options)


def run_all(folder: Path, study: NoiseStudy) -> None:
    """What an executor does, in this process."""
    write_study(folder, study)
    done = set[str]()
    for task in study.tasks():
        assert set(task.needs) <= done
        assert not task.is_done(folder)
        task.run(folder, TaskContext(None, "cpu", lambda: False))
        assert task.is_done(folder)
        assert task.progress(folder) == task.size
        done.add(task.name)


def contents(folder: Path) -> dict[str, Any]:
    """Bytes of files; of tensors the digests in their descriptions, whose entries are in no order."""
    files = {path: safe_open(path, framework="pt").metadata() for path in folder.glob("*.safetensors")}
    others = {path: path.read_bytes() for path in folder.iterdir() if path not in files}
    return {path.name: content for path, content in (files | others).items()}


def test_values_at_scale_1_are_aers(gans: dict[str, Path], tmp_path: Path) -> None:
    """The expectation values of the study's own cells, of every layer of two generators."""
    study = study_of(list(gans.values()))
    run_all(tmp_path, study)
    for name in gans:
        ideal, ours, aers = (
            layer_values_of(cell_file(tmp_path, f"{name}-seed0-{condition}", "safetensors"))
            for condition in ("ideal", "fake_fez-scale1", "aer-fake_fez-scale1")
        )
        assert ours.keys() == aers.keys() == ideal.keys() != set()
        for layer, values in ours.items():
            assert values.dtype == torch.float64
            np.testing.assert_allclose(values, aers[layer], rtol=0, atol=5e-8)
            assert (values - ideal[layer]).abs().max() > 1e-4
        facts = json.loads(cell_file(tmp_path, f"{name}-seed0-fake_fez-scale1", "json").read_text())
        for layer in facts["layers"]:
            difference = ours[layer["name"]] - ideal[layer["name"]]
            assert layer["rms"] == pytest.approx(float(difference.square().mean().sqrt()))
            assert layer["largest"] == pytest.approx(float(difference.abs().max()))
        assert facts["backend"]["noise"]["scale"] == 1
        assert facts["rms_pixel_change"] > 0
    assert analyse(tmp_path, study).cells.missing == ()


def test_images_are_those_of_sampling(gans: dict[str, Path], tmp_path: Path) -> None:
    """Ideal and noisy images have the seeds of `qgen sample --seed`, and the recorded change is theirs."""
    study = study_of([gans["gan-quantum-g"]], backends=["noisy:fake_fez"], seeds=2)
    run_all(tmp_path, study)
    run = Run(gans["gan-quantum-g"])
    for seed in (0, 1):
        images = [
            open_trained(run, settings).generator.sample(image_seeds(seed, COUNT))
            for settings in ({"name": "statevector"}, {"name": "noisy:fake_fez", "noise_scale": 1.0})
        ]
        facts = json.loads(cell_file(tmp_path, f"gan-quantum-g-seed{seed}-fake_fez-scale1", "json").read_text())
        assert facts["rms_pixel_change"] == pytest.approx(float((images[1] - images[0]).square().mean().sqrt()))
        with Image.open(cell_file(tmp_path, f"gan-quantum-g-seed{seed}-ideal", "png")) as picture:
            assert picture.width > 8 * 8
    # Done once more, the cells are the same to the last bit.
    before = contents(tmp_path / "cells")
    shutil.rmtree(tmp_path / "cells")
    for task in study.tasks():
        task.run(tmp_path, TaskContext(None, "cpu", lambda: False))
    assert contents(tmp_path / "cells") == before


def test_inputs_are_what_layers_see(gans: dict[str, Path]) -> None:
    trained = open_trained(Run(gans["patch-gan"]))
    network = trained.generator.sampler
    seeds = image_seeds(0, 10)
    with recorded_inputs(network, 100) as every:
        trained.generator.sample(seeds)
    with recorded_inputs(network, 4) as some:
        trained.generator.sample(seeds)
    whole, chosen = chosen_inputs(every, 100), chosen_inputs(some, 4)
    assert whole.keys() == chosen.keys() != set()
    for name, rows in whole.items():
        assert len(rows) == 10
        assert torch.equal(chosen[name], rows[[0, 3, 6, 9]])
    values = layer_values(network, chosen, 0)
    for name, layer in ((name, network.get_submodule(name)) for name in chosen):
        with torch.no_grad():
            np.testing.assert_allclose(values[name], layer(chosen[name]).double(), atol=1e-5)


def test_presets_are_trained_for_every_seed(tmp_path: Path) -> None:
    changes = ["data.limit=64", "training.batch=4", "model.generator.channels=4", "training.ema.after=1"]
    changes += ["model.discriminator.extractor.width=4", "training.decay=none"]
    study = study_of(["gan-quantum-g"], backends=["noisy:fake_fez"], seeds=2, images=8, changes=changes, train=True)
    names = [task.name for task in study.tasks()]
    assert len(names) == len(set(names))
    assert names[0] == "features0"
    trainings = [name for name in names if name.endswith(("seed0", "seed1"))]
    assert trainings == [
        "gan-quantum-g-seed0",
        "gan-quantum-g-at-fake_fez-scale1-seed0",
        "gan-quantum-g-seed1",
        "gan-quantum-g-at-fake_fez-scale1-seed1",
    ]
    assert study.sources[0].training_images == 8
    at = next(g for g in study.generations() if g.trained_at is not None)
    assert (at.config.backend.name, at.config.backend.noise_scale) == ("noisy:fake_fez", 1)
    assert [generation.config.training.seed for generation in study.generations()] == [0, 0, 1, 1]
    write_study(tmp_path / "study", study)


def test_a_run_that_goes_on_is_another_study(gans: dict[str, Path], tmp_path: Path) -> None:
    path = shutil.copytree(gans["gan-quantum-g"], tmp_path / "run")
    study = study_of([path], backends=["noisy:fake_fez"])
    write_study(tmp_path / "study", study)
    checkpoint = Run(path).checkpoints()[-1]
    shutil.copy(checkpoint, checkpoint.with_name("step-00000009.safetensors"))
    with pytest.raises(RunError, match=r"another study \(sources\.run"):
        write_study(tmp_path / "study", study_of([path], backends=["noisy:fake_fez"]))
    cell = next(task for task in study.tasks() if isinstance(task, CellTask))
    with pytest.raises(RunError, match="trained further since this study began"):
        cell.run(tmp_path / "study", TaskContext(None, "cpu", lambda: False))


def test_what_cannot_be_studied_is_refused(gans: dict[str, Path], tmp_path: Path) -> None:
    run = gans["gan-quantum-g"]
    with pytest.raises(ConfigError, match="runs no circuit"):
        study_of(["gan-classical"])
    with pytest.raises(ConfigError, match="trained already"):
        study_of([run], train=True)
    with pytest.raises(ConfigError, match="two sources are called `gan-quantum-g`"):
        study_of([run, run])
    with pytest.raises(ConfigError, match="two backends are called `fake_fez`"):
        study_of([run], backends=["noisy:fake_fez", "noisy:fake_fez"])
    with pytest.raises(ConfigError, match="study's own to choose"):
        study_of(["gan-quantum-g"], changes=["training.seed=3"])
    with pytest.raises(ConfigError, match="cannot read the file of noise"):
        study_of([run], backends=[f"noisy:{tmp_path}/no.yaml"])
    (tmp_path / "empty").mkdir()
    shutil.copy(run / "config.yaml", tmp_path / "empty")
    with pytest.raises(RunError, match="no checkpoint"):
        study_of([tmp_path / "empty"])


def test_a_changed_file_of_noise_is_another_study(
    gans: dict[str, Path], tmp_path: Path, make_noise: Callable[..., Any]
) -> None:
    file = tmp_path / "noise.yaml"
    file.write_text("basis: [rz, sx, x, cx]\ndepolarizing: {one_qubit: 0.001, two_qubit: 0.01}\n")
    write_study(tmp_path / "study", study_of([gans["patch-gan"]], backends=[f"noisy:{file}"]))
    file.write_text("basis: [rz, sx, x, cx]\ndepolarizing: {one_qubit: 0.002, two_qubit: 0.01}\n")
    with pytest.raises(RunError, match="another study"):
        write_study(tmp_path / "study", study_of([gans["patch-gan"]], backends=[f"noisy:{file}"]))
