"""Every kind of pixel that a file can hold is read as it looks, or refused by name.

The files are written by hand, byte for byte, so that what they show is known without a decoder; and by Pillow in each
of its modes and formats, from arrays that are known.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_files import bmp, png, pnm, tiff
from PIL import Image

from qgen.data import DataSettings, open_images
from qgen.data.bit_depth import UnreadableError
from qgen.data.decoding import read_pixels
from qgen.errors import DataError

Pixels = np.ndarray
#: Colours of 16 bits are cut to 8, and alpha is a whole byte: so far from the exact value, at most.
CUT, BLENDED, PREMULTIPLIED = 1.0, 0.51, 1.01
SIDE = 9


def drawn(rng: np.random.Generator, bits: int, count: int = 1) -> Pixels:
    """Samples over all that so many bits can hold, black and white among them."""
    samples = rng.integers(2**bits, size=(SIDE, SIDE, count), dtype=np.uint64)
    samples[0, 0], samples[0, 1] = 0, 2**bits - 1
    return samples


def levels(samples: Pixels, bits: int) -> Pixels:
    return np.rint(samples.astype(float) * 255 / (2**bits - 1))


def on_white(colours: Pixels, alpha: Pixels) -> Pixels:
    return colours * alpha + 255 * (1 - alpha)


def read(path: Path, content: bytes, channels: int, depth: int | None = None) -> Pixels:
    """(H, W, C), as floats."""
    path.write_bytes(content)
    return read_pixels(path, None, channels, depth).transpose(1, 2, 0).astype(float)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_png(bits: int, interlaced: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    samples = drawn(rng, bits)
    found = read(tmp_path / "a.png", png(samples, bits, interlaced=interlaced), 1)
    np.testing.assert_array_equal(found, levels(samples, bits))
    key = int(samples[4, 4, 0])
    found = read(tmp_path / "b.png", png(samples, bits, transparent=struct.pack(">H", key), interlaced=interlaced), 1)
    np.testing.assert_array_equal(found, np.where(samples == key, 255, levels(samples, bits)))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_png(bits: int, tmp_path: Path, rng: np.random.Generator) -> None:
    palette, alpha = rng.integers(256, size=(2**bits, 3)), rng.integers(256, size=2**bits)
    places = drawn(rng, bits)
    colours, opaque = (table[places[..., 0].astype(int)] for table in (palette, alpha))
    np.testing.assert_array_equal(read(tmp_path / "a.png", png(places, bits, palette), 3), colours)
    found = read(tmp_path / "b.png", png(places, bits, palette, transparent=alpha.astype(np.uint8).tobytes()), 3)
    np.testing.assert_allclose(found, on_white(colours, opaque[..., None] / 255), atol=BLENDED)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_colours_and_alpha_of_png(count: int, bits: int, tmp_path: Path, rng: np.random.Generator) -> None:
    samples = drawn(rng, bits, count)
    colours = levels(samples[..., : (1 if count == 2 else 3)], bits)
    alpha = samples[..., -1:] / (2**bits - 1) if count != 3 else np.ones((SIDE, SIDE, 1))
    found = read(tmp_path / "a.png", png(samples, bits), colours.shape[-1])
    tolerance = (0 if bits == 8 else CUT) + (0 if count == 3 else BLENDED + CUT * (bits == 16))
    np.testing.assert_allclose(found, on_white(colours, alpha), atol=tolerance)


def test_a_transparent_colour_of_png(tmp_path: Path, rng: np.random.Generator) -> None:
    samples = drawn(rng, 8, 3)
    key = [int(value) for value in samples[4, 4]]
    found = read(tmp_path / "a.png", png(samples, 8, transparent=struct.pack(">HHH", *key)), 3)
    np.testing.assert_array_equal(found, np.where((samples == key).all(-1, keepdims=True), 255, samples))
    with pytest.raises(UnreadableError, match="16 bits is transparent"):
        read(tmp_path / "b.png", png(drawn(rng, 16, 3), 16, transparent=struct.pack(">HHH", *key)), 3)


#: Grey TIFFs, by photometric interpretation and bits: what Pillow reads at all is read right.
GREY_TIFF = {(photometric, bits) for photometric in (0, 1) for bits in (1, 2, 4, 6, 8, 10, 12, 14, 16, 24, 32, 64)}
READ_TIFF = {
    *(("<", photometric, bits) for photometric in (0, 1) for bits in (1, 2, 4, 8, 16)),
    *((">", photometric, bits) for photometric in (0, 1) for bits in (1, 2, 4, 8)),
    ("<", 1, 12),
    (">", 1, 16),
}


@pytest.mark.rows(12)
@pytest.mark.parametrize(("photometric", "bits"), sorted(GREY_TIFF))
@pytest.mark.parametrize("order", ["<", ">"])
def test_grey_tiff(order: str, photometric: int, bits: int, tmp_path: Path, rng: np.random.Generator) -> None:
    samples = drawn(rng, bits)
    right = levels(samples, bits) if photometric == 1 else 255 - levels(samples, bits)
    for reversed_bits in (False, True):
        content = tiff(samples, bits, photometric, order, reversed_bits=reversed_bits)
        try:
            found = read(tmp_path / "a.tif", content, 1)
        except UnreadableError as error:
            named = "save it with 8 or 16" in str(error) or "raw mode" in str(error)
            assert named, error  # noqa: PT017
            assert reversed_bits or (order, photometric, bits) not in READ_TIFF
        else:
            np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("bits", "kind"), [(8, 2), (16, 2), (32, 2), (64, 2), (16, 3), (32, 3), (64, 3)])
def test_signed_and_real_tiff_are_refused(
    bits: int, kind: int, order: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    """32-bit labels from 0 to 248 came out black, signed bytes with black and white exchanged."""
    samples = rng.integers(0, 100, size=(SIDE, SIDE, 1)).astype(np.int64)
    content = tiff(samples if kind == 2 else samples / 100, bits, 1, order, sample_format=kind)
    with pytest.raises(UnreadableError, match=r"save it with 8 or 16 bits"):
        read(tmp_path / "a.tif", content, 1)


@pytest.mark.rows(12)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("photometric", "colours"), [(0, 1), (1, 1), (2, 3)])
@pytest.mark.parametrize("extra", [None, 0, 1, 2])
def test_alpha_of_tiff(
    extra: int | None, photometric: int, colours: int, bits: int, order: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    most = 2**bits - 1
    samples = drawn(rng, bits, colours + (extra is not None))
    alpha = samples[..., -1:] / most if extra in (1, 2) else np.ones((SIDE, SIDE, 1))
    if extra == 1:
        samples[..., :-1] = np.minimum(samples[..., :-1], samples[..., -1:])
    shown = levels(samples[..., :colours], bits)
    right = shown + 255 * (1 - alpha) if extra == 1 else on_white(shown, alpha)
    try:
        found = read(
            tmp_path / "a.tif", tiff(samples, bits, photometric, order, extra=[extra] * (extra is not None)), colours
        )
    except UnreadableError:
        assert colours == 1  # with alpha, Pillow reads few of these
        return
    right = 255 - right if photometric == 0 else right
    tolerance = CUT * (bits == 16 and colours == 3) + {None: 0, 0: 0, 1: PREMULTIPLIED, 2: BLENDED}[extra]
    np.testing.assert_allclose(found, right, atol=tolerance * (1 + (bits == 16)))


@pytest.mark.parametrize("order", ["<", ">"])
def test_colours_of_tiff(order: str, tmp_path: Path, rng: np.random.Generator) -> None:
    for bits in (8, 16):
        for planes in (False, True):
            samples = drawn(rng, bits, 3)
            content = tiff(samples, bits, 2, order, planes=planes)
            if bits == 16 and planes:  # Pillow takes the halves of numbers for pixels
                with pytest.raises(UnreadableError, match="one after the other"):
                    read(tmp_path / "a.tif", content, 3)
            else:
                found = read(tmp_path / "a.tif", content, 3)
                np.testing.assert_allclose(found, levels(samples, bits), atol=CUT * (bits == 16))
        inks = drawn(rng, bits, 4) / (2**bits - 1)
        right = 255 * (1 - inks[..., :3]) * (1 - inks[..., 3:])
        found = read(tmp_path / "b.tif", tiff(np.rint(inks * (2**bits - 1)).astype(np.uint64), bits, 5, order), 3)
        # Two numbers, an ink and black, are cut to their upper halves before they are multiplied.
        np.testing.assert_allclose(found, right, atol=BLENDED + 2 * CUT * (bits == 16))
    for bits in (1, 2, 4, 8):
        palette, places = rng.integers(256, size=(2**bits, 3)), drawn(rng, bits)
        found = read(tmp_path / "c.tif", tiff(places, bits, 3, order, palette=palette), 3)
        np.testing.assert_array_equal(found, palette[places[..., 0].astype(int)])
    samples = drawn(rng, 8, 3)
    y, cb, cr = np.moveaxis(samples.astype(float), -1, 0)
    right = np.stack(
        [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)], -1
    )
    found = read(tmp_path / "d.tif", tiff(samples, 8, 6, order, tags=[(530, 3, [1, 1])]), 3)
    np.testing.assert_allclose(found, right.clip(0, 255), atol=1.51)
    with pytest.raises(UnreadableError, match="YCbCr of a lower resolution"):
        read(tmp_path / "d.tif", tiff(samples, 8, 6, order), 3)
    with pytest.raises(UnreadableError, match="LAB: save it as RGB"):
        read(tmp_path / "e.tif", tiff(samples, 8, 8, order), 3)


@pytest.mark.parametrize("bits", [9, 10, 12])
def test_fewer_bits_in_files_of_sixteen(bits: int, tmp_path: Path, rng: np.random.Generator) -> None:
    """The file says 16, and what looks nearly black is no guess of ours: `depth` says what it is."""
    samples = drawn(rng, bits)
    for ending, content in {"tif": tiff(samples, 16, 1), "png": png(samples, 16)}.items():
        with pytest.raises(UnreadableError, match="set `depth`"):
            read(tmp_path / f"a.{ending}", content, 1)
        np.testing.assert_array_equal(read(tmp_path / f"a.{ending}", content, 1, depth=bits), levels(samples, bits))
        np.testing.assert_array_equal(read(tmp_path / f"a.{ending}", content, 1, depth=16), levels(samples, 16))
        with pytest.raises(UnreadableError, match="is white"):
            read(tmp_path / f"a.{ending}", png(drawn(rng, 16), 16), 1, depth=bits)
    if bits > 9:
        told = tiff(samples, 16, 1, tags=[(281, 3, [2**bits - 1])])
        np.testing.assert_array_equal(read(tmp_path / "b.tif", told, 1), levels(samples, bits))
    black = np.zeros((SIDE, SIDE, 1), np.uint64)
    assert not read(tmp_path / "c.png", png(black, 16), 1).any()
    (tmp_path / "c.png").unlink()
    (tmp_path / "b.tif").unlink(missing_ok=True)
    (tmp_path / "a.tif").unlink()
    (tmp_path / "a.png").write_bytes(png(samples, 16))
    with pytest.raises(DataError, match=r"a\.png \(none of its pixels of 16 bits is brighter than .*set `depth`"):
        open_images(DataSettings(name=str(tmp_path)))
    images = open_images(DataSettings(name=str(tmp_path), depth=bits)).images
    np.testing.assert_array_equal(images[0, 0], levels(samples, bits)[..., 0])


@pytest.mark.parametrize("top_down", [False, True])
def test_bmp(top_down: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    for bits in (1, 4, 8):
        palette, places = rng.integers(256, size=(2**bits, 3)), drawn(rng, bits)
        found = read(tmp_path / "a.bmp", bmp(places, bits, palette, top_down), 3)
        np.testing.assert_array_equal(found, palette[places[..., 0].astype(int)])
    for bits, each in ((16, 5), (24, 8), (32, 8)):
        samples = drawn(rng, each, 3)
        found = read(tmp_path / "b.bmp", bmp(samples, bits, top_down=top_down), 3)
        np.testing.assert_allclose(found, levels(samples, each), atol=CUT * (each < 8))


@pytest.mark.rows(10)
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("most", [1, 3, 100, 254, 255, 256, 1000, 4095, 65534, 65535])
@pytest.mark.parametrize("count", [1, 3])
def test_pgm_and_ppm_of_any_largest_value(
    count: int, most: int, plain: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    samples = rng.integers(most + 1, size=(SIDE, SIDE, count))
    samples[0, 0] = most
    found = read(tmp_path / "a.ppm", pnm(samples, most, plain), count)
    np.testing.assert_array_equal(found, np.rint(samples * 255 / most))


def known_modes(rng: np.random.Generator) -> dict[str, tuple[Image.Image, Pixels]]:
    """An image in each of Pillow's modes, and what it shows on white, (H, W, C); NaN where that is not known."""
    grey, rgb, alpha = drawn(rng, 8), drawn(rng, 8, 3), drawn(rng, 8)
    wide = drawn(rng, 16)
    shown: dict[str, Pixels] = {
        "1": 255.0 * (grey > 127),
        "L": grey,
        "LA": on_white(grey, alpha / 255),
        "RGB": rgb,
        "RGBA": on_white(rgb, alpha / 255),
        "CMYK": 255 * (1 - rgb / 255) * (1 - alpha / 255),
        "I;16": levels(wide, 16),
        "I;16B": levels(wide, 16),
        "I": levels(wide, 16),
        "F": np.full((SIDE, SIDE, 1), np.nan),
        "LAB": np.full((SIDE, SIDE, 3), np.nan),
        "HSV": np.full((SIDE, SIDE, 3), np.nan),
    }
    arrays: dict[str, Pixels] = {
        "1": (grey[..., 0] > 127),
        "L": grey[..., 0].astype(np.uint8),
        "LA": np.dstack([grey, alpha]).astype(np.uint8),
        "RGB": rgb.astype(np.uint8),
        "RGBA": np.dstack([rgb, alpha]).astype(np.uint8),
        "CMYK": np.dstack([rgb, alpha]).astype(np.uint8),
        "I;16": wide[..., 0].astype("<u2"),
        "I;16B": wide[..., 0].astype(">u2"),
        "I": wide[..., 0].astype(np.int32),
        "F": grey[..., 0].astype(np.float32),
        "LAB": rgb.astype(np.uint8),
        "HSV": rgb.astype(np.uint8),
    }
    made = {
        mode: (Image.frombytes(mode, (SIDE, SIDE), _raw(mode, array)), shown[mode]) for mode, array in arrays.items()
    }
    indexed = Image.fromarray(arrays["L"]).convert("P")
    indexed.putpalette(rng.integers(256, size=(256, 3)).astype(np.uint8).tobytes())
    palette = np.reshape(indexed.getpalette(), (-1, 3)).astype(float)
    return made | {"P": (indexed, palette[np.asarray(indexed)])}


def _raw(mode: str, array: Pixels) -> bytes:
    return np.packbits(array, axis=1).tobytes() if mode == "1" else array.tobytes()


#: Where Pillow changes other modes, or alpha, before it writes them.
KEPT = {"GIF": ("1", "L", "P"), "WEBP": ("L", "RGB", "RGBA")}
FORMATS = {"PNG": {}, "TIFF": {}, "BMP": {}, "GIF": {}, "PPM": {}, "WEBP": {"lossless": True, "exact": True}}


def written(image: Image.Image, form: str, **options: Any) -> bytes | None:
    """As Pillow writes it; None where it cannot."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image.save(content, form, **options)
        except (OSError, ValueError, KeyError):
            return None
    return content.getvalue()


@pytest.mark.parametrize("form", FORMATS)
def test_every_mode_that_pillow_writes(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    tried = []
    for mode, (image, right) in known_modes(rng).items():
        content = written(image, form, **FORMATS[form])
        if content is None or mode not in KEPT.get(form, (mode,)):
            continue
        tried.append(mode)
        with Image.open(io.BytesIO(content)) as again:
            kept = again.mode
        colours = right.shape[-1]
        if np.isnan(right).any() or (form, mode) == ("TIFF", "I"):
            with pytest.raises(UnreadableError, match="save it"):
                read(tmp_path / f"a.{form.lower()}", content, colours)
            continue
        found = read(tmp_path / f"a.{form.lower()}", content, colours)
        if kept == "RGB" and mode in ("LA", "RGBA"):  # the format dropped alpha, not we
            continue
        np.testing.assert_allclose(
            found, right, atol=0 if mode in ("1", "L", "P", "RGB", "I", "I;16", "I;16B") else BLENDED
        )
    assert len(tried) >= 3


def orientations(upright: Pixels) -> Iterator[tuple[int, Pixels]]:
    """EXIF's eight orientations, and the pixels that a file stores to be seen as these."""
    flipped, turned = upright[:, ::-1], upright.transpose(1, 0, 2)
    yield from (
        *((1, upright), (2, flipped), (3, upright[::-1, ::-1]), (4, upright[::-1])),
        *((5, turned), (6, turned[::-1]), (7, turned[::-1, ::-1]), (8, turned[:, ::-1])),
    )


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_images_are_upright(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    upright = np.kron(rng.integers(2, size=(3, 5, 1)), np.ones((16, 16, 1))) * np.array([255, 255, 255])
    right = upright[:, 16:64]  # the square in the middle
    for turn, stored in orientations(upright):
        exif = Image.Exif()
        exif[0x0112] = turn
        options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
        content = written(Image.fromarray(stored.astype(np.uint8)), form, exif=exif, **options)
        assert content
        found = read(tmp_path / f"a.{form.lower()}", content, 3)
        np.testing.assert_allclose(found, right, atol=40 if form == "JPEG" else 0, err_msg=f"orientation {turn}")
    found = read(tmp_path / "b.tif", tiff(stored[..., :1].astype(int), 8, 1, tags=[(274, 3, [8])]), 1)
    np.testing.assert_array_equal(found, right[..., :1])


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "GIF"])
def test_the_first_of_several_frames_is_taken(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    frames = [Image.fromarray(np.asarray(drawn(rng, 8)[..., 0], np.uint8)) for _ in range(3)]
    options = {"lossless": True} if form == "WEBP" else {}
    content = written(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert content
    np.testing.assert_array_equal(read(tmp_path / f"a.{form.lower()}", content, 1)[..., 0], np.asarray(frames[0]))


def test_photographs_in_four_inks(tmp_path: Path) -> None:
    """JPEGs of CMYK hold their inks inverted, as Adobe's do."""
    inks = np.zeros((32, 32, 4), np.uint8)
    inks[:, :16, 0], inks[16:, :, 3] = 200, 128
    content = written(Image.frombytes("CMYK", (32, 32), inks.tobytes()), "JPEG", quality=98)
    assert content
    right = 255 * (1 - inks[..., :3] / 255) * (1 - inks[..., 3:] / 255)
    found = read(tmp_path / "a.jpg", content, 3)
    corners = np.ix_([4, 28], [4, 28])
    np.testing.assert_allclose(found[corners], right[corners], atol=6)
