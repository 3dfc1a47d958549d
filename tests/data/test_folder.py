"""Folders of images: whatever people keep in them is read as it looks, or named."""

import struct
import warnings
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qgen.data import DataSettings, ImageSet, image_shape, open_images
from qgen.data.inspect import inspect_folder
from qgen.errors import DataError


def open_folder(path: Path, **settings: Any) -> ImageSet:
    return open_images(DataSettings(name=str(path), **settings))


def save(path: Path, pixels: Any, mode: str | None = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.asarray(pixels, np.uint8))
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


def one(path: Path, **settings: Any) -> np.ndarray:
    """The single image of a folder, (H, W) or (H, W, 3)."""
    images = open_folder(path, **settings).images
    assert len(images) == 1
    return np.squeeze(images[0].permute(1, 2, 0).numpy(), axis=-1) if images.shape[1] == 1 else _rgb(images)


def _rgb(images: Any) -> np.ndarray:
    return np.asarray(images[0].permute(1, 2, 0))


@pytest.fixture
def grey(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(256, size=(9, 9), dtype=np.uint8)


@pytest.fixture
def rgb(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(256, size=(9, 9, 3), dtype=np.uint8)


@pytest.mark.parametrize("ending", [".png", ".PNG", ".bmp", ".gif", ".tif", ".tiff", ".pgm"])
def test_grey_files_are_read_exactly(ending: str, grey: np.ndarray, tmp_path: Path) -> None:
    save(tmp_path / f"image{ending}", grey)
    np.testing.assert_array_equal(one(tmp_path), grey)


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".ppm", ".webp"])
def test_colour_files_are_read_exactly(ending: str, rgb: np.ndarray, tmp_path: Path) -> None:
    save(tmp_path / f"image{ending}", rgb, **({"lossless": True} if ending == ".webp" else {}))
    np.testing.assert_array_equal(one(tmp_path), rgb)


@pytest.mark.parametrize("ending", [".jpg", ".jpeg", ".JPG"])
def test_photographs_are_read(ending: str, tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 32, dtype=np.uint8), (32, 1))
    save(tmp_path / f"image{ending}", np.stack([ramp, ramp.T, 255 - ramp], -1), quality=95)
    read = one(tmp_path).astype(int)
    assert np.abs(read[..., 0] - ramp).mean() < 4
    assert np.abs(read[..., 1] - ramp.T).mean() < 4


def test_colours_become_grey_by_their_luma(rgb: np.ndarray, tmp_path: Path) -> None:
    save(tmp_path / "image.png", rgb)
    luma = rgb @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    assert np.abs(one(tmp_path, channels=1) - luma).max() <= 0.51


def test_grey_becomes_three_equal_channels(grey: np.ndarray, tmp_path: Path) -> None:
    save(tmp_path / "image.png", grey)
    np.testing.assert_array_equal(one(tmp_path, channels=3), np.stack([grey] * 3, -1))


def test_one_coloured_image_makes_the_set_coloured(grey: np.ndarray, rgb: np.ndarray, tmp_path: Path) -> None:
    save(tmp_path / "a.png", grey)
    assert open_folder(tmp_path).images.shape[1] == 1
    save(tmp_path / "b.png", rgb)
    images = open_folder(tmp_path).images.numpy()
    np.testing.assert_array_equal(images[0], np.stack([grey] * 3))
    np.testing.assert_array_equal(images[1], rgb.transpose(2, 0, 1))


def test_transparent_parts_lie_on_white(rgb: np.ndarray, grey: np.ndarray, tmp_path: Path) -> None:
    alpha = np.zeros((9, 9), np.uint8)
    alpha[:3], alpha[3:6] = 255, 128
    save(tmp_path / "rgba" / "image.png", np.dstack([rgb, alpha]))
    save(tmp_path / "la" / "image.png", np.dstack([grey, alpha]))
    for seen, under in (
        (one(tmp_path / "rgba"), rgb),
        (one(tmp_path / "la")[..., None], grey[..., None]),
    ):
        np.testing.assert_array_equal(seen[:3], under[:3])
        assert (seen[6:] == 255).all()
        blended = under[3:6] * (128 / 255) + 255 * (127 / 255)
        assert np.abs(seen[3:6] - blended).max() <= 1


def test_palettes_are_looked_up(tmp_path: Path, rng: np.random.Generator) -> None:
    colours = np.array([[10, 20, 30], [200, 100, 0], [0, 255, 0]], np.uint8)
    indices = rng.integers(3, size=(9, 9), dtype=np.uint8)
    picture = Image.fromarray(indices).convert("P")
    picture.putpalette(colours.tobytes())
    (tmp_path / "seen").mkdir()
    (tmp_path / "part").mkdir()
    picture.save(tmp_path / "seen" / "image.png")
    np.testing.assert_array_equal(one(tmp_path / "seen"), colours[indices])
    picture.save(tmp_path / "part" / "image.png", transparency=1)
    colours[1] = 255
    np.testing.assert_array_equal(one(tmp_path / "part"), colours[indices])


def test_a_grey_palette_is_grey(grey: np.ndarray, tmp_path: Path) -> None:
    picture = Image.fromarray(grey).convert("P")
    picture.putpalette(np.repeat(255 - np.arange(256), 3).astype(np.uint8).tobytes())
    picture.save(tmp_path / "image.png")
    np.testing.assert_array_equal(one(tmp_path), 255 - grey)


def test_bilevel_images_are_black_and_white(grey: np.ndarray, tmp_path: Path) -> None:
    save(tmp_path / "image.png", 255 * (grey > 127), mode="1")
    np.testing.assert_array_equal(one(tmp_path), 255 * (grey > 127))


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_sixteen_bits_are_rounded_to_eight(ending: str, tmp_path: Path, rng: np.random.Generator) -> None:
    wide = rng.integers(65536, size=(9, 9), dtype=np.uint16)
    wide[0, :4] = 0, 65535, 255, 256
    Image.fromarray(wide).save(tmp_path / f"image{ending}")
    np.testing.assert_array_equal(one(tmp_path), np.rint(wide / 65535 * 255))


def test_a_transparent_level_of_sixteen_bits_is_white(tmp_path: Path, rng: np.random.Generator) -> None:
    wide = rng.integers(65536, size=(9, 9), dtype=np.uint16)
    wide[:3], wide[3] = 1000, 1001
    Image.fromarray(wide).save(tmp_path / "image.png", transparency=1000)
    np.testing.assert_array_equal(one(tmp_path), np.rint(np.where(wide == 1000, 65535, wide) / 65535 * 255))


@pytest.mark.parametrize("pixels", [np.full((4, 4), 0.5, np.float32), np.full((4, 4), 70_000, np.int32)])
def test_other_numbers_are_refused(pixels: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(pixels).save(tmp_path / "image.tif")
    with pytest.raises(DataError, match=r"image\.tif \(its pixels .*save it with 8 or 16"):
        open_folder(tmp_path)


def test_the_middle_is_kept_and_upright(tmp_path: Path, rng: np.random.Generator) -> None:
    wide = rng.integers(256, size=(6, 11), dtype=np.uint8)
    save(tmp_path / "wide" / "image.png", wide)
    np.testing.assert_array_equal(one(tmp_path / "wide"), wide[:, 2:8])
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown turned by a quarter, clockwise
    save(tmp_path / "turned" / "image.png", wide, exif=turned)
    np.testing.assert_array_equal(one(tmp_path / "turned"), np.rot90(wide, -1)[2:8])


def test_shrinking_is_antialiased(tmp_path: Path) -> None:
    # The finest stripes there are, black and white. Away from the border, where the filter is cut, they are even grey;
    # any method that picks pixels makes them black, white or coarse.
    save(tmp_path / "image.png", 255 * np.tile(np.array([0, 1], np.uint8), (64, 32)))
    shrunk = one(tmp_path, size=16).astype(int)
    assert shrunk.shape == (16, 16)
    assert np.abs(shrunk[:, 2:-2] - 127.5).max() <= 1


def test_files_are_sorted_by_path_at_any_depth(tmp_path: Path) -> None:
    names = ["b.png", "a/z.png", "a/b/c.png", "c.d/a.png"]
    for level, name in enumerate(sorted(names, key=lambda name: Path(name).parts)):
        save(tmp_path / name, np.full((4, 4), level))
    for ignored in (".hidden.png", ".git/x.png", "notes.txt", "a/readme.md"):
        (tmp_path / ignored).parent.mkdir(exist_ok=True)
        (tmp_path / ignored).write_bytes(b"no image")
    images = open_folder(tmp_path)
    assert images.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert images.labels is None
    assert images.class_names is None
    assert images.count_labels() == {}
    with pytest.raises(DataError, match="has no labels"):
        open_folder(tmp_path, classes=(0,))


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    for level, name in enumerate(["cat/1.png", "cat/more/2.png", "dog/1.png", "emu/1.png"]):
        save(tmp_path / name, np.full((4, 4), level))
    images = open_folder(tmp_path)
    assert images.class_names == ("cat", "dog", "emu")
    assert images.labels is not None
    assert images.labels.tolist() == [0, 0, 1, 2]
    assert images.count_labels() == {"cat": 2, "dog": 1, "emu": 1}
    with pytest.raises(DataError, match=r"`limit` is 5, but .* has 4 images"):
        open_folder(tmp_path, limit=5)


def test_a_limit_keeps_images_with_their_labels(tmp_path: Path) -> None:
    for level in range(30):
        save(tmp_path / f"class{level // 10}" / f"{level}.png", np.full((4, 4), level))
    images = open_folder(tmp_path, classes=(0, 2), limit=9)
    levels = images.images[:, 0, 0, 0].long()
    assert images.labels is not None
    assert (levels // 10).tolist() == images.labels.tolist()
    assert sorted(images.count_labels().values()) == [0, 4, 5]
    assert levels.tolist() == sorted(levels.tolist()) != list(range(9))


def test_a_fraction_is_one_of_the_files(tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / ("a" if number < 15 else "b") / f"{number:02}.png", np.full((2, 2), number))
    half = open_folder(tmp_path, fraction=0.5)
    assert (half.count_labels(), half.sha256) == ({"a": 5, "b": 5}, open_folder(tmp_path, limit=10).sha256)
    assert open_folder(tmp_path, fraction=1).sha256 == open_folder(tmp_path).sha256
    assert open_folder(tmp_path, fraction=0.001, classes=(1,)).count_labels() == {"a": 0, "b": 1}
    assert image_shape(DataSettings(name=str(tmp_path), fraction=0.5)) == (1, 2, 2)
    for damaged in range(3, 20, 2):  # 11 of 20 files can be read
        (tmp_path / ("a" if damaged < 15 else "b") / f"{damaged:02}.png").write_bytes(b"x")
    for fraction, count in ((0.1, 2), (0.5, 10), (0.6, 11), (1, 11)):
        assert len(open_folder(tmp_path, fraction=fraction, skip_unreadable=True)) == count


def test_sizes_that_differ_need_a_size(tmp_path: Path, rng: np.random.Generator) -> None:
    for side in (8, 12, 9):
        save(tmp_path / f"{side}.png", rng.integers(256, size=(side, side + 1), dtype=np.uint8))
    with pytest.raises(DataError, match="differ in size, from 9x8 to 13x12: set `size`, for example to 8"):
        open_folder(tmp_path)
    assert open_folder(tmp_path, size=8).images.shape == (3, 1, 8, 8)


@pytest.mark.parametrize("settings", [{}, {"size": 12}, {"channels": 1}, {"size": 5, "channels": 3}, {"classes": (1,)}])
def test_the_shape_is_known_beforehand(settings: dict[str, Any], tmp_path: Path) -> None:
    save(tmp_path / "a" / "grey.png", np.zeros((9, 7)))
    save(tmp_path / "b" / "rgb.png", np.zeros((7, 8, 3)))
    shape = image_shape(DataSettings(name=str(tmp_path), **settings))
    assert shape == tuple(open_folder(tmp_path, **settings).images.shape[1:])


def test_a_folder_has_no_test_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no test images"):
        open_folder(tmp_path, split="test")


def bomb() -> bytes:
    """A PNG of 10 kB whose head promises 400 million pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**7))) + chunk(b"IEND", b"")
    )


def damage(folder: Path, rng: np.random.Generator) -> dict[str, str]:
    """Writes files that cannot be read; their names, and what should be said of each."""
    photograph = save(folder / "cut.jpg", rng.integers(256, size=(64, 64, 3), dtype=np.uint8))
    photograph.write_bytes(photograph.read_bytes()[:2000])
    picture = save(folder / "cut.png", rng.integers(256, size=(64, 64), dtype=np.uint8))
    picture.write_bytes(picture.read_bytes()[:1000])
    flipped = save(folder / "flipped.png", rng.integers(256, size=(64, 64), dtype=np.uint8))
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 0xFF
    flipped.write_bytes(content)
    (folder / "text.png").write_bytes(b"not an image")
    (folder / "empty.gif").touch()
    (folder / "bomb.png").write_bytes(bomb())
    (folder / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    return {
        "cut.jpg": "truncated",
        "cut.png": "",
        "flipped.png": "",
        "text.png": "not an image",
        "empty.gif": "empty",
        "bomb.png": "pixels",
        "script.png": "not an image",
        "gone.png": "No such file",
    }


@pytest.mark.parametrize("settings", [{}, {"size": 8}, {"size": 8, "channels": 1}])
def test_all_unreadable_files_are_named_together(
    settings: dict[str, Any], tmp_path: Path, rng: np.random.Generator
) -> None:
    for place in range(3):
        save(tmp_path / f"sound{place}.png", rng.integers(256, size=(64, 64), dtype=np.uint8))
    damaged = damage(tmp_path, rng)
    with pytest.raises(DataError, match=f"^{len(damaged)} of {len(damaged) + 3} images .*skip_unreadable") as caught:
        open_folder(tmp_path, **settings)
    for name, reason in damaged.items():
        assert f"{name} (" in str(caught.value)
        assert reason in str(caught.value)
    assert "sound" not in str(caught.value)


def test_unreadable_files_are_skipped_if_one_says_so(tmp_path: Path, rng: np.random.Generator) -> None:
    pixels = rng.integers(256, size=(3, 64, 64), dtype=np.uint8)
    for place, name in enumerate(("a.png", "d.png", "z.png")):
        save(tmp_path / name, pixels[place])
    damaged = damage(tmp_path, rng)
    images = open_folder(tmp_path, skip_unreadable=True)
    # one of them may be coloured by its head, but what cannot be read has no say
    np.testing.assert_array_equal(images.images[:, 0], pixels)
    assert f"without {len(damaged)} unreadable files" in images.source
    assert len(open_folder(tmp_path, skip_unreadable=True, limit=3)) == 3
    with pytest.raises(DataError, match=r"Only 3 images .* can be read, not the 4"):
        open_folder(tmp_path, skip_unreadable=True, limit=4)


def test_of_many_unreadable_files_ten_are_named(tmp_path: Path) -> None:
    for place in range(25):
        (tmp_path / f"{place:02}.png").touch()
    for skip in (False, True):
        with pytest.raises(DataError, match=r"^25 of 25 images .*09\.png \(it is empty\) and 15 more") as caught:
            open_folder(tmp_path, skip_unreadable=skip)
        assert "10.png" not in str(caught.value)


def test_images_that_are_nearly_bombs_warn_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)
    save(tmp_path / "image.png", np.zeros((8, 9)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match="more than 60 pixels"):
            open_folder(tmp_path)


def test_what_does_not_fit_into_memory_is_refused_beforehand(tmp_path: Path) -> None:
    save(tmp_path / "image.png", np.zeros((4, 4)))
    with pytest.raises(DataError, match="GiB of memory"):
        open_folder(tmp_path, size=10**6, cache="never")
    with pytest.raises(DataError, match=r"GiB of memory, and .* are free, and a cache cannot be made: it takes"):
        open_folder(tmp_path, size=10**7)


def test_the_copy_that_a_limit_makes_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in range(4):
        save(tmp_path / f"{place}.png", np.zeros((8, 8)))
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2 * 4 * 8 * 8))
    assert len(open_folder(tmp_path)) == len(open_folder(tmp_path, fraction=1)) == 4  # nothing is shuffled
    for settings in ({"limit": 3}, {"fraction": 0.75}):
        with pytest.raises(DataError, match="3 images of 1x8x8 take"):
            open_folder(tmp_path, cache="never", **settings)


def test_progress_is_told(tmp_path: Path) -> None:
    for place in range(3):
        save(tmp_path / f"{place}.png", np.zeros((4, 4)))
    told: list[tuple[int, int]] = []
    open_images(DataSettings(name=str(tmp_path)), progress=lambda *report: told.append(report))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_folder_is_inspected(tmp_path: Path, rng: np.random.Generator) -> None:
    for name, shape in (("a/1.png", (8, 9)), ("a/2.png", (8, 9)), ("b/1.png", (7, 7, 3))):
        save(tmp_path / name, rng.integers(256, size=shape, dtype=np.uint8))
    report = inspect_folder(tmp_path)
    assert (report.images, report.counts) == (3, {"a": 2, "b": 1})
    assert (report.sizes, report.modes) == ({"9x8": 2, "7x7": 1}, {"L": 2, "RGB": 1})
    assert (report.size, report.channels, report.unreadable) == (None, 3, {})
    (tmp_path / "b" / "1.png").unlink()
    damaged = damage(tmp_path / "b", rng)
    report = inspect_folder(tmp_path)
    assert (report.images, report.size, report.channels, report.counts) == (2, 8, 1, {"a": 2})
    assert set(report.unreadable) == {f"b/{name}" for name in damaged}
