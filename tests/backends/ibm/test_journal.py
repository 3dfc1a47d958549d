"""The journal's file: for the user alone, of a version, and whatever is wrong with it is one line."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloud import cloud, hardware, measure
from hypothesis import given
from hypothesis import strategies as st

from qgen.backends.ibm.journal import VERSION, Journal
from qgen.devserver import DevServer, Fault
from qgen.errors import HardwareError

#: As it was before it had a version.
OLD = """
create table facts (name text primary key, value text not null);
create table jobs (
    key text not null, attempt integer not null, tag text not null unique, backend text not null, state text not null,
    job_id text, purpose text not null, circuits integer not null, shots integer not null, executions integer not null,
    estimate real not null, seconds real, reason text, created text not null, changed text not null, result blob,
    primary key (key, attempt)
);
insert into facts values ('identity', 'abc');
insert into jobs values ('k', 0, 'qgen-t', 'ibm_fez', 'done', 'j', 'p', 1, 2, 2, 3.0, 2.5, null,
    '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:01+00:00', x'00');
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with cloud(tmp_path, monkeypatch) as running:
        yield running


def filled(path: Path, jobs: int = 3) -> Path:
    journal = Journal(path)
    for number in range(jobs):
        record = journal.plan(f"key {number}", "ibm_fez", "a test", 1, 100, 3.0, "{}", "here")
        if number:
            journal.mark_done(journal.mark_submitted(record, f"job{number}"), b"result", 2.5)
    journal.set_note("max_qpu_seconds", "60.0")
    journal.close()
    return path


def change(path: Path, text: str) -> None:
    base = sqlite3.connect(path)
    base.executescript(text)
    base.close()


def test_a_file_of_the_version_before_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    change(path, OLD)
    for _ in range(2):
        journal = Journal(path)
        (record,) = journal.records()
        assert (record.state, record.seconds, record.most, record.expected, record.instance) == (
            "done",
            2.5,
            None,
            None,
            None,
        )
        assert (journal.spent(), journal.incomplete) == (2.5, False)
        journal.close()
    base = sqlite3.connect(path)
    assert base.execute("pragma user_version").fetchone() == (VERSION,)
    base.close()


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "jobs.sqlite")
    change(path, f"pragma user_version = {VERSION + 1}")
    with pytest.raises(HardwareError, match="newer version of qgen"):
        Journal(path)


@pytest.mark.skipif(not hasattr(os, "fchmod"), reason="a system without modes of files")
def test_all_its_files_are_for_the_user_alone(tmp_path: Path) -> None:
    path = filled(tmp_path / "jobs.sqlite")
    for other in tmp_path.iterdir():
        other.chmod(0o666)
    journal = Journal(path)
    journal.set_note("a", "b")
    modes = {other.name: stat.S_IMODE(other.stat().st_mode) for other in tmp_path.iterdir()}
    journal.close()
    assert set(modes) == {"jobs.sqlite", "jobs.sqlite-wal", "jobs.sqlite-shm"}
    assert set(modes.values()) == {0o600}


def test_a_new_file_is_never_open_to_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with closing(Journal(tmp_path / "jobs.sqlite")) as journal:
            journal.set_note("a", "b")
            assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}
    finally:
        os.umask(before)


DAMAGED = {
    "no database": lambda path: path.write_bytes(b"not a database, but long enough to be looked at" * 50),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "no table of jobs": lambda path: change(path, "drop table jobs"),
    "no table of facts": lambda path: change(path, "drop table facts"),
    "other columns": lambda path: change(path, "drop table jobs; create table jobs (a)"),
    "a state": lambda path: change(path, "update jobs set state = 'lost'"),
    "a time": lambda path: change(path, "update jobs set changed = 'yesterday'"),
    "a number": lambda path: change(path, "update jobs set estimate = 'much'"),
    "a negative bill": lambda path: change(path, "update jobs set seconds = -1e9"),
    "bytes for text": lambda path: change(path, "update jobs set job_id = x'ff00'"),
}


def use(path: Path) -> None:
    with closing(Journal(path)) as journal:
        journal.records()
        journal.plan("key", "ibm_fez", "a test", 1, 100, 3.0)


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_what_is_damaged_is_one_line(damage: Any, tmp_path: Path) -> None:
    path = filled(tmp_path / "jobs.sqlite")
    damage(path)
    with pytest.raises(HardwareError, match=r"^the journal [^\n]*(damaged|cannot be used)[^\n]*$"):
        use(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of a journal of 20 jobs."""
    return filled(tmp_path_factory.mktemp("whole") / "jobs.sqlite", 20).read_bytes()


@given(places=st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 255)), min_size=1, max_size=40))
def test_random_damage_is_one_line_or_none(whole: bytes, places: list[tuple[int, int]], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("damage") / "jobs.sqlite"
    content = bytearray(whole)
    for place, value in places:
        content[place % len(content)] = value
    path.write_bytes(content)
    try:
        with closing(Journal(path)) as journal:
            journal.records()
            journal.spent()
            journal.overrun()
            journal.set_note("a", "b")
    except HardwareError as error:
        assert "\n" not in str(error)  # noqa: PT017
    finally:
        shutil.rmtree(path.parent)


def test_a_folder_or_a_read_only_place_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "jobs.sqlite"
    folder.mkdir()
    for path in (folder, tmp_path / "no folder" / "jobs.sqlite"):
        with pytest.raises(HardwareError, match="cannot be used"):
            Journal(path)


_SLOW = pytest.mark.slow
EMPTIED = {
    "removed": lambda folder: [one.unlink() for one in folder.glob("jobs.*")],
    "cut to nothing": lambda folder: [one.write_bytes(b"") for one in folder.glob("jobs.sqlite*")],
    "its lines deleted": lambda folder: change(folder / "jobs.sqlite", "delete from jobs"),
    "one line deleted": lambda folder: change(folder / "jobs.sqlite", "delete from jobs where rowid = 2"),
}


@pytest.mark.parametrize(
    "empty", [pytest.param(make, id=name, marks=_SLOW if name != "removed" else ()) for name, make in EMPTIED.items()]
)
def test_what_an_emptied_journal_has_lost_is_found_and_said(
    empty: Any, server: DevServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    before = [measure(run, seed) for seed in range(3)]
    spent = server.ledger.seconds
    empty(run)
    after = [measure(run, seed) for seed in range(3)]
    assert np.array_equal(before, after)
    assert len(server.ledger.jobs) == 3
    assert "had lost" in caplog.text
    with hardware(run) as backend:
        assert backend.runner.journal.spent() == pytest.approx(spent)
        assert not backend.runner.journal.incomplete


def test_what_is_lost_is_found_though_an_attempt_was_refused(server: DevServer, tmp_path: Path) -> None:
    server.faults.add(Fault(method="POST", path="/jobs", status=400))
    with pytest.raises(HardwareError):
        measure(tmp_path)
    before = measure(tmp_path)
    for one in tmp_path.glob("jobs.*"):
        one.unlink()
    assert np.array_equal(measure(tmp_path), before)
    assert len(server.ledger.jobs) == 1


def test_what_is_lost_counts_before_anything_is_submitted(server: DevServer, tmp_path: Path) -> None:
    for seed in range(3):
        measure(tmp_path, seed)
    for one in tmp_path.glob("jobs.*"):
        one.unlink()
    with pytest.raises(HardwareError, match="allowed"):
        measure(tmp_path, 4, allow=server.ledger.seconds + 1)
    assert len(server.ledger.jobs) == 3


def test_a_folder_that_was_copied_is_another_one(server: DevServer, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    measure(first)
    measure(second)
    assert len(server.ledger.jobs) == 2


def test_facts_that_make_no_sense_are_one_line(server: DevServer, tmp_path: Path) -> None:
    measure(tmp_path)
    for name, value in (("max_qpu_seconds", "much"), ("max_qpu_seconds", "nan"), ("max_qpu_seconds", "-5")):
        change(tmp_path / "jobs.sqlite", f"update facts set value = '{value}' where name = '{name}'")
        with pytest.raises(HardwareError, match="no number of seconds"):
            measure(tmp_path, allow=None)
    change(tmp_path / "jobs.sqlite", "update facts set value = '60.0' where name = 'max_qpu_seconds'")
    for place in ("circuit", "tiles"):
        change(tmp_path / "jobs.sqlite", f"update facts set value = 'x' where name like '{place}%'")
        with pytest.raises(HardwareError, match="damaged"):
            measure(tmp_path)
        change(tmp_path / "jobs.sqlite", f"delete from facts where name like '{place}%'")
    measure(tmp_path)
