"""A cache of twenty thousand images whose makers are killed with -9, and which two make at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from qgen.data import DataSettings, open_images
from qgen.data.cache_files import Building, Finished
from qgen.storage import CACHE_VARIABLE

pytestmark = pytest.mark.slow

COUNT = 20_000
MAKES = """
import sys
from qgen.data import DataSettings, cache_building, open_images
cache_building._NOTE_SECONDS = 0.1
print(open_images(DataSettings(name=sys.argv[1], cache="always")).sha256)
"""


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    levels = rng.integers(256, size=(COUNT, 6, 6), dtype=np.uint8)
    for number, image in enumerate(levels):
        place = tmp_path / "set" / str(number % 10)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number}.png")
    return tmp_path / "set"


def maker(folder: Path, cache: Path) -> subprocess.Popen[str]:
    environ = {**os.environ, CACHE_VARIABLE: str(cache)}
    return subprocess.Popen([sys.executable, "-c", MAKES, str(folder)], env=environ, stdout=subprocess.PIPE, text=True)


def written(cache: Path) -> int:
    """Images of a cache that is not finished, by its own note."""
    notes = [Building.read(note) for note in cache.rglob("building.json")]
    return max((note.written for note in notes if note), default=0)


def test_kills_lose_little_and_change_nothing(
    folder: Path, tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, cache = open_images(DataSettings(name=str(folder), cache="never")), tmp_path / "cache"
    for part in (0.2, 0.5, 0.8):
        process = maker(folder, cache)
        wanted, deadline = COUNT * (part + rng.uniform(-0.1, 0.1)), time.monotonic() + 300
        while written(cache) < wanted and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.communicate()  # closes the pipe
        assert written(cache) >= wanted  # nothing is begun anew
        assert not list(cache.rglob("cache.json"))
    both = [maker(folder, cache) for _ in range(2)]
    assert [process.communicate(timeout=300)[0].strip() for process in both] == [loaded.sha256] * 2
    (record,) = cache.rglob("cache.json")
    assert Finished.read(record) is not None
    monkeypatch.setenv(CACHE_VARIABLE, str(cache))
    mapped = open_images(DataSettings(name=str(folder), cache="always"))
    assert torch.equal(mapped.images, loaded.images)
    assert torch.equal(mapped.labels, loaded.labels)
