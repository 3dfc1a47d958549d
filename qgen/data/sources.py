"""Files of known data sets: find them on this machine or download them, check them, and read them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException, HTTPResponse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qgen.data.idx import DamagedError, IdxFile, OtherContentError, read_idx
from qgen.data.sets import KNOWN_SETS, IdxSource, KnownSet, Split
from qgen.data.subset import fixed_permutation
from qgen.errors import DataError
from qgen.progress import ProgressCallback
from qgen.storage import atomic_write, user_folder

#: Environment variable with the folder of data sets.
VARIABLE = "QGEN_DATA"
_SYSTEM = (Path("/usr/share/datasets"), Path("/usr/local/share/datasets"))
#: Fraction of each class of the digits that is held out.
_HELD_OUT = 0.2
_BLOCK = 1 << 16  # bytes
_TIMEOUT = 30.0  # seconds without an answer


@dataclass(frozen=True)
class Published:
    """Images as they were published.

    Attributes:
        images: (N, H, W), uint8.
        labels: (N,), int64.
        source: the file or package that they were read from.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    source: str


class _NoAnswerError(Exception):
    """A server could not be reached, or the connection broke."""


def load_published(
    known: KnownSet,
    split: Split,
    data_dir: Path | None = None,
    fetch: bool = True,
    progress: ProgressCallback | None = None,
) -> Published:
    """Load one split of a known set.

    Args:
        known: the set.
        split: `train` or `test`.
        data_dir: the folder to search first.
        fetch: download files that are not on this machine.
        progress: called with the bytes of a download, done and in total.

    Raises:
        DataError: files are missing and cannot be downloaded, or are not the published ones.
    """
    if known.idx is None:
        return _load_digits(split)
    (path, images), (_, labels) = (
        _read_or_download(known.name, known.idx, file, data_dir, fetch, progress) for file in known.idx.files(split)
    )
    return Published(images, labels.astype(np.int64), os.path.abspath(path))


def download_set(known: KnownSet, data_dir: Path | None, progress: ProgressCallback | None = None) -> None:
    """Download the files of a set that are not on this machine.

    Raises:
        DataError: they cannot be downloaded, or files on this machine are not the published ones.
    """
    if known.idx is not None:
        for file in known.idx.all_files:
            _read_or_download(known.name, known.idx, file, data_dir, True, progress)


def find_published(
    name: str, idx: IdxSource, file: IdxFile, data_dir: Path | None
) -> tuple[Path, NDArray[np.uint8]] | None:
    """Return the first path at which a file lies, and the numbers in it; None if it is not on this machine.

    Sets made like MNIST use the same file names: files that belong to another known set are passed over.

    Raises:
        DataError: the file is damaged, is not the published one, or cannot be read.
    """
    for path in _find_files(file.name, data_dir, idx.folders):
        try:
            return path, read_idx(path, file)
        except DamagedError as reason:
            if isinstance(reason, OtherContentError) and reason.sha256 in _known_digests():
                continue
            raise DataError(
                f"{path} is not the {file.name} of {name}: {reason}. Delete or replace it, or choose "
                "another folder with --data-dir."
            ) from reason
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    return None


def _known_digests() -> set[str]:
    return {file.sha256 for known in KNOWN_SETS.values() if known.idx for file in known.idx.all_files}


def _read_or_download(
    name: str, idx: IdxSource, file: IdxFile, data_dir: Path | None, fetch: bool, progress: ProgressCallback | None
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


def _missing(name: str, idx: IdxSource, file: IdxFile, data_dir: Path | None, reason: str) -> str:
    searched, inside = ", ".join(map(str, _search_roots(data_dir))), ", ".join(idx.folders)
    return (
        f"{name} needs {file.name}.gz, which is in none of {searched}, nor in a sub-folder ({inside}) there. {reason} "
        f"Or put the files of the set ({', '.join(f'{file.name}.gz' for file in idx.all_files)}) into one folder, and "
        f"name it with --data-dir or {VARIABLE}."
    )


@cache
def _load_digits(split: Split) -> Published:
    """Parse the package's table, once in a process: a run, its reference and its captions all read it."""
    import sklearn
    from sklearn.datasets import load_digits

    digits = load_digits()
    labels = digits.target.astype(np.int64)
    indices = _split_digits(labels, split)
    images = np.rint(digits.images[indices] * (255 / 16)).astype(np.uint8)
    found = Published(images, labels[indices], f"scikit-learn {sklearn.__version__}, load_digits")
    for array in (found.images, found.labels):
        array.setflags(write=False)
    return found


def _split_digits(labels: NDArray[np.int64], split: Split) -> NDArray[np.int64]:
    """Return the indices of a split, ascending: of each class, the last fifth of one fixed permutation is held out."""
    order, parts = fixed_permutation(len(labels)), []
    for label in np.unique(labels):
        members = order[labels[order] == label]
        train = len(members) - round(_HELD_OUT * len(members))
        parts.append(members[:train] if split == "train" else members[train:])
    return np.sort(np.concatenate(parts))


# Folders


def download_root(data_dir: Path | None) -> Path | None:
    """Return the folder to download to: `data_dir`, that of `QGEN_DATA`, or the user's; None without a home folder."""
    return next(iter(own_roots(data_dir)), None)


def expand_home(path: str | Path) -> Path:
    """Expand `~` and `~name`, which a shell does not do in every place.

    Raises:
        DataError: there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataError(f"`{path}` begins with a home folder that does not exist; give the whole path.") from error


def _find_files(name: str, data_dir: Path | None, folders: tuple[str, ...]) -> Iterator[Path]:
    """Yield the paths of `name.gz` or `name`, of each root first in these sub-folders, then in the root itself."""
    for root in _search_roots(data_dir):
        for folder in (*folders, "."):
            for candidate in (root / folder / f"{name}.gz", root / folder / name):
                if os.path.isfile(candidate):  # False also where a folder may not be entered
                    yield candidate


def _search_roots(data_dir: Path | None) -> list[Path]:
    return list(dict.fromkeys([*own_roots(data_dir), *_SYSTEM]))


def own_roots(data_dir: Path | None) -> list[Path]:
    """Return the folders that may hold data sets: `data_dir`, that of `QGEN_DATA`, and the user's."""
    given = [data_dir, os.environ.get(VARIABLE), user_folder(sys.platform, os.environ)]
    return [expand_home(path) for path in given if path]


# Downloads


def download(file: IdxFile, mirrors: tuple[str, ...], folder: Path, progress: ProgressCallback | None = None) -> Path:
    """Download `file` as `NAME.gz` into `folder`, from the first mirror that has it whole.

    Args:
        file: what it must contain.
        mirrors: URLs to which `NAME.gz` is appended.
        folder: made if it does not exist.
        progress: called with the bytes, done and in total.

    Raises:
        DataError: no mirror gave the file, with the reasons; or it cannot be written.
    """
    target, refusals = folder / f"{file.name}.gz", []
    for mirror in mirrors:
        url = f"{mirror}{target.name}"
        try:
            with _connect(url) as answer:
                folder.mkdir(parents=True, exist_ok=True)
                with atomic_write(target) as temporary:
                    _write(answer, temporary, file, progress)
                    read_idx(temporary, file)
            return target
        except (_NoAnswerError, DamagedError) as reason:
            refusals.append(f"{url}: {reason}")
        except OSError as error:
            raise DataError(f"Cannot write {target}: {error.strerror or error}.") from error
    raise DataError(f"It could not be downloaded: {'; '.join(refusals)}.")


def _write(answer: HTTPResponse, path: Path, file: IdxFile, progress: ProgressCallback | None) -> None:
    length = answer.headers.get("Content-Length", "")
    done, total = 0, int(length) if length.isdecimal() else file.packed_bytes
    with path.open("wb") as output:
        for block in _blocks(answer):
            done += len(block)
            if done > file.content_bytes + _BLOCK:  # gzip never adds as much
                raise DamagedError(f"it is longer than the {file.content_bytes:,} bytes that it should unpack to")
            output.write(block)
            if progress:
                progress(done, total)
    if length.isdecimal() and done < total:
        raise _NoAnswerError(f"it broke off after {done:,} of {total:,} bytes")


def _connect(url: str) -> HTTPResponse:
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        answer: HTTPResponse = urlopen(url, timeout=_TIMEOUT)
    except HTTPError as error:
        error.close()  # it holds the connection open
        raise _NoAnswerError(str(error)) from error
    except (OSError, HTTPException) as error:
        raise _NoAnswerError(str(getattr(error, "reason", error)) or type(error).__name__) from error
    return answer


def _blocks(answer: HTTPResponse) -> Iterator[bytes]:
    """Yield the content in blocks. Every error in here is one of the network, never of the disk."""
    try:
        while block := answer.read(_BLOCK):
            yield block
    except (OSError, HTTPException) as error:
        raise _NoAnswerError(str(error) or type(error).__name__) from error
