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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qgen import storage
from qgen.data.cache_building import CacheBuilder
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
from qgen.data.image_set import memory_problem
from qgen.data.listing import Folder
from qgen.data.mapped import MappedImages, Shape
from qgen.data.reader import Reader
from qgen.data.settings import DataSettings
from qgen.errors import DataError
from qgen.progress import MessageCallback, ProgressCallback
from qgen.user_files import printable

#: Version of how images are decoded; increase it with every change: caches of other versions are not used.
VERSION = 1
#: Numbers of images and of bytes from which `data.cache: auto` makes a cache.
MANY_IMAGES, MANY_BYTES = 100_000, 2**30


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
        return self.path / FINISHED

    @property
    def _building(self) -> Path:
        return self.path / BUILDING

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
                self._message(f"checking the cache {describe(self.path, record.shape)}")
                if digest_file(file, record.shape, self._folder, indices) != record.sha256:
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
                    clear(self.path, record.file)
        self._message(f"images are read from the cache {describe(self.path, record.shape)}")
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
                    builder = CacheBuilder(self.path, self._folder, self._listing, self._order, self._message)
                    builder.build(reader, shape, read_image, progress)
                    found = self.find()
        except OSError as error:
            raise DataError(
                f"The cache {printable(self.path)} cannot be written: {error.strerror or error}. What is there stays, "
                "and is gone on with."
            ) from error
        if found is None:
            raise DataError(f"The cache {printable(self.path)} was changed while it was made: try again.")
        return found

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
            free = shutil.disk_usage(self.path).free + sum(file.stat().st_size for file in self.path.glob(f"{IMAGES}*"))
        except OSError as error:
            return f"{printable(self.path)} cannot be written ({error.strerror or error})"
        if size > free:
            return (
                f"it takes {size / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB of the disk are free at "
                f"{printable(self.path)}"
            )
        return None

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
