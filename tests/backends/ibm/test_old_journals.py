"""Journals of versions that knew circuits by other marks are listed, and nothing in them is paid for again."""

import sqlite3
from pathlib import Path

import pytest

from qgen.backends.ibm.journal import Journal
from qgen.errors import HardwareError

_FIRST = """
create table facts (name text primary key, value text not null);
create table jobs (
    key text not null, attempt integer not null, tag text not null unique, backend text not null, state text not null,
    job_id text, purpose text not null, circuits integer not null, shots integer not null, executions integer not null,
    estimate real not null, seconds real, reason text, created text not null, changed text not null, result blob,
    primary key (key, attempt)
);
"""
_JOB = """insert into jobs values ('k', 0, 't', 'ibm_fez', 'done', 'j', 'sampling', 1, 1024, 1024, 3, 2.5, null,
    '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00', x'00');"""


def written(folder: Path, text: str) -> Path:
    base = sqlite3.connect(folder / "jobs.sqlite")
    base.executescript(text)
    base.close()
    return folder / "jobs.sqlite"


def test_a_journal_with_results_under_other_marks_takes_no_more(tmp_path: Path) -> None:
    path = written(tmp_path, _FIRST + _JOB)
    for _ in range(2):
        journal = Journal(path)
        assert [record.job_id for record in journal.records()] == ["j"]
        with pytest.raises(HardwareError, match=r"jobs\.sqlite was written by an earlier version .* move it elsewhere"):
            journal.plan("new", "ibm_fez", "sampling", 1, 1024, 3.0)
        journal.close()


def test_an_empty_one_does(tmp_path: Path) -> None:
    journal = Journal(written(tmp_path, _FIRST))
    assert journal.plan("new", "ibm_fez", "sampling", 1, 1024, 3.0).state == "planned"
    journal.close()
