"""Inspect the content of a folder or a distribution before training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import torch

from qgen.data.decoding import ImageHeader, read_header, read_pixels
from qgen.data.image_set import ImageSet
from qgen.data.listing import list_folder
from qgen.data.reader import Reader
from qgen.progress import ProgressCallback
from qgen.user_files import printable


@dataclass(frozen=True)
class FolderReport:
    """Report on the images of a folder, each of which was decoded once.

    Attributes:
        path: the folder.
        images: number of readable images.
        counts: readable images by sub-folder; empty unless all images lie in sub-folders.
        sizes: images by width and height, such as "640x480", most frequent first.
        modes: images by Pillow's mode, most frequent first.
        size: side of the middle square, in pixels, if all images agree; None: `size` must be set.
        channels: 1 if all images are grey, else 3.
        unreadable: reason by file, relative to the folder.
    """

    path: str
    images: int
    counts: dict[str, int]
    sizes: dict[str, int]
    modes: dict[str, int]
    size: int | None
    channels: int
    unreadable: dict[str, str]


@dataclass(frozen=True)
class Moments:
    """The first two moments of D-dimensional samples.

    Attributes:
        mean: mean by dimension.
        deviation: standard deviation by dimension.
        correlations: Pearson's coefficient by pair of dimensions, such as "x1, x2"; empty for D = 1.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    correlations: dict[str, float]


def measure_moments(samples: ImageSet) -> Moments:
    """Compute the moments of (N, D, 1, 1) samples."""
    values = samples.scaled(torch.arange(len(samples))).flatten(1).double()
    correlations = torch.atleast_2d(values.T.corrcoef())
    return Moments(
        mean=tuple(values.mean(dim=0).tolist()),
        deviation=tuple(values.std(dim=0).tolist()),
        correlations={
            f"x{i + 1}, x{j + 1}": float(correlations[i, j]) for i, j in combinations(range(values.shape[1]), 2)
        },
    )


def inspect_folder(path: Path, progress: ProgressCallback | None = None) -> FolderReport:
    """Decode every image of a folder and report on them.

    Args:
        path: the folder.
        progress: called with the number of files, read and in total.

    Raises:
        DataError: there are no images, or a folder cannot be listed.
    """
    folder = list_folder(path)
    reader, headers = Reader(folder), {}
    for index in range(len(folder.files)):
        if (header := reader.read(index, _decode_and_read_header)) is not None:
            headers[index] = header
        if progress:
            progress(index + 1, len(folder.files))
    inside = [] if folder.labels is None else [folder.files[index].partition("/")[0] for index in headers]
    sides = {header.side for header in headers.values()}
    return FolderReport(
        path=printable(path),
        images=len(headers),
        counts=_count(map(printable, inside)),
        sizes=_count(f"{header.width}x{header.height}" for header in headers.values()),
        modes=_count(header.mode for header in headers.values()),
        size=sides.pop() if len(sides) == 1 else None,
        channels=1 if all(header.grey for header in headers.values()) else 3,
        unreadable={printable(file): reason for file, reason in sorted(reader.unreadable.items())},
    )


def _decode_and_read_header(path: Path) -> ImageHeader:
    read_pixels(path, size=None, channels=3)
    return read_header(path)


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())
