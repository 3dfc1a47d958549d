"""What all studies share on the command line: where their tasks run, and how a study is run and reported."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from qgen.cli import options
from qgen.cli.output import check_folder, print_json
from qgen.cli.tables import print_table
from qgen.progress import progress_bar

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.studies import Executor, Report, Study

Jobs = Annotated[int | None, typer.Option(min=1, help="Tasks at a time on this machine; default: one for each core.")]
ExecutorName = Annotated[
    Literal["local", "dask"] | None,
    typer.Option("--executor", help="Where tasks run: processes here (the default), or Dask's workers."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Dask's scheduler, as tcp://HOST:8786; default: workers on this machine."),
]
Out = Annotated[Path | None, typer.Option(metavar="FOLDER", help="The study's folder; an existing study is resumed.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be run, and stop.")]
Device = Annotated[Literal["cpu", "cuda"], typer.Option(help="Where the classical layers run.")]


@dataclass(frozen=True)
class StudyArgs:
    """Options of all studies: where tasks run, where results go, and whether anything is run.

    Attributes:
        jobs: tasks at a time on this machine; None: one for each core.
        executor: what runs them; None: processes on this machine.
        scheduler: address of Dask's scheduler.
        out: the study's folder; None: a new one.
        data_dir: where data sets lie.
        device: where classical layers run.
        dry_run: show what would be run only.
        as_json: print JSON.
    """

    jobs: Jobs = None
    executor: ExecutorName = None
    scheduler: Scheduler = None
    out: Out = None
    data_dir: options.DataDir = None
    device: Device = "cpu"
    dry_run: DryRun = False
    as_json: options.AsJson = False

    def prepare(self, kind: str) -> tuple[Path, Executor]:
        """Return the study's folder and executor, once it is sure that results can be written.

        Raises:
            typer.BadParameter: options contradict one another, or the folder cannot be written.
            RunError: Dask is not installed.
        """
        folder = study_folder(self.out, kind)
        runner = make_executor(self.executor, self.scheduler, self.jobs, self.data_dir, self.device)
        if not self.dry_run:
            check_folder(folder / f"{kind}.json")
        return folder, runner


def make_executor(
    name: Literal["local", "dask"] | None,
    scheduler: str | None,
    jobs: int | None,
    data_dir: Path | None,
    device: Literal["cpu", "cuda"],
) -> Executor:
    """Return the executor that the command line asks for; nothing is started or contacted.

    Raises:
        typer.BadParameter: options contradict one another.
        RunError: Dask is not installed.
    """
    if scheduler is not None and name == "local":
        raise typer.BadParameter("an address of Dask goes with --executor dask.", param_hint="--scheduler")
    if scheduler is not None and jobs is not None:
        raise typer.BadParameter(
            "the scheduler's own workers decide how many tasks run at a time; leave it out.", param_hint="--jobs"
        )
    if name == "dask" or scheduler is not None:
        from qgen.studies.cluster import DaskExecutor, check_dask

        check_dask()
        return DaskExecutor(scheduler, jobs or _cores(), data_dir, device)
    from qgen.studies import LocalExecutor

    return LocalExecutor(jobs or _cores(), data_dir, device)


def study_folder(out: Path | None, kind: str) -> Path:
    """Return the folder that the user names, or a new one under `studies/` with the time and the kind."""
    from datetime import datetime

    return out or Path("studies") / f"{datetime.now():%Y%m%d-%H%M%S}-{kind}"


def run_and_report(
    console: Console, study: Study, folder: Path, executor: Executor, data_dir: Path | None, as_json: bool
) -> None:
    """Run the tasks of any study that are not done yet, then write and print its report."""
    from qgen.data import open_images
    from qgen.studies import Status, make_report, run_study, write_report, write_study

    write_study(folder, study)
    console.print(f"{study.description} into {folder}", soft_wrap=True)
    with progress_bar(console, "fetching images") as bar:  # once, rather than by several tasks at a time
        for data in study.data:
            open_images(data, data_dir, progress=bar, message=lambda line: console.print(line, soft_wrap=True))
    with progress_bar(console, "tasks") as bar:

        def show(status: Status) -> None:
            if bar is not None:
                bar(status.work, status.total)
                bar.say(str(status))

        outcome = run_study(folder, study, executor, show, lambda line: console.print(line, soft_wrap=True))
    if outcome.stopped:
        tasks = len(list(study.tasks()))
        state = f"stopped; {outcome.finished} of {tasks} tasks are done"
        console.print(f"{state}. Go on with the same command and --out {folder}", soft_wrap=True)
        raise typer.Exit(130)
    report = make_report(folder)
    page = write_report(folder, report)
    if as_json:
        failures = {each.name: {"line": each.line, "log": str(each.log)} for each in outcome.failures}
        facts = {"study": str(folder), "page": str(page), "failures": failures, "not_started": outcome.not_started}
        print_json(report.data | facts)
    else:
        _print_report(console, report, page)
    if outcome.failures:
        for failure in outcome.failures:
            console.print(f"{failure.name} failed: {failure.line} ({failure.log})", soft_wrap=True, style="red")
        if outcome.not_started:
            console.print(f"{len(outcome.not_started)} tasks that need those were not started", soft_wrap=True)
        console.print(f"the same command with --out {folder} tries them again", soft_wrap=True)
        raise typer.Exit(1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _print_report(console: Console, report: Report, page: Path) -> None:
    for each in report.tables:
        print_table(console, each.head, each.rows, each.head[1:], gap=2)
        console.print()
    for warning in report.warnings:
        console.print(f"warning: {warning}", soft_wrap=True, style="yellow")
    for line in report.conclusions:
        console.print(line, soft_wrap=True)
    console.print(f"page: {page}", soft_wrap=True)
