"""`qgen jobs`: what was submitted to hardware, and what became of it."""

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

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.backends.ibm.entry import Entry
    from qgen.backends.ibm.runner import Runner

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
    path, console = _journal(run), make_console(as_json)
    if cancel is not None:
        _cancel(path, cancel)
    if follow or fetch or (cancel is not None and not _is_in_use(path)):
        with _runner(path) as runner:
            entries = runner.collect(wait=follow)
    else:
        journal = Journal(path)
        entries = journal.entries()
        journal.close()
    if as_json:
        typer.echo(json.dumps({"journal": str(path), "jobs": [dataclasses.asdict(one) for one in entries]}, indent=2))
        return
    _print(console, path, entries)


def _journal(run: Path | None) -> Path:
    from qgen.errors import RunError
    from qgen.runs import find_run

    path = run if run is not None and os.path.isfile(run) else find_run(run).journal
    if not path.exists():
        raise RunError(f"nothing of {path.parent} was submitted to hardware: it has no {path.name}")
    return path


@contextmanager
def _runner(path: Path) -> Iterator[Runner]:
    """Of the journal, with the device of its last job."""
    from qgen.backends.ibm.client import Client
    from qgen.backends.ibm.journal import Journal, alone
    from qgen.backends.ibm.options import HardwareOptions
    from qgen.backends.ibm.runner import Runner

    with alone(path):
        journal = Journal(path)
        try:
            yield Runner(Client(_device(journal.entries()), HardwareOptions()), journal)
        finally:
            journal.close()


def _cancel(path: Path, which: str) -> None:
    """Cancels jobs at IBM. The journal is only read: another command may wait for them, and notes what became of them.

    Raises:
        typer.BadParameter: there is no such job.
    """
    from qgen.backends.ibm.client import Client
    from qgen.backends.ibm.journal import Journal
    from qgen.backends.ibm.options import HardwareOptions

    journal = Journal(path)
    entries = journal.entries()
    journal.close()
    client = Client(_device(entries), HardwareOptions())
    open_jobs = [one.job_id for one in entries if one.state == "submitted" and one.job_id]
    for one in entries:  # on its way at this moment, or made though nobody heard so
        if one.state == "planned":
            open_jobs += client.find(one.tag)
    chosen = open_jobs if which == "all" else [one for one in open_jobs if one == which]
    if not chosen and which != "all":
        listed = ", ".join(open_jobs) or "none"
        raise typer.BadParameter(f"{which!r} is no job of this run that can be cancelled; open are: {listed}.")
    for job_id in chosen:
        client.cancel(job_id)
        typer.echo(f"asked IBM to cancel {job_id}", err=True)


def _is_in_use(path: Path) -> bool:
    """Whether another command works with the journal."""
    from qgen.backends.ibm.journal import alone
    from qgen.errors import HardwareError

    try:
        with alone(path):
            return False
    except HardwareError:
        return True


def _device(entries: list[Entry]) -> str:
    """That of the last job."""
    return next((one.backend for one in reversed(entries)), "least_busy")


def _print(console: Console, path: Path, entries: list[Entry]) -> None:
    from rich.table import Table

    from qgen.backends.ibm.wording import clean

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading in ("job", "device", "state", "created"):
        table.add_column(heading, no_wrap=True)
    for heading in ("circuits", "executions", "QPU s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in entries:
        seconds = f"{one.seconds:,.1f}" if one.seconds is not None else f"~{one.estimate:,.0f}"
        numbers = f"{one.circuits:,}", f"{one.executions:,}", seconds
        table.add_row(one.job_id or "-", one.backend, one.state, one.created[:19].replace("T", " "), *numbers)
    console.print(table)
    for one in entries:
        if one.reason:
            console.print(f"{one.job_id}: {clean(one.reason)}", style="dim", soft_wrap=True)
    spent = sum(one.cost for one in entries)
    console.print(f"{len(entries):,} jobs, {spent:,.1f} QPU seconds (~: as planned); journal: {path}", soft_wrap=True)
