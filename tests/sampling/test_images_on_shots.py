"""An image whose circuits are measured is the same whatever is sampled beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from small_runs import small_config, small_gan

from qgen.backends import open_backend
from qgen.conditioning import Labels
from qgen.generators import denoising, gan, image_seeds
from qgen.runs import RunConfig
from qgen.runs.building import build_generator

SHAPES = {"digits": (1, 8, 8), "gan-quantum-both": (1, 8, 8), "patch-gan": (1, 8, 8), "style-gan": (3, 1, 1)}


@pytest.fixture
def exactness(preset: str) -> Iterator[float]:
    """How closely an image repeats; where layers before a circuit round by the size of a batch, in double precision."""
    doubled = preset == "digits"
    torch.set_default_dtype(torch.float64 if doubled else torch.float32)
    yield 1e-9 if doubled else 1e-5
    torch.set_default_dtype(torch.float32)


def settings(preset: str) -> RunConfig:
    return small_config("sampling.steps=2") if preset == "digits" else small_gan(preset)


BACKENDS = {"aer": 50, "aer:fake_guadalupe": 100, "fake_guadalupe": 50}
ROWS = [
    # A hybrid U-Net runs hundreds of circuits: on a device's noise that takes ten times as long as a GAN's do.
    pytest.param(preset, name, marks=pytest.mark.slow if preset == "digits" and name != "aer" else ())
    for name in BACKENDS
    for preset in SHAPES
]


@pytest.mark.rows(3)
@pytest.mark.parametrize(("preset", "backend"), ROWS)
def test_an_image_follows_from_its_seed_alone(
    preset: str, backend: str, exactness: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = build_generator(settings(preset), SHAPES[preset], open_backend(backend, BACKENDS[backend]), trained=True)
    seeds = image_seeds(1, 4)
    together = made.sample(seeds)
    torch.manual_seed(99)  # nothing that was drawn before matters
    others = made.sample([seeds[2], 5, seeds[0]])
    torch.testing.assert_close(others[[0, 2]], together[[2, 0]], rtol=0, atol=exactness)
    monkeypatch.setattr(denoising, "BATCH", 3)
    monkeypatch.setattr(gan, "BATCH", 3)
    torch.testing.assert_close(made.sample(seeds), together, rtol=0, atol=exactness)
    assert not torch.equal(together[0], together[1])


def test_images_of_equal_latent_numbers_are_measured_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    made = build_generator(settings("style-gan"), (3, 1, 1), open_backend("aer", 50), trained=True)
    network = made.sampler
    drawn = network.draw(1, torch.Generator().manual_seed(0))  # type: ignore[operator]
    monkeypatch.setattr(network, "draw", lambda count, _: drawn[:count])
    images = made.sample(image_seeds(0, 20)).flatten(1)
    assert len(torch.unique(images[:, 0])) > 5


@pytest.mark.parametrize("preset", ["digits"])
@pytest.mark.parametrize("interval", ["null", "[0.4, 1.0]"])
def test_a_guided_image_follows_from_its_seed_and_its_label(preset: str, interval: str, exactness: float) -> None:
    """Though two rows of it are measured in each call that is guided, one with its label and one without."""
    sampling = ("sampling.steps=2", "sampling.guidance=2", f"sampling.guidance_interval={interval}")
    config = small_config("model.conditioning=label", *sampling)
    generator = build_generator(config, SHAPES[preset], open_backend("aer", 50), trained=True, num_classes=10)
    seeds = image_seeds(1, 3)
    together = generator.sample(seeds, Labels.of([3, 5, 7], 10))
    others = generator.sample([seeds[2], 5, seeds[0]], Labels.of([7, 1, 3], 10))
    torch.testing.assert_close(others[[0, 2]], together[[2, 0]], rtol=0, atol=exactness)
    relabelled = generator.sample(seeds, Labels.of([3, 6, 7], 10))
    assert not torch.equal(relabelled[1], together[1])
    torch.testing.assert_close(relabelled[[0, 2]], together[[0, 2]], rtol=0, atol=exactness)
