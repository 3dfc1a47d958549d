"""Where things lie in the folder of a study, and the files of results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qgen.errors import RunError
from qgen.runs import writing
from qgen.storage import write_text
from qgen.user_files import MAX_GENERATED_BYTES, read_text

#: The file that makes a folder a study.
FILE = "study.json"


def runs_folder(folder: Path) -> Path:
    """Return the folder of the runs that a study trains."""
    return folder / "runs"


def log_file(folder: Path, task: str) -> Path:
    """Return the file of what a task printed, and of the traceback of its failure."""
    return folder / "logs" / f"{task}.txt"


def lock_file(folder: Path, task: str) -> Path:
    """Return the file that is locked while a worker has the task in hand."""
    return folder / ".locks" / task


def result_file(folder: Path, task: str) -> Path:
    """Return the file of a task's result."""
    return folder / "cells" / f"{task}.json"


def write_result(folder: Path, task: str, values: Mapping[str, Any]) -> None:
    """Write the result of a task atomically: the last thing that it does, since the file says that the task is done.

    Args:
        folder: the study's folder.
        task: the task's name.
        values: plain, finite values.

    Raises:
        ValueError: a number is not finite.
        RunError: the file cannot be written.
    """
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    file = result_file(folder, task)
    with writing(folder):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, f"{text}\n")


def read_result(folder: Path, task: str) -> dict[str, Any] | None:
    """Read the result of a task; None if it is not done.

    Raises:
        RunError: the file is damaged.
    """
    file = result_file(folder, task)
    try:
        values = json.loads(read_text(file, MAX_GENERATED_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{file} cannot be read ({error}); without it, the same command makes it anew") from error
    if not isinstance(values, dict):
        raise RunError(f"{file} is damaged: it does not hold a result; without it, the same command makes it anew")
    return values
