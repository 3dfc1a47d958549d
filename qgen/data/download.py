"""Fetching a file of a data set: written aside, checked, and only then there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from qgen.data.idx import DamagedError, IdxFile, read_idx
from qgen.errors import DataError
from qgen.storage import aside

#: Told how much is done, and of how much: bytes of a file that is fetched, files of a folder that is read.
Progress = Callable[[int, int], None]

_BLOCK = 1 << 16
_TIMEOUT = 30.0  # seconds without an answer


class _NoAnswerError(Exception):
    """A server could not be reached, or broke off."""


def download(file: IdxFile, mirrors: tuple[str, ...], folder: Path, progress: Progress | None = None) -> Path:
    """Fetches `file` as `NAME.gz` into `folder`, from the first mirror that has it whole.

    Args:
        file: what it must hold.
        mirrors: addresses to which `NAME.gz` is appended.
        folder: is made if need be.
        progress: told the bytes that came, and those to come.

    Raises:
        DataError: no mirror gave the file, and why not; or it cannot be written.
    """
    target, refusals = folder / f"{file.name}.gz", []
    for mirror in mirrors:
        url = f"{mirror}{target.name}"
        try:
            with _connect(url) as answer:
                folder.mkdir(parents=True, exist_ok=True)
                with aside(target) as temporary:
                    _write(answer, temporary, file, progress)
                    read_idx(temporary, file)
            return target
        except (_NoAnswerError, DamagedError) as reason:
            refusals.append(f"{url}: {reason}")
        except OSError as error:
            raise DataError(f"Cannot write {target}: {error.strerror or error}.") from error
    raise DataError(f"It could not be downloaded: {'; '.join(refusals)}.")


def _write(answer: HTTPResponse, path: Path, file: IdxFile, progress: Progress | None) -> None:
    length = answer.headers.get("Content-Length", "")
    done, total = 0, int(length) if length.isdecimal() else file.packed_bytes
    with path.open("wb") as written:
        for block in _blocks(answer):
            done += len(block)
            if done > file.content_bytes + _BLOCK:  # packing never adds as much
                raise DamagedError(f"it is longer than the {file.content_bytes:,} bytes that it should unpack to")
            written.write(block)
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
        error.close()  # it is an answer, too
        raise _NoAnswerError(str(error)) from error
    except (OSError, HTTPException) as error:
        raise _NoAnswerError(str(getattr(error, "reason", error)) or type(error).__name__) from error
    return answer


def _blocks(answer: HTTPResponse) -> Iterator[bytes]:
    """What comes over the network: whatever fails in here is the network, never the disk."""
    try:
        while block := answer.read(_BLOCK):
            yield block
    except (OSError, HTTPException) as error:
        raise _NoAnswerError(str(error) or type(error).__name__) from error
