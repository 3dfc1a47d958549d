"""The one door for files that a user names: regular files only, of a bounded size, with text that can be read.

A FIFO waits for ever, and a device such as /dev/zero never ends. Whatever is wrong is an `OSError` whose `strerror`
says it in words, so that callers need to expect nothing else.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

Path = str | os.PathLike[str]

MIB = 2**20
#: Settings, noise and circuits that people write; PyYAML takes seconds for this much.
MOST_WRITTEN = MIB // 2
#: What programs write: routed circuits, calibrations, models of noise.
MOST_GENERATED = 64 * MIB
_FLAGS = sum(getattr(os, name, 0) for name in ("O_RDONLY", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path) -> BinaryIO:
    """A file, opened for reading without waiting for anybody.

    Raises:
        OSError: there is none, it may not be read, or it is no regular file.
    """
    try:
        handle = os.open(path, _FLAGS)
    except ValueError as error:  # a NUL, or what the file system's encoding does not have
        raise OSError(errno.EINVAL, "no file can have such a name", os.fspath(path)) from error
    kind = stat.S_IFMT(os.fstat(handle).st_mode)
    if kind != stat.S_IFREG:
        os.close(handle)
        code = errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL
        raise OSError(code, f"it is {_KINDS.get(kind, 'something else')}, not a file", os.fspath(path))
    return os.fdopen(handle, "rb")


def check_regular(path: Path) -> None:
    """For libraries that open by name: refuses what `open_regular` does.

    Raises:
        OSError: see `open_regular`.
    """
    open_regular(path).close()


def read_bytes(path: Path, most: int) -> bytes:
    """A whole file of at most so many bytes.

    Raises:
        OSError: see `open_regular`; or it is larger.
    """
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        size = f"{most / MIB:,.0f} MiB" if most >= MIB else f"{most / 1024:,.0f} KiB"
        raise OSError(errno.EFBIG, f"it is larger than {size}", os.fspath(path))
    return content


def read_text(path: Path, most: int = MOST_WRITTEN) -> str:
    """A whole text file in UTF-8, without the mark that some editors put first.

    Raises:
        OSError: see `read_bytes`; or it is not text in UTF-8.
    """
    content = read_bytes(path, most)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise OSError(errno.EILSEQ, f"it is not text in UTF-8 (line {line})", os.fspath(path)) from error


def shown(path: Path) -> str:
    """A path as text that can be printed and kept: what is no character, or moves the cursor, is escaped."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in os.fspath(path))
