"""Differences of evaluations: paired where seeds are shared, and what their intervals support."""

import json
from dataclasses import replace

import pytest
import torch

from qgen.evaluation import PROTOCOLS, Evaluation, Evaluator, differences
from qgen.evaluation.compare import plain, share_seeds
from qgen.evaluation.text import pairing


@pytest.fixture(scope="module")
def evaluated(pixel_space, digits_reference):
    def evaluate(images: torch.Tensor, name: str = "run", **facts: object) -> Evaluation:
        return Evaluator(pixel_space, digits_reference, PROTOCOLS["default"], resamples=40)(images, name, facts)

    return evaluate


@pytest.fixture(scope="module")
def good(digits_reference) -> torch.Tensor:
    return digits_reference.whole.scaled(torch.from_numpy(digits_reference.control[-80:]))


@pytest.fixture(scope="module")
def first(evaluated, good) -> Evaluation:
    return evaluated(good, seed=1)


def test_equal_samples_differ_in_nothing(first, evaluated, good):
    for name, difference in differences(first, evaluated(good, seed=1)).items():
        assert difference.value == 0, name
        assert difference.interval == (0, 0), name
        assert difference.verdict in ("not resolved", None)


def test_worse_samples_are_worse_in_every_distance(first, evaluated, good):
    noise = evaluated(torch.rand_like(good) * 2 - 1, seed=1)
    found, back = differences(first, noise), differences(noise, first)
    for name in ("fid", "kid", "precision", "coverage"):
        assert (found[name].verdict, back[name].verdict) == ("worse", "better"), name
        assert found[name].value == -back[name].value
        assert found[name].interval.low <= found[name].value <= found[name].interval.high
    assert found["nearest"].verdict is None


def test_pairing_makes_differences_sharper(first, evaluated, good):
    """Samples that are nearly the same have nearly the same errors, which drop out of their difference."""
    other = evaluated((good + 0.02 * torch.randn_like(good)).clamp(-1, 1), seed=1)
    found = differences(first, other)["fid"]
    own = first.results["fid"].samples.interval
    assert found.interval.high - found.interval.low < 0.5 * (own.high - own.low)


def test_seeds_are_shared_where_samples_have_the_same(first, evaluated, good):
    fewer = evaluated(good[:50], seed=1)
    assert share_seeds(first, replace(first, name="other"))
    assert not share_seeds(first, replace(first, facts={"seed": 4}))
    assert not share_seeds(first, fewer)
    assert not share_seeds(replace(first, facts={}), replace(first, facts={}))
    assert pairing([first, replace(first, name="other")]).startswith("Paired")
    assert pairing([first, fewer]).startswith("Not paired")


def test_everything_is_plain(first):
    values = json.loads(json.dumps(plain([first, replace(first, name="other")]), allow_nan=False))
    (other,) = values["compare"]
    assert other["name"] == "other"
    assert other["differences"]["fid"] == {"value": 0, "low": 0, "high": 0, "paired": True, "verdict": "not resolved"}
    assert other["metrics"] == values["metrics"]
    assert "compare" not in plain([first])
