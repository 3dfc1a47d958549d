"""Sessions: which command runs a study at present, so that workers anywhere learn when to stop.

A signal reaches the processes of one machine, and only while there is somebody to send it. A file in the study's folder
reaches every worker: it names the session that runs the study, and a worker of another session ends its task after the
step in hand. That is the case as well where a command was killed and its workers were not, and the study was started
again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from qgen.runs import writing
from qgen.storage import write_text

_FILE = ".session"
#: Seconds between two looks at the file.
_EVERY = 0.2


@dataclass(frozen=True)
class Session:
    """One execution of a study by a command.

    Attributes:
        folder: the study's folder.
        name: what tells it from other sessions.
    """

    folder: Path
    name: str = field(default_factory=lambda: uuid4().hex)

    def begin(self) -> None:
        """Make this the session that runs the study.

        Raises:
            RunError: the folder cannot be written.
        """
        with writing(self.folder):
            write_text(self.folder / _FILE, self.name)

    def end(self) -> None:
        """Let every worker end its task after the step in hand."""
        with writing(self.folder):
            (self.folder / _FILE).unlink(missing_ok=True)

    def is_current(self) -> bool:
        """Return whether this is still the session that runs the study."""
        with suppress(OSError):
            return (self.folder / _FILE).read_text(encoding="utf-8") == self.name
        return False


class StopRequested:
    """Whether a task has to end after the step in hand: its session is over, or the worker says so itself.

    Args:
        session: the session that the task belongs to.
        also: a further reason to end; None: there is none.
    """

    def __init__(self, session: Session, also: Callable[[], bool] | None = None) -> None:
        self._session, self._also = session, also
        self._requested, self._next = False, 0.0

    def __call__(self) -> bool:
        if not self._requested and time.monotonic() >= self._next:
            self._requested = not self._session.is_current() or (self._also is not None and self._also())
            self._next = time.monotonic() + _EVERY
        return self._requested
