"""Inspect data before training: the status of known sets, and the content of folders and distributions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import torch

from qgen.data.decoding import ImageHeader, read_header, read_pixels
from qgen.data.distributions import DISTRIBUTIONS, SOURCE, Distribution
from qgen.data.folder import Reader, list_folder
from qgen.data.image_set import ImageSet
from qgen.data.sets import KNOWN_SETS, IdxSource, KnownSet
from qgen.data.sources import download_root, find_published
from qgen.errors import DataError
from qgen.progress import ProgressCallback
from qgen.user_files import shown


@dataclass(frozen=True)
class SetStatus:
    """Status of a known data set or distribution on this machine.

    Attributes:
        name: its name in settings.
        about: one line on its content.
        kind: images, or samples of a distribution, which are images of one pixel.
        train: number of training images.
        test: number of test images.
        size: height and width, in pixels.
        channels: 1 for grey; the dimension of a distribution.
        class_names: name of label k at index k; empty without labels.
        present: the folder with all of its files, verified by SHA-256; None if they are not all there.
        problem: what is wrong with the files on this machine; None if nothing is, or there are none.
        origin: the package, or the URL of the first mirror.
        destination: the folder to download to; None if no download is needed or possible.
        download_bytes: size of a download of all files; 0 if none is needed.
        reference: authors, title, year.
        licence: as its authors or publishers state it.
    """

    name: str
    about: str
    kind: Literal["images", "distribution"]
    train: int
    test: int
    size: int
    channels: int
    class_names: tuple[str, ...]
    present: str | None
    problem: str | None
    origin: str
    destination: str | None
    download_bytes: int
    reference: str
    licence: str


def list_sets(
    data_dir: Path | None = None,
    sets: Iterable[KnownSet | Distribution] = (*KNOWN_SETS.values(), *DISTRIBUTIONS.values()),
) -> list[SetStatus]:
    """List the known sets and distributions. Files on this machine are verified: about a second for each large set.

    Nothing is downloaded.

    Args:
        data_dir: the folder to search first.
        sets: the sets to list.
    """
    return [
        describe_distribution(known) if isinstance(known, Distribution) else describe_set(known, data_dir)
        for known in sets
    ]


def describe_set(known: KnownSet, data_dir: Path | None = None) -> SetStatus:
    """Return the status of a known data set; see `list_sets`."""
    present, problem = ("scikit-learn", None) if known.idx is None else _find(known.name, known.idx, data_dir)
    root = None if known.idx is None else download_root(data_dir)
    return SetStatus(
        name=known.name,
        about=known.about,
        kind="images",
        train=known.train,
        test=known.test,
        size=known.size,
        channels=1,
        class_names=known.class_names,
        present=present,
        problem=problem,
        origin="scikit-learn" if known.idx is None else known.idx.mirrors[0],
        destination=None if root is None or known.idx is None else str(root / known.idx.folders[0]),
        download_bytes=0 if known.idx is None else known.idx.packed_bytes,
        reference=known.reference,
        licence=known.licence,
    )


def describe_distribution(distribution: Distribution) -> SetStatus:
    """Return the status of a known distribution; see `list_sets`."""
    return SetStatus(
        name=distribution.name,
        about=distribution.about,
        kind="distribution",
        train=distribution.train,
        test=distribution.test,
        size=1,
        channels=distribution.channels,
        class_names=(),
        present=SOURCE,
        problem=None,
        origin=SOURCE,
        destination=None,
        download_bytes=0,
        reference=distribution.reference,
        licence="No licence is needed",
    )


def _find(name: str, idx: IdxSource, data_dir: Path | None) -> tuple[str | None, str | None]:
    """Return the folders of all files, or what is wrong with them; at most one of the two."""
    folders, missing = [], []
    for file in idx.all_files:
        try:
            found = find_published(name, idx, file, data_dir)
        except DataError as problem:
            return None, str(problem)
        if found is None:
            missing.append(f"{file.name}.gz")
        else:
            folders.append(str(found[0].parent))
    if missing:
        partly = f"{', '.join(missing)} of {name} missing; `qgen data {name} --download` fetches what is missing."
        return None, partly if folders else None
    return ", ".join(dict.fromkeys(folders)), None


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
    sides = {header.side for header in headers.values()}
    return FolderReport(
        path=shown(path),
        images=len(headers),
        counts=_count(shown(folder.files[index].parts[0]) for index in headers) if folder.labels is not None else {},
        sizes=_count(f"{header.width}x{header.height}" for header in headers.values()),
        modes=_count(header.mode for header in headers.values()),
        size=sides.pop() if len(sides) == 1 else None,
        channels=1 if all(header.grey for header in headers.values()) else 3,
        unreadable={shown(file.as_posix()): reason for file, reason in sorted(reader.unreadable.items())},
    )


def _decode_and_read_header(path: Path) -> ImageHeader:
    read_pixels(path, size=None, channels=3)
    return read_header(path)


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())
