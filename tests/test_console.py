"""Long lines on a terminal: no word is cut where a row ends, and what is copied is the line that was printed."""

import os
import pty
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fcntl import ioctl
from struct import pack
from termios import TIOCSWINSZ

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgen.cli.main import app
from qgen.cli.output import print_error, print_note
from qgen.console import LiteralConsole, whole_words

WORDS = st.lists(st.text("ab-/:`", min_size=1, max_size=30), min_size=1, max_size=20)


def rows(line: str, columns: int) -> list[str]:
    """Return the rows that a terminal makes of a line of characters that are one column wide."""
    return [line[start : start + columns] for start in range(0, len(line), columns)]


@given(words=WORDS, columns=st.integers(1, 60))
def test_a_word_is_cut_only_if_it_is_longer_than_a_row(words: list[str], columns: int) -> None:
    kept = whole_words(" ".join(words), columns)
    assert kept.split() == words
    for word, place in zip(words, re.finditer(r"\S+", kept), strict=True):
        cut = place.start() // columns != (place.end() - 1) // columns
        assert not cut or len(word) > columns
    if all(len(word) < columns for word in words):
        assert not any(row.startswith(" ") for row in rows(kept, columns))


@given(words=WORDS)
def test_a_line_that_fits_stays_as_it_is(words: list[str]) -> None:
    line = "  " + "  ".join(words)
    assert whole_words(line, len(line)) == line


def test_wide_characters_have_two_columns() -> None:
    """Two of these words would take 9 of 8 columns."""
    assert whole_words("量子 量子 abc", 8) == "量子    量子 abc"
    assert whole_words("量子 量子 ab量子", 8) == "量子    量子    ab量子"


@contextmanager
def terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Make a terminal of both outputs within this block; yields what returns all that was written to it."""
    controller, descriptor = pty.openpty()
    ioctl(descriptor, TIOCSWINSZ, pack("HHHH", 24, columns, 0, 0))
    with monkeypatch.context() as patch, os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        for name in ("stdout", "stderr"):
            patch.setattr(sys, name, stream)
        patch.setenv("TERM", "xterm")

        def read() -> str:
            stream.close()
            found = b""
            with suppress(OSError):  # the end, on Linux
                while piece := os.read(controller, 4096):
                    found += piece
            return found.decode().replace("\r\n", "\n")

        yield read
    os.close(controller)


LINE = "stopped after step 1200; go on with: qgen train runs/a-rather-long-name --resume, or sample what there is"
WAYS = (lambda: LiteralConsole().print(LINE, soft_wrap=True), lambda: print_error(LINE), lambda: print_note(LINE))


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("write", WAYS, ids=["console", "error", "note"])
def test_notes_and_errors_on_a_terminal(
    write: Callable[[], None], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are one line with whole words."""
    with terminal(columns, monkeypatch) as read:
        write()
        shown = read()
    assert shown.count("\n") == 1
    assert shown.removeprefix("qgen: ").split() == LINE.split()
    assert [word for row in rows(shown, columns) for word in row.split()] == shown.split()


def test_wrong_usage_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(50, monkeypatch) as read:
        with pytest.raises(SystemExit, match="2"):
            app(["train", "--backend", "ibm_fez"], prog_name="qgen")
        shown = read()
    (error,) = [line for line in shown.splitlines() if line.startswith("Error: ")]
    assert len(error) > 100
    assert [word for row in rows(error, 50) for word in row.split()] == error.split()


def test_elsewhere_a_line_is_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    line = "word " * 50 + "end"
    LiteralConsole().print(line, soft_wrap=True)
    print_error(line)
    assert capsys.readouterr() == (f"{line}\n", f"qgen: {line}\n")
