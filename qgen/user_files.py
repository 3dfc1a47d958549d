"""Read files that a user names: regular files only, up to a size limit, with valid text.

Reading a FIFO may block forever, and a device such as /dev/zero never ends. Every problem is an `OSError` with a
readable `strerror`, so that callers need to catch nothing else.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

Path = str | os.PathLike[str]

MIB = 2**20
#: Size limit of settings, noise and circuits that people write, in bytes; PyYAML takes seconds for this much.
MAX_WRITTEN_BYTES = MIB // 2
#: Size limit of files that programs write: routed circuits, calibrations, noise models.
MAX_GENERATED_BYTES = 64 * MIB
_FLAGS = sum(getattr(os, name, 0) for name in ("O_RDONLY", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading, without blocking.

    Raises:
        OSError: it does not exist, may not be read, or is not a regular file.
    """
    try:
        handle = os.open(path, _FLAGS)
    except ValueError as error:  # a NUL, or a character that the encoding of the file system lacks
        raise OSError(errno.EINVAL, "no file can have such a name", os.fspath(path)) from error
    kind = stat.S_IFMT(os.fstat(handle).st_mode)
    if kind != stat.S_IFREG:
        os.close(handle)
        code = errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL
        raise OSError(code, f"it is {_KINDS.get(kind, 'something else')}, not a file", os.fspath(path))
    return os.fdopen(handle, "rb")


def check_regular(path: Path) -> None:
    """Check that `open_regular` accepts a file, for libraries that open it by name.

    Raises:
        OSError: see `open_regular`.
    """
    open_regular(path).close()


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Read a file of at most `max_bytes` bytes.

    Raises:
        OSError: see `open_regular`; or it is larger.
    """
    with open_regular(path) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        size = f"{max_bytes / MIB:,.0f} MiB" if max_bytes >= MIB else f"{max_bytes / 1024:,.0f} KiB"
        raise OSError(errno.EFBIG, f"it is larger than {size}", os.fspath(path))
    return content


def read_text(path: Path, max_bytes: int = MAX_WRITTEN_BYTES) -> str:
    """Read a UTF-8 text file, without a byte order mark.

    Raises:
        OSError: see `read_bytes`; or it is not UTF-8.
    """
    content = read_bytes(path, max_bytes)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise OSError(errno.EILSEQ, f"it is not text in UTF-8 (line {line})", os.fspath(path)) from error


def printable(path: Path) -> str:
    """Return a path as printable text: surrogates and control characters are escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in os.fspath(path))
