"""What a folder of images holds, before anything is learned from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from qgen.data.decoding import Head, read_head, read_pixels
from qgen.data.download import Progress
from qgen.data.folder import Reader, list_folder


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
        path=str(path),
        images=len(heads),
        counts=_counted(folder.files[place].parts[0] for place in heads) if folder.labels is not None else {},
        sizes=_counted(f"{head.width}x{head.height}" for head in heads.values()),
        modes=_counted(head.mode for head in heads.values()),
        size=sides.pop() if len(sides) == 1 else None,
        channels=1 if all(head.grey for head in heads.values()) else 3,
        unreadable={file.as_posix(): reason for file, reason in sorted(reader.unreadable.items())},
    )


def _head_of_sound_image(path: Path) -> Head:
    read_pixels(path, size=None, channels=3)
    return read_head(path)


def _counted(things: Iterable[str]) -> dict[str, int]:
    return dict(Counter(things).most_common())
