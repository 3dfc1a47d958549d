"""Odd words and odd files: what somebody may type, copy or damage, drawn at random."""

from __future__ import annotations

import os
import random
import shutil
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
    *("\udcff", "9" * 400, "[" * DEEP, "a" * 5000, *_TEXTS.split()),
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
    damage = rng.choice([flip, cut, insert, replace_number, drop_line, repeat, become_other, become_strange])
    damage(path, rng)
    return damage.__name__


def flip(path: Path, rng: random.Random) -> None:
    """A few bits."""
    content = bytearray(path.read_bytes())
    for _ in range(rng.randrange(1, 9) if content else 0):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def cut(path: Path, rng: random.Random) -> None:
    """The end is missing."""
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content) + 1)])


def insert(path: Path, rng: random.Random) -> None:
    """Something between."""
    content, piece = path.read_bytes(), rng.choice([*PIECES, *WORDS[:80]]).encode("utf-8", "surrogateescape")
    at = rng.randrange(len(content) + 1)
    path.write_bytes(content[:at] + piece + content[at:])


def replace_number(path: Path, rng: random.Random) -> None:
    """One run of digits is another value."""
    content = path.read_bytes()
    starts = [k for k in range(len(content)) if content[k : k + 1].isdigit() and not content[k - 1 : k].isdigit()]
    if starts:
        start = end = rng.choice(starts[:500])
        while content[end : end + 1].isdigit():
            end += 1
        path.write_bytes(content[:start] + rng.choice(WORDS).encode("utf-8", "surrogateescape") + content[end:])


def drop_line(path: Path, rng: random.Random) -> None:
    """A line is missing."""
    lines = path.read_bytes().splitlines(keepends=True)
    if lines:
        del lines[rng.randrange(len(lines))]
    path.write_bytes(b"".join(lines))


def repeat(path: Path, rng: random.Random) -> None:
    """A part is there many times."""
    content = path.read_bytes()
    start = rng.randrange(len(content) + 1)
    part = content[start : start + rng.randrange(1, 200)]
    path.write_bytes(content[:start] + part * rng.choice([2, 50, 2000]) + content[start:])


def become_other(path: Path, rng: random.Random) -> None:
    """It is a file of another kind."""
    kinds = [name for name in PLACES if (path.parent / name).is_file()]
    if kinds:
        path.write_bytes((path.parent / rng.choice(kinds)).read_bytes())


def become_strange(path: Path, rng: random.Random) -> None:
    """It is no file."""
    path.unlink()
    devices = ["/dev/zero", "/dev/null", "/dev/full", "/proc/self/mem", "/dev/tty"]
    rng.choice(
        [
            path.mkdir,
            lambda: os.mkfifo(path),
            lambda: path.symlink_to(path.name),
            lambda: path.symlink_to(rng.choice(devices)),
            lambda: None,
        ]
    )()
