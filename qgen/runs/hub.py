"""Exports on the Hugging Face hub (extra `hub`): pushed where a user asks for it, pulled where `hf://` is named.

huggingface_hub keeps the account's token, and nothing here reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qgen.errors import RunError
from qgen.extras import install_command

#: What an address on the hub begins with.
SCHEME = "hf://"
#: Files of an export: settings, weights, metrics, pictures and the card; no code.
_FILES = ["*.yaml", "*.json", "*.jsonl", "*.safetensors", "*.png", "*.md"]
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
#: Packages whose errors are those of the hub, or of the way there.
_THEIRS = ("huggingface_hub", "httpx", "requests")


def check_push(repository: str) -> None:
    """Refuse what cannot be pushed, before anything is exported.

    Raises:
        RunError: this is no name of a repository, or the extra is not installed.
    """
    _check_name(repository)
    _library()


def push_folder(folder: Path, repository: str, public: bool = False) -> str:
    """Upload an export as a model; the repository is made if there is none.

    Args:
        folder: of the export.
        repository: as `user/name`.
        public: whether a new repository can be seen by everybody.

    Returns:
        Its address in a browser.

    Raises:
        RunError: the hub refuses, cannot be reached, or the extra is not installed.
    """
    _check_name(repository)
    with _one_line(f"push {folder} to {repository}"):
        api = _library().HfApi()
        address = api.create_repo(repository, repo_type="model", private=not public, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=str(folder), repo_type="model", allow_patterns=_FILES)
    return str(address)


def pull_folder(address: str) -> Path:
    """Download an export into the hub's own cache, or find it there.

    Args:
        address: `hf://user/name`, or `hf://user/name@revision`.

    Returns:
        Its folder.

    Raises:
        RunError: there is no such repository, it holds no export, or the extra is not installed.
    """
    repository, _, revision = address.removeprefix(SCHEME).partition("@")
    _check_name(repository)
    with _one_line(f"load {address}"):
        found = Path(
            _library().snapshot_download(
                repository, repo_type="model", revision=revision or None, allow_patterns=_FILES
            )
        )
    if not (found / "config.yaml").is_file():
        raise RunError(f"{address} is no model of qgen: it has no config.yaml. `qgen export RUN --push` makes one")
    return found


def _check_name(repository: str) -> None:
    if not _REPOSITORY.fullmatch(repository):
        raise RunError(f"{repository!r} names no repository of the hub: give user/name")


def _library() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise RunError(f"the Hugging Face hub needs an extra: {install_command('hub')}") from error
    return huggingface_hub


@contextmanager
def _one_line(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        theirs = any(kind.__module__.partition(".")[0] in _THEIRS for kind in type(error).__mro__)
        if not theirs and not isinstance(error, OSError):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(f"cannot {what}: {reason}") from error
