"""Emoji: their names and colours, against other libraries; a small package made on the spot; and the font's table."""

from __future__ import annotations

import colorsys
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from effort import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image, ImageFont

from qgen.data import DataSettings, ImageSet, caption_facts, image_shape, num_classes, open_images
from qgen.data.emoji import font, sources
from qgen.data.emoji.emoji import COLOURS, colour_numbers, colour_of, plain_name
from qgen.data.emoji.load import on_white
from qgen.errors import ConfigError, DataError
from qgen.models.text import TextSettings, open_text_encoder

ROWS = [  # code, name, short name, category
    ("2764-FE0F", "HEAVY BLACK HEART", "heart", "Smileys & Emotion"),
    ("1F499", "BLUE HEART", "blue_heart", "Smileys & Emotion"),
    ("1F44B", "WAVING HAND SIGN", "wave", "People & Body"),
    ("1F1EF-1F1F5", "Japan Flag", "jp", "Flags"),
    ("1F468-200D-1F9B3", "MAN: WHITE HAIR", "white_haired_man", "People & Body"),
    ("0031-FE0F-20E3", "KEYCAP 1", "one", "Symbols"),
    ("1F697", None, "red-car", "Travel & Places"),
]
#: Where hues end that have a name, in degrees.
ENDS = ((15, "red"), (40, "orange"), (70, "yellow"), (165, "green"), (255, "blue"), (290, "purple"), (345, "pink"))
PAINT = {"HEAVY BLACK HEART": (221, 46, 68), "BLUE HEART": (93, 173, 236), "WAVING HAND SIGN": (255, 220, 93)}


@pytest.fixture(autouse=True)
def nothing_on_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for places in ("_FONT_FOLDERS", "_NODE_FOLDERS"):
        monkeypatch.setattr(sources, places, (tmp_path / "nowhere",))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def package(tmp_path: Path, rng: np.random.Generator) -> Path:
    """npm's package, with seven emoji: disks of one colour, more or less opaque at the edge."""
    folder = tmp_path / "package"
    pictures = folder / "img" / "twitter" / "64"
    pictures.mkdir(parents=True)
    y, x = np.mgrid[:64, :64] - 31.5
    opacity = (255 * np.clip(26 - np.hypot(x, y), 0, 1)).astype(np.uint8)

    def draw(name: str, colour: tuple[int, ...]) -> None:
        values = np.dstack([np.broadcast_to(np.uint8(colour), (64, 64, 3)), opacity])
        Image.fromarray(values).save(pictures / name)

    rows = []
    for code, name, short, category in ROWS:
        image = f"{code.lower()}.png"
        draw(image, PAINT.get(str(name), tuple(rng.integers(256, size=3).tolist())))
        row: dict[str, Any] = {"unified": code, "name": name, "short_name": short, "category": category}
        row |= {"image": image, "has_img_twitter": True}
        if name == "WAVING HAND SIGN":
            tones = {"1F3FB": "light.png", "1F3FF": "dark.png", "1F3FB-1F3FF": "two.png"}
            row["skin_variations"] = {tone: {"image": file, "has_img_twitter": True} for tone, file in tones.items()}
            draw("light.png", (247, 222, 206))
            draw("dark.png", (124, 83, 62))
        rows.append(row)
    rows.append(rows[0] | {"obsoleted_by": "1F44B"})
    rows.append(rows[0] | {"has_img_twitter": False})
    (folder / "emoji.json").write_text(json.dumps(rows))
    return folder


def opened(folder: Path, **settings: Any) -> ImageSet:
    return open_images(DataSettings.read({"name": "emoji", "captions": "own", **settings}), folder)


def test_the_package_is_read_in_its_order_without_flags(package: Path, tmp_path: Path) -> None:
    said: list[str] = []
    settings = DataSettings(name="emoji", captions="own")
    images = open_images(settings, package, message=said.append)
    assert images.captions is not None
    assert [images.captions[place][0] for place in range(3)] == ["red heart", "blue heart", "yellow waving hand sign"]
    assert images.captions[0] == ("red heart", "heart")
    assert images.captions[2] == ("yellow waving hand sign", "waving hand sign", "wave")
    assert images.captions[3][-1] == "white haired man"
    assert "man white hair" in images.captions[3]
    assert "keycap 1" in images.captions[4]
    assert images.captions[5][0] == "red car"
    assert len(images) == 6
    assert images.shape == image_shape(settings) == (3, 64, 64)
    assert num_classes(settings) is None
    assert len(said) == 1
    assert "CC BY 4.0" in said[0]
    assert opened(tmp_path).sha256 == images.sha256  # the folder that `npm pack` leaves
    assert set(opened(package, limit=3).captions.texts) < set(images.captions.texts)  # type: ignore[union-attr]


def test_pictures_are_put_on_white(package: Path) -> None:
    images = opened(package)
    for place, (code, name, *_) in enumerate(ROWS[:3]):
        given = np.asarray(Image.open(package / "img/twitter/64" / f"{code.lower()}.png"), np.float64)
        share = given[..., 3:] / 255
        expected = (given[..., :3] * share + 255 * (1 - share)).transpose(2, 0, 1)
        np.testing.assert_allclose(images.images[place].numpy(), expected, atol=1, err_msg=str(name))
    grey = opened(package, size=16, channels=1)
    assert grey.images.shape == (6, 1, 16, 16)
    assert grey.images[0, 0, 0, 0] == 255


def test_skin_tones_are_images_on_request(package: Path) -> None:
    captions = opened(package, skin_tones=True).captions
    assert captions is not None
    assert len(captions) == 8
    assert "waving hand sign, light skin" in captions[3]
    assert captions[4] == ("brown waving hand sign, dark skin", "waving hand sign, dark skin", "wave, dark skin")


def test_combinations_are_held_out(package: Path) -> None:
    kept = opened(package, hold_out=["blue heart", "hand"])
    assert len(kept) == 4
    assert kept.captions is not None
    assert not {"blue heart", "wave"} & set(kept.captions.texts)
    assert {"blue", "wave", "hand"} <= set(kept.captions.words)


def test_what_emoji_do_not_have_is_refused_by_a_line(package: Path) -> None:
    for settings, said in (
        ({"split": "test"}, "hold some out by `data.hold_out`"),
        ({"captions": "class"}, "have no classes"),
        ({"classes": [1]}, "emoji has no labels"),
    ):
        with pytest.raises(DataError, match=said):
            opened(package, **settings)
    (package / "img/twitter/64/1f499.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"Cannot read .*1f499\.png"):
        opened(package)
    for content in ("[", "{}", '[{"category": 3}]', '[{"category": "a", "unified": "x"}]', "3"):
        (package / "emoji.json").write_text(content)
        with pytest.raises(DataError, match=r"emoji\.json is not that of|no emoji in"):
            opened(package)


def test_without_any_source_one_line_names_the_packages(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        opened(tmp_path)
    said = str(caught.value)
    for word in ("fonts-noto-color-emoji", "emoji-datasource-twitter", "--data-dir", "QGEN_DATA", str(tmp_path)):
        assert word in said
    assert "\n" not in said
    facts = caption_facts(DataSettings(name="emoji", captions="own"))
    assert facts is not None  # a model can be described all the same
    with pytest.raises(ConfigError, match="the images that have them are not here"):
        open_text_encoder(TextSettings(), facts)


@pytest.mark.parametrize(
    ("name", "code", "plain"),
    [
        ("heavy black heart", 0x2764, "heart"),
        ("white heavy check mark", 0x2705, "check mark"),
        ("black cat", 0x1F408, "black cat"),
        ("white down pointing backhand index", 0x1F447, "down pointing backhand index"),
        ("man: white hair", 0x1F468, "man white hair"),
        ("heavy dollar sign", 0x1F4B2, "heavy dollar sign"),
    ],
)
def test_words_that_mean_another_thing_are_left_out(name: str, code: int, plain: str) -> None:
    assert plain_name(name, code) == plain


@examples(60)
@given(
    hue=st.floats(0, 359.9), saturation=st.floats(0.7, 1), value=st.floats(0.85, 1), grey=st.integers(0, 255)
)  # fmt: skip
def test_colours_by_the_hues_of_another_library(hue: float, saturation: float, value: float, grey: int) -> None:
    bright = [round(255 * part) for part in colorsys.hsv_to_rgb(hue / 360, saturation, value)]
    found = colour_numbers(np.array([bright, [grey] * 3], np.uint8))
    assert COLOURS[found[1]] in ("black", "grey", "white")
    turned = 360 * colorsys.rgb_to_hsv(*(part / 255 for part in bright))[0]
    assume(all(abs(turned - end) > 1e-6 for end, _ in ENDS))
    expected = next((name for end, name in ENDS if turned < end), "red")
    assert COLOURS[found[0]] == expected


def test_the_colour_is_of_what_is_opaque() -> None:
    values = np.zeros((10, 10, 4), np.uint8)
    assert colour_of(Image.fromarray(values)) is None
    values[:6, :, 0], values[..., 2] = 255, 255
    values[:6, :, 2], values[..., 3] = 0, 255
    assert colour_of(Image.fromarray(values)) == "red"
    values[5, :, :3] = (0, 0, 255)
    assert colour_of(Image.fromarray(values)) is None
    values[:5, :, 3] = 0
    assert colour_of(Image.fromarray(values)) == "blue"


def table(codes: list[int], build: Callable[..., bytes] = struct.pack) -> bytes:
    """A font of nothing but a table of characters, by the letter of OpenType's description."""
    groups = b"".join(build(">III", code, code, number) for number, code in enumerate(codes, 1))
    full = build(">HHIII", 12, 0, 16 + len(groups), 0, len(codes)) + groups
    cmap = build(">HHHHI", 0, 1, 3, 10, 12) + full
    return build(">IHHHH", 0x10000, 1, 0, 0, 0) + build(">4sIII", b"cmap", 0, 28, len(cmap)) + cmap


@examples(30)
@given(codes=st.sets(st.integers(0, 0x10FFFF), min_size=1, max_size=20), cut=st.integers(0, 300))
def test_the_characters_of_a_font(tmp_path_factory: pytest.TempPathFactory, codes: set[int], cut: int) -> None:
    path = tmp_path_factory.mktemp("font") / "x.ttf"
    content = table(sorted(codes))
    path.write_bytes(content)
    assert font.read_codes(path) == sorted(codes)
    if cut < len(content):
        path.write_bytes(content[:cut])
        with pytest.raises(DataError, match="is no font with a table"):
            font.read_codes(path)


def test_emoji_of_the_font_are_single_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "NotoColorEmoji.ttf"
    path.write_bytes(table([0x23, 0x31, 0x200D, 0x2764, 0x1F1E6, 0x1F3FB, 0x1F499, 0x1F9B0, 0xE0061, 0xFE4E5]))
    with pytest.raises(DataError, match="no font of bitmaps"):
        opened(tmp_path)
    red = Image.new("RGBA", (136, 128), (244, 67, 54, 255))
    monkeypatch.setattr(font, "_drawing", lambda path: lambda char: red)
    images = opened(tmp_path, size=32)
    assert images.captions is not None
    assert images.captions.texts == ("red heart", "heart", "blue heart")
    assert "Open Font License" in images.source
    with pytest.raises(DataError, match=r"`data\.skin_tones` needs npm's"):
        opened(tmp_path, skin_tones=True)


def test_opacity_and_colour_follow_from_two_backgrounds() -> None:
    """Pillow's own font draws in white, as opaque as its mask says."""
    drawn = np.asarray(font._draw(ImageFont.load_default(100), "e"))
    shape = drawn[..., 3]
    assert (shape == 255).any()
    assert (shape == 0).any()
    assert (drawn[shape > 20][:, :3] >= 245).all()
    square = on_white(Image.fromarray(drawn), 136, 3)
    assert (square >= 250).all()


@pytest.mark.slow
def test_the_font_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    source = sources.find_emoji()
    if source is None or not source.is_font:
        pytest.skip("Debian's package fonts-noto-color-emoji is not installed")
    images = opened(source.path.parent, size=32)
    assert images.captions is not None
    first = {images.captions[place][0]: place for place in range(len(images))}
    assert {"red heart", "blue heart", "yellow grinning face"} <= first.keys()
    assert len(images) > 1_000
    centre = images.images[first["blue heart"], :, 16, 16].tolist()
    assert centre[2] > centre[0] + 80
