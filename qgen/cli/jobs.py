"""`qgen jobs`: the jobs that a run submitted to hardware."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qgen.cli.output import make_console
from qgen.cli.tables import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.backends.ibm.job_record import JobRecord
    from qgen.backends.ibm.runner import JobRunner

EXAMPLES = """\b
Examples:
  qgen jobs  # of the latest run
  qgen jobs runs/first-try --json
  qgen jobs --follow  # wait for all, and keep their results
  qgen jobs --fetch
  qgen jobs --cancel all  # also while another command waits for them"""


def jobs(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="The folder of a run, or a journal; default: the latest run.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for all, and keep their results.")] = False,
    fetch: Annotated[bool, typer.Option("--fetch", help="Ask IBM once, and keep the results of what is done.")] = False,
    cancel: Annotated[
        str | None, typer.Option(metavar="JOB", help="Take this job, or `all`, out of the queue.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the jobs that a run has submitted to IBM's hardware; nothing is submitted here.

    Without --follow, --fetch or --cancel nothing is contacted.
    """
    from qgen.backends.ibm.journal import Journal

    if sum((follow, fetch, cancel is not None)) > 1:
        raise typer.BadParameter("Give one of --follow, --fetch and --cancel.")
    path, console = _find_journal(run), make_console(as_json)
    if cancel is not None:
        _cancel(path, cancel)
    if follow or fetch or (cancel is not None and not _is_locked(path)):
        with _open_runner(path) as runner:
            records = runner.fetch_results(wait=follow)
    else:
        journal = Journal(path)
        records = journal.records()
        journal.close()
    if as_json:
        typer.echo(
            json.dumps({"journal": str(path), "jobs": [dataclasses.asdict(record) for record in records]}, indent=2)
        )
        return
    _print(console, path, records)


def _find_journal(run: Path | None) -> Path:
    from qgen.errors import RunError
    from qgen.runs import find_run

    path = run if run is not None and os.path.isfile(run) else find_run(run).journal
    if not path.exists():
        raise RunError(f"nothing of {path.parent} was submitted to hardware: it has no {path.name}")
    return path


@contextmanager
def _open_runner(path: Path) -> Iterator[JobRunner]:
    """Open the journal, with the device of its last job."""
    from qgen.backends.ibm.client import Client
    from qgen.backends.ibm.journal import Journal
    from qgen.backends.ibm.journal_file import exclusive_lock
    from qgen.backends.ibm.options import HardwareOptions
    from qgen.backends.ibm.runner import JobRunner

    with exclusive_lock(path):
        journal = Journal(path)
        try:
            yield JobRunner(Client(_device(journal.records()), HardwareOptions()), journal)
        finally:
            journal.close()


def _cancel(path: Path, which: str) -> None:
    """Cancel jobs at IBM. The journal is only read: another command may wait for them, and records the outcome.

    Raises:
        typer.BadParameter: there is no such job.
    """
    from qgen.backends.ibm.client import Client
    from qgen.backends.ibm.journal import Journal
    from qgen.backends.ibm.options import HardwareOptions

    journal = Journal(path)
    records = journal.records()
    journal.close()
    client = Client(_device(records), HardwareOptions())
    open_jobs = [record.job_id for record in records if record.state == "submitted" and record.job_id]
    for record in records:  # being submitted at this moment, or submitted without an answer
        if record.state == "planned":
            open_jobs += client.find_by_tag(record.tag)
    chosen = open_jobs if which == "all" else [job_id for job_id in open_jobs if job_id == which]
    if not chosen and which != "all":
        listed = ", ".join(open_jobs) or "none"
        raise typer.BadParameter(f"{which!r} is no job of this run that can be cancelled; open are: {listed}.")
    for job_id in chosen:
        client.cancel(job_id)
        typer.echo(f"asked IBM to cancel {job_id}", err=True)


def _is_locked(path: Path) -> bool:
    """Return whether another command works with the journal."""
    from qgen.backends.ibm.journal_file import exclusive_lock
    from qgen.errors import HardwareError

    try:
        with exclusive_lock(path):
            return False
    except HardwareError:
        return True


def _device(records: list[JobRecord]) -> str:
    """Return the device of the last job."""
    return next((record.backend for record in reversed(records)), "least_busy")


def _print(console: Console, path: Path, records: list[JobRecord]) -> None:
    from qgen.backends.ibm.responses import sanitize

    counts, rows = ("circuits", "executions", "QPU s"), []
    for record in records:
        seconds = f"{record.seconds:,.1f}" if record.seconds is not None else f"~{record.estimate:,.0f}"
        numbers = f"{record.circuits:,}", f"{record.executions:,}", seconds
        created = record.created[:19].replace("T", " ")
        rows.append((record.job_id or "-", record.backend, record.state, created, *numbers))
    print_table(console, ("job", "device", "state", "created", *counts), rows, counts, whole=True)
    for record in records:
        if record.reason:
            console.print(f"{record.job_id}: {sanitize(record.reason)}", style="dim", soft_wrap=True)
    spent = sum(record.cost for record in records)
    console.print(
        f"{len(records):,} job{'s' * (len(records) != 1)}, {spent:,.1f} QPU seconds (~: as planned); journal: {path}",
        soft_wrap=True,
    )
