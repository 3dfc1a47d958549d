"""Odd commands: every command with odd words, and every kind of file damaged, each drawn from its own seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.oddities import PLACES, spoil, word

#: What contacts nobody and starts nothing that lasts.
_LEFT_OUT = ("backends login", "devserver")
_NO_OPTION = {"--download", "--help", "--follow", "--devices", "--device", "--jobs", "--debug"}
_PRESETS = (
    *("digits", "gan-classical", "gan-quantum-both", "patch-gan", "style-gan", "classifier"),
    *("vae-digits", "latent-digits", "text-digits", "born-digits"),
)
_SHORT = "--set training.steps=1 --set training.samples=0 --set data.limit=32"
#: Files that are damaged -> commands that read them. FILE is the damaged one or, at times, another; WORD an odd word.
_READERS = {
    "settings.yaml": """train FILE SHORT; train FILE; describe FILE; describe FILE --json
        study compare FILE digits --dry-run""",
    "circuit.qasm": "transpile --qasm FILE DEVICE",
    "circuit3.qasm": "transpile --qasm FILE DEVICE",
    "circuit.json": "describe FILE; describe --circuit FILE --json; transpile --circuit FILE DEVICE",
    "noise.yaml": """sample run ONE --backend aer:FILE
        train SHORT --set training.batch=1 --gradient spsa --backend aer:FILE""",
    "pins.json": "sample run ONE --backend aer:fake_manila --layout FILE",
    "images": """data FILE; data FILE --json; data FILE --figure x.png
        train SHORT --set data.name=FILE --set model.mults=[1,2] --set training.batch=1""",
    "run": """sample FILE ONE; describe FILE; describe FILE --json; jobs FILE; transpile FILE DEVICE
        train FILE --resume; train FILE --resume --set training.steps=3; train --from FILE SHORT
        export FILE --out exported; runs --in FILE; runs diff run FILE; evaluate FILE --count 4 --features digits""",
    "run/jobs.sqlite": """jobs FILE; jobs run; jobs run --json; jobs run --fetch; jobs run --cancel WORD
        sample run ONE; sample run ONE --backend ibm_fez --dry-run""",
}
_SHORTHANDS = {"SHORT": _SHORT, "ONE": "--count 1 --steps 1", "DEVICE": "--backend fake_manila --seeds 1 --levels 0"}


@dataclass(frozen=True)
class OddCommand:
    """A command in a folder, and what was done to the folder."""

    words: list[str]
    about: str


def make_case(rng: random.Random, folder: Path) -> OddCommand:
    """A command for this folder, whose files may be damaged for it."""
    makers: list[Callable[[random.Random, Path], OddCommand]] = [option_words, setting, damaged_file]
    return rng.choices(makers, weights=[5, 5, 22])[0](rng, folder)


def option_words(rng: random.Random, folder: Path) -> OddCommand:
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
    return OddCommand(words + (_SHORT.split() if words[0] == "train" else []), "options")


def setting(rng: random.Random, folder: Path) -> OddCommand:
    """Settings by `--set`, some of them misspelt."""
    changes = []
    for key in rng.choices(_keys(), k=rng.randrange(1, 3)):
        if rng.random() < 0.1:
            key = key[: rng.randrange(len(key))] + rng.choice(["", ".", "x", "..y"])
        changes += ["--set", f"{key}={word(rng)}"]
    preset = rng.choice(_PRESETS)
    commands = [f"describe {preset}", "train run --resume", f"train {preset} {_SHORT}"]
    return OddCommand(rng.choices(commands, weights=[40, 12, 48])[0].split() + changes, "setting")


def damaged_file(rng: random.Random, folder: Path) -> OddCommand:
    """A command that reads a file which was damaged, or another kind of file."""
    name, commands = rng.choice(list(_READERS.items()))
    about = [name]
    for _ in range(rng.randrange(1, 4) if name == "images" else 1):
        path = folder / name
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file() and not file.is_symlink())
            if not files:
                break
            path = rng.choice(files)
        about += [str(path.relative_to(folder)), spoil(path, rng)]
    command = rng.choice(commands.replace("\n", ";").split(";"))
    for shorthand, meaning in _SHORTHANDS.items():
        command = command.replace(shorthand, meaning)
    file, odd = name if rng.random() < 0.9 else rng.choice(PLACES), word(rng)
    return OddCommand([part.replace("FILE", file).replace("WORD", odd) for part in command.split()], " ".join(about))


@cache
def _commands() -> dict[str, list[Any]]:
    """All commands with their parameters."""
    import typer.main

    from qgen.cli.main import app

    def walk(name: str, command: Any) -> Iterator[tuple[str, list[Any]]]:
        if name and name not in _LEFT_OUT:
            yield name, command.params
        for part, below in getattr(command, "commands", {}).items():
            yield from walk(f"{name} {part}".strip(), below)

    return dict(walk("", typer.main.get_command(app)))


@cache
def _keys() -> list[str]:
    """The dotted keys of all presets' settings, groups among them."""
    from qgen.runs import preset_names, read_config

    def walk(plain: dict[str, Any], above: str = "") -> Iterator[str]:
        for key, value in plain.items():
            yield above + key
            if isinstance(value, dict):
                yield from walk(value, f"{above}{key}.")

    keys = {key for name in preset_names() for key in walk(read_config(name).plain())}
    return sorted(keys | {"start.run", "start.parts", "start.weights", "start"})
