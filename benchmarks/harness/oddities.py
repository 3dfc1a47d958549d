"""Odd words and odd files: what somebody may type, copy or damage, drawn at random."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

DEEP = 100_000
_TEXTS = """
- -- = . .. / ~ * # null None yes no true on all auto 0 -1 1 1.5 -0.0 1e308 1e-320 1e999 nan .nan inf -.inf 0x10
1_000 1e-2 99999999999999999999 10000000000000 1000000 2024-01-01 12:30:45 1,2 1;2 %s {} [] [1,2 {a: { &a *a
!!python/object:os.system ' " \\ βγδ 日本 \U0001f600 [red]x[/red] :smile: {x} %(a)s $HOME `id` ../.. /dev/null
/dev/zero /dev/full statevector aer aer:fake_manila fake_manila noisy:fake_manila provider:x provider:os:getcwd
ibm_fez least_busy aer: : a:b:c digits mnist gamma unet hqconv hqconv:9999,9999 strongly-entangling:1000 basic:0
basic:-1 basic:4, spsa spsa:step=[ spsa:directions=1.5 parameter-shift:fraction=2 adjoint:x=1 classifier: timm:x x=1
key=value=more run missing
"""
WORDS = (
    *("", " ", "[1, -2]", "{a: 1}", "&a [*a]", "!!binary x", "\n", "a\nb: c", "\x1b[31mred", "\x07", "\t", "a b"),
    *("\udcff", "9" * 400, "9" * 5000, "[" * DEEP, "a" * 5000, *_TEXTS.split()),
)
#: Files that are in the folder of every case.
PLACES = ("fifo", "loop", "folder", "empty", "text", "image.png", "settings.yaml", "circuit.qasm", "circuit3.qasm")
PLACES += ("circuit.json", "noise.yaml", "pins.json", "images", "run", "run/jobs.sqlite", "not\udcff.yaml", "nowhere/x")
PIECES = (
    *("\x00", "\x1b[2J", "\ufeff", "\udcff", "[" * 3000, "{" * 3000, "(" * 3000, ": : :", "- - -", "<<: *a"),
    *("99999999999999999999", "-1", "1e999", "nan", "null", "true", '"', "'", "&a", "*a", "//", "/*", ";", "}"),
    *("gate", "qubit"),
)


def word(rng: random.Random) -> str:
    """A value that an option may get."""
    drawn = rng.random()
    if drawn < 0.65:
        return rng.choice(WORDS)
    if drawn < 0.85:
        return rng.choice(PLACES)
    letters = "abz09-_.:,=[]{}'\"\\/ \t\nβé\x7f\u202e"
    return "".join(rng.choices(letters, k=rng.randrange(1, 30)))


def fill(folder: Path, specimens: Path) -> None:
    """Everything that odd words name, in the folder of a case."""
    shutil.copytree(specimens, folder, symlinks=True)
    os.mkfifo(folder / "fifo")
    (folder / "loop").symlink_to("loop")
    (folder / "folder").mkdir()
    (folder / "empty").touch()
    (folder / "text").write_text("Dear Sir or Madam,\n")
    (folder / "not\udcff.yaml").write_text("preset: digits\n")


def spoil(path: Path, rng: random.Random) -> str:
    """Damages a file in one of the ways in which files are damaged, and returns the name of that."""
    damage = rng.choice([*DAMAGES, become_other, become_strange])
    if damage in DAMAGES:
        path.write_bytes(damage(path.read_bytes(), rng))
    else:
        damage(path, rng)
    return damage.__name__


def flip(content: bytes, rng: random.Random) -> bytes:
    """A few bits."""
    flipped = bytearray(content)
    for _ in range(rng.randrange(1, 9) if content else 0):
        flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def cut(content: bytes, rng: random.Random) -> bytes:
    """The end is missing."""
    return content[: rng.randrange(len(content) + 1)]


def insert(content: bytes, rng: random.Random) -> bytes:
    """Something between."""
    at = rng.randrange(len(content) + 1)
    return content[:at] + _encoded(rng.choice([*PIECES, *WORDS[:80]])) + content[at:]


def replace_number(content: bytes, rng: random.Random) -> bytes:
    """One run of digits is another value."""
    numbers = list(re.finditer(rb"[0-9]+", content))[:500]
    if not numbers:
        return content
    start, end = rng.choice(numbers).span()
    return content[:start] + _encoded(rng.choice(WORDS)) + content[end:]


def drop_line(content: bytes, rng: random.Random) -> bytes:
    """A line is missing."""
    lines = content.splitlines(keepends=True)
    if lines:
        del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def repeat(content: bytes, rng: random.Random) -> bytes:
    """A part is there many times."""
    start = rng.randrange(len(content) + 1)
    part = content[start : start + rng.randrange(1, 200)]
    return content[:start] + part * rng.choice([2, 50, 2000]) + content[start:]


DAMAGES: list[Callable[[bytes, random.Random], bytes]] = [flip, cut, insert, replace_number, drop_line, repeat]


def become_other(path: Path, rng: random.Random) -> None:
    """It is a file of another kind."""
    kinds = [name for name in PLACES if (path.parent / name).is_file()]
    if kinds:
        path.write_bytes((path.parent / rng.choice(kinds)).read_bytes())


def become_strange(path: Path, rng: random.Random) -> None:
    """It is no file."""
    path.unlink()
    device = rng.choice(["/dev/zero", "/dev/null", "/dev/full", "/proc/self/mem", "/dev/tty"])
    kind = rng.choice(["folder", "fifo", "missing", path.name, device])
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind != "missing":
        path.symlink_to(kind)  # to itself, or to a device


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
