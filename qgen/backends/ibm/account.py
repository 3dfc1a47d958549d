"""The user's account at IBM, by Qiskit's own means: saved on disk, or in the environment.

Secrets pass through here and go nowhere else: every message is cleared of them, and the file is the user's alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgen.backends.ibm.door import Door
from qgen.errors import HardwareError
from qgen.storage import aside

if TYPE_CHECKING:
    from qiskit_ibm_runtime import QiskitRuntimeService

LOGIN = "`qgen backends login` saves one; or set QISKIT_IBM_TOKEN and QISKIT_IBM_INSTANCE"
_MINE, _FOLDER = 0o600, 0o700


def has_account() -> bool:
    """Whether an account is saved or in the environment; nothing is contacted."""
    return _account() is not None


def open_service(door: Door) -> QiskitRuntimeService:
    """IBM's service with the user's account, all of its requests through this door.

    Raises:
        HardwareError: there is no account, its key is not accepted, or the service cannot be reached.
    """
    account = _account()
    if account is None:
        raise HardwareError(f"there is no IBM account here: {LOGIN}")
    door.admit(account.token, account.get_auth_handler().tm)
    from qiskit_ibm_runtime import QiskitRuntimeService

    with door.open():
        try:
            service = QiskitRuntimeService()
        except Exception as error:
            door.explain(error)
        door.check()
    return service


def save_account(token: str, instance: str | None, overwrite: bool) -> None:
    """Saves an account as the default, in Qiskit's own file, which nobody else may read.

    Raises:
        HardwareError: the key is not accepted, there is an account already and it is not to be replaced, or the file
            cannot be written.
    """
    from qiskit_ibm_runtime import QiskitRuntimeService
    from qiskit_ibm_runtime.accounts import AccountAlreadyExistsError
    from qiskit_ibm_runtime.accounts.account import Account

    url = os.environ.get("QISKIT_IBM_URL")
    account = Account.create_account(channel="ibm_quantum_platform", token=token, url=url, instance=instance)
    door = Door()
    door.admit(token, account.get_auth_handler().tm)
    about = {"token": token, "url": url, "instance": instance, "overwrite": overwrite, "set_as_default": True}
    try:
        with _replaced(_account_file(), overwrite) as file:
            QiskitRuntimeService.save_account(filename=str(file), **about)
    except HardwareError:
        raise
    except AccountAlreadyExistsError as error:
        raise HardwareError("an account is saved already: --overwrite replaces it") from error
    except OSError as error:
        raise HardwareError(f"the account cannot be saved: {error.filename}: {error.strerror}") from error
    except Exception as error:
        door.explain(error)


def _account() -> Any:
    from qiskit_ibm_runtime.accounts import AccountManager, AccountNotFoundError

    file = _account_file()
    _keep_private(file)
    if not os.environ.get("QISKIT_IBM_TOKEN") and not file.exists():
        return None  # Qiskit would make an empty file, for all to read
    try:
        return AccountManager.get()
    except AccountNotFoundError:
        return None
    except Exception as error:  # a damaged file, a channel that is gone: the client says so in many ways
        raise HardwareError(
            f"the account that is saved or in the environment cannot be used ({type(error).__name__}): "
            "`qgen backends login --overwrite` replaces it"
        ) from None


def _account_file() -> Path:
    from qiskit_ibm_runtime.accounts import management

    return Path(os.path.expanduser(management._DEFAULT_ACCOUNT_CONFIG_JSON_FILE))  # noqa: SLF001  # it has no other name


def _keep_private(file: Path) -> None:
    """Takes the file from all but its owner: Qiskit writes it as the system's custom is, often for all to read."""
    with suppress(OSError):
        if file.stat().st_mode & 0o077:
            file.chmod(_MINE)


@contextmanager
def _replaced(file: Path, anew: bool) -> Iterator[Path]:
    """A private copy of the account file to change, that takes its place when the block ends well.

    Args:
        file: the account file, if there is one.
        anew: where it is damaged, begin with an empty one.
    """
    target = file.resolve()  # it may be a link to where the user keeps such files
    target.parent.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
    with aside(target, private=True) as copy:
        copy.write_text(json.dumps(_read(target, anew)), encoding="utf-8")
        yield copy


def _read(file: Path, anew: bool) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(found, dict) and all(isinstance(account, dict) for account in found.values()):
            return found
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        pass
    if anew:
        return {}
    raise HardwareError(f"the account file {file} is damaged: --overwrite begins a new one")
