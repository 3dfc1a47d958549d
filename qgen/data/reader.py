"""Reads the files of a folder in order, and records those that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from qgen.data.bit_depth import UnreadableError
from qgen.data.listing import Folder
from qgen.errors import DataError
from qgen.user_files import printable

_MAX_NAMED = 10
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Reader:
    """Reads the files of a folder, and records those that cannot be read.

    Attributes:
        folder: the folder.
        unreadable: reason by file.
    """

    folder: Folder
    unreadable: dict[str, str] = field(default_factory=dict)

    def read(self, index: int, reader: Callable[[Path], _Read]) -> _Read | None:
        """Call `reader` with the path of a file; None if the file cannot be read, now or earlier."""
        file = self.folder.files[index]
        if file in self.unreadable:
            return None
        try:
            return reader(self.folder.path / file)
        except UnreadableError as reason:
            self.unreadable[file] = str(reason)
            return None

    def readable(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of these indices whose files are not known to be unreadable, in the same order."""
        if not self.unreadable:
            return order
        return np.array(
            [index for index in order.tolist() if self.folder.files[index] not in self.unreadable], np.int64
        )

    def refuse_unreadable(self) -> None:
        """Raise a DataError that names the unreadable files, if there are any."""
        if self.unreadable:
            named = [f"{printable(file)} ({reason})" for file, reason in sorted(self.unreadable.items())]
            more = len(named) - _MAX_NAMED
            raise DataError(
                f"{len(named):,} of {len(self.folder.files):,} images in {printable(self.folder.path)} cannot be read: "
                f"{', '.join(named[:_MAX_NAMED])}{f' and {more:,} more' if more > 0 else ''}. "
                "Mend or remove them, or set `skip_unreadable: true`."
            )
