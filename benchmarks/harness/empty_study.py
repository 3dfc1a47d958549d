"""A study whose cells do nothing but write a result: what a study costs beside its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qgen.settings import Settings
from qgen.studies import Report, StudyKind, Task, TaskContext, result_file, write_result


class EmptyStudy(Settings):
    """So many cells."""

    kind: Literal["harness.empty_study:KIND"] = "harness.empty_study:KIND"
    count: int

    @property
    def data(self) -> Any:
        from qgen.data import DataSettings  # it imports torch

        return DataSettings(name="digits")

    @property
    def description(self) -> str:
        return f"{self.count} cells"

    def tasks(self) -> Iterator[Task]:
        return (Nothing(f"cell{number}") for number in range(self.count))


@dataclass(frozen=True)
class Nothing:
    """A task that is done as soon as it has begun."""

    name: str
    size: int = 1
    needs: tuple[str, ...] = ()

    def is_done(self, folder: Path) -> bool:
        return result_file(folder, self.name).exists()

    def progress(self, folder: Path) -> int:
        return int(self.is_done(folder))

    def run(self, folder: Path, context: TaskContext) -> None:
        write_result(folder, self.name, {"value": 1})


def report(folder: Path, study: EmptyStudy) -> Report:
    return Report({}, "", "", (), (), ())


KIND = StudyKind(EmptyStudy, report, "empty")
