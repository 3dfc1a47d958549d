"""What there is to learn from, and where it lies or would come from. Nothing here downloads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qgen.data.distributions import DISTRIBUTIONS, DRAWN, Distribution
from qgen.data.places import download_root
from qgen.data.published import find_published
from qgen.data.sets import KNOWN, IdxSource, KnownSet
from qgen.errors import DataError


@dataclass(frozen=True)
class SetStatus:
    """A known data set or distribution, as it is on this machine.

    Attributes:
        name: what it is called in settings.
        about: a line on what is in it.
        kind: whether it holds images, or samples of a distribution, which are images of one pixel.
        train: how many images to learn from.
        test: how many are held out.
        size: pixels in height and width.
        channels: 1 for grey; of a distribution, its dimensions.
        class_names: the name of label k at place k; empty without labels.
        present: where it lies, whole and checked by SHA-256; None if it does not.
        problem: what is wrong with the files that were found; None if nothing is, or there are none.
        origin: where it comes from, or would.
        destination: the folder that a download would go to; None where none is needed or possible.
        download_bytes: what a download of all its files takes; 0 where none is needed.
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
    sets: Iterable[KnownSet | Distribution] = (*KNOWN.values(), *DISTRIBUTIONS.values()),
) -> list[SetStatus]:
    """What is known by name. Files that are found are read and checked, which takes about a second for each large set.

    Args:
        data_dir: the folder to look in first.
        sets: the sets to look for.
    """
    return [
        describe_distribution(known) if isinstance(known, Distribution) else describe_set(known, data_dir)
        for known in sets
    ]


def describe_set(known: KnownSet, data_dir: Path | None = None) -> SetStatus:
    """One known data set; see `list_sets`."""
    present, problem = ("scikit-learn", None) if known.idx is None else _check(known.name, known.idx, data_dir)
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
    """One known distribution; see `list_sets`."""
    return SetStatus(
        name=distribution.name,
        about=distribution.about,
        kind="distribution",
        train=distribution.train,
        test=distribution.test,
        size=1,
        channels=distribution.channels,
        class_names=(),
        present=DRAWN,
        problem=None,
        origin=DRAWN,
        destination=None,
        download_bytes=0,
        reference=distribution.reference,
        licence="No licence is needed",
    )


def _check(name: str, idx: IdxSource, data_dir: Path | None) -> tuple[str | None, str | None]:
    """Where all the files are, and what is wrong with them; one of the two at most."""
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
