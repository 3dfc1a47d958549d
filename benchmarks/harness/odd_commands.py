"""Odd commands: every command with odd words, and every kind of file damaged, each drawn from its own seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.oddities import PLACES, spoil, word

#: What contacts nobody and starts nothing that lasts.
_LEFT_OUT = ("backends login", "devserver")
_NO_OPTION = {"--download", "--help", "--follow", "--devices", "--device", "--jobs", "--debug"}
_SHORT = ["--set", "training.steps=1", "--set", "training.samples=0", "--set", "data.limit=32"]
_DEVICE = ["--backend", "fake_manila", "--seeds", "1", "--levels", "0"]
_ONE = ["--count", "1", "--steps", "1"]
_PRESETS = ["digits", "gan-classical", "gan-quantum-both", "quantum-patch", "style-gan", "classifier"]
_IMAGES = ["--set", "data.name=images", "--set", "model.mults=[1, 2]", "--set", "training.batch=1"]
#: Kind of file -> those that are damaged, and commands that read them; FILE is the damaged one or, at times, another.
_FILES: dict[str, tuple[str, list[list[str]]]] = {
    "settings": (
        "settings.yaml",
        [
            *(["train", "settings.yaml"], ["describe", "settings.yaml"], ["describe", "settings.yaml", "--json"]),
            *(["study", "compare", "settings.yaml", "digits", "--dry-run"], ["train", "FILE", *_SHORT]),
        ],
    ),
    "qasm": ("circuit.qasm", [["transpile", "--qasm", "FILE", *_DEVICE]]),
    "qasm 3": ("circuit3.qasm", [["transpile", "--qasm", "FILE", *_DEVICE]]),
    "circuit": (
        "circuit.json",
        [
            *(["describe", "circuit.json"], ["describe", "--circuit", "circuit.json", "--json"]),
            ["transpile", "--circuit", "circuit.json", *_DEVICE],
        ],
    ),
    "noise": (
        "noise.yaml",
        [
            ["sample", "run", *_ONE, "--backend", "aer:FILE"],
            [*("train", *_SHORT, "--set", "training.batch=1", "--gradient", "spsa"), "--backend", "aer:FILE"],
        ],
    ),
    "layout": ("pins.json", [["sample", "run", *_ONE, "--backend", "aer:fake_manila", "--layout", "FILE"]]),
    "images": (
        "images",
        [
            *(["data", "images"], ["data", "images", "--json"], ["data", "images", "--figure", "x.png"]),
            *(["train", *_SHORT, *_IMAGES], ["data", "FILE"]),
        ],
    ),
    "run": (
        "run",
        [
            *(["sample", "run", *_ONE], ["describe", "run"], ["describe", "run", "--json"], ["jobs", "run"]),
            *(["train", "run", "--resume"], ["train", "run", "--resume", "--set", "training.steps=3"]),
            *(["transpile", "run", *_DEVICE], ["train", "--from", "run", *_SHORT]),
        ],
    ),
    "journal": (
        "run/jobs.sqlite",
        [
            *(["jobs", "run"], ["jobs", "run", "--json"], ["jobs", "run/jobs.sqlite"], ["jobs", "run", "--fetch"]),
            *(["sample", "run", *_ONE], ["sample", "run", *_ONE, "--backend", "ibm_fez", "--dry-run"]),
            ["jobs", "run", "--cancel", "WORD"],
        ],
    ),
}


@dataclass(frozen=True)
class Case:
    """A command in a folder, and what was done to the folder."""

    words: list[str]
    about: str


def make_case(rng: random.Random, folder: Path) -> Case:
    """A command for this folder, whose files may be damaged for it."""
    makers: list[Callable[[random.Random, Path], Case]] = [option_words, setting, damaged_file]
    return rng.choices(makers, weights=[5, 5, 22])[0](rng, folder)


def option_words(rng: random.Random, folder: Path) -> Case:
    """A command with some of its options and arguments, each an odd word."""
    name, parameters = rng.choice(list(_commands().items()))
    words = name.split()
    for parameter in rng.sample(parameters, min(len(parameters), rng.randrange(0, 5))):
        flag = next((text for text in parameter.opts if text.startswith("--")), None)
        if flag is None:
            words.append(word(rng))
        elif flag not in _NO_OPTION:
            words += [flag] if parameter.is_flag else [flag, word(rng)]
    if rng.random() < 0.1:
        words.append(rng.choice(["--nothing", "-x", word(rng)]))
    return Case(words + (_SHORT if words[0] == "train" else []), "options")


def setting(rng: random.Random, folder: Path) -> Case:
    """Settings by `--set`."""
    keys = [key if rng.random() < 0.9 else _misspelt(key, rng) for key in rng.choices(_keys(), k=rng.randrange(1, 3))]
    changes = [part for key in keys for part in ("--set", f"{key}={word(rng)}")]
    preset = rng.choice(_PRESETS)
    commands = [["describe", preset], ["train", "run", "--resume"], ["train", preset, *_SHORT]]
    return Case(rng.choices(commands, weights=[40, 12, 48])[0] + changes, "setting")


def damaged_file(rng: random.Random, folder: Path) -> Case:
    """A command that reads a file which was damaged, or another kind of file."""
    kind, (name, commands) = rng.choice(list(_FILES.items()))
    about = [kind]
    for _ in range(rng.randrange(1, 4) if kind == "images" else 1):
        path = folder / name
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file() and not file.is_symlink())
            if not files:
                break
            path = rng.choice(files)
        about += [str(path.relative_to(folder)), spoil(path, rng)]
    file, odd = name if rng.random() < 0.9 else rng.choice(PLACES), word(rng)
    words = [part.replace("FILE", file).replace("WORD", odd) for part in rng.choice(commands)]
    return Case(words, " ".join(about))


def _misspelt(key: str, rng: random.Random) -> str:
    return key[: rng.randrange(len(key))] + rng.choice(["", ".", "x", "..y"])


@cache
def _commands() -> dict[str, list[Any]]:
    """All commands with their parameters."""
    import typer.main

    from qgen.cli.main import app

    found: dict[str, list[Any]] = {}

    def walk(name: str, command: Any) -> None:
        inner = getattr(command, "commands", {})
        if name and name not in _LEFT_OUT:
            found[name] = command.params
        for part, below in inner.items():
            walk(f"{name} {part}".strip(), below)

    walk("", typer.main.get_command(app))
    return found


@cache
def _keys() -> list[str]:
    """The dotted keys of all presets' settings, groups among them."""
    from qgen.runs import preset_names, read_config

    keys = {"start.run", "start.parts", "start.weights", "start"}

    def walk(plain: dict[str, Any], above: str) -> None:
        for key, value in plain.items():
            keys.add(above + key)
            if isinstance(value, dict):
                walk(value, f"{above}{key}.")

    for name in preset_names():
        walk(read_config(name).plain(), "")
    return sorted(keys)
