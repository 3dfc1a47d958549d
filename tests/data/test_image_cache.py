"""Caches of folders: the same images as in memory to the last bit, whatever happens while and after they are made."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from qgen.data import DataSettings, ImageSet, cache_building, folder, image_cache, image_shape, open_images
from qgen.data.cache_files import find_caches, format_size
from qgen.errors import DataError
from qgen.storage import CACHE_VARIABLE, cache_folder


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the caches of this test."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "caches"))
    return tmp_path / "caches" / "images"


class Images:
    """A folder of small images; counts how many are decoded, and notes what is said."""

    def __init__(self, path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self._rng, self.decoded, self.said = path, rng, 0, list[str]()
        decode = folder.read_pixels

        def counting(*arguments: Any, **options: Any) -> Any:
            self.decoded += 1
            return decode(*arguments, **options)

        monkeypatch.setattr(folder, "read_pixels", counting)

    def save(self, name: str, shape: tuple[int, ...] = (5, 5)) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self._rng.integers(256, size=shape, dtype=np.uint8)).save(file)
        return file

    def fill(self, count: int, classes: int = 1, shape: tuple[int, ...] = (5, 5)) -> "Images":
        for number in range(count):
            self.save(f"{chr(97 + number % classes)}/{number}.png" if classes > 1 else f"{number}.png", shape)
        return self

    def open(self, cache: str = "always", **settings: Any) -> ImageSet:
        chosen = DataSettings(name=str(self.path), cache=cache, **settings)
        return open_images(chosen, message=self.said.append)


@pytest.fixture
def images(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Images:
    return Images(tmp_path / "set", rng, monkeypatch)


def same(one: ImageSet, other: ImageSet) -> bool:
    labels = (one.labels is None and other.labels is None) or torch.equal(one.labels, other.labels)
    words = [(each.name, each.class_names, each.source, each.sha256) for each in (one, other)]
    return torch.equal(one.images, other.images) and labels and words[0] == words[1]


SETTINGS: list[dict[str, Any]] = [
    {},
    {"size": 3},
    {"size": 8, "channels": 3},
    {"limit": 7},
    {"fraction": 0.4},
    {"classes": (0, 2)},
    {"classes": (1,), "limit": 2, "size": 4},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("damaged", [0, 3])
def test_the_images_are_those_in_memory(settings: dict[str, Any], damaged: int, images: Images) -> None:
    images.fill(20, classes=3)
    for number in range(damaged):
        (images.path / f"{chr(97 + number)}/{number}x.png").write_bytes(b"no image")
    settings = settings | {"skip_unreadable": damaged > 0}
    loaded = images.open("never", **settings)
    made = images.open(**settings)
    assert made.mapped is not None
    assert same(made, loaded)
    before = images.decoded
    assert same(images.open(**settings), loaded)
    assert images.decoded == before
    assert image_shape(DataSettings(name=str(images.path), **settings)) == loaded.shape
    index = torch.randint(len(loaded), (9,))
    made.prefetch(index)
    assert torch.equal(made.scaled(index), loaded.scaled(index))


def test_a_cache_is_used_wherever_it_is_made_for_the_same_images_only(images: Images, caches: Path) -> None:
    images.fill(6, classes=2)
    images.open()
    images.open("auto")
    assert images.decoded == 6
    assert images.open("never").mapped is None
    images.open(size=3)
    images.open(limit=2)
    assert len(list(caches.iterdir())) == 3
    assert images.decoded == 6 + 6 + 6 + 2


def test_unreadable_files_are_refused_from_a_cache_too(images: Images) -> None:
    images.fill(4)
    (images.path / "x.png").write_bytes(b"no image")
    for _ in range(2):
        with pytest.raises(DataError, match=r"^1 of 5 images .* cannot be read: x\.png \(it is not an image"):
            images.open()
    before = images.decoded
    assert len(images.open(skip_unreadable=True)) == 4
    assert images.decoded == before  # it was made before it was refused
    with pytest.raises(DataError, match=r"Only 4 images .* can be read, not the 5"):
        images.open(skip_unreadable=True, limit=5)
    shutil.rmtree(images.path)
    images.path.mkdir()
    (images.path / "x.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"^1 of 1 images"):
        images.open(size=4, channels=1, skip_unreadable=True)


CHANGES: dict[str, Callable[[Images], object]] = {
    "added": lambda images: images.save("new.png"),
    "removed": lambda images: (images.path / "3.png").unlink(),
    "renamed": lambda images: (images.path / "3.png").rename(images.path / "three.png"),
    "another size": lambda images: images.save("3.png", (5, 6)),
    "touched": lambda images: os.utime(images.path / "3.png", ns=(0, 1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_has_changed_gets_a_new_cache(change: str, images: Images, caches: Path) -> None:
    images.fill(5)
    images.open()
    CHANGES[change](images)
    before = images.decoded
    changed = images.open()
    assert images.decoded == before + len(changed)
    assert same(changed, images.open("never"))
    (own,) = caches.iterdir()
    assert len(list(own.glob("*.npy"))) == 1  # the old one does not stay


def flip(path: Path, rng: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path, Path, np.random.Generator], object]] = {
    "a bit": lambda file, record, rng: flip(file, rng),
    "cut": lambda file, record, rng: os.truncate(file, rng.integers(file.stat().st_size)),
    "longer": lambda file, record, rng: os.truncate(file, file.stat().st_size + 1),
    "gone": lambda file, record, rng: file.unlink(),
    "its record": lambda file, record, rng: flip(record, rng),
    "no record": lambda file, record, rng: record.write_bytes(b""),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_is_made_anew(damage: str, images: Images, caches: Path, rng: np.random.Generator) -> None:
    loaded = images.fill(6).open("never")
    images.open()
    (file,), (record,) = caches.rglob("*.npy"), caches.rglob("cache.json")
    times = file.stat()
    DAMAGE[damage](file, record, rng)
    if file.exists():  # whoever damages it hides that
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    before = images.decoded
    assert same(images.open(), loaded)
    assert images.decoded == before + 6
    assert any("is damaged (" in line for line in images.said) == (damage not in ("its record", "no record"))
    images.open()
    assert images.decoded == before + 6


def test_a_cache_that_was_copied_is_checked_once(images: Images, caches: Path, tmp_path: Path) -> None:
    loaded = images.fill(4).open()
    shutil.copytree(caches, tmp_path / "copy")
    shutil.rmtree(caches)
    shutil.copytree(tmp_path / "copy", caches)
    before = images.decoded
    assert same(images.open(), loaded)
    assert sum("checking" in line for line in images.said) == 1
    images.open()
    assert sum("checking" in line for line in images.said) == 1
    assert images.decoded == before


class KilledError(BaseException):
    """Stands for the end of the process."""


def dies(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """Lets the process end at this call of those that change something on the disk, or decode."""
    calls = iter(range(10**6))
    for owner, name in [(os, "fsync"), (os, "replace"), (os, "truncate"), (Path, "unlink"), (folder, "read_pixels")]:
        real = getattr(owner, name)

        def ends(*arguments: Any, real: Any = real, **options: Any) -> Any:
            if next(calls) >= call:
                raise KilledError
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, ends)


@pytest.mark.parametrize("settings", [{}, {"limit": 4}])
def test_a_process_that_dies_leaves_nothing_or_a_whole_cache(
    settings: dict[str, Any], images: Images, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_building, "_NOTE_SECONDS", -1)
    loaded = images.fill(5).open("never", **settings)
    deaths = 0
    while True:
        shutil.rmtree(caches, ignore_errors=True)
        with monkeypatch.context() as patch:
            dies(patch, deaths)
            try:
                images.open(**settings)
                break
            except KilledError:
                deaths += 1
        whole = bool(list(caches.rglob("cache.json")))
        before = images.decoded
        assert same(images.open(**settings), loaded), deaths
        assert images.decoded - before <= (0 if whole else len(loaded))
        (own,) = caches.iterdir()
        assert sorted(file.suffix for file in own.iterdir() if file.name != "lock") == [".json", ".npy"]
    assert deaths > 20


def test_what_was_decoded_before_is_kept(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_building, "_NOTE_SECONDS", -1)
    loaded = images.fill(9).open("never")
    (images.path / "8.png").write_bytes(b"no image")
    loaded = images.open("never", skip_unreadable=True)
    counting = folder.read_pixels

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if images.decoded - before == 5:
            raise KeyboardInterrupt
        return counting(*arguments, **options)

    before = images.decoded
    with monkeypatch.context() as patch:
        patch.setattr(folder, "read_pixels", interrupted)
        with pytest.raises(KeyboardInterrupt):
            images.open(skip_unreadable=True)
    monkeypatch.setattr(folder, "read_header", None)  # neither are headers read again
    assert same(images.open(skip_unreadable=True), loaded)
    assert images.decoded == before + 8  # of one the header said enough
    assert any("5 of 9 images are there" in line for line in images.said)


def test_two_at_once_make_one_cache(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = images.fill(6).open("never")
    before, opened, waiting = images.decoded, list[ImageSet](), threading.Event()
    counting = folder.read_pixels

    def slow(*arguments: Any, **options: Any) -> Any:
        assert waiting.wait(60)  # until the other one has come
        return counting(*arguments, **options)

    monkeypatch.setattr(folder, "read_pixels", slow)

    def say(line: str) -> None:
        if "waiting" in line:
            waiting.set()

    def run() -> None:
        opened.append(open_images(DataSettings(name=str(images.path), cache="always"), message=say))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(each, loaded) for each in opened)
    assert (len(opened), images.decoded) == (2, before + 6)


def test_auto_makes_one_where_images_are_many_large_or_too_large(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    images.fill(4)
    assert images.open("auto").mapped is None
    for change in ({"MANY_IMAGES": 4}, {"MANY_BYTES": 100}):
        with monkeypatch.context() as patch:
            for name, value in change.items():
                patch.setattr(image_cache, name, value)
            assert images.open("auto", size=4 + len(name)).mapped is not None
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=100))
    assert images.open("auto", size=6).mapped is not None
    with pytest.raises(DataError, match=r"4 images of 1x7x7 take .* of memory"):
        images.open("never", size=7)


def test_where_there_is_no_room(images: Images, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    images.fill(4)
    full = SimpleNamespace(free=99)  # four of 25 bytes
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: full)
        with pytest.raises(DataError, match=r"A cache cannot be made: it takes .* Set QGEN_CACHE"):
            images.open()
        patch.setattr(image_cache, "MANY_IMAGES", 1)
        assert images.open("auto").mapped is None
        assert "without a cache: it takes" in images.said[-1]
        patch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=100))
        with pytest.raises(DataError, match=r"GiB of memory, .* a cache cannot be made: .* QGEN_CACHE"):
            images.open("auto")
        full.free = 100
        assert images.open("auto").mapped is not None
    (tmp_path / "file").touch()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"A cache cannot be made: .* cannot be written \(Not a directory\)"):
        images.open()
    monkeypatch.setattr(image_cache.storage, "cache_folder", lambda platform, environ: None)
    with pytest.raises(DataError, match="no home folder for a cache"):
        images.open()
    assert images.open("auto").mapped is None


def test_a_full_disk_is_one_line_and_what_is_there_is_kept(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = images.fill(6).open("never")
    monkeypatch.setattr(cache_building, "_NOTE_SECONDS", -1)
    calls = iter(range(100))
    synced = os.fsync

    def full(handle: int) -> None:
        if next(calls) > 7:
            raise OSError(28, "No space left on device")
        synced(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DataError, match="cannot be written: No space left on device"):
            images.open()
    before = images.decoded
    assert same(images.open(), loaded)
    assert images.decoded < before + 6


def test_what_is_written_to_a_tensor_is_not_written_to_the_file(images: Images) -> None:
    images.fill(3)
    first = images.open()
    before = first.images.clone()
    first.images.zero_()
    assert torch.equal(images.open().images, before)


def test_names_of_any_kind(images: Images) -> None:
    for name in ("a\nb/ü.png", "a\nb/%s.png", "c d/\udcff.png"):
        images.save(name)
    assert same(images.open(), images.open("never"))
    assert same(images.open(), images.open("never"))


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, Path("/x/qgen")),
        ("linux", {"XDG_CACHE_HOME": "relative"}, Path("~/.cache/qgen")),
        ("linux", {"QGEN_CACHE": "/y", "XDG_CACHE_HOME": "/x"}, Path("/y")),
        ("darwin", {}, Path("~/Library/Caches/qgen")),
        ("win32", {"LOCALAPPDATA": "/x"}, Path("/x/qgen/cache")),
    ],
)
def test_the_folder_of_caches(platform: str, environ: dict[str, str], expected: Path) -> None:
    assert cache_folder(platform, environ) == expected.expanduser()


def test_the_caches_of_a_folder_are_found(images: Images, caches: Path) -> None:
    images.fill(2).open()
    images.open(size=3)
    (caches / "other").mkdir()
    (caches / "other" / "cache.json").write_text("{}")
    found = find_caches(images.path)
    assert sorted(found.values()) == [2 * 3 * 3, 2 * 5 * 5]
    assert all((Path(path) / "cache.json").is_file() for path in found)
    assert find_caches(caches) == {}
    assert (format_size(2**31), format_size(3 * 2**19), format_size(512)) == ("2.0 GiB", "1.5 MiB", "0.5 KiB")
