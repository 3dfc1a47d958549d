"""Noise studies without training or sampling: plans of settings that are never built, and cells with given values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_training import PIXEL

from qgen.runs import read_config
from qgen.studies import write_study
from qgen.studies.noise import NoiseResults, NoiseStudy, analyse
from qgen.studies.noise.cells import NoiseCell
from qgen.studies.noise.conditions import KINDS
from qgen.studies.noise.plan import DeviceEntry
from qgen.studies.noise.sources import Source
from qgen.studies.noise.tasks import cell_file

#: What a cell has: metrics of its images, `pixels` and `layers` (errors of expectation values).
Values = Callable[[NoiseCell], Mapping[str, Any]]


def make(
    sources: Sequence[str] = ("one",),
    devices: Sequence[str] = ("noisy:fake_fez",),
    scales: Sequence[float] = (0.0, 1.0, 2.0),
    seeds: int = 3,
    **others: Any,
) -> NoiseStudy:
    settings = read_config("gan-quantum-g", ["training.steps=5"])
    counts = {"parameters": 100, "quantum_parameters": 15, "circuits_per_image": 4}
    plain: dict[str, Any] = {"kinds": (KINDS,), "shots": (None,), "mitigations": (None,)}
    return NoiseStudy.read(
        {
            "sources": [Source(name=name, settings=settings, **counts) for name in sources],
            "devices": [DeviceEntry(name=name) for name in devices],
            "scales": tuple(scales),
            "seeds": tuple(range(seeds)),
            **plain,
            **others,
        }
    )


def write_cell(folder: Path, cell: NoiseCell, values: Mapping[str, Any]) -> None:
    quality = {key: value for key, value in values.items() if key not in ("pixels", "layers", "data")}
    layers = [
        {"name": name, "qubits": 4, "circuits": 1, "inputs": 8, "rms": rms, "largest": 2 * rms, "ideal_rms": 0.5}
        for name, rms in values.get("layers", {"circuit": 0.0}).items()
    ]
    facts = {
        "source": cell.generation.source.name,
        "seed": cell.generation.seed,
        "images": 50,
        "data": values.get("data", "abc"),
        "quality": {"collapse": None} | quality,
        "rms_pixel_change": values.get("pixels", 0.0),
        "layers": layers,
    }
    file = cell_file(folder, cell.name, "json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(facts))
    cell_file(folder, cell.name, "png").write_bytes(PIXEL)


def fill(folder: Path, study: NoiseStudy, values: Values) -> NoiseResults:
    write_study(folder, study)
    for cell in study.cells():
        write_cell(folder, cell, values(cell))
    return analyse(folder, study)


@pytest.fixture
def make_noise() -> Callable[..., NoiseStudy]:
    """A study by names of sources and devices, scales, and number of seeds."""
    return make


@pytest.fixture
def analysed(tmp_path: Path) -> Callable[[NoiseStudy, Values], NoiseResults]:
    """The results of a finished study, by the study and the values of its cells; its folder is `tmp_path / "study"`."""
    return lambda study, values: fill(tmp_path / "study", study, values)
