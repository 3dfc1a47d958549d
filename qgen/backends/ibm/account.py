"""The user's IBM account, as Qiskit saves it on disk or reads it from the environment.

Secrets pass through here and go nowhere else: no message holds one, and the file is readable by the user alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgen.backends.ibm.transport import Transport
from qgen.errors import HardwareError
from qgen.storage import atomic_write

if TYPE_CHECKING:
    from qiskit_ibm_runtime import QiskitRuntimeService

LOGIN = "`qgen backends login` saves one; or set QISKIT_IBM_TOKEN and QISKIT_IBM_INSTANCE"
_FILE_MODE, _FOLDER_MODE = 0o600, 0o700


def has_account() -> bool:
    """Return whether an account is saved or in the environment; nothing is contacted."""
    return _load_account() is not None


def open_service(transport: Transport) -> QiskitRuntimeService:
    """Open IBM's service with the user's account, all of its requests sent through this transport.

    Raises:
        HardwareError: there is no account, its key is not accepted, or the service cannot be reached.
    """
    account = _load_account()
    if account is None:
        raise HardwareError(f"there is no IBM account here: {LOGIN}")
    transport.authenticate(account.token, account.get_auth_handler().tm)
    from qiskit_ibm_runtime import QiskitRuntimeService

    with transport.active():
        try:
            service = QiskitRuntimeService()
        except Exception as error:
            transport.translate(error)
        transport.raise_for_failure()
    return service


def save_account(token: str, instance: str | None, overwrite: bool) -> None:
    """Save an account as the default, in Qiskit's own file, which only the user may read.

    Raises:
        HardwareError: the key is not accepted, there is an account already and it is not to be replaced, or the file
            cannot be written.
    """
    from qiskit_ibm_runtime import QiskitRuntimeService
    from qiskit_ibm_runtime.accounts import AccountAlreadyExistsError
    from qiskit_ibm_runtime.accounts.account import Account

    url = os.environ.get("QISKIT_IBM_URL")
    account = Account.create_account(channel="ibm_quantum_platform", token=token, url=url, instance=instance)
    transport = Transport()
    transport.authenticate(token, account.get_auth_handler().tm)
    fields = {"token": token, "url": url, "instance": instance, "overwrite": overwrite, "set_as_default": True}
    try:
        with _replacing(_account_file(), overwrite) as file:
            QiskitRuntimeService.save_account(filename=str(file), **fields)
    except HardwareError:
        raise
    except AccountAlreadyExistsError as error:
        raise HardwareError("an account is saved already: --overwrite replaces it") from error
    except OSError as error:
        raise HardwareError(f"the account cannot be saved: {error.filename}: {error.strerror}") from error
    except Exception as error:
        transport.translate(error)


def _load_account() -> Any:
    from qiskit_ibm_runtime.accounts import AccountManager, AccountNotFoundError

    file = _account_file()
    _make_private(file)
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

    return Path(os.path.expanduser(management._DEFAULT_ACCOUNT_CONFIG_JSON_FILE))  # noqa: SLF001  # there is no public name


def _make_private(file: Path) -> None:
    """Restrict the file to its owner: Qiskit writes it with the system's default mode, often readable by all."""
    with suppress(OSError):
        if file.stat().st_mode & 0o077:
            file.chmod(_FILE_MODE)


@contextmanager
def _replacing(file: Path, discard_damaged: bool) -> Iterator[Path]:
    """Yield a private copy of the account file, which replaces the file when the block ends without an error.

    Args:
        file: the account file, which may not exist.
        discard_damaged: start with an empty file where this one is damaged.
    """
    target = file.resolve()  # it may be a link to where the user keeps such files
    target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    with atomic_write(target, private=True) as copy:
        copy.write_text(json.dumps(_read_accounts(target, discard_damaged)), encoding="utf-8")
        yield copy


def _read_accounts(file: Path, discard_damaged: bool) -> dict[str, Any]:
    try:
        accounts = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(accounts, dict) and all(isinstance(account, dict) for account in accounts.values()):
            return accounts
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        pass
    if discard_damaged:
        return {}
    raise HardwareError(f"the account file {file} is damaged: --overwrite begins a new one")
