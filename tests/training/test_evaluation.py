"""What samples are compared with while a run trains: images that nothing is trained on, beside real ones."""

import numpy as np
import pytest
import torch

from qgen.data import DataSettings, open_images
from qgen.errors import DataError
from qgen.metrics import open_fitted_space, reference
from qgen.metrics.reference import open_available_reference, open_reference
from qgen.training.evaluation import OF_REAL, SampleEvaluator, quality_line


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """The distance of two Gaussians by its formula; the trace of a root is the sum of the roots of eigenvalues."""
    roots = np.sqrt(np.linalg.eigvals(np.cov(a.T) @ np.cov(b.T)).real.clip(0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T) + np.cov(b.T)) - 2 * roots)


def test_samples_are_compared_with_images_that_nothing_is_trained_on(digits_reference, rng):
    evaluator = SampleEvaluator(digits_reference)
    images = torch.from_numpy(rng.uniform(-1, 1, (80, 1, 8, 8))).float()
    row = evaluator.evaluate(images)
    space = open_fitted_space(digits_reference.train)
    held_out = open_reference(DataSettings(name="digits", split="test")).train
    of_test = space.extract(held_out.scaled(torch.arange(len(held_out)))).features
    assert row["frechet"] == pytest.approx(frechet(of_test, space.extract(images).features), rel=1e-3)
    instead = space.extract(digits_reference.control_images(80)).features
    assert row["real"]["frechet"] == pytest.approx(frechet(of_test, instead), rel=1e-3)
    assert set(row["real"]) == set(OF_REAL)
    assert row["real"]["frechet"] < row["frechet"] / 5
    assert f"(real images: {row['real']['frechet']:.3g})" in quality_line({"step": 1} | row)


def test_a_set_whose_other_split_is_missing_is_halved(monkeypatch):
    def without_test_split(settings, *args, **kwargs):
        if settings.split == "test":
            raise DataError("no file of the test split")
        return open_images(settings, *args, **kwargs)

    monkeypatch.setattr(reference, "open_images", without_test_split)
    said = []
    halves = open_available_reference(DataSettings(name="digits", limit=20), message=said.append)
    assert not halves.held_out
    assert (len(halves.train), len(halves.real), len(halves.control)) == (20, 719, 719)
    assert not set(halves.real) & set(halves.control)
    assert said == ["samples are compared with training images, for want of others: no file of the test split"]


def test_distributions_are_compared_by_histograms():
    evaluator = SampleEvaluator(open_available_reference(DataSettings(name="gaussian-3d")))
    images = evaluator.reference.control_images(200)
    row = evaluator.evaluate(images)
    assert row["collapse"] is None
    assert row["real"] == {name: value for name, value in row.items() if name not in ("collapse", "real")}
