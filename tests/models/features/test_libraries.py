"""Networks of torchvision and timm, which are stood in for: their weights are found, or it says where they belong."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from extracting import build
from torch import nn

from qgen.errors import ConfigError

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
URL = "https://example.org/models/tiny-1234.pth?download=1"


class Tiny(nn.Module):
    """What networks of libraries look like: a norm, a sequence of blocks, pooling, dense layers at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6)
        self.act = nn.ReLU()
        self.layer1 = nn.Sequential(nn.Conv2d(6, 6, 3), nn.Conv2d(6, 5, 3))
        self.pool, self.mix, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(5, 5), nn.Linear(5, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.layer1(self.act(self.bn1(self.conv1(images))))
        return self.fc(self.mix(self.pool(maps).flatten(1)))


@pytest.fixture
def trained() -> Tiny:
    """Weights and statistics other than those that a network starts with."""
    network = Tiny()
    with torch.no_grad():
        network(torch.rand(16, 3, 40, 40))
    return network.eval()


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trained: Tiny) -> Path:
    """A torchvision with one network; the file in which its weights would have to lie."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / "tiny-1234.pth"
    path.parent.mkdir(parents=True)
    weights = SimpleNamespace(url=URL, transforms=lambda: SimpleNamespace(mean=list(MEAN), std=list(STD)))

    def get_model(name: str, weights: Any) -> Tiny:
        network = Tiny()
        network.load_state_dict(torch.load(path, weights_only=True))
        return network

    models = ModuleType("torchvision.models")
    models.list_models = lambda module: ["resnet18", "tiny"]
    models.get_model_weights = lambda name: SimpleNamespace(DEFAULT=weights)
    models.get_model = get_model
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    return path


class FakeTimm(ModuleType):
    """A timm with one network, whose weights lie in Hugging Face's cache, in torch's, or nowhere."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hub: str | None, url: str | None) -> None:
        super().__init__("timm")
        self.details = {"hf_hub_id": hub, "url": url, "mean": MEAN, "std": STD}
        self.cached: dict[tuple[str, str, str | None], str | object] = {}
        cache = ModuleType("huggingface_hub")
        cache.try_to_load_from_cache = lambda name, file, revision: self.cached.get((name, file, revision))
        cache.constants = SimpleNamespace(HF_HUB_CACHE=str(tmp_path / "cache"))
        monkeypatch.setitem(sys.modules, "huggingface_hub", cache)
        monkeypatch.setitem(sys.modules, "timm", self)
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def list_models(self, pretrained: bool, include_tags: bool = True) -> list[str]:
        return ["tiny.in1k" if include_tags else "tiny"]

    def get_pretrained_cfg(self, name: str) -> Any:
        return SimpleNamespace(to_dict=lambda: self.details)

    def create_model(self, name: str, pretrained: bool, num_classes: int, pretrained_cfg_overlay: Any) -> Tiny:
        network = Tiny()
        network.load_state_dict(torch.load(pretrained_cfg_overlay["file"], weights_only=True))
        network.fc = nn.Identity()
        return network


def test_torchvision_features_are_what_its_last_layer_sees(torchvision: Path, trained: Tiny) -> None:
    torch.save(trained.state_dict(), torchvision)
    pixels = torch.rand(4, 3, 64, 64)
    seen: list[torch.Tensor] = []
    trained.fc.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    trained((pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))
    generator = torch.random.get_rng_state()
    extractor = build("torchvision:tiny", (3, 64, 64))
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert extractor.features == 5
    result = extractor(2 * pixels - 1)
    torch.testing.assert_close(result, seen[0], atol=1e-5, rtol=1e-4)


def test_torchvision_weights_that_are_not_there_are_not_fetched(torchvision: Path) -> None:
    with pytest.raises(ConfigError, match="not on this machine, and qgen downloads nothing by itself") as refused:
        build("torchvision:tiny")
    assert URL in str(refused.value)
    assert str(refused.value).endswith(str(torchvision))
    with pytest.raises(ConfigError, match=r"no pretrained classifier 'resnet16'. Did you mean 'resnet18'\?"):
        build("torchvision:resnet16")
    torchvision.write_bytes(b"half a download")
    with pytest.raises(ConfigError, match=r"cannot be read from .*tiny-1234.pth.*: fetch that file anew"):
        build("torchvision:tiny")


def test_stages_of_a_library_network_and_images_it_cannot_take(torchvision: Path, trained: Tiny) -> None:
    torch.save(trained.state_dict(), torchvision)
    extractor = build("torchvision:tiny", thaw=2)
    assert extractor.stages == ("conv1", "bn1", "layer1.0", "layer1.1", "mix")
    learned = {name for name, weight in extractor.named_parameters() if weight.requires_grad}
    assert learned == {f"network.{part}.{kind}" for part in ("layer1.1", "mix") for kind in ("weight", "bias")}
    with pytest.raises(ConfigError, match=r"cannot take images of 8x8 pixels .*: set `size`"):
        build("torchvision:tiny", size=8)


def test_a_library_network_without_a_dense_layer_is_refused(torchvision: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torchvision.touch()
    monkeypatch.setattr(sys.modules["torchvision.models"], "get_model", lambda name, weights: nn.Conv2d(3, 4, 1))
    with pytest.raises(ConfigError, match="torchvision:tiny does not end in a dense layer"):
        build("torchvision:tiny")


@pytest.mark.parametrize(
    ("hub", "cached"),
    [
        ("timm/tiny.in1k", ("timm/tiny.in1k", "pytorch_model.bin", None)),
        ("timm/tiny.in1k@v2", ("timm/tiny.in1k", "model.safetensors", "v2")),
        ("timm/tiny.in1k", None),
        (None, None),
    ],
)
def test_timm_weights_are_found_in_either_cache(
    hub: str | None,
    cached: tuple[str, str, str | None] | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    trained: Tiny,
) -> None:
    timm = FakeTimm(monkeypatch, tmp_path, hub, URL)
    path = tmp_path / "blob" if cached else tmp_path / "hub" / "checkpoints" / "tiny-1234.pth"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(trained.state_dict(), path)
    if cached:
        timm.cached = {cached: str(path)}
    pixels = torch.rand(4, 3, 64, 64)
    result = build("timm:tiny", (3, 64, 64))(2 * pixels - 1)
    trained.fc = nn.Identity()
    expected = trained((pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-4)


def test_timm_weights_that_are_not_there_are_not_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    timm = FakeTimm(monkeypatch, tmp_path, "timm/tiny.in1k", None)
    timm.cached = {("timm/tiny.in1k", "model.safetensors", None): object()}  # the hub said that there is no such file
    with pytest.raises(ConfigError, match=r"`hf download timm/tiny.in1k model.safetensors` puts them into .*cache"):
        build("timm:tiny")
    FakeTimm(monkeypatch, tmp_path, None, URL)
    with pytest.raises(ConfigError, match=r"fetch https://example.org/.* and put it at .*tiny-1234.pth$"):
        build("timm:tiny.in1k")
    with pytest.raises(ConfigError, match="Did you mean 'tiny'"):
        build("timm:tini")
