"""Read files in the IDX format of MNIST, gzipped or plain, and verify their SHA-256."""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qgen.errors import DataError

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTES = 0x08  # the third byte of an IDX file: the type of its elements


class DamagedError(DataError):
    """A file is not the published one. The message says why; the caller adds which file."""


class OtherContentError(DamagedError):
    """A file is complete, but is another one.

    Attributes:
        sha256: digest of its content.
    """

    def __init__(self, message: str, sha256: str) -> None:
        super().__init__(message)
        self.sha256 = sha256


@dataclass(frozen=True)
class IdxFile:
    """A file of a published data set.

    Attributes:
        name: without `.gz`.
        shape: shape of the array in it.
        sha256: digest of the unpacked content, since mirrors compress these files differently.
        packed_bytes: approximate size of a download.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str
    packed_bytes: int

    @property
    def content_bytes(self) -> int:
        """Size of the unpacked file."""
        return 4 + 4 * len(self.shape) + math.prod(self.shape)


def read_idx(path: Path, expected: IdxFile) -> NDArray[np.uint8]:
    """Read the array in a file, of `expected.shape`.

    Raises:
        DamagedError: it is incomplete, damaged or another file.
        OSError: it cannot be read.
    """
    content = _unpack(path, expected.content_bytes)
    numbers = parse_idx(content)
    if numbers.shape != expected.shape:
        raise DamagedError(f"its numbers have the shape {numbers.shape}, not {expected.shape}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected.sha256:
        raise OtherContentError(f"the SHA-256 of its content is {digest}, not {expected.sha256}", digest)
    return numbers


def parse_idx(content: bytes) -> NDArray[np.uint8]:
    """Parse the content of an IDX file of unsigned bytes into an array.

    The header is two zero bytes, the type, the number of axes, and the length of each axis as 4 bytes, big-endian.

    Raises:
        DamagedError: the header is not that of an IDX file of unsigned bytes, or the length does not agree with it.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTES:
        raise DamagedError(f"it begins with {content[:4].hex() or 'nothing'}, not as an IDX file of bytes does")
    axes = content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise DamagedError(f"it ends within its head, after {len(content)} bytes")
    shape = struct.unpack(f">{axes}I", content[4:start])
    if len(content) != start + math.prod(shape):
        raise DamagedError(
            f"it is {len(content):,} bytes long, not the {start + math.prod(shape):,} that its head says"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _unpack(path: Path, max_bytes: int) -> bytes:
    # The first bytes decide, not the name: some browsers unpack a file without renaming it.
    with path.open("rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            content = file.read(max_bytes + 1)  # a wrong file may unpack to any size
    except EOFError as error:
        raise DamagedError("it is incomplete: the packed data ends early") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DamagedError(f"it cannot be unpacked ({error})") from error
    if len(content) > max_bytes:
        raise DamagedError(f"it holds more than {max_bytes:,} bytes")
    return content
