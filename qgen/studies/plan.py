"""What a comparison trains: a few models, on parts of the same images, from several seeds, for the same budget."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, lcm
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from qgen.backends import open_backend
from qgen.data import image_shape
from qgen.errors import ConfigError, RunError
from qgen.models import describe_model
from qgen.runs import Run, RunConfig, build_generator, override_config, read_config, writing
from qgen.settings import Settings
from qgen.storage import write_text
from qgen.user_files import MOST_GENERATED, read_text

#: The file that makes a folder a study.
FILE = "study.json"
#: Samples that are compared with the real images, unless the user says otherwise.
JUDGED = 1000
#: About so many times while a run trains.
POINTS = 10
#: What the study itself decides.
_OWN = ("training.seed", "training.epochs", "data.fraction")


class Contender(Settings):
    """A model of the comparison."""

    name: str
    """Of the preset, or of the file without its ending."""
    settings: RunConfig
    parameters: int
    """How many numbers are learned or frozen in it."""
    quantum_parameters: int
    """Those among them that are weights of circuits."""

    @property
    def images_a_step(self) -> int:
        """Training images that a step sees."""
        return images_a_step(self.settings)

    @property
    def steps(self) -> int:
        """How long each of its runs is."""
        return self.settings.training.total_steps(0)


class Plan(Settings):
    """A comparison before it runs; two studies with equal plans are the same."""

    kind: Literal["compare"] = "compare"
    contenders: tuple[Contender, ...] = Field(min_length=1)
    fractions: tuple[float, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(min_length=1)
    baseline: str
    images: int
    """Training images that each run sees."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [contender.name for contender in self.contenders]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"`{twice[0]}` is given twice; a file of settings is known by its name without ending")
        if self.baseline not in names:
            raise ValueError(f"the baseline `{self.baseline}` is none of what is compared: {', '.join(names)}")
        if len(set(self.fractions)) < len(self.fractions):
            raise ValueError(f"a fraction is given twice: {', '.join(f'{part:g}' for part in self.fractions)}")
        return self

    def tasks(self) -> Iterator[Task]:
        """Every run; the seeds one after the other, so that what is unfinished can be compared already."""
        for seed in self.seeds:
            for fraction in self.fractions:
                for contender in self.contenders:
                    yield Task(contender, fraction, seed)


@dataclass(frozen=True)
class Task:
    """One run of a study."""

    contender: Contender
    fraction: float
    seed: int

    @property
    def name(self) -> str:
        """Of the run's folder."""
        return f"{self.contender.name}-{self.fraction:g}-seed{self.seed}"

    @property
    def config(self) -> RunConfig:
        """The settings of the run."""
        settings = self.contender.settings
        part = None if self.fraction == 1 else self.fraction
        own = {"training": {"seed": self.seed}, "data": {"fraction": part}}
        changed = {group: getattr(settings, group).plain() | values for group, values in own.items()}
        return RunConfig.read(settings.plain() | changed)

    def run(self, study: Path) -> Run:
        """Its folder."""
        return Run(study / "runs" / self.name)


def images_a_step(config: RunConfig) -> int:
    """Training images that a step sees: a discriminator may move more than once, on a batch of its own each time."""
    moves = config.adversarial.discriminator_steps if config.adversarial else 1
    return config.training.batch * moves


def make_plan(
    sources: Sequence[str],
    seeds: int,
    fractions: Sequence[float] = (1.0,),
    images: int | None = None,
    baseline: str | None = None,
    changes: Sequence[str] = (),
) -> Plan:
    """A plan by presets or files of settings.

    Args:
        sources: names of presets, or YAML files.
        seeds: how many there are; they count from 0.
        fractions: parts of the images to learn from, in (0, 1].
        images: training images that each run sees, rounded to whole steps; None: as the settings say.
        baseline: what others are compared with; None: the first.
        changes: `KEY=VALUE`, for all of them.

    Raises:
        ConfigError: settings that are not allowed, of different images, or with different budgets.
    """
    if wrong := [part for part in fractions if not 0 < part <= 1]:
        raise ConfigError(f"a fraction of the images lies above 0 and is at most 1; given: {wrong[0]:g}")
    for change in changes:
        _refuse_own(change)
    basic = [f"training.judged={JUDGED}", *changes]
    read = [(Path(source).stem, read_config(source, basic)) for source in sources]
    found = [(name, _looked_at(settings, changes)) for name, settings in _of_length(read, images)]
    _refuse_different_images(found)
    contenders = [_contender(name, settings) for name, settings in found]
    budget = contenders[0].steps * contenders[0].images_a_step
    given = {"contenders": contenders, "fractions": tuple(fractions), "seeds": tuple(range(seeds))}
    plan = Plan.read(given | {"baseline": baseline or contenders[0].name, "images": budget})
    for task in plan.tasks():
        _ = task.config  # refused now rather than by each run
    return plan


def write_plan(study: Path, plan: Plan) -> None:
    """Makes the folder of a study, or sees that it is of this one.

    Raises:
        RunError: it is of another study, or of something else; or it cannot be written.
    """
    file = study / FILE
    if file.exists():
        different = _difference(read_plan(study).plain(), plan.plain())
        if different:
            raise RunError(f"{study} is another study ({different}); name another folder with --out")
        return
    if study.exists() and any(study.iterdir()):
        raise RunError(f"{study} exists already and is no study; name another folder with --out")
    with writing(study):
        study.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(plan.plain(), indent=2, ensure_ascii=False) + "\n")


def read_plan(study: Path) -> Plan:
    """The plan of the study in this folder.

    Raises:
        RunError: there is none, or it is damaged or of another version of qgen.
    """
    file = study / FILE
    try:
        plain = json.loads(read_text(file, MOST_GENERATED))
    except OSError as error:
        raise RunError(f"{study} is not the folder of a study: it has no readable {FILE}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{file} is damaged: it is not JSON") from error
    try:
        return Plan.read(plain)
    except ConfigError as error:
        raise RunError(f"{file} is damaged or of another version of qgen: {error}") from error


def _refuse_own(change: str) -> None:
    key = change.partition("=")[0].strip()
    if key in _OWN:
        raise ConfigError(f"`{key}` is the study's own to choose: say it by --seeds, --images and --fraction")


def _of_length(found: Sequence[tuple[str, RunConfig]], images: int | None) -> list[tuple[str, RunConfig]]:
    """With the same number of training images for all."""
    sizes = {name: images_a_step(settings) for name, settings in found}
    if images is not None:
        whole = lcm(*sizes.values())
        images = max(1, round(images / whole)) * whole
        found = [(name, override_config(each, [f"training.steps={images // sizes[name]}"])) for name, each in found]
    budgets = {name: _steps(name, settings) * sizes[name] for name, settings in found}
    if len(set(budgets.values())) > 1:
        each = ", ".join(f"{name}: {budget:,}" for name, budget in budgets.items())
        raise ConfigError(
            f"the budgets differ ({each} training images); --images {min(budgets.values())} gives all of them the same"
        )
    return list(found)


def _steps(name: str, settings: RunConfig) -> int:
    if settings.training.steps is None:
        raise ConfigError(
            f"{name} is trained for {settings.training.epochs:g} epochs, which are fewer images of a smaller part of "
            "the data; say the budget by --images"
        )
    return settings.training.steps


def _looked_at(settings: RunConfig, changes: Sequence[str]) -> RunConfig:
    """With samples looked at about `POINTS` times, unless the changes say how often."""
    if not settings.training.samples or not settings.training.judged:
        raise ConfigError("a study looks at samples: training.samples and training.judged are at least 1")
    if any(change.partition("=")[0].strip() == "training.sample_every" for change in changes):
        return settings
    return override_config(settings, [f"training.sample_every={ceil((settings.training.steps or 1) / POINTS)}"])


def _refuse_different_images(found: Sequence[tuple[str, RunConfig]]) -> None:
    (first, settings), *others = found
    for name, other in others:
        if other.data != settings.data:
            different = _difference(settings.data.plain(), other.data.plain())
            raise ConfigError(
                f"{first} and {name} learn from different images (data.{different}); say which with "
                "--set data.KEY=VALUE, which is for all"
            )


def _contender(name: str, settings: RunConfig) -> Contender:
    generator = build_generator(settings, image_shape(settings.data), open_backend("statevector"))
    facts = describe_model(generator.network)
    counts = {"parameters": facts.parameters, "quantum_parameters": facts.quantum_parameters}
    return Contender(name=name, settings=settings, **counts)


def _difference(old: Any, new: Any, place: str = "") -> str:
    """The first place at which two plain values differ, in words; empty where they are equal."""
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(f"{place}.{key}".lstrip("."), old.get(key), new.get(key)) for key in {**old, **new}]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [
            (f"{place}.{_called(one, k)}", one, other) for k, (one, other) in enumerate(zip(old, new, strict=True))
        ]
    else:
        return "" if old == new else f"{place}: {_short(old)} against {_short(new)}"
    return next((found for key, one, other in pairs if (found := _difference(one, other, key))), "")


def _called(value: Any, place: int) -> str:
    return str(value["name"]) if isinstance(value, dict) and "name" in value else str(place)


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_called(one, place) if isinstance(one, dict) else str(one) for place, one in enumerate(value))
    return str(value)
