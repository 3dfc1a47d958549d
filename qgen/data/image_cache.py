"""The cache of a folder of images: decoded once into one file, which is then mapped into memory.

A cache is a folder with `cache.json`, written last, and the .npy file that it names. Until then `building.json` says
how far that file is written: whoever comes next goes on from there.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from qgen import storage
from qgen.data.cache_files import Building, Finished, file_status
from qgen.data.image_set import image_digest, memory_problem
from qgen.data.listing import Folder
from qgen.data.mapped import MappedImages, Shape, npy_header, read_blocks
from qgen.data.reader import Reader
from qgen.data.settings import DataSettings
from qgen.errors import DataError
from qgen.progress import MessageCallback, ProgressCallback
from qgen.user_files import printable

#: Version of how images are decoded; increase it with every change: caches of other versions are not used.
VERSION = 1
#: Numbers of images and of bytes from which `data.cache: auto` makes a cache.
MANY_IMAGES, MANY_BYTES = 100_000, 2**30
_NOTE_SECONDS = 5.0  # from one note of progress to the next: a process that is killed loses as much work
_CHUNK_BYTES = 1 << 26  # of images that are put into order at a time


@dataclass(frozen=True)
class CachedImages:
    """The images of a cache.

    Attributes:
        mapped: the images, in the order of their files.
        indices: (N,), int64, ascending: their files in the folder.
        unreadable: reason by file.
        sha256: digest of images and labels.
    """

    mapped: MappedImages
    indices: NDArray[np.int64]
    unreadable: dict[str, str]
    sha256: str


class ImageCache:
    """The cache of the images that settings select in a folder: at most one for each folder and form.

    Args:
        folder: the files.
        order: indices of files, in the order in which images are taken.
        settings: the form of the images, and whether they are to be cached.
        root: folder of all caches.
        message: called with a line about what is done.
    """

    def __init__(
        self,
        folder: Folder,
        order: NDArray[np.int64],
        settings: DataSettings,
        root: Path,
        message: MessageCallback | None = None,
    ) -> None:
        form = settings.model_dump(include={"size", "channels", "depth", "limit", "fraction", "classes"})
        name = json.dumps([VERSION, os.path.realpath(folder.path), form], sort_keys=True)
        self.path = root / "images" / sha256(name.encode()).hexdigest()[:24]
        self._folder, self._order, self._mode = folder, order, settings.cache
        self._message = message or (lambda line: None)

    @cached_property
    def _listing(self) -> str:
        return self._folder.digest()

    @property
    def _finished(self) -> Path:
        return self.path / "cache.json"

    @property
    def _building(self) -> Path:
        return self.path / "building.json"

    @property
    def _lock(self) -> Path:
        return self.path / "lock"

    def find(self) -> CachedImages | None:
        """Open the finished cache; None if there is none, a file of the folder has changed, or it is damaged."""
        record = Finished.read(self._finished)
        if record is None or record.listing != self._listing:
            return None
        indices = self._indices(record)
        file = self.path / record.file
        try:
            status = file_status(file)
            if status != record.status:  # somebody has touched it, or copied it to this place
                self._message(f"checking the cache {self._shown(record.shape)}")
                if self._digest(file, record.shape, indices) != record.sha256:
                    raise ValueError("it has another digest")
                with suppress(OSError):  # then it is checked again the next time
                    replace(record, status=status).write(self._finished)
            mapped = MappedImages(file, record.shape)
            if len(indices) != len(mapped.images):
                raise ValueError("it is of other files")
        except (OSError, ValueError) as error:
            self._message(f"the cache {printable(self.path)} is damaged ({error}): it is made anew")
            with suppress(OSError):
                self._finished.unlink()
            return None
        if self._building.exists():  # who made it was ended before everything else was removed
            with suppress(OSError), storage.locked(self._lock):
                if Finished.read(self._finished) == record:
                    self._clear(record.file)
        self._message(f"images are read from the cache {self._shown(record.shape)}")
        return CachedImages(mapped, indices, record.unreadable, record.sha256)

    def shape(self) -> Shape | None:
        """Return the shape of the images as far as a cache is made, finished or not; None without one of these files.

        Of one that is not finished, the number is that of the images that are wanted.
        """
        records = Finished.read(self._finished), Building.read(self._building)
        return next((record.shape for record in records if record and record.listing == self._listing), None)

    def wanted(self, shape: Shape) -> bool:
        """Return whether images of this shape are to be cached rather than loaded into memory.

        Raises:
            DataError: they have to be, but there is no room or no folder for a cache.
        """
        count, channels, size, _ = shape
        in_order = bool((np.diff(self._order) > 0).all())
        in_memory = memory_problem(count, channels, size, copies=1 if in_order else 2)
        large = count >= MANY_IMAGES or math.prod(shape) >= MANY_BYTES
        if self._mode == "auto" and not large and in_memory is None:
            return False
        problem = self._problem(math.prod(shape) * (1 if in_order else 2))
        if problem is None:
            return True
        if self._mode == "auto" and in_memory is None:
            self._message(f"without a cache: {problem}")
            return False
        if in_memory is None:
            raise DataError(f"A cache cannot be made: {problem}. Set {storage.CACHE_VARIABLE} to another folder.")
        raise DataError(
            f"{in_memory}, and a cache cannot be made: {problem}. Choose a smaller `size` or a `limit`, or set "
            f"{storage.CACHE_VARIABLE} to a folder with more room."
        )

    def make(
        self,
        reader: Reader,
        shape: Shape,
        read_image: Callable[[Path], NDArray[np.uint8]],
        progress: ProgressCallback | None = None,
    ) -> CachedImages:
        """Make the cache, or go on with one that was begun.

        Args:
            reader: reads the files.
            shape: (N, C, H, W), for as many images as are wanted.
            read_image: returns an image, (C, H, W), uint8.
            progress: called with the number of files, read and in total.

        Raises:
            DataError: it cannot be written.
        """
        try:
            with self._alone():
                if Finished.read(self._finished) is None or (found := self.find()) is None:
                    self._make(reader, shape, read_image, progress)
                    found = self.find()
        except OSError as error:
            raise DataError(
                f"The cache {printable(self.path)} cannot be written: {error.strerror or error}. What is there stays, "
                "and is gone on with."
            ) from error
        if found is None:
            raise DataError(f"The cache {printable(self.path)} was changed while it was made: try again.")
        return found

    def _make(
        self,
        reader: Reader,
        shape: Shape,
        read_image: Callable[[Path], NDArray[np.uint8]],
        progress: ProgressCallback | None,
    ) -> None:
        state = self._begin(shape)
        reader.unreadable.update(state.unreadable)
        path = self.path / state.file
        with open(path, "r+b") as file:
            file.seek(0, os.SEEK_END)
            state = self._write(file, state, reader, read_image, progress)
        if not state.written:
            reader.refuse_unreadable()
        shape = (state.written, *shape[1:])
        taken = reader.readable(self._order[: state.looked_at])
        with open(path, "r+b") as file:
            file.write(npy_header(shape))
        if (np.diff(taken) <= 0).any():
            path = self._sorted(path, shape, np.argsort(taken))
        indices = np.sort(taken)
        digest = self._digest(path, shape, indices)
        _flush(path)
        facts = self._listing, path.name, shape, state.looked_at, reader.unreadable
        Finished(*facts, printable(os.path.abspath(self._folder.path)), digest, file_status(path)).write(self._finished)
        self._clear(path.name)

    def _begin(self, shape: Shape) -> Building:
        """Return where to go on, with the file cut to what is known to be written; a new file at the beginning."""
        header, image = len(npy_header(shape)), math.prod(shape[1:])
        state = Building.read(self._building)
        if state is not None and state.listing == self._listing and state.shape == shape:
            with suppress(OSError):
                size = os.path.getsize(self.path / state.file)
                if size >= header + state.written * image:
                    os.truncate(self.path / state.file, header + state.written * image)
                    there = f"{state.written:,} of {shape[0]:,} images are there"
                    self._message(f"going on with the cache {self._shown(shape)}: {there}")
                    return state
        name = f"images-{uuid4().hex[:8]}.npy"
        state = Building(self._listing, name, shape, 0, {}, 0)
        with suppress(OSError):
            self._finished.unlink()
        self._clear(name)
        (self.path / name).write_bytes(npy_header(shape))
        state.write(self._building)
        self._message(f"decoding {shape[0]:,} images, once, into the cache {self._shown(shape)}")
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
            now.write(self._building)
            return now

        try:
            while written < state.shape[0] and looked_at < len(self._order):
                image = reader.read(int(self._order[looked_at]), read_image)
                if image is not None:
                    file.write(image.data)
                written, looked_at = written + (image is not None), looked_at + 1
                if progress:
                    progress(looked_at, len(self._order))
                if time.monotonic() - noted > _NOTE_SECONDS:
                    note()
                    noted = time.monotonic()
        except KeyboardInterrupt:
            note()
            raise
        return note()

    def _sorted(self, path: Path, shape: Shape, order: NDArray[np.int64]) -> Path:
        """Write the images in another order into a file of their own; return its path."""
        images, target = MappedImages(path, shape).images.numpy(), self.path / f"images-{uuid4().hex[:8]}.npy"
        with open(target, "wb") as file:
            file.write(npy_header(shape))
            chunk = max(1, _CHUNK_BYTES // math.prod(shape[1:]))
            for first in range(0, len(order), chunk):
                file.write(images[order[first : first + chunk]].data)
        return target

    def _digest(self, path: Path, shape: Shape, indices: NDArray[np.int64]) -> str:
        labels = None if self._folder.labels is None else self._folder.labels[indices]
        return image_digest(shape, read_blocks(path, len(npy_header(shape))), labels)

    def _indices(self, record: Finished) -> NDArray[np.int64]:
        reader = Reader(self._folder, record.unreadable)
        return np.sort(reader.readable(self._order[: record.looked_at]))

    def _problem(self, size: int) -> str | None:
        """Return why a cache of so many bytes cannot be made; None: it can."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with open(self._lock, "a"):
                pass
            # What is there of it, or of another state of the folder, is gone on with or removed.
            free = shutil.disk_usage(self.path).free + sum(file.stat().st_size for file in self.path.glob("images-*"))
        except OSError as error:
            return f"{printable(self.path)} cannot be written ({error.strerror or error})"
        if size > free:
            return (
                f"it takes {size / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB of the disk are free at "
                f"{printable(self.path)}"
            )
        return None

    def _clear(self, kept: str) -> None:
        """Remove the files of former states; processes that have mapped one keep it until they end."""
        leftovers = [file for file in self.path.glob("images-*") if file.name != kept]
        # Last the note that something may be left.
        for file in (*leftovers, *self.path.glob(f".*{storage.TEMPORARY_MARK}*"), self._building):
            with suppress(OSError):
                file.unlink()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Lock the cache, so that no other process makes it; waits for one that does."""
        with ExitStack() as stack:
            try:
                stack.enter_context(storage.locked(self._lock))
            except BlockingIOError:
                self._message(f"another process makes the cache {printable(self.path)}: waiting for it")
                stack.enter_context(storage.locked(self._lock, patience=math.inf))
            yield

    def _shown(self, shape: Shape) -> str:
        return f"{printable(self.path)} ({_format_size(math.prod(shape))})"


def open_cache(
    folder: Folder, order: NDArray[np.int64], settings: DataSettings, message: MessageCallback | None = None
) -> ImageCache | None:
    """Return the cache of images, made or not; None where there is to be none, or no folder for it.

    Raises:
        DataError: settings want one, and there is no folder for it.
    """
    if settings.cache == "never":
        return None
    root = storage.cache_folder(sys.platform, os.environ)
    if root is None and settings.cache == "always":
        raise DataError(f"There is no home folder for a cache: set {storage.CACHE_VARIABLE} to a folder.")
    return None if root is None else ImageCache(folder, order, settings, root, message)


def _format_size(size: int) -> str:
    for unit, name in ((2**30, "GiB"), (2**20, "MiB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size / 2**10:,.1f} KiB"


def _flush(path: Path) -> None:
    with open(path, "r+b") as file:
        os.fsync(file.fileno())
