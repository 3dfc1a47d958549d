"""A folder of images of any kind and size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from qgen.data.bit_depth import UnreadableError
from qgen.data.decoding import ENDINGS, ImageHeader, read_header, read_pixels
from qgen.data.image_set import ImageSet, check_memory
from qgen.data.settings import DataSettings
from qgen.data.subset import candidates
from qgen.errors import DataError
from qgen.progress import ProgressCallback
from qgen.user_files import printable

_MAX_NAMED = 10
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Folder:
    """The image files of a folder, by their suffixes.

    Attributes:
        path: the folder.
        files: paths relative to the folder, sorted.
        labels: (N,), int64: the sub-folder of each file; None unless all files lie in sub-folders.
        class_names: printable names of these sub-folders, in the order of their labels.
    """

    path: Path
    files: tuple[Path, ...]
    labels: NDArray[np.int64] | None
    class_names: tuple[str, ...] | None


@dataclass(frozen=True)
class Reader:
    """Reads the files of a folder, and records those that cannot be read.

    Attributes:
        folder: the folder.
        unreadable: reason by file.
    """

    folder: Folder
    unreadable: dict[Path, str] = field(default_factory=dict)

    def read(self, index: int, reader: Callable[[Path], _Read]) -> _Read | None:
        """Call `reader` with the path of a file; None if the file cannot be read, now or earlier."""
        file = self.folder.files[index]
        if file in self.unreadable:
            return None
        try:
            return reader(self.folder.path / file)
        except UnreadableError as reason:
            self.unreadable[file] = str(reason)
            return None

    def refuse_unreadable(self) -> None:
        """Raise a DataError that names the unreadable files, if there are any."""
        if self.unreadable:
            named = [f"{printable(file.as_posix())} ({reason})" for file, reason in sorted(self.unreadable.items())]
            more = len(named) - _MAX_NAMED
            raise DataError(
                f"{len(named):,} of {len(self.folder.files):,} images in {printable(self.folder.path)} cannot be read: "
                f"{', '.join(named[:_MAX_NAMED])}{f' and {more:,} more' if more > 0 else ''}. "
                "Mend or remove them, or set `skip_unreadable: true`."
            )


def list_folder(path: Path) -> Folder:
    """Find the image files of a folder and its sub-folders; hidden ones are skipped.

    Raises:
        DataError: there are no images, or a folder cannot be listed.
    """
    # Sorted by parts: Windows compares paths without case, and the order decides which images a limit selects.
    files = sorted(_walk(path), key=lambda file: file.parts)
    if not files:
        raise DataError(f"There are no images in {printable(path)}: none of its files ends in {', '.join(ENDINGS)}.")
    if any(len(file.parts) == 1 for file in files):
        return Folder(path, tuple(files), None, None)
    names = sorted({file.parts[0] for file in files})
    label = {name: index for index, name in enumerate(names)}
    labels = np.array([label[file.parts[0]] for file in files], np.int64)
    return Folder(path, tuple(files), labels, tuple(map(printable, names)))


def open_folder(path: Path, settings: DataSettings, progress: ProgressCallback | None = None) -> ImageSet:
    """Load the images of a folder, each cropped to its middle square.

    Labels are the sub-folders of the images, if all of them lie in one.

    Args:
        path: the folder.
        settings: which images, and in what form.
        progress: called with the number of files, read and in total.

    Raises:
        DataError: see `open_images`.
    """
    if settings.split == "test":
        raise DataError(
            f"{printable(path)} has no test images: a folder is all `train`. Give a folder of its own for testing."
        )
    folder = list_folder(path)
    order, selected = _candidates(folder, settings)
    reader = Reader(folder)
    size, channels = _size_and_channels(reader, order, settings)
    check_memory(selected, channels, size, copies=2 if selected < len(order) else 1)  # see the end of `_read_all`
    read_image = partial(read_pixels, size=size, channels=channels, depth=settings.depth)
    indices, pixels = _read_all(reader, order, (selected, channels, size, size), read_image, progress)
    if not settings.skip_unreadable:
        reader.refuse_unreadable()
    if len(indices) < (settings.limit or 1):
        raise DataError(
            f"Only {len(indices):,} images in {printable(path)} can be read, not the {settings.limit or 1:,} needed."
        )
    return _image_set(reader, indices, pixels)


def folder_shape(path: Path, settings: DataSettings) -> tuple[int, int, int]:
    """Return the shape (C, H, W) of the images that `open_folder` loads; only the headers of the files are read.

    Raises:
        DataError: see `open_images`.
    """
    folder = list_folder(path)
    order, _ = _candidates(folder, settings)
    size, channels = _size_and_channels(Reader(folder), order, settings)
    return channels, size, size


def _candidates(folder: Folder, settings: DataSettings) -> tuple[NDArray[np.int64], int]:
    name, count = printable(folder.path), len(folder.files)
    return candidates(name, folder.labels, count, settings.classes, settings.limit, settings.fraction)


def _image_set(reader: Reader, indices: NDArray[np.int64], pixels: NDArray[np.uint8]) -> ImageSet:
    folder, skipped = reader.folder, len(reader.unreadable)
    labels = None if folder.labels is None else torch.from_numpy(folder.labels[indices])
    source = printable(os.path.abspath(folder.path)) + (f", without {skipped:,} unreadable files" if skipped else "")
    return ImageSet.of(printable(folder.path), torch.from_numpy(pixels), labels, folder.class_names, source)


def _size_and_channels(reader: Reader, order: NDArray[np.int64], settings: DataSettings) -> tuple[int, int]:
    """Return size and channels: those of the settings, else those that all files have."""
    if settings.size and settings.channels:
        return settings.size, settings.channels
    headers = [header for index in order.tolist() if (header := reader.read(index, read_header))]
    if not headers:
        reader.refuse_unreadable()
    return (
        settings.size or _common_side(reader.folder.path, headers),
        settings.channels or (1 if all(header.grey for header in headers) else 3),
    )


def _common_side(path: Path, headers: list[ImageHeader]) -> int:
    smallest, largest = (choose(headers, key=lambda header: header.side) for choose in (min, max))
    if smallest.side < largest.side:
        raise DataError(
            f"The images in {printable(path)} differ in size, from {smallest.width}x{smallest.height} to "
            f"{largest.width}x{largest.height}: set `size`, for example to {smallest.side}."
        )
    return smallest.side


def _read_all(
    reader: Reader,
    order: NDArray[np.int64],
    shape: tuple[int, int, int, int],
    read_image: Callable[[Path], NDArray[np.uint8]],
    progress: ProgressCallback | None,
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return ascending indices and pixels (N, C, H, W) of the first readable images, up to as many as `shape` has."""
    pixels = np.empty(shape, np.uint8)
    indices: list[int] = []
    for done, index in enumerate(order.tolist(), start=1):
        image = reader.read(index, read_image)
        if image is not None:
            pixels[len(indices)] = image
            indices.append(index)
        if progress:
            progress(done, len(order))
        if len(indices) == len(pixels):
            break
    loaded = np.array(indices, np.int64)
    if (np.diff(loaded) > 0).all():  # without a second copy of the pixels
        return loaded, pixels[: len(loaded)]
    ascending = np.argsort(loaded)
    return loaded[ascending], pixels[ascending]


def _walk(path: Path) -> Iterator[Path]:
    """Yield the paths of image files, relative to `path`. Links are followed, but no folder is entered twice."""

    def refuse(error: OSError) -> None:
        raise DataError(f"Cannot list {printable(error.filename)}: {error.strerror}.") from error

    entered = set()
    for folder, inside, names in os.walk(path, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        inside[:] = [] if real in entered else sorted(name for name in inside if not name.startswith("."))
        for name in names if real not in entered else ():
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                yield Path(folder, name).relative_to(path)
        entered.add(real)
