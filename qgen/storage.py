"""Atomic writes (a file is written under a temporary name, flushed to the disk, then renamed), and locks."""

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE
from uuid import uuid4

#: Part of the temporary name; a crash may leave such a file behind.
TEMPORARY_MARK = ".tmp"
#: What file systems without locks answer.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_LOCK_POLL = 0.1  # seconds
#: Environment variable with the folder of caches.
CACHE_VARIABLE = "QGEN_CACHE"


@contextmanager
def atomic_write(path: str | os.PathLike[str], private: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the same folder; the file written there replaces `path` when the block ends.

    If the block raises, `path` stays as it was, and the temporary file is removed. The temporary name has the suffix of
    `path`, for writers that choose a format by it. The file mode follows the user's umask, whatever the writer sets:
    safetensors makes private files.

    Args:
        path: the file.
        private: make the file readable by its owner alone, from its first byte on.

    Raises:
        OSError: the folder does not exist or cannot be written, or the disk is full.
    """
    target = Path(path)
    temporary = target.with_name(f".{uuid4().hex}{TEMPORARY_MARK}{target.suffix}")
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
    """Write a UTF-8 file atomically; surrogates, as in names of files, become escapes of JSON and YAML.

    Raises:
        OSError: see `atomic_write`.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


@contextmanager
def locked(path: Path, patience: float = 0.0, give_up: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Hold the lock of a file within this block, where the system has file locks; it ends with the process at latest.

    Args:
        path: the file, which is made and stays.
        patience: seconds to wait for another process that has it.
        give_up: polled while waiting; True ends the wait.

    Raises:
        BlockingIOError: another process has it.
        OSError: the file cannot be written.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    until = time.monotonic() + patience
    with open(path, "w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until or give_up():
                    raise
                time.sleep(_LOCK_POLL)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                break
        yield


def user_folder(platform: str, environ: Mapping[str, str]) -> Path | None:
    """Return the user's data folder of qgen, by the convention of the platform; None without a home folder.

    Args:
        platform: as `sys.platform`.
        environ: the environment variables.
    """
    variable, inside = {
        "win32": ("LOCALAPPDATA", "AppData/Local"),
        "darwin": ("", "Library/Application Support"),
    }.get(platform, ("XDG_DATA_HOME", ".local/share"))
    return _in_home(variable, inside, environ)


def cache_folder(platform: str, environ: Mapping[str, str]) -> Path | None:
    """Return the folder of what can be made again: `QGEN_CACHE`, else by the convention of the platform.

    None without a home folder.

    Args:
        platform: as `sys.platform`.
        environ: the environment variables.
    """
    if environ.get(CACHE_VARIABLE):
        return Path(environ[CACHE_VARIABLE]).absolute()
    variable, inside = {
        "win32": ("LOCALAPPDATA", "AppData/Local"),
        "darwin": ("", "Library/Caches"),
    }.get(platform, ("XDG_CACHE_HOME", ".cache"))
    folder = _in_home(variable, inside, environ)
    return folder / "cache" if folder is not None and platform == "win32" else folder


def _in_home(variable: str, inside: str, environ: Mapping[str, str]) -> Path | None:
    if os.path.isabs(environ.get(variable, "")):
        return Path(environ[variable], "qgen")
    try:
        return Path.home() / inside / "qgen"
    except RuntimeError:
        return None


def _sync_folder(folder: Path) -> None:
    # A rename survives a power cut once its folder is on the disk; some systems cannot open folders.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
