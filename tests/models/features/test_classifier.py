"""Small classifiers: what they give, the files they lie in, and their features as an extractor's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from extracting import build, changed, images, values
from safetensors import safe_open
from safetensors.torch import save_file

from qgen.errors import ConfigError, InputError, RunError
from qgen.models.features import (
    CLASSIFIER_FILE,
    ClassifierSettings,
    build_classifier,
    classifier,
    load_classifier,
    save_classifier,
    shipped_classifiers,
)


@pytest.fixture
def classifier_file(tmp_path: Path) -> Path:
    path = tmp_path / "some.safetensors"
    save_classifier(path, build_classifier(ClassifierSettings(width=4, features=7), (1, 8, 8), 3, seed=5))
    return path


def test_classifier_features_are_what_its_head_sees(classifier_file: Path) -> None:
    network = load_classifier(classifier_file)
    shown = images((1, 8, 8))
    extractor = build(f"classifier:{classifier_file}")
    torch.testing.assert_close(network.head(extractor(shown)), network(shown))
    assert (extractor.features, extractor.stages) == (7, ("stage1", "stage2", "hidden"))
    assert build(f"classifier:{classifier_file}", (1, 28, 28))(images((1, 28, 28))).shape == (3, 7)
    with pytest.raises(ConfigError, match="takes grey images only, not with 3"):
        build(f"classifier:{classifier_file}", (3, 8, 8))


def test_features_of_a_classifier_are_thawed_from_the_last_on(classifier_file: Path) -> None:
    extractor = build(f"classifier:{classifier_file}", thaw=2)
    assert {name.split(".")[1] for name in extractor.state_dict()} == {"stage2", "hidden"}


def test_initial_weights_are_a_function_of_the_seed(rng: np.random.Generator) -> None:
    def built(seed: int) -> dict[str, torch.Tensor]:
        return values(build_classifier(ClassifierSettings(), (1, 8, 8), 4, seed))

    seed, generator = int(rng.integers(2**40)), torch.random.get_rng_state()
    first = built(seed)
    assert torch.equal(torch.random.get_rng_state(), generator)
    torch.rand(1)
    assert not changed(first, built(seed))
    assert {name for name, value in first.items() if value.ndim > 1} <= changed(first, built(seed + 1))


def test_a_classifier_survives_its_file(tmp_path: Path, rng: np.random.Generator) -> None:
    settings = ClassifierSettings(width=int(rng.integers(1, 20)), features=9, dropout=0.5)
    network = build_classifier(settings, (3, 12, 12), 4, seed=int(rng.integers(2**40)))
    save_classifier(tmp_path / CLASSIFIER_FILE, network)
    for path in (tmp_path / CLASSIFIER_FILE, classifier.find_classifier(str(tmp_path))):
        loaded = load_classifier(path)
        assert (loaded.settings, loaded.image_shape, loaded.classes) == (settings, (3, 12, 12), 4)
        assert not changed(values(network), values(loaded))
        shown = images((3, 12, 12))
        torch.testing.assert_close(loaded(shown), network.eval()(shown))
        assert loaded(shown).shape == (3, 4)


def test_shipped_classifiers_are_found_by_name(
    classifier_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "_shipped", lambda: tmp_path)
    shutil.copy(classifier_file, tmp_path / "digits-from-letters.safetensors")
    assert shipped_classifiers() == ("digits-from-letters", "some")
    assert build("classifier:digits-from-letters").features == 7
    with pytest.raises(ConfigError, match=r"no classifier 'digits-from-leters'.*Did you mean 'digits-from-letters'\?"):
        build("classifier:digits-from-leters")
    (tmp_path / "run").mkdir()
    with pytest.raises(ConfigError, match=f"holds no {CLASSIFIER_FILE}"):
        build(f"classifier:{tmp_path / 'run'}")


@pytest.mark.parametrize("name", shipped_classifiers())
def test_every_shipped_classifier_gives_features(name: str) -> None:
    extractor = build(f"classifier:{name}")
    assert extractor(images((1, 8, 8))).shape == (3, extractor.features)


def alter(path: Path, **meta: str) -> None:
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        save_file(tensors, path, file.metadata() | meta)


def test_files_that_are_no_classifiers_are_refused(classifier_file: Path, tmp_path: Path) -> None:
    whole = classifier_file.read_bytes()
    with pytest.raises(RunError, match="there is no classifier"):
        load_classifier(tmp_path / "none.safetensors")
    for content in (whole[:-5], whole[:-1] + bytes([whole[-1] ^ 1]), b"no file of safetensors", b""):
        classifier_file.write_bytes(content)
        with pytest.raises(RunError, match="is damaged"):
            load_classifier(classifier_file)
    for meta, message in (
        ({"format": "pt"}, "not a classifier of qgen"),
        ({"version": "2"}, "has version 2; this qgen reads version 1"),
        ({"qgen": "{"}, "its description cannot be read"),
        ({"qgen": json.dumps({"sha256": "0"})}, "does not have the digest"),
    ):
        classifier_file.write_bytes(whole)
        alter(classifier_file, **meta)
        with pytest.raises(RunError, match=message):
            load_classifier(classifier_file)


def test_a_classifier_refuses_what_it_cannot_tell_apart() -> None:
    network = build_classifier(ClassifierSettings(), (1, 8, 8), 2)
    with pytest.raises(InputError, match=r"takes images \('B', 1, 8, 8\), not \(3, 1, 9, 9\)"):
        network(images((1, 9, 9)))
    with pytest.raises(ConfigError, match="two classes or more, not of 1"):
        build_classifier(ClassifierSettings(), (1, 8, 8), 1)
