"""A data set made like MNIST, but small, and a machine on which nothing has been downloaded yet."""

import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qgen.data import sources
from qgen.data.idx import IdxFile
from qgen.data.sets import IdxSource, KnownSet

Pack = Callable[[np.ndarray], bytes]


def idx(numbers: np.ndarray) -> bytes:
    return struct.pack(f">HBB{numbers.ndim}I", 0, 8, numbers.ndim, *numbers.shape) + numbers.tobytes()


@pytest.fixture
def pack() -> Pack:
    """Numbers as an IDX file, by the letter of its description."""
    return idx


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folders of this test alone; no file of the machine is found."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("QGEN_CACHE", str(home / "cache"))
    monkeypatch.delenv("QGEN_DATA", raising=False)
    monkeypatch.setattr(sources, "user_folder", lambda platform, environ: home / "qgen")
    monkeypatch.setattr(sources, "_SYSTEM", ())
    return home / "qgen"


class Small:
    """A set of 30 + 10 images of 6x6 pixels in 3 classes, whose files are written where a test wants them."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.numbers = {
            "train-images": rng.integers(256, size=(30, 6, 6), dtype=np.uint8),
            "train-labels": np.arange(30, dtype=np.uint8) % 3,
            "t10k-images": rng.integers(256, size=(10, 6, 6), dtype=np.uint8),
            "t10k-labels": np.arange(10, dtype=np.uint8) % 3,
        }
        self.content = {name: idx(numbers) for name, numbers in self.numbers.items()}
        self.known = self.published_at()

    def published_at(self, *mirrors: str) -> KnownSet:
        train, test = (
            (self._file(f"{part}-images"), self._file(f"{part}-labels")) for part in ("train", "t10k")
        )  # fmt: skip
        source = IdxSource(("small", "Small/raw"), mirrors, train, test)
        return KnownSet("small", "noise", 6, 30, 10, ("a", "b", "c"), "Nobody (2026)", "CC0", source)

    def _file(self, name: str) -> IdxFile:
        content = self.content[name]
        return IdxFile(name, self.numbers[name].shape, hashlib.sha256(content).hexdigest(), len(content))

    def write(self, folder: Path, *, packed: bool = True) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.content.items():
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
        return folder


@pytest.fixture
def small(rng: np.random.Generator) -> Small:
    return Small(rng)
