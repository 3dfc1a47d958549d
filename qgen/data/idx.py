"""Files in the IDX format of MNIST, gzipped or plain, believed only if their content is the published one."""

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
_UNSIGNED_BYTES = 0x08  # the third byte of an IDX file: the type of its numbers


class DamagedError(DataError):
    """A file is not what it should be; the message says in what, and the caller which file."""


class OtherContentError(DamagedError):
    """A file is whole, but holds something else.

    Attributes:
        sha256: of its content.
    """

    def __init__(self, message: str, sha256: str) -> None:
        super().__init__(message)
        self.sha256 = sha256


@dataclass(frozen=True)
class IdxFile:
    """A file of a published data set.

    Attributes:
        name: without `.gz`.
        shape: of the numbers in it.
        sha256: of the content once unpacked, as archives repack these files with other headers and levels.
        packed_bytes: how much a download takes, about.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str
    packed_bytes: int

    @property
    def content_bytes(self) -> int:
        """The size of the unpacked file."""
        return 4 + 4 * len(self.shape) + math.prod(self.shape)


def read_idx(path: Path, expected: IdxFile) -> NDArray[np.uint8]:
    """The numbers in the file, of `expected.shape`.

    Raises:
        DamagedError: it is incomplete, damaged or another file.
        OSError: it cannot be read.
    """
    content = _unpacked(path, expected.content_bytes)
    numbers = parse_idx(content)
    if numbers.shape != expected.shape:
        raise DamagedError(f"its numbers have the shape {numbers.shape}, not {expected.shape}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected.sha256:
        raise OtherContentError(f"the SHA-256 of its content is {digest}, not {expected.sha256}", digest)
    return numbers


def parse_idx(content: bytes) -> NDArray[np.uint8]:
    """The unsigned bytes of an IDX file, in the shape that its head gives.

    The head is two zero bytes, the type, the number of axes, and the length of each axis as 4 bytes, big-endian.

    Raises:
        DamagedError: the head is not that of an IDX file of unsigned bytes, or the length does not agree with it.
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


def _unpacked(path: Path, most: int) -> bytes:
    # The first bytes decide, not the name: some browsers unpack a file and leave its name as it was.
    with path.open("rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            content = file.read(most + 1)  # a wrong file may unpack to any size
    except EOFError as error:
        raise DamagedError("it is incomplete: the packed data ends early") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DamagedError(f"it cannot be unpacked ({error})") from error
    if len(content) > most:
        raise DamagedError(f"it holds more than {most:,} bytes")
    return content
