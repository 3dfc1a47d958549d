"""Where the files of a data set may lie."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from qgen.errors import DataError
from qgen.storage import user_folder

VARIABLE = "QGEN_DATA"
_SYSTEM = (Path("/usr/share/datasets"), Path("/usr/local/share/datasets"))


def roots(data_dir: Path | None) -> list[Path]:
    """The folders to look in, first to last: the one given, that of `QGEN_DATA`, the user's and the system's."""
    return list(dict.fromkeys([*_chosen(data_dir), *_SYSTEM]))


def download_root(data_dir: Path | None) -> Path | None:
    """The folder that downloads go to: the one given, that of `QGEN_DATA`, or the user's; None without a home."""
    return next(iter(_chosen(data_dir)), None)


def expanded(path: str | Path) -> Path:
    """The path with the home folder that `~` or `~name` stands for: not every path has been through a shell.

    Raises:
        DataError: there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataError(f"`{path}` begins with a home folder that does not exist; give the whole path.") from error


def find_files(name: str, data_dir: Path | None, folders: tuple[str, ...]) -> Iterator[Path]:
    """Where `name.gz` or `name` lies: of each root first in these sub-folders, then in itself."""
    for root in roots(data_dir):
        for folder in (*folders, "."):
            for candidate in (root / folder / f"{name}.gz", root / folder / name):
                if os.path.isfile(candidate):  # also where a folder may not be looked into
                    yield candidate


def _chosen(data_dir: Path | None) -> list[Path]:
    given = [data_dir, os.environ.get(VARIABLE), user_folder(sys.platform, os.environ)]
    return [expanded(path) for path in given if path]
