"""Makes a cache of images: decodes files into one, goes on where another process was ended, puts images into order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from qgen.data.cache_files import (
    BUILDING,
    FINISHED,
    IMAGES,
    Building,
    Finished,
    clear,
    describe,
    digest_file,
    file_status,
)
from qgen.data.listing import Folder
from qgen.data.mapped import MappedImages, Shape, npy_header
from qgen.data.reader import Reader
from qgen.progress import MessageCallback, ProgressCallback
from qgen.user_files import printable

_NOTE_SECONDS = 5.0  # from one note of progress to the next: a process that is killed loses as much work
_CHUNK_BYTES = 1 << 26  # of images that are put into order at a time


@dataclass(frozen=True)
class CacheBuilder:
    """Makes one cache; nobody else does at the same time.

    Attributes:
        path: folder of the cache.
        folder: the files.
        listing: digest of the files.
        order: indices of files, in the order in which images are taken.
        message: called with a line about what is done.
    """

    path: Path
    folder: Folder
    listing: str
    order: NDArray[np.int64]
    message: MessageCallback

    def build(
        self,
        reader: Reader,
        shape: Shape,
        read_image: Callable[[Path], NDArray[np.uint8]],
        progress: ProgressCallback | None,
    ) -> None:
        """Make the cache, or go on with one that was begun.

        Args:
            reader: reads the files.
            shape: (N, C, H, W), for as many images as are wanted.
            read_image: returns an image, (C, H, W), uint8.
            progress: called with the number of files, read and in total.

        Raises:
            DataError: no image can be read.
            OSError: a file cannot be written.
        """
        state = self._begin(shape)
        reader.unreadable.update(state.unreadable)
        path = self.path / state.file
        with open(path, "r+b") as file:
            file.seek(0, os.SEEK_END)
            state = self._write(file, state, reader, read_image, progress)
        if not state.written:
            reader.refuse_unreadable()
        shape = (state.written, *shape[1:])
        taken = reader.readable(self.order[: state.looked_at])
        with open(path, "r+b") as file:
            file.write(npy_header(shape))
        if (np.diff(taken) <= 0).any():
            path = self._sorted(path, shape, np.argsort(taken))
        indices = np.sort(taken)
        digest = digest_file(path, shape, self.folder, indices)
        _flush(path)
        facts = self.listing, path.name, shape, state.looked_at, reader.unreadable
        made = Finished(*facts, printable(os.path.abspath(self.folder.path)), digest, file_status(path))
        made.write(self.path / FINISHED)
        clear(self.path, path.name)

    def _begin(self, shape: Shape) -> Building:
        """Return where to go on, with the file cut to what is known to be written; a new file at the beginning."""
        header, image = len(npy_header(shape)), prod(shape[1:])
        state = Building.read(self.path / BUILDING)
        if state is not None and state.listing == self.listing and state.shape == shape:
            with suppress(OSError):
                size = os.path.getsize(self.path / state.file)
                if size >= header + state.written * image:
                    os.truncate(self.path / state.file, header + state.written * image)
                    there = f"{state.written:,} of {shape[0]:,} images are there"
                    self.message(f"going on with the cache {describe(self.path, shape)}: {there}")
                    return state
        name = f"{IMAGES}{uuid4().hex[:8]}.npy"
        state = Building(self.listing, name, shape, 0, {}, 0)
        with suppress(OSError):
            (self.path / FINISHED).unlink()
        clear(self.path, name)
        (self.path / name).write_bytes(npy_header(shape))
        state.write(self.path / BUILDING)
        self.message(f"decoding {shape[0]:,} images, once, into the cache {describe(self.path, shape)}")
        return state

    def _write(
        self,
        file: BinaryIO,
        state: Building,
        reader: Reader,
        read_image: Callable[[Path], NDArray[np.uint8]],
        progress: ProgressCallback | None,
    ) -> Building:
        """Append images until there are as many as wanted, or no more files; note from time to time how far it is."""
        written, looked_at = state.written, state.looked_at
        noted = time.monotonic()

        def note() -> Building:
            file.flush()
            os.fsync(file.fileno())
            now = replace(state, looked_at=looked_at, written=written, unreadable=dict(reader.unreadable))
            now.write(self.path / BUILDING)
            return now

        try:
            while written < state.shape[0] and looked_at < len(self.order):
                image = reader.read(int(self.order[looked_at]), read_image)
                if image is not None:
                    file.write(image.data)
                written, looked_at = written + (image is not None), looked_at + 1
                if progress:
                    progress(looked_at, len(self.order))
                if time.monotonic() - noted > _NOTE_SECONDS:
                    note()
                    noted = time.monotonic()
        except KeyboardInterrupt:
            note()
            raise
        return note()

    def _sorted(self, path: Path, shape: Shape, order: NDArray[np.int64]) -> Path:
        """Write the images in another order into a file of their own; return its path."""
        images, target = MappedImages(path, shape).images.numpy(), self.path / f"{IMAGES}{uuid4().hex[:8]}.npy"
        with open(target, "wb") as file:
            file.write(npy_header(shape))
            chunk = max(1, _CHUNK_BYTES // prod(shape[1:]))
            for first in range(0, len(order), chunk):
                file.write(images[order[first : first + chunk]].data)
        return target


def _flush(path: Path) -> None:
    with open(path, "r+b") as file:
        os.fsync(file.fileno())
