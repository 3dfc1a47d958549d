"""The user's account at IBM, by Qiskit's own means: saved on disk, or in the environment.

Secrets pass through here and go nowhere else: every message is cleared of them.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qgen.errors import HardwareError

if TYPE_CHECKING:
    from qiskit_ibm_runtime import QiskitRuntimeService

LOGIN = "`qgen backends login` saves one; or set QISKIT_IBM_TOKEN and QISKIT_IBM_INSTANCE"
_TIMEOUT = 20.0
_REFUSED = (400, 401, 403)


def has_account() -> bool:
    """Whether an account is saved or in the environment; nothing is contacted."""
    return _account() is not None


def open_service() -> QiskitRuntimeService:
    """IBM's service with the user's account.

    Raises:
        HardwareError: there is no account, its key is not accepted, or the service cannot be reached. A key that is not
            accepted is found out first: the client itself would wait a minute and then see no devices.
    """
    account = _account()
    if account is None:
        raise HardwareError(f"there is no IBM account here: {LOGIN}")
    _check_key(account)
    from qiskit_ibm_runtime import QiskitRuntimeService

    with _quiet(), scrubbed(account.token):
        return QiskitRuntimeService()


def save_account(token: str, instance: str | None, overwrite: bool) -> None:
    """Saves an account as the default, in Qiskit's own file.

    Raises:
        HardwareError: the key is not accepted, or there is an account already and it is not to be replaced.
    """
    from qiskit_ibm_runtime import QiskitRuntimeService
    from qiskit_ibm_runtime.accounts import AccountAlreadyExistsError
    from qiskit_ibm_runtime.accounts.account import Account

    url = os.environ.get("QISKIT_IBM_URL")
    account = Account.create_account(channel="ibm_quantum_platform", token=token, url=url, instance=instance)
    _check_key(account)
    try:
        with scrubbed(token):
            QiskitRuntimeService.save_account(
                token=token, url=url, instance=instance, overwrite=overwrite, set_as_default=True
            )
    except AccountAlreadyExistsError as error:
        raise HardwareError("an account is saved already: --overwrite replaces it") from error


@contextmanager
def scrubbed(token: str) -> Iterator[None]:
    """What goes wrong inside becomes a HardwareError of one line, without the token.

    Raises:
        HardwareError: whatever the client raised.
    """
    from qiskit_ibm_runtime.accounts import AccountAlreadyExistsError

    try:
        yield
    except (HardwareError, AccountAlreadyExistsError):
        raise
    except Exception as error:
        words = " ".join(str(getattr(error, "message", None) or error).split())
        raise HardwareError(f"IBM's service: {words.replace(token, '***') if token else words}") from None


def _account() -> Any:
    from qiskit_ibm_runtime.accounts import AccountManager, AccountNotFoundError

    try:
        return AccountManager.get()
    except AccountNotFoundError:
        return None
    except Exception as error:  # a damaged file, a channel that is gone: the client says so in many ways
        raise HardwareError(
            f"the account that is saved or in the environment cannot be used ({type(error).__name__}): "
            "`qgen backends login --overwrite` replaces it"
        ) from None


def _check_key(account: Any) -> None:
    """Asks for one access token, as the client does before anything else."""
    import requests
    from qiskit_ibm_runtime.accounts.utils import get_iam_api_url
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    root = os.environ.get("IAM_URL") or get_iam_api_url(account.url)
    form = {"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": account.token}
    retry = Retry(total=4, backoff_factor=0.3, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=None)
    with requests.Session() as session:
        session.mount(root, HTTPAdapter(max_retries=retry))
        try:
            answer = session.post(f"{root}/identity/token", data=form, timeout=_TIMEOUT)
        except requests.RequestException as error:
            raise HardwareError(
                f"IBM's service cannot be reached ({type(error).__name__}): is there a network? `fake_...` backends "
                "need none"
            ) from None
    if answer.status_code in _REFUSED:
        raise HardwareError(
            "IBM does not accept this API key (wrong, expired or deleted): make one on quantum.cloud.ibm.com, then "
            "`qgen backends login --overwrite`"
        )
    if answer.status_code != requests.codes.ok:
        raise HardwareError(f"IBM's service answered {answer.status_code} when asked for access: try again later")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the client's advice on instances, which our own messages give."""
    logger = logging.getLogger("qiskit_ibm_runtime")
    before = logger.level
    logger.setLevel(max(logging.ERROR, before))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
