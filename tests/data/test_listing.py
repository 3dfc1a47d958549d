"""Listing a folder: links, and what cannot be listed."""

import os
from pathlib import Path
from typing import Any

import pytest

from qgen.data.listing import list_folder
from qgen.errors import DataError


def test_a_folder_that_cannot_be_listed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "image.png").touch()
    (tmp_path / "locked").mkdir()
    listed = os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DataError, match=r"Cannot list .*locked: Permission denied"):
        list_folder(tmp_path)


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "image.png").touch()
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "a" / "linked").symlink_to(tmp_path / "elsewhere")
    for name in ("circle", "other circle"):  # endless, if they were followed
        (tmp_path / "set" / "a" / name).symlink_to(tmp_path / "set")
    assert list_folder(tmp_path / "set").files == ("a/linked/image.png",)


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"no images in .*\.png, \.jpg"):
        list_folder(tmp_path)
