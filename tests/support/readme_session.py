"""The commands of README and guides in the order in which a reader meets them, in one folder, on small settings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from small_runs import SMALL_PLAYERS

from qgen.data.sets import KNOWN_SETS, KnownSet
from qgen.data.sources import Published
from qgen.runs import Run, RunConfig, resume_config

ROOT = Path(__file__).parents[2]
#: The README, and the pages that go on from it, in the order of the site.
_GENERATORS = ("runs", "diffusion", "latent", "gans", "born", "evaluation")
_CIRCUITS = ("layers", "circuits", "from-pennylane", "backends", "transpile", "noise-studies", "hardware")
PAGES = ("README.md", *(f"docs/{name}.md" for name in (*_GENERATORS, *_CIRCUITS, "performance")))
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`((?:qgen|python|pytest|make|pip) [^`]+)`")
#: What makes the training of any preset a matter of seconds. The rest stays as the README says it.
_SHORT = (
    *("training.steps=2", "training.batch=8", "training.samples=4"),
    *("training.judged=0", "training.sample_every=null"),
)
_SHORT_OF_KIND = {
    "unet": ("diffusion.steps=25", "sampling.steps=3"),
    "latent-diffusion": ("diffusion.steps=25", "sampling.steps=3"),
    "gan": (),
    "autoencoder": (),
    "classifier": (),
    "born": ("model.encoder_steps=1", "model.prior.strings=8", "model.prior.samples=8"),
}


@dataclass(frozen=True)
class Step:
    """A command of a page, or a file that it shows: its first line is a comment that names it.

    Attributes:
        kind: what to do.
        text: the command, or the file's content.
    """

    kind: Literal["command", "file"]
    text: str


def read(page: str) -> str:
    """Returns the text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def all_steps() -> Iterator[Step]:
    """All commands and named files of all pages."""
    for page in PAGES:
        yield from steps(read(page))


def steps(text: str) -> Iterator[Step]:
    """All commands and named files of a page, from top to bottom."""
    end = 0
    for block in _BLOCK.finditer(text):
        yield from _inline(text[end : block.start()])
        end = block.end()
        language, content = block.groups()
        if language == "bash":
            for line in content.splitlines():
                yield from (Step("command", part.partition(" #")[0].strip()) for part in line.split("&&"))
        elif language == "yaml" and content.startswith("# "):
            yield Step("file", content)
    yield from _inline(text[end:])


def _inline(prose: str) -> Iterator[Step]:
    yield from (Step("command", command) for command in _INLINE.findall(prose))


def write_file(text: str) -> None:
    """Writes a file that a page shows into the current folder."""
    name = text.partition("\n")[0].removeprefix("# ").split()[0]
    Path(name).write_text(text, encoding="utf-8")


def shorten_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes new runs short, and known sets that need files small; everything else of a command is as it is."""
    from qgen import runs
    from qgen.data import load as loading
    from qgen.runs import override_config, read_config

    def short(source: str | None = None, overrides: Sequence[str] = ()) -> RunConfig:
        config = read_config(source, overrides)
        players = SMALL_PLAYERS.get(source or "", ())
        return override_config(config, [*_SHORT, *_SHORT_OF_KIND[config.model.kind], *players])

    def short_for_study(source: str | None = None, overrides: Sequence[str] = ()) -> RunConfig:
        return override_config(short(source, overrides), ["training.judged=32"])  # a study has to look at samples

    real_load = loading.load_published

    def load(known: KnownSet, *arguments: Any, **options: Any) -> Published:
        if known.idx is None:
            return real_load(known, *arguments, **options)
        digits = real_load(KNOWN_SETS["digits"], "train")
        images = np.zeros((len(digits.images), known.size, known.size), np.uint8)
        images[:, 6:22, 6:22] = digits.images.repeat(2, axis=1).repeat(2, axis=2)
        return Published(images, digits.labels, f"digits in place of {known.name}")

    # The function of `qgen.runs` comes last: a module that is imported after it would keep the short one for ever.
    def resumed(run: Run, overrides: Sequence[Any], *others: Any) -> RunConfig:
        return resume_config(run, [*overrides, "training.steps=3"], *others)

    for module in ("training.session", "api.training", "studies.stages", "studies.noise.sources"):
        monkeypatch.setattr(f"qgen.{module}.read_config", short)
    monkeypatch.setattr("qgen.api.training.resume_config", resumed)
    monkeypatch.setattr("qgen.studies.comparison.plan.read_config", short_for_study)
    monkeypatch.setattr(runs, "read_config", short)
    monkeypatch.setattr(loading, "load_published", load)


def arguments(command: str) -> list[str]:
    """What the shell would pass to `qgen`."""
    return [
        word.replace("~", str(Path.home()), 1) if word.startswith("~/") else word for word in shlex.split(command)[1:]
    ]
