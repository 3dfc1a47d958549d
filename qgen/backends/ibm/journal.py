"""The journal of jobs: each is written before it is submitted, gets its id once it has one, and keeps its result.

A SQLite file, readable by the user alone; every change is on the disk before the next step is taken. One process
submits jobs at a time.
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

from qgen.backends.ibm.job_record import COLUMNS, JobRecord
from qgen.backends.ibm.journal_file import make_private
from qgen.errors import HardwareError

#: File name of a journal.
JOURNAL = "jobs.sqlite"
#: Version of the tables. Version 1 had no number, and no time limit, instance or expected result of a job.
VERSION = 2
_TABLES = (
    "create table if not exists facts (name text primary key, value text not null)",
    "create table if not exists jobs (key text not null, attempt integer not null, tag text not null unique, "
    "backend text not null, state text not null, job_id text, purpose text not null, circuits integer not null, "
    "shots integer not null, executions integer not null, estimate real not null, seconds real, reason text, "
    "created text not null, changed text not null, result blob, most real, expected text, instance text, "
    "primary key (key, attempt))",
)
_ADDED_IN_2 = ("most real", "expected text", "instance text")
#: Note with the number of planned jobs, which shows whether one is missing.
_COUNT = "jobs"
#: Note in a journal whose jobs are of a version that identified circuits otherwise.
_OTHER_DIGESTS = "of a version with other marks"
#: Attempts at a request that are searched among the jobs of a lost journal.
_MAX_ATTEMPTS = 100
#: QPU seconds that a job counts for of which nothing but its existence is known.
_UNKNOWN_SECONDS = 60.0
#: Number of recently billed jobs from which the overrun is computed, and its least value.
_RECENT, _MIN_OVERRUN = 25, 1.0


class Journal:
    """The journal of jobs, see the module.

    Args:
        path: the file; created where it is missing, in a folder that exists.

    Raises:
        HardwareError: the file cannot be written, is damaged, or is no journal; also raised by every method.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        make_private(path)
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=30.0)
        except sqlite3.Error as error:
            raise self._error(error) from error
        try:
            self._execute("pragma journal_mode=wal")
            self._execute("pragma synchronous=full")
            self._upgrade()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def get_note(self, name: str) -> str | None:
        """Return the note of this name; None where there is none."""
        rows = self._execute("select value from facts where name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def set_note(self, name: str, value: str) -> None:
        """Write a note under a name, in place of an earlier one."""
        self._execute("insert or replace into facts values (?, ?)", (name, value))

    def records(self) -> list[JobRecord]:
        """Return all attempts, the oldest first."""
        return [self._record(row) for row in self._execute(f"select {COLUMNS} from jobs order by rowid")]

    def last_attempt(self, key: str) -> JobRecord | None:
        """Return the last attempt at a request."""
        rows = self._execute(f"select {COLUMNS} from jobs where key = ? order by attempt desc limit 1", (key,))
        return self._record(rows[0]) if rows else None

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
    ) -> JobRecord:
        """Add an attempt, to be submitted next.

        Raises:
            HardwareError: the journal's jobs are of a version that identified circuits otherwise: a request that has
                its result in it would be taken for a new one, and be paid for again.
        """
        if self.get_note(_OTHER_DIGESTS):
            raise HardwareError(
                f"the journal {self.path} was written by an earlier version of qgen, which knew circuits by other "
                "marks: what it has results of would be paid for again. Finish it with that version, or move it "
                "elsewhere; `qgen jobs` lists it"
            )
        previous = self.last_attempt(key)
        attempt = 0 if previous is None else previous.attempt + 1
        now, tag = _now(), self.tag(key, attempt)
        request = key, attempt, tag, backend, "planned", None, purpose, circuits, shots, circuits * shots, estimate
        values = (*request, None, None, now, now, None, expected, instance)
        with self._transaction():
            self._execute(f"insert into jobs ({COLUMNS}) values ({', '.join('?' * len(values))})", values)
            self.set_note(_COUNT, str((self._noted_count() or 0) + 1))
        return self._reload(tag)

    def tag(self, key: str, attempt: int) -> str:
        """Return the tag of an attempt, a hash of request and folder alone: a lost journal finds its jobs again."""
        return self._hash(f"{key} {attempt}")

    @property
    def folder_tag(self) -> str:
        """The tag of all jobs from this folder; a copied folder has another one."""
        return self._hash("all")

    @property
    def incomplete(self) -> bool:
        """Whether it may lack jobs that were submitted from here: it is new, or some are missing."""
        count = self._noted_count()
        return count in (0, None) or count != self._num_rows()

    def restore(self, tag: str, job_id: str, backend: str, instance: str, seconds: float | None) -> None:
        """Add a job that the journal has lost; its request claims it later, see `claim`."""
        now = _now()
        size = 0, 0, 0, _UNKNOWN_SECONDS, seconds
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
        self._execute(f"insert into jobs ({COLUMNS}) values ({', '.join('?' * len(values))})", values)

    def mark_complete(self) -> None:
        """Note that no job is missing."""
        self.set_note(_COUNT, str(self._num_rows()))

    def claim(self, key: str, expected: str, purpose: str, estimate: float) -> JobRecord | None:
        """Assign restored jobs to the request that they belong to.

        Returns:
            The last attempt at the request among them; None: there is none.
        """
        restored = {tag for (tag,) in self._execute("select tag from jobs where key = tag")}
        claimed, previous = None, self.last_attempt(key)
        first = 0 if previous is None else previous.attempt + 1
        for attempt in range(first, first + _MAX_ATTEMPTS) if restored else ():  # refused attempts left no job
            if (tag := self.tag(key, attempt)) in restored:
                request = {"key": key, "expected": expected, "purpose": purpose, "estimate": estimate}
                claimed = self._update(self._reload(tag), attempt=attempt, **request)
        return claimed

    def mark_submitting(self, record: JobRecord, limit: float) -> JobRecord:
        """Note the QPU seconds after which IBM is to end a job, before it is submitted."""
        return self._update(record, most=max(limit, record.most or 0.0))

    def mark_submitted(self, record: JobRecord, job_id: str) -> JobRecord:
        """Note IBM's id of a job."""
        return self._update(record, state="submitted", job_id=job_id, reason=None, seconds=None)

    def mark_done(self, record: JobRecord, result: bytes, seconds: float | None) -> JobRecord:
        """Keep the result of a job."""
        return self._update(record, state="done", result=result, seconds=seconds, reason=None)

    def reject_result(self, record: JobRecord, reason: str, seconds: float | None) -> JobRecord:
        """Note that a result is not what was asked for; the job stays `submitted`: IBM may yet have the right one."""
        return self._update(record, state="submitted", result=None, reason=reason, seconds=seconds)

    def set_bill(self, record: JobRecord, seconds: float) -> JobRecord:
        """Note the billed QPU seconds of a job."""
        return self._update(record, seconds=seconds)

    def mark_ended(
        self, record: JobRecord, state: Literal["failed", "cancelled"], reason: str, seconds: float | None
    ) -> JobRecord:
        """Note that a job will never have a result."""
        return self._update(record, state=state, reason=reason, seconds=seconds)

    def result(self, record: JobRecord) -> bytes:
        """Return the result that `mark_done` kept; empty where the file has lost it."""
        rows = self._execute("select result from jobs where tag = ?", (record.tag,))
        result = rows[0][0] if rows else None
        return result if isinstance(result, bytes) else b""

    def spent(self) -> float:
        """Return the QPU seconds of all jobs, as billed; where that is not known, as planned."""
        return self._sum("estimate")

    def reserved(self) -> float:
        """Return the same, but where the bill is not known, the longest that IBM lets the job run."""
        return self._sum("max(estimate, coalesce(most, 0))")

    def _sum(self, unbilled: str) -> float:
        seconds = f"case when seconds is null then {unbilled} else max(seconds, 0) end"
        return float(self._execute(f"select coalesce(sum({seconds}), 0) from jobs")[0][0])

    def overrun(self) -> float:
        """Return the median ratio of billed to planned seconds of the last jobs, at least 1."""
        ratios = [
            record.seconds / record.estimate
            for record in self.records()
            if record.seconds and record.estimate > 0 and (record.state == "done" or record.timed_out)
        ]
        return max(_MIN_OVERRUN, statistics.median(ratios[-_RECENT:])) if ratios else _MIN_OVERRUN

    def _hash(self, name: str) -> str:
        path = self.path.resolve()
        text = f"{path} {path.parent.stat().st_ino} {name}"
        return f"qgen-{sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}"

    def _upgrade(self) -> None:
        """Create the tables, or migrate those of an older version."""
        version = self._execute("pragma user_version")[0][0]
        if version > VERSION:
            raise HardwareError(f"the journal {self.path} was written by a newer version of qgen: use that one")
        if version == VERSION:
            return
        with self._transaction():
            old = bool(self._execute("select 1 from sqlite_master where type = 'table' and name = 'jobs'"))
            for table in _TABLES:
                self._execute(table)
            for column in _ADDED_IN_2 if old else ():
                self._execute(f"alter table jobs add column {column}")
            if self._num_rows():
                self.set_note(_OTHER_DIGESTS, "yes")
            self.set_note(_COUNT, str(self._num_rows()))
            self._execute(f"pragma user_version = {VERSION}")

    def _noted_count(self) -> int | None:
        note = self.get_note(_COUNT)
        return int(note) if note is not None and note.isdecimal() else None

    def _num_rows(self) -> int:
        return int(self._execute("select count(*) from jobs")[0][0])

    def _update(self, record: JobRecord, **values: Any) -> JobRecord:
        values |= {"changed": _now()}
        columns = ", ".join(f"{name} = ?" for name in values)
        self._execute(f"update jobs set {columns} where tag = ?", (*values.values(), record.tag))
        return self._reload(record.tag)

    def _reload(self, tag: str) -> JobRecord:
        rows = self._execute(f"select {COLUMNS} from jobs where tag = ?", (tag,))
        if not rows:
            raise self._damaged("a job vanished from it")
        return self._record(rows[0])

    def _record(self, row: Sequence[Any]) -> JobRecord:
        try:
            return JobRecord.from_row(row)
        except ValueError as error:
            raise self._damaged(str(error)) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit all changes within this block, or none."""
        self._execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._execute("commit")

    def _execute(self, text: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._connection.execute(text, values).fetchall()
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> HardwareError:
        if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
            return HardwareError(f"the journal {self.path} cannot be used ({error}): nothing is submitted without it")
        return self._damaged(str(error))

    def _damaged(self, reason: str) -> HardwareError:
        return HardwareError(
            f"the journal {self.path} is damaged ({reason}), and nothing is submitted without it. Move it and the "
            f"files {self.path.name}-* away, and run the same command again: jobs that IBM still has are found by "
            "their tags"
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
