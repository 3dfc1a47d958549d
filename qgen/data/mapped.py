"""Images in a .npy file that is mapped into memory: read from the disk as they are used, shared by all processes."""

from __future__ import annotations

import io
import mmap
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from math import prod
from pathlib import Path

import numpy as np
import torch

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

Shape = tuple[int, int, int, int]

#: Linux's flag, which Python's `mmap` has no name for: room in memory is not set aside for what may be written.
_NO_RESERVE = 0x4000 if sys.platform == "linux" else 0
_BLOCK = 1 << 22  # bytes
#: After images had to be read from the disk, for so many batches the next one is read ahead. Where all are in memory
#: that would be a tenth of a millisecond a batch for nothing.
_READ_AHEAD = 100


def npy_header(shape: Shape) -> bytes:
    """Return the header of a .npy file of uint8 images; its length is the same for any number of images."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


class MappedImages:
    """Images in a file, as a tensor.

    Args:
        path: a .npy file with `npy_header`.
        shape: the shape that it must have.

    Attributes:
        images: (N, C, H, W), uint8.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is shorter, or of another shape.
    """

    def __init__(self, path: Path, shape: Shape) -> None:
        header, size = npy_header(shape), prod(shape)
        with open(path, "rb") as file:
            if file.read(len(header)) != header or os.fstat(file.fileno()).st_size != len(header) + size:
                raise ValueError(f"{path} does not hold {shape} bytes")
            self._map = _map(file.fileno(), len(header) + size)
        self._start, self._image_bytes, self._ahead = len(header), prod(shape[1:]), _READ_AHEAD
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given buffer is not writable", UserWarning)
            flat = torch.frombuffer(self._map, dtype=torch.uint8, count=size, offset=len(header))
        self.images = flat.view(shape)

    def take(self, index: torch.Tensor) -> torch.Tensor:
        """Return copies of the images at these indices, (B,); notes whether they had to be read from the disk."""
        before = _disk_reads()
        taken = self.images[index]
        if _disk_reads() > before:
            self._ahead = _READ_AHEAD
        return taken

    def prefetch(self, index: torch.Tensor) -> None:
        """Let the system read the images at these indices (B,) in the background, if it had to read some lately."""
        if not self._ahead or not hasattr(mmap, "MADV_WILLNEED"):
            return
        self._ahead -= 1
        with suppress(OSError):  # it is advice
            for number in index.tolist():
                first = self._start + number * self._image_bytes
                start = first - first % mmap.PAGESIZE
                self._map.madvise(mmap.MADV_WILLNEED, start, first + self._image_bytes - start)


def read_blocks(path: Path, skipped: int) -> Iterator[bytes]:
    """Yield the content of a file after so many bytes, in blocks.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        file.seek(skipped)
        while block := file.read(_BLOCK):
            yield block


def _disk_reads() -> int:
    """Return how often this process has waited for the disk because of a page that was not in memory."""
    return 0 if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_majflt


def _map(handle: int, size: int) -> mmap.mmap:
    """Map a file, such that a tensor may be written to but the file stays as it is, where the system allows that."""
    if sys.platform != "win32":
        with suppress(OSError):  # a system that sets memory aside for whatever may be written
            kind, access = mmap.MAP_PRIVATE | _NO_RESERVE, mmap.PROT_READ | mmap.PROT_WRITE
            return mmap.mmap(handle, size, flags=kind, prot=access)
    return mmap.mmap(handle, size, access=mmap.ACCESS_READ)
