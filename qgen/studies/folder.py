"""The folder of a study: study.json, its runs, and its reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from qgen.errors import ConfigError, RunError
from qgen.runs import Run, writing
from qgen.storage import atomic_write, write_text
from qgen.studies.executor import Executor, MessageCallback, Outcome, StatusCallback
from qgen.studies.layout import FILE
from qgen.studies.registry import find_kind
from qgen.studies.study import Report, Study, first_difference
from qgen.user_files import MAX_GENERATED_BYTES, read_text


def write_study(folder: Path, study: Study) -> None:
    """Make the folder of a study; a folder of the same study is left as it is.

    Raises:
        RunError: the folder is of another study, or of something else; or it cannot be written.
    """
    file = folder / FILE
    if file.exists():
        difference = first_difference(read_study(folder).plain(), study.plain())
        if difference:
            raise RunError(f"{folder} is another study ({difference}); name another folder with --out")
        return
    if folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder} exists already and is no study; name another folder with --out")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(study.plain(), indent=2, ensure_ascii=False) + "\n")


def read_study(folder: Path) -> Study:
    """Read the study of this folder.

    Raises:
        RunError: there is none, or it is damaged or of another version of qgen.
    """
    file = folder / FILE
    try:
        plain = json.loads(read_text(file, MAX_GENERATED_BYTES))
    except OSError as error:
        raise RunError(f"{folder} is not the folder of a study: it has no readable {FILE}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{file} is damaged: it is not JSON") from error
    kind = plain.get("kind") if isinstance(plain, dict) else None
    try:
        return cast(Study, find_kind(kind).settings.read(plain))
    except ConfigError as error:
        raise RunError(f"{file} is damaged or of another version of qgen: {error}") from error


def run_study(
    folder: Path,
    study: Study,
    executor: Executor,
    progress: StatusCallback | None = None,
    message: MessageCallback | None = None,
) -> Outcome:
    """Run the tasks of a study that are not done yet; see `Executor.run`.

    Raises:
        RunError: another process runs this study, or its folder cannot be written.
    """
    with Run(folder).alone():
        return executor.run(folder, list(study.tasks()), progress or _ignore, message or _ignore)


def _ignore(*arguments: object) -> None:
    pass


def make_report(folder: Path) -> Report:
    """Analyse the finished tasks of a study; nothing is run.

    Raises:
        RunError: the folder is not a study, or its results do not fit together.
    """
    study = read_study(folder)
    return find_kind(study.kind).report(folder, study)


def write_report(folder: Path, report: Report) -> Path:
    """Replace the reports in a study's folder, and return the path of the page.

    They are `KIND.json`, `KIND.md` and `KIND.html`, and `figures/NAME` where the report has figures.

    Raises:
        RunError: the folder is not a study, or they cannot be written.
    """
    name = find_kind(read_study(folder).kind).name
    plain = json.dumps(report.data, indent=2, ensure_ascii=False, allow_nan=False)
    texts = {"json": f"{plain}\n", "md": report.markdown, "html": report.page}
    with writing(folder):
        for suffix, text in texts.items():
            write_text(folder / f"{name}.{suffix}", text)
        if report.figures:
            (folder / "figures").mkdir(exist_ok=True)
        for file, content in report.figures.items():
            with atomic_write(folder / "figures" / file) as temporary:
                temporary.write_bytes(content)
    return folder / f"{name}.html"
