"""Settings of GANs: what is said of mistakes, and how groups of different kinds are merged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from qgen.errors import ConfigError
from qgen.runs import RunConfig, override_config, read_config
from qgen.runs.config_files import merged

GANS = ("gan-classical", "gan-quantum-g", "gan-quantum-d", "gan-quantum-both", "patch-gan", "style-gan")


def refused(*changes: str, preset: str = "gan-classical") -> str:
    with pytest.raises(ConfigError) as caught:
        read_config(preset, changes)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("model.generatr", "model.generator"),
        ("model.generator.chanels", "model.generator.channels"),
        ("model.generator.block.layrs", "model.generator.block.layers"),
        ("model.discriminator.blok", "model.discriminator.block"),
        ("model.discriminator.extractor.spectral_nrm", "model.discriminator.extractor.spectral_norm"),
        ("adversarial.discriminator_step", "adversarial.discriminator_steps"),
    ],
)
def test_unknown_keys_suggest_the_nearest_by_its_whole_path(key: str, meant: str) -> None:
    assert refused(f"{key}=1") == f"unknown key `{key}`. Did you mean `{meant}`?"


@pytest.mark.parametrize("key", ["model.gan", "model.generator.conv", "model.generator.block.quantum"])
def test_an_unknown_key_that_is_called_like_a_kind_is_named_whole(key: str) -> None:
    assert refused(f"{key}=1").startswith(f"unknown key `{key}`.")


def test_unknown_keys_are_those_of_the_chosen_kind() -> None:
    said = refused("model.generator={kind: patch, channels: 4}")
    assert said.startswith("unknown key `model.generator.channels`.")
    assert "block" not in said
    assert "patches" in refused("model.generator={kind: patch, patchs: 4}")
    assert "model.fetures" in refused("model.fetures=4", preset="classifier")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "model.kind=gam",
            "`model.kind`: input should be 'unet' or 'gan' or 'autoencoder' or 'latent-diffusion' or 'classifier' "
            "or 'born' (given: 'gam')",
        ),
        ("model.generator.kind=pach", "`model.generator.kind`: input should be 'conv' or 'patch' or 'style'"),
        ("model.generator.block.kind=qantum", "`model.generator.block.kind`: input should be 'classical' or 'quantum'"),
        ("model.generator.block.width=0", "`model.generator.block.width`: input should be greater than 0 (given: 0)"),
        ("model.generator.block.ansatz=nope", "the ansatz 'nope' does not exist"),
        ("model.generator.block.options={qubits: 4}", "set `width`, beside `options`"),
        ("model.generator={kind: patch, options: {layers: 4}}", "set `layers`, beside `options`"),
        ("model.generator=conv", "`model.generator`: input should be a group of keys, as {key: value}"),
        ("adversarial.loss=minimax", "`adversarial.loss`: input should be 'non-saturating'"),
        ("diffusion.steps=4", "`diffusion` is for models of kind `unet`, and this one is a `gan`"),
        ("sampling.steps=4", "`sampling` is for models of kind `unet`, and this one is a `gan`"),
        ("start={run: x, parts: [encoder]}", "a `gan` has no part `encoder`; its parts are generator, discriminator"),
    ],
)
def test_what_is_wrong_is_said(change: str, said: str) -> None:
    assert said in refused(change)


@pytest.mark.parametrize("kind", ["[gan]", "{a: 1}", "5", "null", "true"])
def test_a_kind_that_is_no_word_is_refused(kind: str) -> None:
    assert "`model.kind`: " in refused(f"model.kind={kind}")
    assert "`model.generator.kind`: " in refused(f"model.generator.kind={kind}")


def test_a_model_that_is_no_group_is_refused_as_such() -> None:
    assert "`model`" in refused("model=gan")


def test_groups_of_other_kinds_are_refused() -> None:
    said = refused("adversarial.loss=hinge", preset="digits")
    assert said == "`adversarial` is for models of kind `gan`, and this one is a `unet`"
    assert "`diffusion` is for models of kind `unet`" in refused("diffusion={steps: 3}", preset="classifier")
    assert "no part `vertex`" in refused("start={run: x, parts: [vertex]}")
    assert "no part `generator`" in refused("start={run: x, parts: [generator]}", preset="digits")


@pytest.mark.parametrize("preset", [*GANS, "classifier", "digits"])
def test_plain_values_make_equal_settings_again(preset: str, tmp_path: Path) -> None:
    config = read_config(preset, ["data.limit=7"])
    assert RunConfig.read(config.plain()) == config
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config.plain()), encoding="utf-8")
    assert read_config(str(tmp_path / "mine.yaml")) == config
    assert override_config(config, ["training.seed=3"]).training.seed == 3


def test_each_kind_has_its_own_groups() -> None:
    gan, unet, classifier = read_config("gan-classical"), read_config("unet"), read_config("classifier")
    assert gan.adversarial is not None
    assert (gan.diffusion, gan.sampling) == (None, None)
    assert (unet.diffusion is None, unet.sampling is None, unet.adversarial) == (False, False, None)
    assert (classifier.diffusion, classifier.sampling, classifier.adversarial) == (None, None, None)
    assert gan.parts_taken_over == unet.parts_taken_over == ()
    assert override_config(gan, ["start.run=x"]).parts_taken_over == ("generator", "discriminator")
    assert override_config(unet, ["start.run=x"]).parts_taken_over == ("encoder", "decoder")


def test_settings_of_before_there_were_kinds_still_read() -> None:
    """As the config.yaml of a run has them that an earlier version trained."""
    old: dict[str, Any] = {
        "model": {"dim": 8, "mults": [1, 2], "norm_groups": 4, "vertex": {"groups": 1, "ansatz": "fqconv"}},
        "data": {"name": "digits"},
        "diffusion": {"steps": 50},
        "sampling": {"sampler": "ddim", "steps": 5},
        "training": {"steps": 10},
        "start": {"run": "runs/other", "parts": ["encoder"]},
    }
    config = RunConfig.read(old)
    assert config.model.kind == "unet"
    assert RunConfig.read(old | {"model": old["model"] | {"kind": "unet"}}) == config
    assert (config.diffusion.steps, config.sampling.steps) == (50, 5)
    assert config.parts_taken_over == ("encoder",)


def test_a_group_of_another_kind_is_replaced() -> None:
    below = {"g": {"kind": "conv", "channels": 4, "block": {"width": 3}}, "other": 1}
    assert merged(below, {"g": {"kind": "patch", "patches": 2}}) == {"g": {"kind": "patch", "patches": 2}, "other": 1}
    assert merged(below, {"g": {"kind": "conv", "channels": 5}})["g"] == {
        "kind": "conv",
        "channels": 5,
        "block": {"width": 3},
    }
    assert merged(below, {"g": {"channels": 5}})["g"]["channels"] == 5
    config = read_config("gan-classical", ["model.generator={kind: patch, patches: 2}"])
    assert (config.model.generator.kind, config.model.generator.patches) == ("patch", 2)


@pytest.mark.parametrize("order", [1, -1])
def test_a_block_of_the_other_kind_stands_in_for_the_same_circuit(order: int) -> None:
    """Else a comparison of the two would be one of different sizes."""
    changes = ["model.generator.block={layers: 6, width: 4}", "model.generator.block.kind=quantum"]
    block = read_config("gan-classical", changes[::order]).model.generator.block
    assert (block.kind, block.layers, block.width) == ("quantum", 6, 4)


def test_players_of_the_presets_are_what_their_names_say() -> None:
    kinds = {}
    for name in GANS[:4]:
        model = read_config(name).model
        kinds[name] = model.generator.block.kind, model.discriminator.block.kind
    assert kinds == {
        "gan-classical": ("classical", "classical"),
        "gan-quantum-g": ("quantum", "classical"),
        "gan-quantum-d": ("classical", "quantum"),
        "gan-quantum-both": ("quantum", "quantum"),
    }
