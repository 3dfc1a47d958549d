"""Lazy imports of a package's public names, so that a command that needs no torch does not wait for it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module


def lazy_imports(package: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` (PEP 562) for a package that lists its names under `if TYPE_CHECKING:`.

    In its `__init__.py`:

        if TYPE_CHECKING:
            from qgen.part.file import Name as Name
        else:
            __getattr__, __dir__ = lazy_imports(__name__)

    A name must not be that of a module of the package: the module would hide it once it is imported.
    """
    homes = _homes(package)

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(homes[name]), name)
        vars(sys.modules[package])[name] = value
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, names


def _homes(package: str) -> dict[str, str]:
    """Return the module of each name that the package imports under `if TYPE_CHECKING:`."""
    loader = sys.modules[package].__spec__.loader  # type: ignore[union-attr]
    tree = ast.parse(loader.get_source(package))  # type: ignore[union-attr]
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    lines = [line for block in blocks for line in block.body if isinstance(line, ast.ImportFrom)]
    return {alias.asname or alias.name: str(line.module) for line in lines for alias in line.names}
