"""`qgen data`: it says what is there, and fetches only what it was told to."""

import gzip
import hashlib
import json
import re
import shutil
import struct
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from qgen.cli.main import app
from qgen.data import DataSettings, load, open_images, save_single, sets, sources, status
from qgen.data.emoji import sources as emoji_sources
from qgen.data.idx import IdxFile

PNG = b"\x89PNG\r\n\x1a\n"


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def shown(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def told(*arguments: object) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder of this test alone; no file of the machine is found. The terminal is wide."""
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.delenv("QGEN_DATA", raising=False)
    monkeypatch.setattr(sources, "user_folder", lambda platform, environ: tmp_path / "home")
    monkeypatch.setattr(sources, "_SYSTEM", ())
    for places in ("_FONT_FOLDERS", "_NODE_FOLDERS"):
        monkeypatch.setattr(emoji_sources, places, (tmp_path / "nowhere",))
    return tmp_path / "home"


@pytest.fixture
def published(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set `small` of 20 + 20 images of 4x4 pixels, known and published in the folder that is returned."""
    folder = tmp_path / "published"
    folder.mkdir()

    def publish(name: str, numbers: np.ndarray) -> IdxFile:
        content = struct.pack(f">HBB{numbers.ndim}I", 0, 8, numbers.ndim, *numbers.shape) + numbers.tobytes()
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        return IdxFile(name, numbers.shape, hashlib.sha256(content).hexdigest(), len(content))

    train, test = (
        (
            publish(f"{part}-images", rng.integers(256, size=(20, 4, 4), dtype=np.uint8)),
            publish(f"{part}-labels", np.arange(20, dtype=np.uint8) % 4 // 3),  # three of a class to one of the other
        )
        for part in ("train", "test")
    )
    source = sets.IdxSource(("small",), (folder.as_uri() + "/",), train, test)
    known = sets.KnownSet("small", "noise", 4, 20, 20, ("many", "few"), "Nobody (2026)", "CC0", source)
    for module in (sets, load, status):  # `status` is there already: it would keep what it is imported under
        monkeypatch.setattr(module, "KNOWN_SETS", MappingProxyType({"small": known}))
    return folder


def test_list_names_every_set_and_what_it_would_take(home: Path) -> None:
    text, rows = shown(), {row["name"]: row for row in told()}
    assert list(rows) == ["digits", "mnist", "fashion-mnist", "emoji", "gamma", "gaussian-3d"]
    assert "1,438 images and 359 for testing, 8x8, grey, in 10 classes" in text
    assert "here: scikit-learn" in text
    assert "not here: qgen data mnist --download fetches 12 MB from https://" in text
    for name, row in rows.items():
        assert name in text
        assert " ".join(row["reference"].split()) in text
        assert row["licence"] in text
        here = {"digits": "scikit-learn", "mnist": None, "fashion-mnist": None, "emoji": None}
        assert (row["present"], row["problem"]) == (here.get(name, "drawn by qgen, the same on every machine"), None)
    assert (rows["mnist"]["train"], rows["mnist"]["test"], rows["mnist"]["size"]) == (60_000, 10_000, 28)
    assert not home.exists()


def test_digits_are_counted_and_drawn(tmp_path: Path) -> None:
    text = shown("digits", "--figure", tmp_path / "digits.png")
    assert "classes, train 0: 142, 1: 146, 2: 142" in text
    assert "classes, test 0: 36, 1: 36, 2: 35" in text
    assert f"drawn into {tmp_path}" in text.replace("/ ", "/")
    with Image.open(tmp_path / "digits.png") as picture:
        assert picture.mode == "L"
        assert 600 <= picture.width == picture.height <= 900
    facts = told("digits")
    assert sum(facts["parts"]["train"]["counts"].values()) == facts["train"] == 1438
    assert len(facts["parts"]["test"]["sha256"]) == 64
    assert facts["figure"] is None


def test_distributions_are_described_by_their_moments_and_drawn(tmp_path: Path) -> None:
    assert "10,000 samples and 100,000 for testing, of a number in [-1, 1]" in shown("gamma")
    text, facts = shown("gaussian-3d", "--figure", tmp_path / "figure.png"), told("gaussian-3d")
    assert "of 3 numbers in [-1, 1]" in text
    assert "classes" not in text
    assert (facts["kind"], facts["channels"], facts["train"], facts["test"]) == ("distribution", 3, 10_000, 100_000)
    for split in ("train", "test"):
        part = facts["parts"][split]
        samples = open_images(DataSettings(name="gaussian-3d", split=split))
        values = samples.images.reshape(-1, 3).double().numpy()
        np.testing.assert_allclose(part["mean"], values.mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(part["deviation"], values.std(axis=0, ddof=1))
        related = np.corrcoef(values.T)
        assert part["correlations"] == pytest.approx(
            {"x1, x2": related[0, 1], "x1, x3": related[0, 2], "x2, x3": related[1, 2]}
        )
        assert f"x1, x3: {related[0, 2]:.3f}" in text
        assert part["sha256"] == samples.sha256
    with Image.open(tmp_path / "figure.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert (pixels.max(axis=2) > pixels.min(axis=2)).any()  # it is in colour


def test_a_figure_has_a_class_a_row(tmp_path: Path) -> None:
    assert run("digits", "--figure", tmp_path / "digits.png").exit_code == 0
    with Image.open(tmp_path / "digits.png") as picture:
        step, digits = picture.width // (10 * 8 + 9), load_digits()  # the gaps are a pixel of the digits wide
        grid = np.asarray(picture).astype(int)
    bytes_of = np.rint(digits.images * 255 / 16).astype(int)
    known = {image.tobytes(): label for image, label in zip(bytes_of, digits.target, strict=True)}
    side = 8 * step
    for row in range(10):
        for column in range(10):
            top, left = row * (side + step), column * (side + step)
            tile = grid[top : top + side : step, left : left + side : step]
            assert known[tile.tobytes()] == row


def test_a_set_that_is_missing_is_described_and_not_fetched(published: Path, home: Path) -> None:
    text = shown("small")
    assert f"not here: qgen data small --download fetches 0 MB from {published.as_uri()}" in text
    assert "classes" not in text.replace("in 2 classes", "")
    assert told("small")["parts"] == {}
    assert not home.exists()
    result = run("small", "--figure", "small.png")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "`qgen data small --download` fetches it" in result.stderr
    assert not Path("small.png").exists()


@pytest.mark.usefixtures("published")
def test_download_fetches_the_set_once(home: Path, tmp_path: Path) -> None:
    assert "classes, train many: 15, few: 5" in shown("small", "--download")
    assert sorted(path.name for path in (home / "small").iterdir()) == [
        *("test-images.gz", "test-labels.gz", "train-images.gz", "train-labels.gz")
    ]
    shutil.rmtree(tmp_path / "published")
    text = shown("small", "--download")
    assert "each has the published SHA-256" in text
    assert told("small")["present"] == str(home / "small")
    shown("small", "--figure", tmp_path / "small.PNG")
    assert (tmp_path / "small.PNG").read_bytes().startswith(PNG)


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("by", ["option", "variable"])
def test_the_folder_can_be_chosen(by: str, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if by == "variable":
        monkeypatch.setenv("QGEN_DATA", str(tmp_path / "chosen"))
    facts = told("small", "--download", *(["--data-dir", tmp_path / "chosen"] if by == "option" else []))
    assert facts["present"] == str(tmp_path / "chosen" / "small")
    assert not home.exists()


def test_damaged_files_are_listed_as_such_and_are_an_error_of_their_set(tmp_path: Path) -> None:
    damaged = tmp_path / "mnist" / "train-images-idx3-ubyte.gz"
    damaged.parent.mkdir()
    damaged.write_bytes(gzip.compress(bytes(100)))
    rows = {row["name"]: row for row in told("--data-dir", tmp_path)}
    assert str(damaged) in rows["mnist"]["problem"]
    assert rows["fashion-mnist"]["problem"] is None
    assert "not usable:" in shown("--data-dir", tmp_path)
    result = run("mnist", "--data-dir", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert str(damaged) in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.fixture
def photographs(tmp_path: Path, rng: np.random.Generator) -> Path:
    for name, shape in (("cat/1.png", (8, 8, 3)), ("cat/2.png", (12, 9)), ("dog/1.png", (8, 8))):
        (tmp_path / "photographs" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8)).save(tmp_path / "photographs" / name)
    return tmp_path / "photographs"


def test_a_folder_is_reported(photographs: Path, tmp_path: Path) -> None:
    (photographs / "dog" / "2.png").write_bytes(b"no image")
    text = shown(photographs, "--figure", tmp_path / "figure.png")
    assert "images 3 that can be read" in text
    assert "8x8: 2, 9x12: 1 (set data.size to train on them)" in text
    assert "classes cat: 2, dog: 1" in text
    assert "1 unreadable dog/2.png (it is not an image" in text
    assert (tmp_path / "figure.png").read_bytes().startswith(PNG)
    facts = told(photographs)
    assert (facts["images"], facts["counts"], facts["size"], facts["channels"]) == (3, {"cat": 2, "dog": 1}, None, 3)
    assert list(facts["unreadable"]) == ["dog/2.png"]


def test_the_cache_of_a_folder_is_shown(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QGEN_CACHE", str(tmp_path / "cache"))
    assert told(photographs)["caches"] == {}
    open_images(DataSettings(name=str(photographs), size=4, cache="always"))
    ((path, size),) = told(photographs)["caches"].items()
    assert size == 3 * 3 * 4 * 4  # three images, one of them in colour
    assert Path(path).parent == tmp_path / "cache" / "images"
    assert "(0.1 KiB)" in shown(photographs)


def test_of_many_unreadable_files_ten_are_named_and_all_in_json(photographs: Path) -> None:
    for number in range(25):
        (photographs / f"{number:02}.png").touch()
    text = shown(photographs)
    assert "25 unreadable 00.png" in text
    assert "09.png (it is empty), and 15 more" in text
    assert "10.png" not in text
    assert len(told(photographs)["unreadable"]) == 25


def test_a_folder_in_which_nothing_can_be_read_is_reported_too(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "image.png").touch()
    assert "images none that can be read" in shown(tmp_path / "set")
    assert run(tmp_path / "set", "--figure", tmp_path / "x.png").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("--download",), 2, "--download, --figure and --captions go with the name"),
        (("--figure", "x.png"), 2, "--download, --figure and --captions go with the name"),
        (("digits", "--figure", "x.jpg"), 2, "does not end in .png"),
        (("digits", "--figure", "x.svg"), 2, "does not end in .png"),
        (("gamma", "--figure", "x.gif"), 2, "does not end in .png or .svg or .pdf"),
        ((".", "--download"), 2, "only digits, mnist, fashion-mnist"),
        (("mnsit",), 1, "did you mean `mnist`?"),
        (("gaussian3d",), 1, "did you mean `gaussian-3d`?"),
        (("no/such/folder",), 1, "neither a data set nor a folder"),
        ((".",), 1, "There are no images in ."),
        (("digits", "--figure", "no/such/folder/x.png"), 1, "Cannot write no/such/folder/x.png: No such file"),
    ],
)
def test_errors_name_what_is_wrong(
    arguments: tuple[str, ...], code: int, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == code
    assert named in " ".join(result.stderr.split())
    assert not result.stdout
    if code == 1:
        assert len(result.stderr.splitlines()) == 1


def test_captions_of_a_set_and_of_a_folder_are_shown(tmp_path):
    shown = CliRunner().invoke(app, ["data", "digits", "--captions", "attributes"])
    assert shown.exit_code == 0, shown.output
    assert re.search(r"captions +\d+ different ones of \d+ words, such as", shown.stdout)
    facts = json.loads(CliRunner().invoke(app, ["data", "digits", "--captions", "class", "--json"]).stdout)
    assert facts["captions"]["different"] == 10
    assert set(facts["captions"]["examples"]) <= set("0123456789")
    save_single(torch.zeros(2, 1, 4, 4), tmp_path, ["x", "y"])
    for name in "xy":
        (tmp_path / f"{name}.txt").write_text(f"a black {name}")
    facts = json.loads(CliRunner().invoke(app, ["data", str(tmp_path), "--captions", "own", "--json"]).stdout)
    assert facts["captions"] == {"different": 2, "words": 4, "examples": ["a black x", "a black y"]}


def test_captions_that_cannot_be_are_refused():
    for arguments in (["gaussian-3d", "--captions", "class"], ["--captions", "class"]):
        assert CliRunner().invoke(app, ["data", *arguments]).exit_code == 2
    refused = CliRunner().invoke(app, ["data", "digits", "--captions", "own"])
    assert refused.exit_code != 0
    assert "comes without captions" in str(refused.exception) + refused.output


def test_captioned_sets_say_which_packages_have_them(tmp_path: Path) -> None:
    assert "not here: it comes with Debian's package fonts-noto-color-emoji" in shown("emoji")
    facts = told("emoji")
    assert (facts["present"], facts["sha256"], facts["kind"]) == (None, None, "captioned")
    result = run("emoji", "--captions", "own")
    assert result.exit_code == 1
    assert "fonts-noto-color-emoji" in result.output
    assert run("emoji", "--download").exit_code == 2
