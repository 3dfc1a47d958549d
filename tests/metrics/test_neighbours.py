"""Neighbourhoods against plain loops and theory; the nearest images against brute force."""

import numpy as np
import pytest
import torch

from qgen.data import ImageSet
from qgen.metrics import neighbours
from qgen.metrics.neighbours import nearest, neighbourhoods


def means(x: np.ndarray, y: np.ndarray) -> list[float]:
    return [float(values.mean()) for values in neighbourhoods(x, y)]


def test_neighbourhoods_against_plain_loops(rng):
    x, y = rng.normal(size=(40, 3)), rng.normal(0.5, 1.2, size=(40, 3))

    def radius(cloud: np.ndarray, point: np.ndarray) -> float:
        return sorted(np.linalg.norm(cloud - point, axis=1))[5]

    near = neighbourhoods(x, y)
    in_real = [[np.linalg.norm(a - b) <= radius(x, a) for b in y] for a in x]
    in_generated = [[np.linalg.norm(a - b) <= radius(y, b) for b in y] for a in x]
    np.testing.assert_allclose(near.precision, [any(row[k] for row in in_real) for k in range(40)])
    np.testing.assert_allclose(near.recall, [any(row) for row in in_generated])
    np.testing.assert_allclose(near.density, [sum(row[k] for row in in_real) / 5 for k in range(40)])
    np.testing.assert_allclose(near.coverage, [any(row) for row in in_real])


def test_what_does_not_differ_is_covered(rng):
    precision, recall, density, coverage = means(rng.normal(size=(3000, 4)), rng.normal(size=(3000, 4)))
    assert coverage == pytest.approx(1 - 2**-5, abs=0.02)
    assert density == pytest.approx(1, abs=0.1)
    assert precision == pytest.approx(recall, abs=0.03)


def test_one_point_covers_little_and_a_far_one_nothing(rng):
    x = rng.normal(size=(500, 4))
    assert 0 < means(x, np.tile(x[7], (500, 1)))[3] < 0.1
    assert means(x, np.full((500, 4), 1e3)) == [0, 0, 0, 0]


def test_samples_around_a_few_real_images_are_precise_and_recall_only_those(rng):
    x = rng.normal(size=(200, 4))
    y = np.repeat(x[:20], 10, axis=0) + 1e-6 * rng.normal(size=(200, 4))
    precision, recall, *_ = means(x, y)
    assert precision == 1
    assert recall == pytest.approx(0.1, abs=0.02)


def test_few_points_are_compared_all_the_same(rng):
    for count in (1, 2, 3):
        assert np.isfinite(means(rng.normal(size=(4, 2)), rng.normal(size=(count, 2)))).all()


def test_the_nearest_image_is_that_of_brute_force(rng, monkeypatch):
    monkeypatch.setattr(neighbours, "_CHUNK", 7)
    pixels = torch.from_numpy(rng.integers(256, size=(30, 3, 4, 4), dtype=np.uint8))
    others = ImageSet.of("noise", pixels, None, None, "")
    images = torch.rand(20, 3, 4, 4) * 2 - 1
    distances, indices = nearest(images, others)
    every = ((images[:, None] - others.scaled(torch.arange(30))[None]) / 2).square().mean(dim=(2, 3, 4)).sqrt()
    np.testing.assert_array_equal(indices, every.argmin(dim=1))
    np.testing.assert_allclose(distances, every.min(dim=1).values, rtol=1e-5)


def test_a_copy_is_at_no_distance_and_an_image_is_not_its_own_neighbour(rng):
    pixels = torch.from_numpy(rng.integers(256, size=(30, 1, 8, 8), dtype=np.uint8))
    others = ImageSet.of("noise", pixels, None, None, "")
    chosen = rng.permutation(30)[:9]
    images = others.scaled(torch.from_numpy(chosen))
    distances, indices = nearest(images, others)
    np.testing.assert_array_equal(indices, chosen)
    assert (distances == 0).all()
    distances, indices = nearest(images, others, chosen)
    assert (indices != chosen).all()
    assert (distances > 0).all()
    black, white = (
        torch.full((1, 1, 8, 8), -1.0),
        ImageSet.of("w", torch.full((2, 1, 8, 8), 255).byte(), None, None, ""),
    )
    assert nearest(black, white)[0] == pytest.approx(1)
