"""Status of the known sets and distributions on this machine. Nothing here downloads, or imports torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qgen.data.distributions import DISTRIBUTIONS, SOURCE, Distribution
from qgen.data.sets import KNOWN_SETS, IdxSource, KnownSet
from qgen.data.sources import download_root, find_published
from qgen.errors import DataError


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
