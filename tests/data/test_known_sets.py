"""The known sets: the right images from the right place, or a sentence that says what to do."""

import gzip
import os
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from qgen.data import DataSettings, ImageSet, image_shape, list_sets, open_images, sources
from qgen.data.distributions import DISTRIBUTIONS
from qgen.data.load import open_known
from qgen.data.sets import CAPTIONED_SETS, DIGITS, FASHION_MNIST, KNOWN_SETS, MNIST
from qgen.data.sources import download_root
from qgen.errors import ConfigError, DataError
from qgen.storage import user_folder

REAL_FILES = os.environ.get("QGEN_DATA")  # as it is outside the tests


def open_small(small: Any, data_dir: Path | None = None, **settings: Any) -> ImageSet:
    return open_known(small.known, DataSettings(**settings), data_dir, download=False)


def digits(**settings: Any) -> ImageSet:
    return open_images(DataSettings(name="digits", **settings))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)


def test_digits_are_those_of_scikit_learn_split_in_two() -> None:
    train, test = digits(), digits(split="test")
    assert (len(train), len(test)) == (DIGITS.train, DIGITS.test) == (1438, 359)
    assert train.images.shape[1:] == test.images.shape[1:] == (1, 8, 8)
    own = load_digits()
    # 0..16 onto 0..255, exactly: no two levels meet, and the way back is a rounding
    levels = [round(level * 255 / 16) for level in range(17)]

    def images(of: Any, labels: Any) -> Counter[Any]:
        return Counter((np.asarray(one).astype(int).tobytes(), int(k)) for one, k in zip(of, labels, strict=True))

    both = torch.cat([train.images, test.images])[:, 0]
    expected = np.take(levels, own.images.astype(int))
    assert images(both, torch.cat([train.labels, test.labels])) == images(expected, own.target)
    assert set(both.unique().tolist()) == set(levels)
    assert train.class_names == tuple("0123456789")


def test_each_digit_is_held_out_to_one_fifth() -> None:
    everything, test = np.bincount(load_digits().target), digits(split="test").count_labels()
    assert list(test.values()) == [round(count / 5) for count in everything]


def test_the_choice_of_digits_stays_the_same() -> None:
    # Models are compared across releases by these images, so they may not move.
    assert digits(split="test").sha256.startswith("7e5bb50ac720b24f")
    assert digits().sha256.startswith("68fc41759894271a")
    assert digits(limit=100).sha256.startswith("b66ec4c0da10c05e")


def test_scaled_images_span_minus_one_to_one() -> None:
    images = digits()
    scaled = images.scaled(torch.arange(len(images)))
    assert scaled.dtype == torch.float32
    assert (scaled.min(), scaled.max()) == (-1, 1)
    picked = torch.tensor([5, 3, 5])
    torch.testing.assert_close(images.scaled(picked), images.images[picked].double().div(255).mul(2).sub(1).float())
    assert images.scaled(picked).shape == (3, 1, 8, 8)


def test_classes_and_limit() -> None:
    few = digits(classes=(3, 7), limit=41)
    assert sorted(few.labels.unique().tolist()) == [3, 7]  # labels stay as they are
    assert abs(int((few.labels == 3).sum()) - int((few.labels == 7).sum())) == 1
    assert few.count_labels()["3"] == int((few.labels == 3).sum())
    for settings, words in (
        ({"classes": (3, 12)}, "no images of class 12; its labels are 0, 1"),
        ({"limit": 1439}, r"`limit` is 1,439, but digits \(train\) has 1,438 images"),
        ({"classes": (1,), "limit": 1000}, "has 146 images of class 1"),
    ):
        with pytest.raises(DataError, match=words):
            digits(**settings)


def test_a_fraction_of_the_images() -> None:
    tenth, hundredth = digits(fraction=0.1), digits(fraction=0.01)
    assert (len(tenth), len(hundredth)) == (144, 14)
    assert min(hundredth.count_labels().values()) == 1
    assert hundredth.sha256 == digits(limit=14).sha256
    assert digits(fraction=1).sha256 == digits().sha256
    assert len(digits(fraction=1e-9)) == 1
    assert digits(classes=(3, 7), fraction=0.5).count_labels().keys() >= {"3", "7"}
    assert image_shape(DataSettings(fraction=0.1)) == (1, 8, 8)


def test_other_sizes_and_channels() -> None:
    own = digits(limit=20)
    for size in (5, 16):
        other = digits(limit=20, size=size, channels=3)
        assert other.images.shape == (20, 3, size, size)
        assert (other.images == other.images[:, :1]).all()
        assert other.sha256 != own.sha256
        expected = own.images.double()
        for shape in ((8, size), (size, size)):  # torch's filter is the same; bytes are made after each axis
            expected = torch.nn.functional.interpolate(expected, shape, mode="bicubic", antialias=True)
            expected = expected.round().clamp(0, 255)
        assert (other.images[:, :1] - expected).abs().max() <= 1  # where the filters round differently


@pytest.mark.parametrize("settings", [{}, {"size": 12}, {"channels": 3}, {"size": 5, "channels": 1, "limit": 3}])
def test_the_shape_is_known_beforehand(settings: dict[str, Any]) -> None:
    assert image_shape(DataSettings(**settings)) == tuple(digits(**settings).images.shape[1:])
    assert image_shape(DataSettings(name="mnist", **settings))[1] == settings.get("size", 28)


def test_what_does_not_fit_into_memory_is_refused_beforehand() -> None:
    with pytest.raises(DataError, match=r"1,438 images of 3x1000000x1000000 take .* GiB .*`limit`"):
        digits(size=10**6, channels=3)


def test_the_copy_that_resizing_makes_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    one = 10 * 16 * 16
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2 * one))
    with pytest.raises(DataError, match="10 images of 1x16x16 take"):
        digits(limit=10, size=16)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=3 * one))
    assert len(digits(limit=10, size=16)) == 10


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"classes": (1, 1)}, "names a label twice: 1, 1"),
        ({"classes": ()}, "classes"),
        ({"size": 0}, "size"),
        ({"channels": 2}, "channels"),
        ({"limit": 0}, "limit"),
        ({"split": "valid"}, "split"),
        ({"nam": "digits"}, "Did you mean `name`"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        DataSettings.read(settings)


def test_an_unknown_name_gets_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="did you mean `fashion-mnist`"):
        open_images(DataSettings(name="fashion_mnist"))
    with pytest.raises(DataError, match="known sets: digits, mnist, fashion-mnist"):
        open_images(DataSettings(name=str(tmp_path / "x")))
    with pytest.raises(DataError, match="`~nobody-at-all/x` begins with a home folder that does not exist"):
        open_images(DataSettings(name="~nobody-at-all/x"))
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file"):
        open_images(DataSettings(name=str(tmp_path / "file")))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("folder", ["", "small", "Small/raw"])
def test_files_are_found_and_read(folder: str, packed: bool, small: Any, tmp_path: Path) -> None:
    small.write(tmp_path / folder, packed=packed)
    images = open_small(small, tmp_path)
    np.testing.assert_array_equal(images.images[:, 0], small.numbers["train-images"])
    np.testing.assert_array_equal(images.labels, small.numbers["train-labels"])
    assert images.source == str(tmp_path / folder / "train-images") + (".gz" if packed else "")
    test = open_small(small, tmp_path, split="test")
    np.testing.assert_array_equal(test.images[:, 0], small.numbers["t10k-images"])


def test_the_given_folder_comes_before_the_variable_and_that_before_the_users(
    small: Any, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, variable = tmp_path / "1", tmp_path / "2"
    monkeypatch.setenv("QGEN_DATA", str(variable))
    for folder in (home / "small", variable, variable / "small", given, given / "Small/raw", given / "small"):
        small.write(folder)
        assert open_small(small, given).source == str(folder / "train-images.gz")
    assert open_small(small).source == str(variable / "small" / "train-images.gz")


def test_a_home_folder_that_no_shell_expanded(small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    small.write(tmp_path / "datasets")
    given = Path("~/datasets")
    assert open_small(small, given).source == str(tmp_path / "datasets" / "train-images.gz")
    assert download_root(given) == tmp_path / "datasets"
    monkeypatch.setenv("QGEN_DATA", str(given))
    assert open_small(small).source == str(tmp_path / "datasets" / "train-images.gz")
    assert download_root(None) == tmp_path / "datasets"
    with pytest.raises(DataError, match="`~nobody-at-all` begins with a home folder that does not exist"):
        open_small(small, Path("~nobody-at-all"))


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", {"XDG_DATA_HOME": "/x"}, Path("/x/qgen")),
        ("linux", {"XDG_DATA_HOME": "relative"}, Path("~/.local/share/qgen")),  # to be ignored, says its definition
        ("linux", {}, Path("~/.local/share/qgen")),
        ("darwin", {"XDG_DATA_HOME": "/x"}, Path("~/Library/Application Support/qgen")),
        ("win32", {"LOCALAPPDATA": "/x"}, Path("/x/qgen")),
        ("win32", {}, Path("~/AppData/Local/qgen")),
    ],
)
def test_the_users_folder(platform: str, environ: dict[str, str], folder: Path) -> None:
    assert user_folder(platform, environ) == folder.expanduser()


def test_a_user_without_a_home_has_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert user_folder("linux", {}) is None


def test_a_damaged_file_is_named_and_nothing_else_is_used(small: Any, tmp_path: Path, home: Path) -> None:
    small.write(home / "small")
    small.write(tmp_path)
    packed = (tmp_path / "train-images.gz").read_bytes()
    for damaged, words in (
        (packed[:-20], "incomplete"),
        (gzip.compress(small.content["train-images"][:-1]), "bytes long"),
        (gzip.compress(small.content["t10k-images"]), "shape"),
        (gzip.compress(small.content["train-images"][:-1] + b"x"), "SHA-256"),
        (b"", "begins with nothing"),
    ):
        (tmp_path / "train-images.gz").write_bytes(damaged)
        with pytest.raises(DataError, match=words) as caught:
            open_small(small, tmp_path)
        for word in (str(tmp_path / "train-images.gz"), "train-images of small", "--data-dir"):
            assert word in str(caught.value)
    (tmp_path / "train-images.gz").unlink()
    assert str(home) in open_small(small, tmp_path).source


def test_a_file_of_another_known_set_is_passed(
    small: Any, tmp_path: Path, home: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = type(small)(rng)
    other.write(tmp_path)
    with pytest.raises(DataError, match="SHA-256"):
        open_small(small, tmp_path)
    monkeypatch.setattr(sources, "KNOWN_SETS", {"other": other.known, "small": small.known})
    with pytest.raises(DataError, match=r"small needs train-images\.gz, which is in none of"):
        open_small(small, tmp_path)
    small.write(home / "small")
    np.testing.assert_array_equal(open_small(small, tmp_path).images[:, 0], small.numbers["train-images"])


@pytest.mark.usefixtures("no_network")
def test_without_files_and_network_the_error_says_where_it_looked_and_what_to_do(
    small: Any, tmp_path: Path, home: Path
) -> None:
    known = small.published_at("https://one.example/", "https://two.example/small/")
    for download in (True, False):
        with pytest.raises(DataError) as caught:
            open_known(known, DataSettings(), tmp_path, download=download)
        said = str(caught.value)
        assert "\n" not in said
        for word in (str(tmp_path), str(home), "small, Small/raw", "QGEN_DATA", "--data-dir", "t10k-labels.gz"):
            assert word in said
        for word in ("https://one.example/train-images.gz", "https://two.example/small/", "service not known"):
            assert (word in said) == download
        assert ("qgen data small --download" in said) != download
    assert not list(tmp_path.iterdir())  # not even a folder


def test_list_names_every_set_and_where_it_is(small: Any, tmp_path: Path) -> None:
    sets = {status.name: status for status in list_sets()}
    assert list(sets) == [*KNOWN_SETS, *CAPTIONED_SETS, *DISTRIBUTIONS]
    for known in KNOWN_SETS.values():
        status = sets[known.name]
        assert (status.name, status.train, status.test) == (known.name, known.train, known.test)
        assert status.present == ("scikit-learn" if known is DIGITS else None)
        assert status.problem is None
        assert (status.reference, status.licence) == (known.reference, known.licence)
        assert (status.download_bytes > 10**7) == (known is not DIGITS)
        assert (status.kind, status.channels, len(status.class_names)) == ("images", 1, 10)
    known = small.published_at("https://one.example/")
    small.write(tmp_path / "small")
    (status,) = list_sets(tmp_path, [known])
    assert (status.present, status.problem) == (str(tmp_path / "small"), None)
    assert (status.destination, status.origin) == (str(tmp_path / "small"), "https://one.example/")
    (tmp_path / "small" / "t10k-labels.gz").unlink()
    (status,) = list_sets(tmp_path, [known])
    assert status.present is None
    assert "t10k-labels.gz of small missing" in str(status.problem)
    (tmp_path / "small" / "t10k-labels.gz").write_bytes(b"x")
    (status,) = list_sets(tmp_path, [known])
    assert status.present is None
    assert str(tmp_path / "small" / "t10k-labels.gz") in str(status.problem)


def test_equal_images_have_equal_digests_and_others_do_not(small: Any, tmp_path: Path) -> None:
    small.write(tmp_path)
    one, again = open_small(small, tmp_path), open_small(small, tmp_path)
    assert one.sha256 == again.sha256
    changed = one.images.clone()
    changed[3, 0, 2, 2] ^= 1
    others = {
        ImageSet.of("", images, labels, None, "").sha256
        for images, labels in (
            (changed, one.labels),
            (one.images, (one.labels + 1) % 3),
            (one.images, None),
            (one.images.reshape(30, 1, 4, 9), one.labels),
            (one.images[:29], one.labels[:29]),
        )
    }
    assert len(others | {one.sha256}) == 6


@pytest.mark.skipif(not REAL_FILES, reason="QGEN_DATA does not name a folder with the files of MNIST or Fashion-MNIST")
def test_the_real_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QGEN_DATA", str(REAL_FILES))
    present = [status.name for status in list_sets() if status.present and status.download_bytes]
    assert present
    for name in present:
        train, test = (open_images(DataSettings(name=name, split=split), download=False) for split in ("train", "test"))
        assert train.images.shape == (60_000, 1, 28, 28)
        assert test.images.shape == (10_000, 1, 28, 28)
        if name == FASHION_MNIST.name:
            assert set(train.count_labels().values()) == {6000}
        if name == MNIST.name:  # as the authors' page has them
            assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
            assert test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
        mean = train.images.double().mean() / 255
        assert mean == pytest.approx({"mnist": 0.1307, "fashion-mnist": 0.2860}[name], abs=5e-5)
        limited = open_images(DataSettings(name=name, limit=1000), download=False)
        assert set(limited.count_labels().values()) == {100}
