"""Study: what is run to answer one question, and how its kind turns the results into a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from qgen.settings import Settings
from qgen.studies.tasks import Task

if TYPE_CHECKING:
    from qgen.data import DataSettings

Row = tuple[str, ...]
#: Heads the row of real images that nothing was trained on, in place of samples: what a perfect generator would reach.
REAL = "real images instead"


class Study(Protocol):
    """A grid of cells, and the tasks that are run in each. It is a value: two equal studies are the same.

    A kind of study is a `Settings` class with these members; `study.json` holds its plain values.
    """

    @property
    def kind(self) -> str:
        """Its kind, as `qgen.studies.registry.find_kind` knows it."""

    @property
    def data(self) -> tuple[DataSettings, ...]:
        """The sets of images that its cells use, to be downloaded before any task starts."""

    @property
    def description(self) -> str:
        """One line on what is run."""

    def tasks(self) -> Iterator[Task]:
        """Yield every task, in the order in which they are to be started."""

    def plain(self) -> dict[str, Any]:
        """Return plain values for study.json."""


@dataclass(frozen=True)
class Table:
    """A table of text."""

    head: Row
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Report:
    """The results of a study, ready to be written and printed.

    Attributes:
        data: plain, finite values for JSON.
        markdown: the report as Markdown.
        page: the report as one self-contained HTML page.
        tables: its main tables, for a terminal.
        warnings: what a reader has to know of single runs.
        conclusions: lines that state what the results support.
        figures: contents of image files by name, as `quality.png` and `quality.svg`.
    """

    data: dict[str, Any]
    markdown: str
    page: str
    tables: tuple[Table, ...]
    warnings: tuple[str, ...]
    conclusions: tuple[str, ...]
    figures: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyKind:
    """A kind of study; see `qgen.studies.registry.KINDS`.

    Attributes:
        settings: the class of its studies, which reads study.json; a `Study`.
        report: analyses the finished tasks of a study, given its folder and the study.
        name: of the files of its reports.
    """

    settings: type[Settings]
    report: Callable[[Path, Any], Report]
    name: str


def first_difference(old: Any, new: Any, path: str = "") -> str:
    """Describe the first difference of two plain values, as "seeds: 0, 1 against 0, 1, 2"; empty if they are equal."""
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(f"{path}.{key}".lstrip("."), old.get(key), new.get(key)) for key in {**old, **new}]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        elements = enumerate(zip(old, new, strict=True))
        pairs = [(f"{path}.{_label(first, index)}", first, second) for index, (first, second) in elements]
    else:
        return "" if old == new else f"{path}: {_short(old)} against {_short(new)}"
    return next(
        (difference for key, first, second in pairs if (difference := first_difference(first, second, key))), ""
    )


def _label(value: Any, index: int) -> str:
    return str(value["name"]) if isinstance(value, dict) and "name" in value else str(index)


def _short(value: Any) -> str:
    if isinstance(value, list):
        parts = (_label(part, index) if isinstance(part, dict) else str(part) for index, part in enumerate(value))
        return ", ".join(parts)
    return str(value)
