"""Files that are none, never end, or have names that are no text: among images, and wherever a user names one."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from qgen.cli.main import app
from qgen.data import DataSettings, open_images
from qgen.data.inspect import inspect_folder
from qgen.errors import ConfigError, DataError, QgenError
from qgen.noise import read_noise
from qgen.runs import Run, read_config
from qgen.runs.folder import find_run
from qgen.user_files import check_regular, open_regular, printable, read_bytes, read_text

NOT_TEXT = os.fsdecode(b"caf\xe9 \x1b[1m")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="other kinds of files")


@pytest.fixture(params=["pipe", "socket", "device", "folder", "dangling link", "link to a device"])
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """What is there under a file's name, and is none."""
    path = tmp_path / "odd.png"
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        make: dict[str, Callable[[], object]] = {
            "pipe": lambda: os.mkfifo(path),
            "socket": lambda: listening.bind(os.path.relpath(path)),
            "device": lambda: path.symlink_to("/dev/zero"),
            "folder": path.mkdir,
            "dangling link": lambda: path.symlink_to("nowhere"),
            "link to a device": lambda: path.symlink_to("/dev/tty"),
        }
        make[request.param]()
        yield path


def test_the_door_opens_regular_files_only(odd: Path, tmp_path: Path) -> None:
    for enter in (open_regular, check_regular, read_text):
        with pytest.raises(OSError, match=r".") as caught:
            enter(odd)
        assert caught.value.strerror
        assert "\n" not in caught.value.strerror
    (tmp_path / "whole").write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(tmp_path / "whole") == "abc"
    assert read_bytes(tmp_path / "whole", 6) == b"\xef\xbb\xbfabc"
    with pytest.raises(OSError, match="larger than"):
        read_bytes(tmp_path / "whole", 5)
    (tmp_path / "bytes").write_bytes(b"a\nb\xff")
    with pytest.raises(OSError, match=r"not text in UTF-8 \(line 2\)"):
        read_text(tmp_path / "bytes")
    for name in ("a\0b", "a\ud800b"):
        with pytest.raises(OSError, match=r"no file can have such a name|No such file"):
            open_regular(name)


def test_odd_files_in_a_folder_of_images_are_named(odd: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(odd.parent / "whole.png")
    if odd.is_dir():
        assert len(open_images(DataSettings(name=str(odd.parent)))) == 1
        return
    assert set(inspect_folder(odd.parent).unreadable) == {"odd.png"}
    with pytest.raises(DataError, match=r"1 of 2 images .* cannot be read: odd\.png \("):
        open_images(DataSettings(name=str(odd.parent)))
    assert len(open_images(DataSettings(name=str(odd.parent), skip_unreadable=True))) == 1


def test_odd_files_as_settings_noise_and_runs(odd: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither a preset nor a readable file"):
        read_config(str(odd))
    with pytest.raises(QgenError, match="noise file"):
        read_noise(odd)
    run = tmp_path / "run"
    run.mkdir()
    odd.rename(run / "config.yaml")
    with pytest.raises(QgenError, match=r"config\.yaml"):
        Run(run).config()
    with pytest.raises(QgenError, match=r"config\.yaml"):
        find_run(run)


@pytest.mark.parametrize("name", ["a\0b", "\0", "a\nb", "\x1b[2J", "x" * 5000, NOT_TEXT], ids=ascii)
def test_odd_names_are_refused_in_one_line(name: str) -> None:
    for ask in (read_config, read_noise, lambda path: open_images(DataSettings.read({"name": path}))):
        with pytest.raises(QgenError) as caught:
            ask(name)
        assert str(caught.value).isprintable()


def test_names_that_are_no_text(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    for k, name in enumerate(["a", NOT_TEXT]):
        (folder / name).mkdir(parents=True)
        Image.fromarray(np.full((4, 4), k, np.uint8)).save(folder / name / "image.png")
    (folder / NOT_TEXT / (NOT_TEXT + ".png")).write_bytes(b"damaged")
    images = open_images(DataSettings(name=str(folder), skip_unreadable=True))
    assert images.class_names == ("a", printable(NOT_TEXT))
    report = inspect_folder(folder)
    json.dumps(report.unreadable, ensure_ascii=False).encode()
    for text in (images.name, images.source, *images.count_labels(), *report.counts, *report.unreadable, report.path):
        assert text.isprintable()
    with pytest.raises(DataError) as caught:
        open_images(DataSettings(name=str(folder)))
    assert str(caught.value).isprintable()


def test_a_run_has_a_name_that_is_no_text(tmp_path: Path) -> None:
    run = Run(tmp_path / NOT_TEXT)
    run.start(read_config("gan-classical"), {"data": str(tmp_path / NOT_TEXT)})
    assert run.config() == read_config("gan-classical")
    assert run.provenance() == {"data": str(tmp_path / NOT_TEXT)}
    with pytest.raises(ConfigError, match=r"`data\.name`: input should be text"):
        read_config("gan-classical", [f"data.name={NOT_TEXT}"])


@pytest.mark.rows(12)
@pytest.mark.parametrize(
    "place", ["a\0b", "x" * 5000, "~nobody-of-this-name/x", "pipe", "/dev/zero", "folder"], ids=ascii
)
@pytest.mark.parametrize(
    "setting",
    [
        "data.name={}",
        "backend.layout={}",
        "backend.name=aer:{}.yaml",
        "backend.name=aer:{}.json",
        "start.run={}",
        "model.discriminator.extractor.name=classifier:{}",
    ],
)
def test_files_that_settings_name(setting: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("pipe", "pipe.yaml", "pipe.json"):
        os.mkfifo(name)
    for name in ("folder", "folder.yaml", "folder.json"):
        Path(name).mkdir()
    words = ["train", "gan-quantum-g", "--set", "training.steps=1", "--set", "backend.name=aer:fake_lima"]
    result = CliRunner().invoke(app, [*words, "--set", setting.format(place)])
    assert isinstance(result.exception, QgenError | SystemExit), result.exception
    assert result.exit_code in (1, 2)
    assert "\n" not in str(result.exception)
    assert not Path("runs").exists()


def test_a_command_never_waits_for_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(*_: object) -> None:
        raise RuntimeError("it waits")

    os.mkfifo(tmp_path / "settings.yaml")
    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGALRM, waits)
    try:
        for words in (["train", "settings.yaml"], ["train", "/dev/zero"], ["describe", "settings.yaml"]):
            signal.alarm(120)
            done = CliRunner().invoke(app, words)
            assert done.exit_code in (1, 2), done.exception
            assert isinstance(done.exception, SystemExit)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
