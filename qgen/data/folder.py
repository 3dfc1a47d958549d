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

from qgen.data.choice import candidates
from qgen.data.decoding import ENDINGS, Head, read_head, read_pixels
from qgen.data.depth import UnreadableError
from qgen.data.download import Progress
from qgen.data.images import ImageSet, refuse_what_does_not_fit
from qgen.data.settings import DataSettings
from qgen.errors import DataError
from qgen.user_files import shown

_MOST_NAMED = 10
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Folder:
    """The files of a folder that are images by their names.

    Attributes:
        path: the folder.
        files: relative to it, sorted.
        labels: (N,), int64: which sub-folder each lies in; None if one of them lies in none.
        class_names: the names of these sub-folders, as they can be printed, in the order of their labels.
    """

    path: Path
    files: tuple[Path, ...]
    labels: NDArray[np.int64] | None
    class_names: tuple[str, ...] | None


@dataclass(frozen=True)
class Reader:
    """Reads the files of a folder, and remembers which of them it could not.

    Attributes:
        folder: the folder.
        unreadable: these files, with the reasons.
    """

    folder: Folder
    unreadable: dict[Path, str] = field(default_factory=dict)

    def read(self, place: int, how: Callable[[Path], _Read]) -> _Read | None:
        """What `how` gives for the file at this place; None where it cannot be read, now or earlier."""
        file = self.folder.files[place]
        if file in self.unreadable:
            return None
        try:
            return how(self.folder.path / file)
        except UnreadableError as reason:
            self.unreadable[file] = str(reason)
            return None

    def refuse_unreadable(self) -> None:
        """Raises a DataError that names what could not be read, if there is any."""
        if self.unreadable:
            named = [f"{shown(file.as_posix())} ({reason})" for file, reason in sorted(self.unreadable.items())]
            more = len(named) - _MOST_NAMED
            raise DataError(
                f"{len(named):,} of {len(self.folder.files):,} images in {shown(self.folder.path)} cannot be read: "
                f"{', '.join(named[:_MOST_NAMED])}{f' and {more:,} more' if more > 0 else ''}. "
                "Mend or remove them, or set `skip_unreadable: true`."
            )


def list_folder(path: Path) -> Folder:
    """Finds the images of a folder and of all folders in it, but for hidden ones.

    Raises:
        DataError: there are none, or a folder cannot be listed.
    """
    # By parts: Windows compares paths without case, and the order decides which images a limit keeps.
    files = sorted(_walk(path), key=lambda file: file.parts)
    if not files:
        raise DataError(f"There are no images in {shown(path)}: none of its files ends in {', '.join(ENDINGS)}.")
    if any(len(file.parts) == 1 for file in files):
        return Folder(path, tuple(files), None, None)
    names = sorted({file.parts[0] for file in files})
    label = {name: place for place, name in enumerate(names)}
    labels = np.array([label[file.parts[0]] for file in files], np.int64)
    return Folder(path, tuple(files), labels, tuple(map(shown, names)))


def open_folder(path: Path, settings: DataSettings, progress: Progress | None = None) -> ImageSet:
    """The images of a folder, each cut to the square in its middle.

    Labels are the sub-folders that the images lie in, if all of them lie in one.

    Args:
        path: the folder.
        settings: what to do with its images.
        progress: told how many files have been read, and how many there are.

    Raises:
        DataError: as `open_images` says.
    """
    if settings.split == "test":
        raise DataError(
            f"{shown(path)} has no test images: a folder is all `train`. Give a folder of its own for testing."
        )
    folder = list_folder(path)
    order, most = _candidates(folder, settings)
    reader = Reader(folder)
    size, channels = _form(reader, order, settings)
    refuse_what_does_not_fit(most, channels, size, copies=2 if most < len(order) else 1)  # see the end of `_read_all`
    how = partial(read_pixels, size=size, channels=channels, depth=settings.depth)
    places, pixels = _read_all(reader, order, (most, channels, size, size), how, progress)
    if not settings.skip_unreadable:
        reader.refuse_unreadable()
    if len(places) < (settings.limit or 1):
        raise DataError(
            f"Only {len(places):,} images in {shown(path)} can be read, not the {settings.limit or 1:,} needed."
        )
    return _assemble(reader, places, pixels)


def folder_shape(path: Path, settings: DataSettings) -> tuple[int, int, int]:
    """The shape (C, H, W) of the images that `open_folder` gives; only the heads of the files are read.

    Raises:
        DataError: as `open_images` says.
    """
    folder = list_folder(path)
    order, _ = _candidates(folder, settings)
    size, channels = _form(Reader(folder), order, settings)
    return channels, size, size


def _candidates(folder: Folder, settings: DataSettings) -> tuple[NDArray[np.int64], int]:
    name, count = shown(folder.path), len(folder.files)
    return candidates(name, folder.labels, count, settings.classes, settings.limit, settings.fraction)


def _assemble(reader: Reader, places: NDArray[np.int64], pixels: NDArray[np.uint8]) -> ImageSet:
    folder, skipped = reader.folder, len(reader.unreadable)
    labels = None if folder.labels is None else torch.from_numpy(folder.labels[places])
    source = shown(os.path.abspath(folder.path)) + (f", without {skipped:,} unreadable files" if skipped else "")
    return ImageSet.of(shown(folder.path), torch.from_numpy(pixels), labels, folder.class_names, source)


def _form(reader: Reader, order: NDArray[np.int64], settings: DataSettings) -> tuple[int, int]:
    """Size and channels: those set, or those that the files agree on."""
    if settings.size and settings.channels:
        return settings.size, settings.channels
    heads = [head for place in order.tolist() if (head := reader.read(place, read_head))]
    if not heads:
        reader.refuse_unreadable()
    return (
        settings.size or _common_side(reader.folder.path, heads),
        settings.channels or (1 if all(head.grey for head in heads) else 3),
    )


def _common_side(path: Path, heads: list[Head]) -> int:
    smallest, largest = min(heads, key=lambda head: head.side), max(heads, key=lambda head: head.side)
    if smallest.side < largest.side:
        raise DataError(
            f"The images in {shown(path)} differ in size, from {smallest.width}x{smallest.height} to "
            f"{largest.width}x{largest.height}: set `size`, for example to {smallest.side}."
        )
    return smallest.side


def _read_all(
    reader: Reader,
    order: NDArray[np.int64],
    shape: tuple[int, int, int, int],
    how: Callable[[Path], NDArray[np.uint8]],
    progress: Progress | None,
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Places and pixels (N, C, H, W) of the first images that can be read, as many as the shape says, ascending."""
    pixels = np.empty(shape, np.uint8)
    places: list[int] = []
    for done, place in enumerate(order.tolist(), start=1):
        image = reader.read(place, how)
        if image is not None:
            pixels[len(places)] = image
            places.append(place)
        if progress:
            progress(done, len(order))
        if len(places) == len(pixels):
            break
    kept = np.array(places, np.int64)
    if (np.diff(kept) > 0).all():  # as where all are kept: no second copy of what may be large
        return kept, pixels[: len(kept)]
    ascending = np.argsort(kept)
    return kept[ascending], pixels[ascending]


def _walk(path: Path) -> Iterator[Path]:
    """Every image by name, relative to `path`. Links are followed, but no folder is entered twice."""

    def refuse(error: OSError) -> None:
        raise DataError(f"Cannot list {shown(error.filename)}: {error.strerror}.") from error

    entered = set()
    for folder, inside, names in os.walk(path, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        inside[:] = [] if real in entered else sorted(name for name in inside if not name.startswith("."))
        for name in names if real not in entered else ():
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                yield Path(folder, name).relative_to(path)
        entered.add(real)
