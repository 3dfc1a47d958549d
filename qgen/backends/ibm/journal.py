"""The journal: what is to be submitted, before it is; the job, once it has a number; the result, when it arrives.

A file of SQLite for the user alone, every change on the disk before the next step is taken. One process writes jobs at
a time.
"""

from __future__ import annotations

import sqlite3
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from qgen.backends.ibm.entry import COLUMNS, Entry
from qgen.backends.ibm.private import make_private
from qgen.errors import HardwareError

#: What a journal is called.
JOURNAL = "jobs.sqlite"
#: Of the tables. 1 had no number; it knew neither the limit nor the instance of a job, nor what its result should be.
VERSION = 2
_TABLES = (
    "create table if not exists facts (name text primary key, value text not null)",
    "create table if not exists jobs (key text not null, attempt integer not null, tag text not null unique, "
    "backend text not null, state text not null, job_id text, purpose text not null, circuits integer not null, "
    "shots integer not null, executions integer not null, estimate real not null, seconds real, reason text, "
    "created text not null, changed text not null, result blob, most real, expected text, instance text, "
    "primary key (key, attempt))",
)
_NEW_IN_2 = ("most real", "expected text", "instance text")
#: How many jobs has been planned, so that one that is missing shows.
_COUNT = "jobs"
#: Noted where the jobs in it are of a version that knew circuits by other marks.
_OTHER_MARKS = "of a version with other marks"
#: Of a request, that are looked for among the jobs of a journal that was lost.
_MOST_ATTEMPTS = 100
#: QPU seconds that a job counts for of which nothing is known but that it is there.
_UNKNOWN_JOB = 60.0
#: Of the last jobs that were billed, from which estimates learn; and the least that they make of one.
_RECENT, _LEAST = 25, 1.0


class Journal:
    """See the module.

    Args:
        path: the file; made where it is missing, in a folder that exists.

    Raises:
        HardwareError: the file cannot be written, is damaged, or is no journal; so from every method.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        make_private(path)
        try:
            self._base = sqlite3.connect(path, isolation_level=None, timeout=30.0)
        except sqlite3.Error as error:
            raise self._trouble(error) from error
        try:
            self._ask("pragma journal_mode=wal")
            self._ask("pragma synchronous=full")
            self._upgrade()
        except BaseException:
            self._base.close()
            raise

    def close(self) -> None:
        """Lets go of the file."""
        self._base.close()

    def fact(self, name: str) -> str | None:
        """What is noted under this name."""
        rows = self._ask("select value from facts where name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def note(self, name: str, value: str) -> None:
        """Notes something under a name, in place of what is noted there."""
        self._ask("insert or replace into facts values (?, ?)", (name, value))

    def entries(self) -> list[Entry]:
        """All attempts, the oldest first."""
        return [self._entry(row) for row in self._ask(f"select {COLUMNS} from jobs order by rowid")]

    def last(self, key: str) -> Entry | None:
        """The last attempt at a request."""
        rows = self._ask(f"select {COLUMNS} from jobs where key = ? order by attempt desc limit 1", (key,))
        return self._entry(rows[0]) if rows else None

    def plan(
        self,
        key: str,
        backend: str,
        purpose: str,
        circuits: int,
        shots: int,
        estimate: float,
        expected: str | None = None,
        instance: str | None = None,
    ) -> Entry:
        """A new attempt, to be submitted next.

        Raises:
            HardwareError: the journal's jobs are of a version that knew circuits by other marks: a request that has its
                result in it would be taken for a new one, and be paid for again.
        """
        if self.fact(_OTHER_MARKS):
            raise HardwareError(
                f"the journal {self.path} was written by an earlier version of qgen, which knew circuits by other "
                "marks: what it has results of would be paid for again. Finish it with that version, or move it "
                "elsewhere; `qgen jobs` lists it"
            )
        before = self.last(key)
        attempt = 0 if before is None else before.attempt + 1
        now, tag = _now(), self.tag(key, attempt)
        known = key, attempt, tag, backend, "planned", None, purpose, circuits, shots, circuits * shots, estimate
        values = (*known, None, None, now, now, None, expected, instance)
        with self._together():
            self._ask(f"insert into jobs ({COLUMNS}) values ({', '.join('?' * len(values))})", values)
            self.note(_COUNT, str((self._count() or 0) + 1))
        return self._again(tag)

    def tag(self, key: str, attempt: int) -> str:
        """The mark of an attempt: of the request and the folder alone, so that a lost journal finds its jobs again."""
        return self._mark(f"{key} {attempt}")

    @property
    def folder_tag(self) -> str:
        """The mark of all jobs from this folder; a folder that was copied has another one."""
        return self._mark("all")

    @property
    def lossy(self) -> bool:
        """Whether jobs may have been submitted from here that are not in it: it is new, or some are missing."""
        count = self._count()
        return count in (0, None) or count != self._rows()

    def restore(self, tag: str, job_id: str, backend: str, instance: str, seconds: float | None) -> None:
        """Enters a job again that was lost; which request it belongs to is seen when that is made: `claim`."""
        now = _now()
        size = 0, 0, 0, _UNKNOWN_JOB, seconds
        values = (
            tag,
            0,
            tag,
            backend,
            "submitted",
            job_id,
            "lost and found",
            *size,
            None,
            now,
            now,
            None,
            None,
            instance,
        )
        self._ask(f"insert into jobs ({COLUMNS}) values ({', '.join('?' * len(values))})", values)

    def mend(self) -> None:
        """What is in it is all there is."""
        self.note(_COUNT, str(self._rows()))

    def claim(self, key: str, expected: str, purpose: str, estimate: float) -> Entry | None:
        """The last attempt at a request among those that were restored; None: there is none."""
        lost = {tag for (tag,) in self._ask("select tag from jobs where key = tag")}
        found, before = None, self.last(key)
        first = 0 if before is None else before.attempt + 1
        for attempt in range(first, first + _MOST_ATTEMPTS) if lost else ():  # those that IBM refused left no job
            if (tag := self.tag(key, attempt)) in lost:
                about = {"key": key, "attempt": attempt, "expected": expected, "purpose": purpose, "estimate": estimate}
                found = self._change(self._again(tag), **about)
        return found

    def posting(self, entry: Entry, most: float) -> Entry:
        """It is being submitted, and IBM is to end it after so many QPU seconds."""
        return self._change(entry, most=max(most, entry.most or 0.0))

    def submitted(self, entry: Entry, job_id: str) -> Entry:
        """It has a number at IBM."""
        return self._change(entry, state="submitted", job_id=job_id, reason=None, seconds=None)

    def done(self, entry: Entry, result: bytes, seconds: float | None) -> Entry:
        """Its result is here."""
        return self._change(entry, state="done", result=result, seconds=seconds, reason=None)

    def misfit(self, entry: Entry, reason: str, seconds: float | None) -> Entry:
        """IBM has a result, but not what was asked for: it may yet have the right one."""
        return self._change(entry, state="submitted", result=None, reason=reason, seconds=seconds)

    def billed(self, entry: Entry, seconds: float) -> Entry:
        """What it cost is known by now."""
        return self._change(entry, seconds=seconds)

    def ended(self, entry: Entry, state: Literal["failed", "cancelled"], reason: str, seconds: float | None) -> Entry:
        """It will never have a result."""
        return self._change(entry, state=state, reason=reason, seconds=seconds)

    def result(self, entry: Entry) -> bytes:
        """What `done` was given; empty where the file has lost it."""
        rows = self._ask("select result from jobs where tag = ?", (entry.tag,))
        found = rows[0][0] if rows else None
        return found if isinstance(found, bytes) else b""

    def spent(self) -> float:
        """QPU seconds of all jobs, as billed; where that is not known, as planned."""
        return self._sum("estimate")

    def reserved(self) -> float:
        """The same; where the bill is not known, all that IBM lets the job run."""
        return self._sum("max(estimate, coalesce(most, 0))")

    def _sum(self, unbilled: str) -> float:
        each = f"case when seconds is null then {unbilled} else max(seconds, 0) end"
        return float(self._ask(f"select coalesce(sum({each}), 0) from jobs")[0][0])

    def overrun(self) -> float:
        """How many times as long as planned the last jobs took: the median, and 1 where they were quicker."""
        known = [
            entry.seconds / entry.estimate
            for entry in self.entries()
            if entry.seconds and entry.estimate > 0 and (entry.state == "done" or entry.cut_off)
        ]
        return max(_LEAST, statistics.median(known[-_RECENT:])) if known else _LEAST

    def _mark(self, what: str) -> str:
        place = self.path.resolve()
        text = f"{place} {place.parent.stat().st_ino} {what}"
        return f"qgen-{sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}"

    def _upgrade(self) -> None:
        """Makes the tables, or brings those of an older version up to date."""
        version = self._ask("pragma user_version")[0][0]
        if version > VERSION:
            raise HardwareError(f"the journal {self.path} was written by a newer version of qgen: use that one")
        if version == VERSION:
            return
        with self._together():
            old = bool(self._ask("select 1 from sqlite_master where type = 'table' and name = 'jobs'"))
            for table in _TABLES:
                self._ask(table)
            for column in _NEW_IN_2 if old else ():
                self._ask(f"alter table jobs add column {column}")
            if self._rows():
                self.note(_OTHER_MARKS, "yes")
            self.note(_COUNT, str(self._rows()))
            self._ask(f"pragma user_version = {VERSION}")

    def _count(self) -> int | None:
        noted = self.fact(_COUNT)
        return int(noted) if noted is not None and noted.isdecimal() else None

    def _rows(self) -> int:
        return int(self._ask("select count(*) from jobs")[0][0])

    def _change(self, entry: Entry, **values: Any) -> Entry:
        values |= {"changed": _now()}
        columns = ", ".join(f"{name} = ?" for name in values)
        self._ask(f"update jobs set {columns} where tag = ?", (*values.values(), entry.tag))
        return self._again(entry.tag)

    def _again(self, tag: str) -> Entry:
        rows = self._ask(f"select {COLUMNS} from jobs where tag = ?", (tag,))
        if not rows:
            raise self._damaged("a job vanished from it")
        return self._entry(rows[0])

    def _entry(self, row: Sequence[Any]) -> Entry:
        try:
            return Entry.read(row)
        except ValueError as error:
            raise self._damaged(str(error)) from error

    @contextmanager
    def _together(self) -> Iterator[None]:
        """All changes within this block, or none."""
        self._ask("begin immediate")
        try:
            yield
        except BaseException:
            self._base.rollback()
            raise
        self._ask("commit")

    def _ask(self, text: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._base.execute(text, values).fetchall()
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            raise self._trouble(error) from error

    def _trouble(self, error: Exception) -> HardwareError:
        if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
            return HardwareError(f"the journal {self.path} cannot be used ({error}): nothing is submitted without it")
        return self._damaged(str(error))

    def _damaged(self, how: str) -> HardwareError:
        return HardwareError(
            f"the journal {self.path} is damaged ({how}), and nothing is submitted without it. Move it and the files "
            f"{self.path.name}-* away, and run the same command again: jobs that IBM still has are found by their tags"
        )


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Within this block no other process submits what this journal holds (where the system has file locks).

    Raises:
        HardwareError: another one does, or the folder cannot be written.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    lock = path.with_suffix(".lock")
    make_private(lock)
    with open(lock, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HardwareError(f"another process submits jobs of {path}: wait for it, or end it") from error
        yield


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
