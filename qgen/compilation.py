"""Compile kernels with numba, once for all processes, and keep them."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import config, njit, types
from numba.core import event

#: By its true place: an editable install imports this file through a link.
_HERE = Path(__file__).resolve()
#: Kernels of any package may call those of this one.
_SHARED = _HERE.parent / "backends" / "statevector"


def kernel(function: Any) -> Any:
    """Compile without the GIL, once for all processes; in each of them where there is nowhere to keep the result."""
    return _compiled(function)


def internal(function: Any) -> Any:
    """The same for what other kernels call and Python never does: no time goes into taking Python's objects apart."""
    return _compiled(function, no_cpython_wrapper=True)


def inlined(function: Any) -> Any:
    """Compile into its callers: constants among the arguments are constants inside, and no references are counted."""
    return njit(nogil=True, inline="always")(function)


def _compiled(function: Any, **options: bool) -> Any:
    # numba keeps a set of kernels for each way to the file, and an editable install is a link to what tests import.
    source = Path(function.__code__.co_filename).resolve()
    function.__code__ = function.__code__.replace(co_filename=str(source))
    folder = _cache_folder(source.parent)
    before = config.CACHE_DIR
    try:
        config.CACHE_DIR = before if folder is None else str(folder)
        dispatcher = njit(nogil=True, cache=folder is not None, no_cfunc_wrapper=True, **options)(function)
    finally:
        config.CACHE_DIR = before
    template = dispatcher.get_call_template

    def without_literals(args: Any, kws: Any) -> Any:
        return template(tuple(map(types.unliteral, args)), {name: types.unliteral(of) for name, of in kws.items()})

    # numba would compile a kernel anew for each constant that another one calls it with.
    dispatcher.get_call_template = without_literals
    return dispatcher


@cache
def _cache_folder(package: Path) -> Path | None:
    """Where compiled kernels of exactly these sources are kept; None where nothing can be written.

    numba by itself looks only at the file that holds a kernel, not at the files of those that it calls, and would run
    old code after an update.

    Args:
        package: the folder of the file that holds the kernel; it may call kernels of its package and of `_SHARED`.
    """
    sources = sorted({_HERE, *_SHARED.glob("*.py"), *package.glob("*.py")})
    digest = sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    bases = [Path(config.CACHE_DIR)] if config.CACHE_DIR else []
    bases.append(package / "__pycache__")
    with suppress(RuntimeError):  # not every user has a home
        bases.append(Path.home() / ".cache" / "qgen")
    for base in bases:
        folder = base / f"kernels-{digest}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None


class _FirstCompilation(event.Listener):
    """Says once in a process that kernels are compiled, which numba does only where it has kept none."""

    said = False

    def on_start(self, compilation: Any) -> None:
        function = compilation.data["dispatcher"].py_func
        if not self.said and function.__module__.startswith("qgen."):
            self.said = True
            kept = _cache_folder(Path(function.__code__.co_filename).parent) is not None
            logging.getLogger("qgen").warning(
                "compiling kernels for this processor: up to a minute, %s",
                "once; they are kept" if kept else "in each process, as there is no folder to keep them in",
            )

    def on_end(self, compilation: Any) -> None:
        pass


event.register("numba:compile", _FirstCompilation())
