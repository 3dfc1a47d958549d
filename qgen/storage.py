"""Files that are either whole or absent: written aside, flushed to the disk, then renamed."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE
from uuid import uuid4

#: In the name of a file that is being written; after a crash it may be left.
UNFINISHED = ".tmp"


@contextmanager
def aside(path: str | os.PathLike[str], private: bool = False) -> Iterator[Path]:
    """A path in the same folder, to write to; what lies there replaces `path` at once when the block ends well.

    A block that fails leaves `path` as it was, and nothing else. The name ends as `path` does, for writers that choose
    a format by it. Who may read the file is what the user's umask says, whatever the writer would have: safetensors
    makes files for their owner alone.

    Args:
        path: the file.
        private: for its owner alone, from its first byte on.

    Raises:
        OSError: the folder does not exist or cannot be written, or the disk is full.
    """
    target = Path(path)
    temporary = target.with_name(f".{uuid4().hex}{UNFINISHED}{target.suffix}")
    try:
        fresh = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
        mode = S_IMODE(os.fstat(fresh).st_mode)
        os.close(fresh)
        yield temporary
        os.chmod(temporary, mode)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, target)
        _sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a whole UTF-8 file; what is no character, in a file's name, becomes an escape of JSON and YAML.

    Raises:
        OSError: see `aside`.
    """
    with aside(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def user_folder(platform: str, environ: Mapping[str, str]) -> Path | None:
    """The user's data folder of qgen by the platform's custom; None where the user has no home.

    Args:
        platform: as `sys.platform`.
        environ: the environment variables.
    """
    variable, inside = {
        "win32": ("LOCALAPPDATA", "AppData/Local"),
        "darwin": ("", "Library/Application Support"),
    }.get(platform, ("XDG_DATA_HOME", ".local/share"))
    if os.path.isabs(environ.get(variable, "")):
        return Path(environ[variable], "qgen")
    try:
        return Path.home() / inside / "qgen"
    except RuntimeError:
        return None


def _sync_folder(folder: Path) -> None:
    # A rename outlasts a power cut once its folder is on the disk; where folders cannot be opened, nothing can be done.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
