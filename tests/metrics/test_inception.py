"""Inception: where its weights come from, what it is shown, and what is refused; with a stand-in of its interface."""

import os
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from qgen.data import ImageSet, to_uint8
from qgen.errors import ConfigError
from qgen.metrics import open_feature_space
from qgen.metrics.inception import URL, WEIGHTS, InceptionSpace, find_weights, load_network, open_inception
from qgen.metrics.torchmetrics_scores import fid, inception_score, kid


class StandIn:
    """Has torch-fidelity's interface: bytes (N, 3, H, W) to a tuple of 2048 features and 1008 logits."""

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []
        draws = torch.Generator().manual_seed(1)
        self._weights = torch.randn(3, 2048 + 1008, generator=draws)

    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        assert images.dtype == torch.uint8
        assert images.shape[1] == 3
        self.seen.append(images)
        found = images.float().mean(dim=(2, 3)) @ self._weights / 128
        return found[:, :2048], found[:, 2048:]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints" / WEIGHTS


def test_grey_images_are_shown_as_bytes_repeated_to_rgb():
    network, images = StandIn(), torch.rand(70, 1, 8, 8) * 2.2 - 1.1
    found = InceptionSpace(network, (1, 8, 8), "ab" * 32).extract(images)
    seen = torch.cat(network.seen)
    assert torch.equal(seen, to_uint8(images.clamp(-1, 1)).repeat(1, 3, 1, 1))
    assert found.features.shape == (70, 2048)
    assert found.logits.shape == (70, 1008)
    assert found.features.dtype == found.logits.dtype == np.float64
    assert found.probabilities is None


def test_colours_are_shown_as_they_are():
    network, images = StandIn(), torch.rand(3, 3, 5, 5)
    InceptionSpace(network, (3, 5, 5), "").extract(images)
    assert torch.equal(network.seen[0], to_uint8(images))
    with pytest.raises(ConfigError, match="1 or 3 channels"):
        InceptionSpace(network, (2, 5, 5), "")


def test_weights_are_found_in_the_hub_or_where_they_are_said_to_be(hub, tmp_path):
    with pytest.raises(ConfigError, match="downloads nothing by itself") as missing:
        find_weights()
    assert URL in str(missing.value)
    assert str(hub) in str(missing.value)
    hub.write_bytes(b"")
    assert find_weights() == hub
    own = tmp_path / "own.pth"
    with pytest.raises(ConfigError, match="--weights"):
        find_weights(own)
    os.mkfifo(own)
    with pytest.raises(ConfigError, match="a pipe"):
        find_weights(own)


def test_the_extra_is_named_where_it_is_missing(hub, monkeypatch):
    hub.write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(ConfigError, match=r'pip install "qgen-torch\[inception\]"'):
        load_network(hub)


def test_it_is_opened_by_name_and_says_which_weights(hub, monkeypatch, digits):
    hub.write_bytes(b"weights")
    monkeypatch.setattr("qgen.metrics.inception.load_network", lambda path: StandIn())
    space = open_feature_space("inception", digits)
    assert space.name == "inception"
    assert sha256(b"weights").hexdigest()[:12] in space.description
    assert len(space.extract(digits.scaled(torch.arange(5)))) == 5


@pytest.fixture
def random_weights(tmp_path: Path) -> Path:
    """Weights of torch-fidelity's own network, drawn at random."""
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3", reason="the extra `inception`")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_state_dict_from_url", lambda *_, **__: None)
        patch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = module.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    path = tmp_path / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.mark.slow
def test_numbers_are_those_of_torchmetrics_with_the_same_weights(random_weights):
    """Its FID enlarges as TensorFlow 1 with `antialias=False`; its Inception Score has no such option."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    real, generated = torch.rand(24, 1, 28, 28) * 2 - 1, torch.rand(20, 1, 28, 28).sqrt() * 2 - 1
    space = open_inception((1, 28, 28), random_weights)
    clouds = [space.extract(images) for images in (real, generated)]
    metric = FrechetInceptionDistance(2048, feature_extractor_weights_path=str(random_weights), antialias=False)
    for images, is_real in ((real, True), (generated, False)):
        metric.update(to_uint8(images).repeat(1, 3, 1, 1), real=is_real)
    sums = [torch.from_numpy(cloud.features).sum(dim=0) for cloud in clouds]
    torch.testing.assert_close(sums[0], metric.real_features_sum, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sums[1], metric.fake_features_sum, rtol=1e-5, atol=1e-5)
    found = fid(clouds[0].features, clouds[1].features)
    assert found == pytest.approx(metric.compute().item(), rel=1e-3, abs=1e-6)


@pytest.mark.slow
def test_a_file_of_something_else_is_refused(random_weights, tmp_path):
    for number, content in enumerate((b"", b"nothing", {"a": torch.zeros(3)}, [1, 2])):
        path = tmp_path / f"{number}.pth"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        with pytest.raises(ConfigError, match="does not hold the weights of Inception"):
            load_network(path)


@pytest.mark.slow
def test_the_published_weights_give_finite_numbers_for_real_digits(digits):
    pytest.importorskip("torch_fidelity", reason="the extra `inception`")
    try:
        space = open_feature_space("inception", digits)
    except ConfigError as error:
        pytest.skip(str(error))
    assert isinstance(digits, ImageSet)
    found = [space.extract(digits.scaled(torch.arange(start, start + 60))) for start in (0, 60)]
    assert found[0].features.min() >= 0  # they are means of rectified maps
    assert 1 < inception_score(found[0].logits, 2)[0] < 5
    assert abs(kid(found[0].features, found[1].features, 10, 30)[0]) < 0.1
