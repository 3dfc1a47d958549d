"""Status of the known sets and distributions on this machine. Nothing here downloads, or imports torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qgen.data.distributions import DISTRIBUTIONS, SOURCE, Distribution
from qgen.data.emoji.sources import INSTALL, find_emoji
from qgen.data.sets import CAPTIONED_SETS, KNOWN_SETS, CaptionedSet, IdxSource, KnownSet
from qgen.data.sources import download_root, find_published
from qgen.errors import DataError


@dataclass(frozen=True)
class SetStatus:
    """Status of a known data set or distribution on this machine.

    Attributes:
        name: its name in settings.
        about: one line on its content.
        kind: images; images with captions, which are not divided; or samples of a distribution, which are images of
            one pixel.
        train: number of training images; 0: not known, as they are not on this machine.
        test: number of test images.
        size: height and width, in pixels.
        channels: 1 for grey; the dimension of a distribution.
        class_names: name of label k at index k; empty without labels.
        present: the folder with all of its files, verified by SHA-256, or the source of captioned images; None if they
            are not all there.
        problem: what is wrong with the files on this machine; None if nothing is, or there are none.
        origin: the package, or the URL of the first mirror; of captioned images, the packages that have them.
        destination: the folder to download to; None if no download is needed or possible.
        download_bytes: size of a download of all files; 0 if none is needed.
        reference: authors, title, year.
        licence: as its authors or publishers state it.
    """

    name: str
    about: str
    kind: Literal["images", "captioned", "distribution"]
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
    sets: Iterable[KnownSet | CaptionedSet | Distribution] = (
        *KNOWN_SETS.values(),
        *CAPTIONED_SETS.values(),
        *DISTRIBUTIONS.values(),
    ),
) -> list[SetStatus]:
    """List the known sets and distributions. Files on this machine are verified: about a second for each large set.

    Nothing is downloaded.

    Args:
        data_dir: the folder to search first.
        sets: the sets to list.
    """
    found = []
    for known in sets:
        if isinstance(known, Distribution):
            found.append(describe_distribution(known))
        elif isinstance(known, CaptionedSet):
            found.append(describe_captioned(known, data_dir))
        else:
            found.append(describe_set(known, data_dir))
    return found


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


def describe_captioned(known: CaptionedSet, data_dir: Path | None = None) -> SetStatus:
    """Return the status of a set of captioned images; see `list_sets`."""
    source, count, problem = find_emoji(data_dir), 0, None
    if source is not None:
        try:
            count = sum(1 for _ in source.emoji(skin_tones=False))
        except DataError as error:
            problem = str(error)
    return SetStatus(
        name=known.name,
        about=known.about,
        kind="captioned",
        train=count,
        test=0,
        size=known.size,
        channels=3,
        class_names=(),
        present=None if source is None or problem else source.about,
        problem=problem,
        origin=INSTALL,
        destination=None,
        download_bytes=0,
        reference=known.reference,
        licence=known.licence if source is None else source.licence,
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
