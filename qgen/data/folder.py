"""A folder of images of any kind and size: in memory, or in a cache where there are many."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from qgen.captions import Captions
from qgen.data.captions import captioned, read_captions
from qgen.data.decoding import ImageHeader, read_header, read_pixels
from qgen.data.image_cache import CachedImages, ImageCache, open_cache
from qgen.data.image_set import ImageSet, check_memory
from qgen.data.listing import Folder, list_folder
from qgen.data.mapped import Shape
from qgen.data.reader import Reader
from qgen.data.settings import DataSettings
from qgen.data.subset import candidates
from qgen.errors import DataError
from qgen.progress import MessageCallback, ProgressCallback
from qgen.user_files import printable


def open_folder(
    path: Path,
    settings: DataSettings,
    progress: ProgressCallback | None = None,
    message: MessageCallback | None = None,
    held_out: bool = False,
) -> ImageSet:
    """Load the images of a folder, each cropped to its middle square, or open their cache.

    Labels are the sub-folders of the images, if all of them lie in one.

    Args:
        path: the folder.
        settings: which images, in what form, and whether they are cached.
        progress: called with the number of files, read and in total.
        message: called with a line about a cache that is made or used.
        held_out: see `open_images`.

    Raises:
        DataError: see `open_images`.
    """
    if settings.split == "test":
        raise DataError(
            f"{printable(path)} has no test images: a folder is all `train`. Give a folder of its own for testing."
        )
    folder = list_folder(path)
    order, selected = _candidates(folder, settings)
    cache = open_cache(folder, order, settings, message)
    reader = Reader(folder)
    found = None if cache is None else cache.find()
    if found is None:
        size, channels = _form(cache, reader, order, settings)
        shape = selected, channels, size, size
        read_image = partial(read_pixels, size=size, channels=channels, depth=settings.depth)
        if cache is not None and cache.wanted(shape):
            found = cache.make(reader, shape, read_image, progress)
    if found is not None:
        reader.unreadable.update(found.unreadable)
        indices = found.indices
    else:
        check_memory(selected, channels, size, copies=2 if selected < len(order) else 1)  # see the end of `_read_all`
        indices, pixels = _read_all(reader, order, shape, read_image, progress)
    if not settings.skip_unreadable:
        reader.refuse_unreadable()
    if len(indices) < (settings.limit or 1):
        raise DataError(
            f"Only {len(indices):,} images in {printable(path)} can be read, not the {settings.limit or 1:,} needed."
        )
    own = None
    if settings.captions == "own":
        own = read_captions(folder.path, [folder.files[index] for index in indices.tolist()])
    return captioned(_image_set(reader, indices, found or pixels), settings, own, held_out=held_out)


def folder_shape(path: Path, settings: DataSettings) -> tuple[int, int, int]:
    """Return the shape (C, H, W) of the images that `open_folder` loads; only the headers of the files are read.

    Raises:
        DataError: see `open_images`.
    """
    folder = list_folder(path)
    order, _ = _candidates(folder, settings)
    size, channels = _form(open_cache(folder, order, settings), Reader(folder), order, settings)
    return channels, size, size


def folder_captions(path: Path, settings: DataSettings) -> Captions | None:
    """Return the captions of the images that `open_folder` loads, without those made of what is in the images.

    Raises:
        DataError: captions cannot be read, or images have none.
    """
    folder = list_folder(path)
    order, selected = _candidates(folder, settings)
    return read_captions(path, [folder.files[index] for index in np.sort(order[:selected]).tolist()])


def _candidates(folder: Folder, settings: DataSettings) -> tuple[NDArray[np.int64], int]:
    name, count = printable(folder.path), len(folder.files)
    return candidates(name, folder.labels, count, settings.classes, settings.limit, settings.fraction)


def _image_set(reader: Reader, indices: NDArray[np.int64], images: CachedImages | NDArray[np.uint8]) -> ImageSet:
    folder, skipped = reader.folder, len(reader.unreadable)
    labels = None if folder.labels is None else torch.from_numpy(folder.labels[indices])
    source = printable(os.path.abspath(folder.path)) + (f", without {skipped:,} unreadable files" if skipped else "")
    name = printable(folder.path)
    if isinstance(images, CachedImages):
        mapped = images.mapped
        return ImageSet(name, mapped.images, labels, folder.class_names, source, images.sha256, mapped)
    return ImageSet.of(name, torch.from_numpy(images), labels, folder.class_names, source)


def _form(
    cache: ImageCache | None, reader: Reader, order: NDArray[np.int64], settings: DataSettings
) -> tuple[int, int]:
    """Return size and channels; where a cache has them, without reading the headers of all files again."""
    known = None if cache is None else cache.shape()
    return _size_and_channels(reader, order, settings) if known is None else (known[2], known[1])


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
    shape: Shape,
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
