"""NoiseResults: all that a study's finished cells say, in one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from qgen.studies.noise.cell_results import CHANGES, Cells, read_cells
from qgen.studies.noise.cells import NoiseCell
from qgen.studies.noise.conditions import Condition, kinds_label
from qgen.studies.noise.curves import Curve, Difference, HalfScale, curves
from qgen.studies.noise.effects import Aware, Mitigated, Sampled, aware, mitigated, sampled
from qgen.studies.noise.plan import NoiseStudy
from qgen.studies.noise.ranking import Ranking, rankings
from qgen.studies.statistics import Estimate


@dataclass(frozen=True)
class NoiseResults:
    """The results of a study.

    Attributes:
        cells: its finished cells.
        curves: measures against the scale of the noise.
        rankings: of sources, devices and kinds of errors.
        mitigated: what mitigation changes.
        sampled: what shots change.
        aware: what training under noise changes.
    """

    cells: Cells
    curves: tuple[Curve, ...]
    rankings: tuple[Ranking, ...]
    mitigated: tuple[Mitigated, ...]
    sampled: tuple[Sampled, ...]
    aware: tuple[Aware, ...]

    @property
    def study(self) -> NoiseStudy:
        """The study as it was planned."""
        return self.cells.study

    @cached_property
    def collapses(self) -> tuple[tuple[NoiseCell, str], ...]:
        """Ideal cells whose images show a collapse, with the signs."""
        found = self.cells.results.values()
        return tuple((cell.cell, cell.collapse) for cell in found if cell.collapse and cell.cell.condition.ideal)

    def curves_of(self, source: str, key: str) -> tuple[Curve, ...]:
        """Return the curves of a source in one measure."""
        return tuple(curve for curve in self.curves if curve.source == source and curve.metric.key == key)

    def to_dict(self) -> dict[str, Any]:
        """Return plain, finite values for JSON."""
        study = self.study
        return {
            "seeds": list(study.seeds),
            "images": study.count,
            "sources": [
                source.model_dump(mode="json", exclude={"settings"}) | {"quality": self.cells.main(source.name).key}
                for source in study.sources
            ],
            "devices": [device.plain() for device in study.devices],
            "scales": list(study.scales),
            "kinds": [kinds_label(kinds) for kinds in study.kinds],
            "shots": list(study.shots),
            "mitigations": list(study.mitigations),
            "metrics": {metric.key: asdict(metric) for metric in (*self.cells.metrics, *CHANGES)},
            "cells": [_cell(name, result) for name, result in self.cells.results.items()],
            "curves": [_curve(curve) for curve in self.curves],
            "rankings": [_ranking(ranking) for ranking in self.rankings],
            "mitigation": [asdict(row) for row in self.mitigated],
            "shots_compared": [_with_conditions(row) for row in self.sampled],
            "trained_under_noise": [_with_conditions(row) for row in self.aware],
            "collapses": {cell.name: sign for cell, sign in self.collapses},
            "missing": list(self.cells.missing),
        }


def analyse(folder: Path, study: NoiseStudy) -> NoiseResults:
    """Analyse the finished cells in the folder of a study.

    Raises:
        RunError: a file is damaged, or cells of a source were compared with different images.
    """
    cells = read_cells(folder, study)
    return NoiseResults(cells, curves(cells), rankings(cells), mitigated(cells), sampled(cells), aware(cells))


def condition_facts(condition: Condition) -> dict[str, Any]:
    """Return a condition in plain values."""
    return {
        "name": condition.name,
        "backend": condition.backend,
        "scale": condition.scale,
        "kinds": kinds_label(condition.kinds),
        "shots": condition.shots,
        "mitigation": condition.mitigation,
    }


def _cell(name: str, result: Any) -> dict[str, Any]:
    at = result.cell.generation.trained_at
    trained = {} if at is None else {"trained_at": condition_facts(at)}
    return {"cell": name, **trained, "condition": condition_facts(result.cell.condition), **result.facts}


def _curve(curve: Curve) -> dict[str, Any]:
    points = [
        {
            "scale": point.condition.scale,
            "estimate": _estimate(point.estimate),
            "change": _difference(point.change),
            "quality_lost": _estimate(point.lost),
        }
        for point in curve.points
    ]
    like = {key: value for key, value in condition_facts(curve.like).items() if key not in ("name", "scale")}
    return {
        "source": curve.source,
        "metric": curve.metric.key,
        **like,
        "points": points,
        "half_scale": _half(curve.half),
    }


def _half(half: HalfScale | None) -> dict[str, Any] | None:
    return None if half is None else {**asdict(half), "reached": half.reached}


def _ranking(ranking: Ranking) -> dict[str, Any]:
    return {
        "question": ranking.question,
        "measure": ranking.measure,
        "source": ranking.source,
        "items": [{"name": name, "estimate": asdict(mean)} for name, mean in ranking.items],
        "pairs": [
            {"first": pair.first, "second": pair.second, **_difference(pair.difference)} for pair in ranking.pairs
        ],
    }


def _with_conditions(row: Sampled | Aware) -> dict[str, Any]:
    plain: Mapping[str, Any] = {
        key: condition_facts(value) if isinstance(value, Condition) else value for key, value in vars(row).items()
    }
    found = {
        "metric": row.metric.key,
        "change": _difference(row.change),
    }
    return {key: _estimate(value) if isinstance(value, Estimate) else value for key, value in plain.items()} | found


def _difference(difference: Difference) -> dict[str, Any]:
    return asdict(difference)


def _estimate(mean: Estimate | None) -> dict[str, Any] | None:
    return None if mean is None else asdict(mean)
