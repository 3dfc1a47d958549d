"""Downloads, from a server in the test: whole and right, or not there at all."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qgen.data import DataSettings, list_sets
from qgen.data.load import open_known
from qgen.data.sources import download, download_set
from qgen.errors import DataError


class Server:
    """Serves `files` by path, in a way that `manner` changes; `asked` lists what was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.manner = ""
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked.append(self.path)
                content = served.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                if served.manner != "no length":
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if served.manner == "breaks off" else content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    yield server
    server.close()


@pytest.fixture
def known(small: Any, server: Server) -> Any:
    """The small set, published on the server."""
    server.files = {f"/{name}.gz": gzip.compress(content) for name, content in small.content.items()}
    return small.published_at(server.address)


def all_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_missing_is_fetched_once_and_then_found(known: Any, small: Any, server: Server, home: Path) -> None:
    images = open_known(known, DataSettings())
    np.testing.assert_array_equal(images.images[:, 0], small.numbers["train-images"])
    assert server.asked == ["/train-images.gz", "/train-labels.gz"]  # the other part is not needed
    assert all_files(home) == ["small/train-images.gz", "small/train-labels.gz"]
    assert open_known(known, DataSettings(), download=False).sha256 == images.sha256
    download_set(known, None)
    assert server.asked[2:] == ["/t10k-images.gz", "/t10k-labels.gz"]
    (status,) = list_sets(None, [known])
    assert status.present == str(home / "small")


@pytest.mark.parametrize("by", ["argument", "variable"])
def test_a_download_goes_where_one_said(
    by: str, known: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = tmp_path / "not there yet"
    if by == "variable":
        monkeypatch.setenv("QGEN_DATA", str(chosen))
    download_set(known, chosen if by == "argument" else None)
    assert len(all_files(chosen / "small")) == 4
    assert not home.exists()


@pytest.mark.parametrize("manner", ["", "no length"])
def test_progress_is_told(manner: str, known: Any, server: Server, tmp_path: Path) -> None:
    server.manner = manner
    told: list[tuple[int, int]] = []
    file = known.idx.train[0]
    path = download(file, known.idx.mirrors, tmp_path, lambda *report: told.append(report))
    size = path.stat().st_size
    assert path == tmp_path / "train-images.gz"
    assert told[-1] == (size, file.packed_bytes if manner else size)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


@pytest.mark.parametrize(
    ("manner", "content", "words"),
    [
        ("breaks off", None, "broke off after"),
        ("", b"<html>Log in to this network</html>", "begins with 3c68746d"),
        ("", gzip.compress(b"\0\0\x08\x01\0\0\0\x02ab", mtime=0), r"shape \(2,\)"),
        ("", b"", "begins with nothing"),
        ("", bytes(10**6), "longer than"),
        ("no length", b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "incomplete"),
    ],
)
def test_what_is_not_whole_and_right_is_not_kept(
    manner: str, content: bytes | None, words: str, known: Any, server: Server, home: Path
) -> None:
    server.manner = manner
    if content is not None:
        server.files["/train-images.gz"] = content
    with pytest.raises(DataError, match=words) as caught:
        open_known(known, DataSettings())
    assert f"{server.address}train-images.gz" in str(caught.value)
    assert all_files(home) == []


def test_the_next_mirror_is_tried(small: Any, known: Any, server: Server, home: Path) -> None:
    with_all = small.published_at(
        f"{server.address}none/", f"{server.address}wrong/", "http://127.0.0.1:1/", server.address
    )
    server.files["/wrong/train-images.gz"] = b"something else"
    open_known(with_all, DataSettings())
    assert server.asked[:3] == ["/none/train-images.gz", "/wrong/train-images.gz", "/train-images.gz"]
    assert all_files(home) == ["small/train-images.gz", "small/train-labels.gz"]
    server.files.clear()
    with pytest.raises(DataError, match=r"HTTP Error 404.*wrong/t10k-images\.gz.*refused"):
        open_known(with_all, DataSettings(split="test"))


def test_an_interrupted_download_leaves_nothing(known: Any, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(known.idx.train[0], known.idx.mirrors, tmp_path, interrupt)
    assert all_files(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_said(known: Any, tmp_path: Path) -> None:
    (tmp_path / "small").touch()  # a file where a folder should be
    with pytest.raises(DataError, match=r"Cannot write .*train-images\.gz"):
        open_known(known, DataSettings(), tmp_path)
