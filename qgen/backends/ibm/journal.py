"""The journal: what is to be submitted, before it is; the job, once it has a number; the result, when it arrives.

A file of SQLite, every change on the disk before the next step is taken. One process writes at a time.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from qgen.errors import HardwareError

#: What a journal is called.
JOURNAL = "jobs.sqlite"
State = Literal["planned", "submitted", "done", "failed", "cancelled"]
_TABLES = """
create table if not exists facts (name text primary key, value text not null);
create table if not exists jobs (
    key text not null, attempt integer not null, tag text not null unique, backend text not null, state text not null,
    job_id text, purpose text not null, circuits integer not null, shots integer not null, executions integer not null,
    estimate real not null, seconds real, reason text, created text not null, changed text not null, result blob,
    primary key (key, attempt)
);
"""
_COLUMNS = (
    "key, attempt, tag, backend, state, job_id, purpose, circuits, shots, executions, estimate, seconds, reason, "
    "created, changed"
)


@dataclass(frozen=True)
class Entry:
    """One attempt to have a request run.

    Attributes:
        key: of the request: equal for equal circuits, angles, shots and seed on one backend.
        attempt: from 0; a new one is made only where the last one is known to have failed, or to be cancelled.
        tag: the mark by which the job is found at IBM, should its number be lost.
        backend: the device.
        state: `planned`: may or may not have reached IBM.
        job_id: IBM's number of it.
        purpose: in words.
        circuits, shots, executions: how much it is.
        estimate: QPU seconds, as planned.
        seconds: QPU seconds, as billed; None: not known yet.
        reason: why it failed.
        created, changed: in ISO format, UTC.
    """

    key: str
    attempt: int
    tag: str
    backend: str
    state: State
    job_id: str | None
    purpose: str
    circuits: int
    shots: int
    executions: int
    estimate: float
    seconds: float | None
    reason: str | None
    created: str
    changed: str

    @property
    def cost(self) -> float:
        """QPU seconds that it cost, or may still cost."""
        if self.seconds is not None:
            return self.seconds
        return self.estimate


class Journal:
    """See the module.

    Args:
        path: the file; made where it is missing, in a folder that exists.

    Raises:
        HardwareError: the file cannot be written, or is no journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._base = sqlite3.connect(path, isolation_level=None, timeout=30.0)
            self._base.execute("pragma journal_mode=wal")
            self._base.execute("pragma synchronous=full")
            self._base.executescript(_TABLES)
            self._base.execute("insert or ignore into facts values ('identity', ?)", (uuid.uuid4().hex,))
            self._identity = self.fact("identity")
        except sqlite3.Error as error:
            raise HardwareError(
                f"the journal {path} cannot be used ({error}): nothing is submitted without it"
            ) from error

    def close(self) -> None:
        """Lets go of the file."""
        self._base.close()

    def fact(self, name: str) -> str | None:
        """What is noted under this name."""
        row = self._base.execute("select value from facts where name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def note(self, name: str, value: str) -> None:
        """Notes something under a name, in place of what is noted there."""
        self._base.execute("insert or replace into facts values (?, ?)", (name, value))

    def entries(self) -> list[Entry]:
        """All attempts, the oldest first."""
        rows = self._base.execute(f"select {_COLUMNS} from jobs order by rowid")
        return [Entry(*row) for row in rows]

    def last(self, key: str) -> Entry | None:
        """The last attempt at a request."""
        found = self._base.execute(
            f"select {_COLUMNS} from jobs where key = ? order by attempt desc limit 1", (key,)
        ).fetchone()
        return None if found is None else Entry(*found)

    def plan(self, key: str, backend: str, purpose: str, circuits: int, shots: int, estimate: float) -> Entry:
        """A new attempt, to be submitted next."""
        before = self.last(key)
        attempt = 0 if before is None else before.attempt + 1
        # With the path: a folder that was copied is another one.
        mark = f"{self._identity} {self.path.resolve()} {key} {attempt}"
        tag = f"qgen-{sha256(mark.encode()).hexdigest()[:24]}"
        now, executions = _now(), circuits * shots
        unknown = (None, None, now, now)
        self._base.execute(
            f"insert into jobs ({_COLUMNS}) values ({', '.join('?' * 15)})",
            (key, attempt, tag, backend, "planned", None, purpose, circuits, shots, executions, estimate, *unknown),
        )
        return self._now(tag)

    def submitted(self, entry: Entry, job_id: str) -> Entry:
        """It has a number at IBM."""
        return self._change(entry, state="submitted", job_id=job_id)

    def done(self, entry: Entry, result: bytes, seconds: float | None) -> Entry:
        """Its result is here."""
        return self._change(entry, state="done", result=result, seconds=seconds)

    def billed(self, entry: Entry, seconds: float) -> Entry:
        """What it cost is known by now."""
        return self._change(entry, seconds=seconds)

    def ended(self, entry: Entry, state: Literal["failed", "cancelled"], reason: str, seconds: float | None) -> Entry:
        """It will never have a result."""
        return self._change(entry, state=state, reason=reason, seconds=seconds)

    def result(self, entry: Entry) -> bytes:
        """What `done` was given."""
        row = self._base.execute("select result from jobs where tag = ?", (entry.tag,)).fetchone()
        return bytes(row[0])

    def spent(self) -> float:
        """QPU seconds of all that is known to have reached IBM: as billed where that is known, else as planned."""
        return sum(entry.cost for entry in self.entries() if entry.state != "planned")

    def _change(self, entry: Entry, **values: Any) -> Entry:
        values |= {"changed": _now()}
        columns = ", ".join(f"{name} = ?" for name in values)
        self._base.execute(f"update jobs set {columns} where tag = ?", (*values.values(), entry.tag))
        return self._now(entry.tag)

    def _now(self, tag: str) -> Entry:
        return Entry(*self._base.execute(f"select {_COLUMNS} from jobs where tag = ?", (tag,)).fetchone())


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Within this block no other process submits what this journal holds (where the system has file locks).

    Raises:
        HardwareError: another one does.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    with open(path.with_suffix(".lock"), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HardwareError(f"another process submits jobs of {path}: wait for it, or end it") from error
        yield


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
