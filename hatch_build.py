"""What an editable install puts on Python's path: a folder with a link to the package, and nothing else of this tree.

The root itself would make its links (circuits, backends, cli) importable everywhere, and an import hook, which could do
without a folder, is not seen by mypy, pyright and editors: they read paths, and run nothing.
"""

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class EditableLink(BuildHookInterface):  # type: ignore[type-arg]
    """Makes the folder that `dev-mode-dirs` in pyproject.toml names."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            link = Path(self.root, ".editable", "qgen")
            link.parent.mkdir(exist_ok=True)
            _make_link(link, Path(self.root, "qgen"))


def _make_link(link: Path, folder: Path) -> None:
    if link.is_symlink():
        link.unlink()  # of a tree that was moved
    if link.exists():
        return
    try:
        link.symlink_to(os.path.relpath(folder, link.parent), target_is_directory=True)
    except OSError:  # Windows, for users who may make no symbolic links
        import _winapi

        _winapi.CreateJunction(str(folder), str(link))
