"""The user's key is in a file that nobody else can read, at every moment, and is kept whatever goes wrong."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cloud import cloud, no_account

from qgen.backends.ibm.account import has_account, save_account
from qgen.devserver import DevServer, Fault
from qgen.errors import HardwareError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="modes of files are POSIX's")


@pytest.fixture(autouse=True)
def _open_custom() -> Iterator[None]:
    """A system on which files are made for all to read and write."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    with cloud(tmp_path, monkeypatch) as running:
        monkeypatch.delenv("QISKIT_IBM_TOKEN")
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".qiskit" / "qiskit-ibm.json"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_looking_for_an_account_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    no_account(tmp_path, monkeypatch)
    assert not has_account()
    assert not file.parent.exists()


def test_what_is_saved_is_for_the_user_alone_from_its_first_byte(
    server: DevServer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes, dump = [], json.dump

    def watched(value: object, target: object, **options: object) -> None:
        modes.append(stat.S_IMODE(os.fstat(target.fileno()).st_mode))
        dump(value, target, **options)

    monkeypatch.setattr("qiskit_ibm_runtime.accounts.storage.json.dump", watched)
    save_account(server.token, None, overwrite=False)
    assert modes == [0o600]
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    assert [one.name for one in file.parent.iterdir()] == [file.name]
    assert server.token in file.read_text()
    assert has_account()


def test_a_file_that_qiskit_left_open_is_closed_when_it_is_read(server: DevServer, file: Path) -> None:
    save_account(server.token, None, overwrite=False)
    file.chmod(0o644)
    assert has_account()
    assert mode(file) == 0o600


def test_other_accounts_and_links_stay(server: DevServer, file: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text(json.dumps({"theirs": {"channel": "ibm_cloud", "token": "another"}}))
    file.parent.mkdir()
    file.symlink_to(real)
    save_account(server.token, None, overwrite=False)
    assert file.is_symlink()
    assert mode(real) == 0o600
    accounts = json.loads(real.read_text())
    assert accounts["theirs"]["token"] == "another"
    assert len(accounts) == 2


def test_what_is_there_is_kept_unless_it_is_to_be_replaced(server: DevServer, file: Path) -> None:
    save_account(server.token, "first", overwrite=False)
    before = file.read_bytes()
    with pytest.raises(HardwareError, match="--overwrite replaces it"):
        save_account(server.token, "second", overwrite=False)
    assert file.read_bytes() == before
    save_account(server.token, "second", overwrite=True)
    assert b"second" in file.read_bytes()
    file.write_text('{"damaged": ')
    with pytest.raises(HardwareError, match="is damaged: --overwrite begins a new one"):
        save_account(server.token, None, overwrite=False)
    assert file.read_text() == '{"damaged": '
    save_account(server.token, None, overwrite=True)
    assert server.token in file.read_text()


def test_a_key_that_is_not_accepted_is_not_saved(server: DevServer, file: Path) -> None:
    with pytest.raises(HardwareError, match="does not accept this API key") as caught:
        save_account("a-wrong-key", None, overwrite=False)
    assert "a-wrong-key" not in str(caught.value)
    server.faults.add(Fault(path="/identity/token", status=307, location="http://127.0.0.1:1/", times=None))
    with pytest.raises(HardwareError, match="nothing was sent there"):
        save_account(server.token, None, overwrite=False)
    assert not file.exists()
