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
_LEFT_OUT = {"backends login": None, "devserver": None}
_NO_OPTION = {"--download", "--help", "--follow", "--devices", "--device", "--jobs", "--debug"}
_SHORT = ["--set", "training.steps=1", "--set", "training.samples=0", "--set", "data.limit=32"]
_DEVICE = ["--backend", "fake_manila", "--seeds", "1", "--levels", "0"]
_ONE = ["--count", "1", "--steps", "1"]


@dataclass(frozen=True)
class Case:
    """A command in a folder, and what was done to the folder."""

    words: list[str]
    about: str


Make = Callable[[random.Random, Path], Case]


def make_case(rng: random.Random, folder: Path) -> Case:
    """A command for this folder, whose files may be damaged for it."""
    makers: list[Make] = [option_words, setting, settings_file, qasm, circuit_file, noise, pins, images, run, journal]
    return rng.choices(makers, weights=[5, 5, 3, 3, 2, 3, 2, 3, 4, 2])[0](rng, folder)


def option_words(rng: random.Random, folder: Path) -> Case:
    """A command with some of its options and arguments, each an odd word."""
    name, parameters = rng.choice(list(_commands().items()))
    words = name.split()
    for parameter in rng.sample(parameters, min(len(parameters), rng.randrange(0, 5))):
        flag = next((each for each in parameter.opts if each.startswith("--")), None)
        if flag is None:
            words.append(word(rng))
        elif flag not in _NO_OPTION:
            words += [flag] if parameter.is_flag else [flag, word(rng)]
    if rng.random() < 0.1:
        words.append(rng.choice(["--nothing", "-x", word(rng)]))
    return Case(words + (_SHORT if words[0] == "train" else []), "options")


def setting(rng: random.Random, folder: Path) -> Case:
    """Settings by `--set`."""
    keys = rng.choices(_keys(), k=rng.randrange(1, 3))
    keys = [
        key if rng.random() < 0.9 else key[: rng.randrange(len(key))] + rng.choice(["", ".", "x", "..y"])
        for key in keys
    ]
    changes = [part for key in keys for part in ("--set", f"{key}={word(rng)}")]
    preset = rng.choice(["digits", "gan-classical", "gan-quantum-both", "quantum-patch", "style-gan", "classifier"])
    if rng.random() < 0.4:
        return Case(["describe", preset, *changes], "setting")
    if rng.random() < 0.2:
        return Case(["train", "run", "--resume", *changes], "setting")
    return Case(["train", preset, *_SHORT, *changes], "setting")


def _misspelt(key: str, rng: random.Random) -> str:
    return key[: rng.randrange(len(key))] + rng.choice(["", ".", "x", "..y"])


def settings_file(rng: random.Random, folder: Path) -> Case:
    """A damaged file of settings."""
    about = spoil(folder / "settings.yaml", rng)
    commands = [["train", "settings.yaml"], ["describe", "settings.yaml"], ["describe", "settings.yaml", "--json"]]
    commands += [["study", "compare", "settings.yaml", "digits", "--dry-run"], ["train", rng.choice(PLACES), *_SHORT]]
    return Case(rng.choice(commands), f"settings: {about}")


def qasm(rng: random.Random, folder: Path) -> Case:
    """A damaged circuit in OpenQASM."""
    name = rng.choice(["circuit.qasm", "circuit3.qasm"])
    about = spoil(folder / name, rng)
    return Case(["transpile", "--qasm", name if rng.random() < 0.9 else rng.choice(PLACES), *_DEVICE], f"qasm: {about}")


def circuit_file(rng: random.Random, folder: Path) -> Case:
    """A damaged saved circuit."""
    about = spoil(folder / "circuit.json", rng)
    commands = [["describe", "circuit.json"], ["describe", "--circuit", "circuit.json", "--json"]]
    return Case(rng.choice([*commands, ["transpile", "--circuit", "circuit.json", *_DEVICE]]), f"circuit: {about}")


def noise(rng: random.Random, folder: Path) -> Case:
    """A damaged file of noise."""
    about = spoil(folder / "noise.yaml", rng)
    file = "noise.yaml" if rng.random() < 0.9 else rng.choice(PLACES)
    commands = [["sample", "run", *_ONE], ["train", *_SHORT, "--set", "training.batch=1", "--gradient", "spsa"]]
    return Case([*rng.choice(commands), "--backend", f"aer:{file}"], f"noise: {about}")


def pins(rng: random.Random, folder: Path) -> Case:
    """A damaged layout."""
    about = spoil(folder / "pins.json", rng)
    file = "pins.json" if rng.random() < 0.9 else rng.choice(PLACES)
    return Case(["sample", "run", *_ONE, "--backend", "aer:fake_manila", "--layout", file], f"layout: {about}")


def images(rng: random.Random, folder: Path) -> Case:
    """A folder with damaged images."""
    about = []
    for _ in range(rng.randrange(1, 4)):
        files = sorted(each for each in (folder / "images").rglob("*") if each.is_file() and not each.is_symlink())
        if files:
            about.append(spoil(rng.choice(files), rng))
    commands = [["data", "images"], ["data", "images", "--json"], ["data", "images", "--figure", "x.png"]]
    train = ["train", *_SHORT, "--set", "data.name=images", "--set", "model.mults=[1, 2]", "--set", "training.batch=1"]
    return Case(rng.choice([*commands, train, ["data", rng.choice(PLACES)]]), f"images: {', '.join(about)}")


def run(rng: random.Random, folder: Path) -> Case:
    """A run with a damaged file."""
    files = sorted(each for each in (folder / "run").rglob("*") if each.is_file())
    chosen = rng.choice(files)
    about = spoil(chosen, rng)
    commands = [["sample", "run", *_ONE], ["describe", "run"], ["describe", "run", "--json"], ["jobs", "run"]]
    commands += [["train", "run", "--resume"], ["train", "run", "--resume", "--set", "training.steps=3"]]
    commands += [["transpile", "run", *_DEVICE], ["train", "--from", "run", *_SHORT]]
    return Case(rng.choice(commands), f"run: {chosen.relative_to(folder)} {about}")


def journal(rng: random.Random, folder: Path) -> Case:
    """A damaged journal of jobs."""
    about = spoil(folder / "run" / "jobs.sqlite", rng)
    commands = [["jobs", "run"], ["jobs", "run", "--json"], ["jobs", "run/jobs.sqlite"], ["jobs", "run", "--fetch"]]
    commands += [["sample", "run", *_ONE], ["sample", "run", *_ONE, "--backend", "ibm_fez", "--dry-run"]]
    return Case(rng.choice([*commands, ["jobs", "run", "--cancel", word(rng)]]), f"journal: {about}")


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
        for each, below in inner.items():
            walk(f"{name} {each}".strip(), below)

    walk("", typer.main.get_command(app))
    return found


@cache
def _keys() -> list[str]:
    """The dotted keys of all presets' settings, groups among them."""
    from qgen.runs import preset_names, read_config

    keys: set[str] = set()

    def walk(plain: dict[str, Any], above: str) -> None:
        for key, value in plain.items():
            keys.add(above + key)
            if isinstance(value, dict):
                walk(value, f"{above}{key}.")

    for name in preset_names():
        walk(read_config(name).plain(), "")
    return sorted(keys | {"start.run", "start.parts", "start.weights", "start"})
