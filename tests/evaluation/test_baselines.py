"""Gaussians of codes: their moments, their seeds, and that they are decoded as samples are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from small_runs import small_config

from qgen.backends import open_backend
from qgen.data import DataSettings, open_images
from qgen.errors import ConfigError, DataError
from qgen.evaluation import check_baselines, gaussians, sample_baselines
from qgen.metrics.reference import open_reference
from qgen.runs import build_generator, read_config

COUNT = 20_000


def codes(rng: np.random.Generator, count: int = 500, size: int = 4) -> np.ndarray:
    mixed = rng.normal(size=(size, size))
    return rng.normal(size=(count, size)) @ mixed + rng.normal(size=size)


def covariance_error(drawn: np.ndarray, wanted: np.ndarray) -> float:
    """The largest error of a covariance, in deviations of its estimate."""
    found, spread = np.cov(drawn, rowvar=False), np.sqrt(np.outer(wanted.diagonal(), wanted.diagonal()))
    return float((np.abs(found - wanted) / (spread * (2 / len(drawn)) ** 0.5)).max())


def test_gaussians_have_the_moments_of_the_codes(rng: np.random.Generator) -> None:
    """Within 6 deviations of estimates from 20,000 codes."""
    given = codes(rng)
    full, alone = np.cov(given, rowvar=False), np.diag(given.var(0))
    for model, wanted in ((gaussians.with_covariance(given), full), (gaussians.independent(given), alone)):
        drawn = model.sample(range(COUNT)).double().numpy()
        assert covariance_error(drawn, wanted) < 6
        off = np.abs(drawn.mean(0) - given.mean(0)) / np.sqrt(wanted.diagonal() / COUNT)
        assert off.max() < 6


def test_a_covariance_may_be_singular(rng: np.random.Generator) -> None:
    given = codes(rng, 3, 6)
    drawn = gaussians.with_covariance(given).sample(range(50)).double().numpy() - given.mean(0)
    assert np.linalg.matrix_rank(drawn, tol=1e-3) == 2


def test_each_class_has_its_gaussian(rng: np.random.Generator) -> None:
    parts = [codes(rng, count) + 20 * label for label, count in enumerate((300, 100))]
    labels = np.repeat([0, 1], (300, 100))
    model = gaussians.by_class(np.concatenate(parts), labels, 2)
    asked = torch.arange(COUNT) % 2
    drawn = model.sample(range(COUNT), asked).double().numpy()
    for label, part in enumerate(parts):
        assert covariance_error(drawn[label::2], np.cov(part, rowvar=False)) < 6
    middle = (parts[0].mean(0) + parts[1].mean(0)) / 2
    share = (model.sample(range(4_000)).double().numpy().mean(1) < middle.mean()).mean()
    assert abs(share - 0.75) < 5 * (0.75 * 0.25 / 4_000) ** 0.5 + 0.02


def test_the_mixture_is_as_likely_as_scikit_learns(rng: np.random.Generator) -> None:
    """Its samples are as likely under it as the codes that it was fitted to."""
    given = np.concatenate([rng.normal(size=(200, 2)) + shift for shift in (-9, 0, 9)])
    model = gaussians.mixture(given)
    assert model.means.shape == (20, 2)
    assert model.weights.sum() == pytest.approx(1)
    drawn = model.sample(range(3_000)).double().numpy()
    reference = GaussianMixture(3, random_state=0).fit(given)
    scores = reference.score_samples(drawn).mean(), reference.score_samples(given).mean()
    assert scores[0] == pytest.approx(scores[1], abs=0.25)


def test_a_mixture_has_as_many_gaussians_as_there_are_codes_for(rng: np.random.Generator) -> None:
    assert gaussians.mixture(rng.normal(size=(40, 4))).means.shape == (5, 4)
    assert gaussians.mixture(rng.normal(size=(3, 4))).means.shape == (1, 4)
    wide = gaussians.mixture(rng.normal(size=(30, 300)))
    assert wide.factors.shape == (15, 300)  # variances alone


def test_a_code_follows_from_its_seed(rng: np.random.Generator) -> None:
    for model in (gaussians.mixture(codes(rng)), gaussians.independent(codes(rng))):
        together = model.sample([5, 17, 3])
        assert together.dtype == torch.float32
        assert torch.equal(model.sample([3, 5]), together[[2, 0]])


def test_baselines_of_a_diffusion_of_pixels() -> None:
    config = small_config("model.conditioning=label", "data.limit=null")
    reference = open_reference(config.data)
    train = reference.train
    generator = build_generator(config, (1, 8, 8), open_backend("statevector"), num_classes=10)
    made = {each.name: each for each in sample_baselines(generator, reference, 40, seed=3)}
    assert list(made) == ["independent Gaussian", "Gaussian", "a Gaussian a class", "Gaussian mixture"]
    for each in made.values():
        assert each.images.shape == (40, 1, 8, 8)
        assert each.images.abs().max() <= 1
        assert each.facts["codes"] == [1, 8, 8]
    assert train.labels is not None
    means = torch.stack([train.scaled((train.labels == label).nonzero().flatten()).mean(0) for label in range(10)])
    nearest = torch.cdist(made["a Gaussian a class"].images.flatten(1), means.flatten(1)).argmin(1)
    assert (nearest == torch.arange(40) % 10).double().mean() > 0.6  # the classes of the samples, in turn
    again = list(sample_baselines(generator, reference, 40, seed=3))
    assert torch.equal(again[1].images, made["Gaussian"].images)


def test_what_has_no_codes_or_too_few_images_is_refused() -> None:
    train = open_images(DataSettings(name="digits", limit=12))
    gan = build_generator(read_config("gan-quantum-g"), (1, 8, 8), open_backend("statevector"))
    with pytest.raises(ConfigError, match="of models that make codes, as diffusions do"):
        check_baselines(gan, train)
    diffusion = build_generator(small_config(), (1, 8, 8), open_backend("statevector"))
    with pytest.raises(DataError, match=r"class \d has [01] of the 12 images that were learned from"):
        check_baselines(diffusion, train)
