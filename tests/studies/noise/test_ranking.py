"""Rankings and effects against known answers: what was built in is found, and ties are called ties."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from qgen.studies.noise.cells import NoiseCell
from qgen.studies.noise.conditions import KINDS
from qgen.studies.noise.ranking import LOSS

DEVICES = ("noisy:fake_fez", "noisy:fake_brisbane", "noisy:fake_torino")
ALONE = tuple((kind,) for kind in KINDS)


def ranking(results: Any, question: str, measure: str = LOSS, source: str | None = None) -> Any:
    return next(
        each for each in results.rankings if (each.question, each.measure, each.source) == (question, measure, source)
    )


def jitter(rng: np.random.Generator, size: float) -> Callable[[NoiseCell], float]:
    """A number for each cell, the same at each call."""
    drawn: dict[str, float] = {}
    return lambda cell: drawn.setdefault(cell.name, size * float(rng.uniform(-1, 1)))


def test_a_known_order_is_found(
    make_noise: Callable[..., Any], analysed: Callable[..., Any], rng: np.random.Generator
) -> None:
    """Losses grow with the source and the device; `b` is ahead of `c` with one seed and behind it with the next."""
    study = make_noise(("c", "a", "b"), DEVICES, (0.0, 1.0, 3.0), 5)
    of_source, of_device = {"a": 0.05, "b": 0.4, "c": 0.4}, dict(zip(DEVICES, (0.3, 0.1, 0.2), strict=True))
    small = jitter(rng, 0.002)

    def values(cell: NoiseCell) -> dict[str, Any]:
        condition = cell.condition
        if condition.ideal:
            return {"frechet": 2.0 + cell.generation.seed}
        name, seed = cell.generation.source.name, cell.generation.seed
        lost = of_source[name] + of_device[condition.backend] + 0.02 * condition.scale
        here = 0.02 * (-1) ** seed if name == "b" else 0.0
        return {"frechet": (2.0 + seed) / (1 - lost - here + small(cell)), "pixels": lost}

    results = analysed(study, values)
    devices = ranking(results, "devices")
    assert [name for name, _ in devices.items] == ["fake_brisbane", "fake_torino", "fake_fez"]
    assert devices.complete
    means = [mean.mean for _, mean in devices.items]
    base = np.mean(list(of_source.values())) + 0.02 * 2
    assert means == pytest.approx([base + 0.1, base + 0.2, base + 0.3], abs=0.01)
    sources = ranking(results, "sources")
    assert sources.items[0][0] == "a"
    assert set(sources.resolved_below("a")) == {"b", "c"}
    assert not sources.complete
    assert sources.resolved_below(sources.items[1][0]) == ()
    # b's and c's images change by the same, to the last bit: nothing is resolved by that either
    assert not ranking(results, "sources", "rms_pixel_change").resolved_below("b")
    assert ranking(results, "devices", source="c").items[0][0] == "fake_brisbane"


def test_pairs_are_scipys_paired_tests(
    make_noise: Callable[..., Any], analysed: Callable[..., Any], rng: np.random.Generator
) -> None:
    study = make_noise(("one", "two"), DEVICES[:2], (0.0, 1.0, 2.0), 4)
    drawn = {cell.name: float(rng.uniform(1, 5)) for cell in study.cells()}
    results = analysed(study, lambda cell: {"frechet": drawn[cell.name]})
    lost = {}
    for source in ("one", "two"):
        for device in ("fake_fez", "fake_brisbane"):
            ideal = np.array([drawn[f"{source}-seed{seed}-ideal"] for seed in range(4)])
            noisy = [
                np.array([drawn[f"{source}-seed{seed}-{device}-scale{scale}"] for seed in range(4)]) for scale in (1, 2)
            ]
            lost[source, device] = np.mean([1 - ideal / values for values in noisy], axis=0)
    (pair,) = ranking(results, "devices").pairs
    first, second = ((lost["one", name] + lost["two", name]) / 2 for name in (pair.first, pair.second))
    assert pair.difference.estimate.values == pytest.approx(tuple(first - second))
    assert pair.difference.p_value == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert pair.difference.estimate.mean <= 0  # the first is the more robust
    (pair,) = ranking(results, "devices", source="two").pairs
    first, second = lost["two", pair.first], lost["two", pair.second]
    assert pair.difference.p_value == pytest.approx(stats.ttest_rel(first, second).pvalue)


def test_the_kind_that_hurts_most(make_noise: Callable[..., Any], analysed: Callable[..., Any]) -> None:
    study = make_noise(("one",), DEVICES[:1], (0.0, 1.0), 4, kinds=(KINDS, *ALONE))
    errors = {("gates",): 0.1, ("relaxation",): 0.3, ("readout",): 0.05, KINDS: 0.4}

    def values(cell: NoiseCell) -> dict[str, Any]:
        seed = cell.generation.seed
        if cell.condition.ideal:
            return {"coverage": 0.8, "layers": {"circuit": 0.0}}
        error = errors[cell.condition.kinds] * (1 + 0.01 * seed)
        return {"coverage": 0.8 * (1 - error), "layers": {"circuit": error}}

    results = analysed(study, values)
    for measure in (LOSS, "expectation_error"):
        kinds = ranking(results, "kinds", measure)
        assert [name for name, _ in kinds.items] == ["readout", "gates", "relaxation"]
        assert kinds.complete
    assert ranking(results, "kinds").items[-1][1].mean == pytest.approx(0.3 * 1.015)


def test_what_mitigation_recovers(
    make_noise: Callable[..., Any], analysed: Callable[..., Any], rng: np.random.Generator
) -> None:
    """It removes three quarters of the error of exact values, and with few shots it adds more than that."""
    ways = (None, "readout", "zne:1,3")
    study = make_noise(("one", "two"), DEVICES[:2], (0.0, 1.0), 4, shots=(100, None), mitigations=ways)
    small = jitter(rng, 1e-4)

    def values(cell: NoiseCell) -> dict[str, Any]:
        condition = cell.condition
        if condition.ideal:
            return {"frechet": 2.0}
        error = 0.04 if condition.scale else 0.0
        if condition.mitigation is not None:
            error *= 0.25 if condition.shots is None else 2 if condition.mitigation == "zne:1,3" else 1
        return {"frechet": 2.0 / (1 - error), "layers": {"circuit": error + abs(small(cell))}}

    results = analysed(study, values)
    rows = {(row.source, row.mitigation, row.shots, row.measure): row for row in results.mitigated}
    assert len(rows) == 3 * 2 * 2 * 2
    for source, mitigation in product((None, "one", "two"), ways[1:]):
        exact = rows[source, mitigation, None, "expectation_error"]
        assert exact.recovered.mean == pytest.approx(0.75, abs=0.01)
        assert exact.change.verdict == "better"
    assert rows[None, "zne:1,3", 100, "expectation_error"].change.verdict == "worse"
    assert rows[None, "zne:1,3", 100, "expectation_error"].recovered.mean == pytest.approx(-1, abs=0.02)
    assert rows[None, "readout", 100, "quality_lost"].change.verdict == "not resolved"
    assert rows[None, "readout", 100, "quality_lost"].recovered.mean == pytest.approx(0)


def test_shots_against_exact_values(make_noise: Callable[..., Any], analysed: Callable[..., Any]) -> None:
    study = make_noise(("one",), ("aer",), (0.0,), 4, shots=(10, 1000, None), kind="shots")

    def values(cell: NoiseCell) -> dict[str, Any]:
        shots, seed = cell.condition.shots, cell.generation.seed
        more = 0.0 if shots is None else {10: 5.0 + 0.1 * seed, 1000: 0.2 * (-1) ** seed}[shots]
        return {"frechet": 2.0 + seed + more}

    results = analysed(study, values)
    found = {(row.condition.shots, row.metric.key): row for row in results.sampled}
    assert found[10, "frechet"].change.verdict == "worse"
    assert found[10, "frechet"].change.estimate.mean == pytest.approx(5.15)
    assert found[1000, "frechet"].change.verdict == "not resolved"
    assert results.curves == ()


def test_training_under_noise_against_training_as_usual(
    make_noise: Callable[..., Any], analysed: Callable[..., Any]
) -> None:
    study = make_noise(("one",), DEVICES[:2], (0.0, 1.0, 2.0), 4, train=True)
    names = [cell.name for cell in study.cells() if cell.generation.trained_at is not None]
    # 2 devices x 2 scales, each judged ideally and at 2 scales of its device, for 4 seeds
    assert len(names) == len(set(names)) == 4 * 3 * 4

    def values(cell: NoiseCell) -> dict[str, Any]:
        at, seed = cell.generation.trained_at, cell.generation.seed
        gained = 0.0 if at is None else at.scale + 0.01 * seed if at.backend == DEVICES[0] else 0.1 * (-1) ** seed
        return {"frechet": 9.0 + seed - gained}

    results = analysed(study, values)
    assert len(results.aware) == 4 * 3
    for row in results.aware:
        expected = "better" if row.trained_at.backend == DEVICES[0] else "not resolved"
        assert row.change.verdict == expected
        assert row.judged_at.ideal or row.judged_at.backend == row.trained_at.backend
