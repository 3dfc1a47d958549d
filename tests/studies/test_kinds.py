"""A new kind of study is its cells and its analysis, and a row of the registry; an executor is one method."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
from in_this_process import InThisProcess
from trivial_study import Cell, TrivialStudy

from qgen.data import DataSettings
from qgen.errors import RunError
from qgen.runs import Run
from qgen.settings import Settings
from qgen.studies import (
    KINDS,
    Failure,
    Outcome,
    Report,
    StudyKind,
    TaskContext,
    make_report,
    read_study,
    run_study,
    write_report,
    write_study,
)
from qgen.studies.study import Table


@dataclass(frozen=True)
class Draw:
    """A task that is no training: it leaves one file."""

    shots: int

    @property
    def name(self) -> str:
        return f"shots{self.shots}"

    @property
    def size(self) -> int:
        return 1

    def is_done(self, folder: Path) -> bool:
        return (folder / self.name).exists()

    def progress(self, folder: Path) -> int:
        return int(self.is_done(folder))

    needs = ()

    def run(self, folder: Path, context: TaskContext) -> None:
        (folder / self.name).write_text("1.5")


class ShotsStudy(Settings):
    kind: Literal["shots"] = "shots"
    shots: tuple[int, ...]

    @property
    def data(self) -> tuple[DataSettings, ...]:
        return (DataSettings(),)

    @property
    def description(self) -> str:
        return f"sampling with {len(self.shots)} numbers of shots"

    def tasks(self) -> Iterator[Draw]:
        return map(Draw, self.shots)


def analyse(folder: Path, study: ShotsStudy) -> Report:
    values = {str(task.shots): (folder / task.name).read_text() for task in study.tasks() if task.is_done(folder)}
    rows = tuple(values.items())
    lines = (f"{len(values)} of {len(study.shots)} are done",)
    tables = (Table(("shots", "value"), rows),)
    return Report(values, f"# {values}\n", f"<p>{values}</p>", tables, (), lines, {"values.svg": b"<svg/>"})


@pytest.fixture
def shots(monkeypatch: pytest.MonkeyPatch) -> ShotsStudy:
    package = ModuleType("shots_study")
    package.KIND = StudyKind(ShotsStudy, analyse, "shots")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shots_study", package)
    monkeypatch.setattr("qgen.studies.registry.KINDS", dict(KINDS) | {"shots": "shots_study:KIND"})
    return ShotsStudy(shots=(10, 100, 1000))


def test_another_kind_is_written_run_read_and_reported(shots: ShotsStudy, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    write_study(folder, shots)
    assert read_study(folder) == shots
    executor, progress, lines = InThisProcess("shots100"), [], []
    outcome = run_study(folder, shots, executor, progress.append, lines.append)
    assert outcome == Outcome(2, (Failure("shots100", "why", folder / "logs/shots100.txt"),), False)
    assert [(status.work, status.total) for status in progress] == [(1, 3), (1, 3), (2, 3)]
    assert lines == ["shots10", "shots100", "shots1000"]
    report = make_report(folder)
    assert report.conclusions == ("2 of 3 are done",)
    assert write_report(folder, report) == folder / "shots.html"
    assert json.loads((folder / "shots.json").read_text()) == {"10": "1.5", "1000": "1.5"}
    assert (folder / "shots.md").read_text().startswith("# ")
    assert (folder / "figures/values.svg").read_bytes() == b"<svg/>"
    with pytest.raises(RunError, match=r"another study \(shots: 10, 100, 1000 against 10\)"):
        write_study(folder, ShotsStudy(shots=(10,)))


def test_one_process_runs_a_study(shots: ShotsStudy, tmp_path: Path) -> None:
    with Run(tmp_path).alone(), pytest.raises(RunError, match="another process"):
        run_study(tmp_path, shots, InThisProcess(""))


def test_two_kinds_are_two_studies(shots: ShotsStudy, tmp_path: Path, make_study_of: Callable[..., Any]) -> None:
    write_study(tmp_path / "study", shots)
    with pytest.raises(RunError, match=r"another study \(kind: shots against compare\)"):
        write_study(tmp_path / "study", make_study_of(("a", "b")))


def test_a_kind_of_another_package_is_found_by_its_import_path(tmp_path: Path) -> None:
    study = TrivialStudy(cells=(Cell(name="a"),))
    write_study(tmp_path / "study", study)
    assert read_study(tmp_path / "study") == study
    assert write_report(tmp_path / "study", make_report(tmp_path / "study")).name == "trivial.html"


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("no_such_module:KIND", "cannot be imported .*no_such_module"),
        ("trivial_study:NOTHING", "cannot be imported .*NOTHING"),
        ("trivial_study:Chain", "is no StudyKind"),
    ],
)
def test_a_kind_that_cannot_be_imported_is_refused(kind: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(json.dumps({"kind": kind}))
    with pytest.raises(RunError, match=f"another version of qgen: its kind .*{why}"):
        read_study(tmp_path)


@pytest.mark.parametrize("kind", ["none", None, 3, ["compare"], {"a": 1}])
def test_an_unknown_kind_is_refused(kind: object, tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(json.dumps({"kind": kind}))
    with pytest.raises(RunError, match=r"another version of qgen: its kind is .*; known: compare"):
        read_study(tmp_path)
