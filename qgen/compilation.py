"""Compile kernels with numba, once for all processes, and keep them."""

from __future__ import annotations

import gc
import logging
import os
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
from llvmlite import ir
from llvmlite.binding import Linkage, parse_assembly
from numba import config, njit, types
from numba.core import cgutils, event
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

#: By its true place: an editable install imports this file through a link.
_HERE = Path(__file__).resolve()
#: Kernels of any package may call those of this one.
_SHARED = _HERE.parent / "backends" / "statevector"
#: `_Part` overrides what numba keeps to itself. Other versions compile parts in their own way, which takes longer.
_LINKS_PARTS = (0, 61) <= numba.version_info[:2] <= (0, 68)


def kernel(function: Any) -> Any:
    """Compile without the GIL, once for all processes; in each of them where there is nowhere to keep the result.

    Other kernels call a part (`internal`) of the same source: machine code of its own has only what Python calls.
    """
    dispatcher, part = _compiled(function, "kernels"), internal(function)
    dispatcher.get_call_template, dispatcher.get_overload = part.get_call_template, part.get_overload
    return dispatcher


def internal(function: Any) -> Any:
    """Compile what other kernels call and Python never does: a part of theirs, without machine code of its own."""
    return _part(function, forceinline=False)


def inlined(function: Any) -> Any:
    """Compile a part that LLVM puts into every place that calls it: a constant argument is a constant inside."""
    return _part(function, forceinline=True)


class _Part(JITCodeLibrary):
    """The code of a function that only kernels call, for LLVM to link into them.

    numba by itself optimises a function and all that it calls, and makes machine code of them, before it looks at the
    caller: at each level the same code again, which nobody runs. Here both are left to the kernel at the top.
    """

    def _optimize_final_module(self) -> None:
        """Leave the module as it is."""

    def _finalize_final_module(self) -> None:
        """Keep the module for callers, and make machine code of one that has only the functions' environments.

        numba writes to their addresses, and keeps this small code and the module as it keeps a kernel.
        """
        self._finalize_dynamic_globals()
        rest = self.create_ir_module(self.name)
        self._finalized = True  # or nothing could be taken from it
        code = self._get_module_for_linking()
        for variable in code.global_variables:
            if variable.linkage == Linkage.common:
                place = ir.GlobalVariable(rest, cgutils.voidptr_t, name=variable.name)
                place.linkage, place.initializer = "common", cgutils.get_null_value(cgutils.voidptr_t)
        self._final_module = parse_assembly(str(rest))
        self._final_module.name = rest.name
        super()._finalize_final_module()


class _PartCompiler(Compiler):
    def compile_extra(self, function: Any) -> Any:
        self.state.library = _Part(self.state.targetctx.codegen(), function.__qualname__)
        self.state.library.enable_object_caching()
        return super().compile_extra(function)


def _part(function: Any, forceinline: bool) -> Any:
    own = {"pipeline_class": _PartCompiler} if _LINKS_PARTS else {}
    return _compiled(function, "parts", no_cpython_wrapper=True, forceinline=forceinline, **own)


def _compiled(function: Any, kind: str, **options: Any) -> Any:
    # numba keeps a set of kernels for each way to the file, and an editable install is a link to what tests import.
    source = Path(function.__code__.co_filename).resolve()
    function.__code__ = function.__code__.replace(co_filename=str(source))
    folder = _cache_folder(source.parent)
    before = config.CACHE_DIR
    try:
        config.CACHE_DIR = before if folder is None else str(folder / kind)
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


class _Compilations(event.Listener):
    """Says once in a process that kernels are compiled, which numba does only where it has kept none.

    Meanwhile Python searches for no garbage: the compiler makes millions of objects that stay.
    """

    said = False
    depth = 0
    collects = True

    def on_start(self, compilation: Any) -> None:
        if self.depth == 0:
            self.collects = gc.isenabled()
            gc.disable()
        self.depth += 1
        function = compilation.data["dispatcher"].py_func
        if not self.said and function.__module__.startswith("qgen."):
            self.said = True
            kept = _cache_folder(Path(function.__code__.co_filename).parent) is not None
            logging.getLogger("qgen").warning(
                "compiling kernels for this processor: up to a minute, %s",
                "once; they are kept" if kept else "in each process, as there is no folder to keep them in",
            )

    def on_end(self, compilation: Any) -> None:
        self.depth -= 1
        if self.depth == 0 and self.collects:
            gc.enable()


event.register("numba:compile", _Compilations())
