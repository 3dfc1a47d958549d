"""What a folder of images or a distribution holds, before anything is learned from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import torch

from qgen.data.decoding import Head, read_head, read_pixels
from qgen.data.download import Progress
from qgen.data.folder import Reader, list_folder
from qgen.data.images import ImageSet
from qgen.user_files import shown


@dataclass(frozen=True)
class FolderReport:
    """The images of a folder, each of them unpacked once.

    Attributes:
        path: the folder.
        images: how many can be read.
        counts: how many of these are in each sub-folder; empty unless all images lie in sub-folders.
        sizes: how many have each width and height, such as "640x480", most frequent first.
        modes: how many have each of Pillow's kinds of pixels, most frequent first.
        size: of the square in the middle, in pixels, if it is the same for all; None: `size` must be set.
        channels: 1 if all of them are grey, else 3.
        unreadable: the files that cannot be read, relative to the folder, with the reasons.
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
    """The first two moments of samples of D numbers.

    Attributes:
        mean: of each number.
        deviation: the standard deviation of each.
        correlations: Pearson's, of each two numbers, such as "x1, x2"; empty for D = 1.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    correlations: dict[str, float]


def measure_moments(samples: ImageSet) -> Moments:
    """The moments of (N, D, 1, 1) samples, as they are learned from."""
    values = samples.scaled(torch.arange(len(samples))).flatten(1).double()
    related = torch.atleast_2d(values.T.corrcoef())
    return Moments(
        mean=tuple(values.mean(dim=0).tolist()),
        deviation=tuple(values.std(dim=0).tolist()),
        correlations={f"x{i + 1}, x{j + 1}": float(related[i, j]) for i, j in combinations(range(values.shape[1]), 2)},
    )


def inspect_folder(path: Path, progress: Progress | None = None) -> FolderReport:
    """Reads every image of a folder.

    Args:
        path: the folder.
        progress: told how many files have been read, and how many there are.

    Raises:
        DataError: there are no images, or a folder cannot be listed.
    """
    folder = list_folder(path)
    reader, heads = Reader(folder), {}
    for place in range(len(folder.files)):
        if (head := reader.read(place, _head_of_sound_image)) is not None:
            heads[place] = head
        if progress:
            progress(place + 1, len(folder.files))
    sides = {head.side for head in heads.values()}
    return FolderReport(
        path=shown(path),
        images=len(heads),
        counts=_counted(shown(folder.files[place].parts[0]) for place in heads) if folder.labels is not None else {},
        sizes=_counted(f"{head.width}x{head.height}" for head in heads.values()),
        modes=_counted(head.mode for head in heads.values()),
        size=sides.pop() if len(sides) == 1 else None,
        channels=1 if all(head.grey for head in heads.values()) else 3,
        unreadable={shown(file.as_posix()): reason for file, reason in sorted(reader.unreadable.items())},
    )


def _head_of_sound_image(path: Path) -> Head:
    read_pixels(path, size=None, channels=3)
    return read_head(path)


def _counted(things: Iterable[str]) -> dict[str, int]:
    return dict(Counter(things).most_common())
