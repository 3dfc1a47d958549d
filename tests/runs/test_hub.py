"""Exports on a stand-in of the Hugging Face hub: pushed and pulled where asked, and nothing else."""

from __future__ import annotations

import fnmatch
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import qgen
from qgen.cli.main import app
from qgen.errors import RunError


class HubError(OSError):
    """As `huggingface_hub.errors.HfHubHTTPError`, whose message has several lines."""


class Hub(ModuleType):
    """Repositories as folders; every call is noted."""

    def __init__(self, folder: Path) -> None:
        super().__init__("huggingface_hub")
        self.folder, self.calls = folder, []  # type: ignore[var-annotated]
        self.HfApi = lambda: self

    def create_repo(self, repo_id: str, *, repo_type: str, private: bool, exist_ok: bool) -> str:
        self.calls.append(("create", repo_id, private))
        if repo_id.startswith("other/"):
            raise HubError("403 Forbidden\n\nYou have no right to other/x.")
        assert (repo_type, exist_ok) == ("model", True)
        (self.folder / repo_id).mkdir(parents=True, exist_ok=True)
        return f"https://hub.example/{repo_id}"

    def upload_folder(self, *, repo_id: str, folder_path: str, repo_type: str, allow_patterns: list[str]) -> None:
        self.calls.append(("upload", repo_id))
        self._copy(Path(folder_path), self.folder / repo_id, allow_patterns)

    def snapshot_download(
        self, repo_id: str, *, repo_type: str, revision: str | None, allow_patterns: list[str]
    ) -> str:
        self.calls.append(("download", repo_id, revision))
        if not (self.folder / repo_id).exists():
            raise HubError("404 Not Found")
        cache = self.folder.with_name("cache") / repo_id
        self._copy(self.folder / repo_id, cache, allow_patterns)
        return str(cache)

    @staticmethod
    def _copy(source: Path, target: Path, patterns: list[str]) -> None:
        for path in source.rglob("*"):
            if path.is_file() and any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns):
                place = target / path.relative_to(source)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    stand_in = Hub(tmp_path / "hub")
    monkeypatch.setitem(sys.modules, "huggingface_hub", stand_in)
    monkeypatch.chdir(tmp_path)
    return stand_in


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["export", *arguments])


def test_what_is_pushed_is_loaded_with_the_same_images(hub: Hub, trained_once: Callable[..., Path]) -> None:
    run = trained_once()
    done = invoke(str(run), "--out", "mine", "--push", "me/digits", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["pushed"] == "https://hub.example/me/digits"
    assert hub.calls == [("create", "me/digits", True), ("upload", "me/digits")]
    (hub.folder / "me/digits/evil.py").write_text("raise SystemExit")
    pulled = qgen.load("hf://me/digits@v1")
    assert hub.calls[-1] == ("download", "me/digits", "v1")
    assert not list(pulled.path.glob("*.py"))
    images = [each.sample(2, seed=3, progress=False).values for each in (pulled, qgen.load("mine"))]
    assert torch.equal(*images)


def test_python_pushes_too(hub: Hub, trained_once: Callable[..., Path]) -> None:
    qgen.load(trained_once()).export("again", push="me/open", public=True)
    assert hub.calls == [("create", "me/open", False), ("upload", "me/open")]


def test_nothing_is_sent_unasked(hub: Hub, trained_once: Callable[..., Path]) -> None:
    assert invoke(str(trained_once()), "--out", "quiet").exit_code == 0
    qgen.load("quiet").export("quieter")
    assert hub.calls == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--push", "digits"), 1, "give user/name"),
        (("--push", "../me/x"), 1, "give user/name"),
        (("--push", "other/x"), 1, "cannot push new to other/x: 403 Forbidden"),
        (("--public",), 2, "--push"),
    ],
)
def test_what_cannot_be_pushed_is_one_line(
    arguments: tuple[str, ...], code: int, said: str, hub: Hub, trained_once: Callable[..., Path]
) -> None:
    result = invoke(str(trained_once()), "--out", "new", *arguments)
    assert result.exit_code == code
    assert said in " ".join(result.stderr.split())
    assert code == 2 or result.stderr.count("\n") == 1
    assert Path("new").exists() == ("other/x" in arguments)  # refused before anything was made


def test_what_cannot_be_loaded(hub: Hub) -> None:
    with pytest.raises(RunError, match="cannot load hf://me/none: 404 Not Found"):
        qgen.load("hf://me/none")
    (hub.folder / "me/bare").mkdir(parents=True)
    (hub.folder / "me/bare/README.md").touch()
    with pytest.raises(RunError, match=r"hf://me/bare is no model of qgen: it has no config\.yaml"):
        qgen.load("hf://me/bare")


def test_without_the_extra_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained_once: Callable[..., Path]
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    result = invoke(str(trained_once()), "--out", str(tmp_path / "x"), "--push", "me/x")
    assert (result.exit_code, 'pip install "qgen-torch[hub]"' in result.stderr) == (1, True)
    assert not (tmp_path / "x").exists()
    with pytest.raises(RunError, match=r"qgen-torch\[hub\]"):
        qgen.load("hf://me/x")
