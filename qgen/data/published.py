"""Reading the known data sets: from a package, from files on this machine, or from files that are fetched."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qgen.data.choice import fixed_shuffle
from qgen.data.download import Progress, download
from qgen.data.idx import DamagedError, IdxFile, OtherContentError, read_idx
from qgen.data.places import VARIABLE, download_root, find_files, roots
from qgen.data.sets import KNOWN, IdxSource, KnownSet, Split
from qgen.errors import DataError

#: The part of each class of the digits that is held out.
_HELD_OUT = 0.2


@dataclass(frozen=True)
class Published:
    """Images as they were published.

    Attributes:
        images: (N, H, W), uint8.
        labels: (N,), int64.
        source: where they were read from.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    source: str


def load(
    known: KnownSet,
    split: Split,
    data_dir: Path | None = None,
    fetch: bool = True,
    progress: Progress | None = None,
) -> Published:
    """One part of a known set.

    Args:
        known: the set.
        split: the part.
        data_dir: the folder to look in first.
        fetch: whether files that are nowhere on this machine are downloaded.
        progress: told how the download of each file goes on.

    Raises:
        DataError: files are missing and cannot be fetched, or are not what was published.
    """
    if known.idx is None:
        return _load_digits(split)
    (path, images), (_, labels) = (
        _read_or_fetch(known.name, known.idx, file, data_dir, fetch, progress) for file in known.idx.files(split)
    )
    return Published(images, labels.astype(np.int64), os.path.abspath(path))


def fetch_all(known: KnownSet, data_dir: Path | None, progress: Progress | None = None) -> None:
    """Downloads the files of a set that are nowhere on this machine.

    Raises:
        DataError: they cannot be fetched, or files that were found are not what was published.
    """
    if known.idx is not None:
        for file in known.idx.all_files:
            _read_or_fetch(known.name, known.idx, file, data_dir, True, progress)


def find_published(
    name: str, idx: IdxSource, file: IdxFile, data_dir: Path | None
) -> tuple[Path, NDArray[np.uint8]] | None:
    """The first place on this machine where a file lies, and the numbers in it; None if there is none.

    Sets that are made like MNIST give their files the same names: one that is known to belong to another set is passed.

    Raises:
        DataError: the file is damaged or not what was published, or cannot be read.
    """
    for path in find_files(file.name, data_dir, idx.folders):
        try:
            return path, read_idx(path, file)
        except DamagedError as reason:
            if isinstance(reason, OtherContentError) and reason.sha256 in _digests():
                continue
            raise DataError(
                f"{path} is not the {file.name} of {name}: {reason}. Delete or replace it, or choose "
                "another folder with --data-dir."
            ) from reason
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    return None


def _digests() -> set[str]:
    return {file.sha256 for known in KNOWN.values() if known.idx for file in known.idx.all_files}


def _read_or_fetch(
    name: str, idx: IdxSource, file: IdxFile, data_dir: Path | None, fetch: bool, progress: Progress | None
) -> tuple[Path, NDArray[np.uint8]]:
    if found := find_published(name, idx, file, data_dir):
        return found
    if not fetch:
        raise DataError(_missing(name, idx, file, data_dir, f"`qgen data {name} --download` fetches it."))
    root = download_root(data_dir)
    if root is None:
        raise DataError(_missing(name, idx, file, data_dir, "There is no home folder to download it to."))
    try:
        path = download(file, idx.mirrors, root / idx.folders[0], progress)
    except DataError as error:
        raise DataError(_missing(name, idx, file, data_dir, str(error))) from error
    return path, read_idx(path, file)


def _missing(name: str, idx: IdxSource, file: IdxFile, data_dir: Path | None, fetching: str) -> str:
    looked, inside = ", ".join(map(str, roots(data_dir))), ", ".join(idx.folders)
    return (
        f"{name} needs {file.name}.gz, which is in none of {looked}, nor in a sub-folder ({inside}) there. {fetching} "
        f"Or put the files of the set ({', '.join(f'{each.name}.gz' for each in idx.all_files)}) into one folder, and "
        f"name it with --data-dir or {VARIABLE}."
    )


def _load_digits(split: Split) -> Published:
    import sklearn
    from sklearn.datasets import load_digits

    digits = load_digits()
    labels = digits.target.astype(np.int64)
    kept = _split_of_digits(labels, split)
    images = np.rint(digits.images[kept] * (255 / 16)).astype(np.uint8)
    return Published(images, labels[kept], f"scikit-learn {sklearn.__version__}, load_digits")


def _split_of_digits(labels: NDArray[np.int64], split: Split) -> NDArray[np.int64]:
    """The places of a part, ascending: of each class, in one fixed shuffle, the last fifth is held out."""
    order, kept = fixed_shuffle(len(labels)), []
    for label in np.unique(labels):
        members = order[labels[order] == label]
        trained = len(members) - round(_HELD_OUT * len(members))
        kept.append(members[:trained] if split == "train" else members[trained:])
    return np.sort(np.concatenate(kept))
