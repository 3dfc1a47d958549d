"""ComparisonStudy: a few models, trained on parts of the same images from several seeds with the same budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, lcm
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SerializeAsAny, model_validator

from qgen.data import DataSettings
from qgen.errors import ConfigError, counted, exact_text
from qgen.runs import RunConfig, override_config, read_config, with_absolute_paths
from qgen.settings import Settings
from qgen.studies.models import count_model, images_per_step
from qgen.studies.stages import training_tasks
from qgen.studies.study import first_difference
from qgen.studies.tasks import TrainTask

#: Default number of samples that are compared with the real images.
EVAL_SAMPLES = 1000
#: Approximate number of evaluations during a training.
EVALUATIONS = 10
#: Settings that the study decides itself.
_OWN = ("training.seed", "training.epochs", "data.fraction")


class Arm(Settings):
    """A model of the comparison."""

    name: str
    """Name of the preset, or of the file without its suffix."""
    settings: SerializeAsAny[RunConfig]
    parameters: int
    """Number of parameters, trained or frozen."""
    quantum_parameters: int
    """Number of these that are weights of circuits."""

    @property
    def images_per_step(self) -> int:
        """Number of training images per step."""
        return images_per_step(self.settings)

    @property
    def steps(self) -> int:
        """Number of training steps of each run."""
        return self.settings.training.total_steps(0)


@dataclass(frozen=True)
class ComparisonCell:
    """One run of a comparison: an arm on a part of the images, from one seed."""

    arm: Arm
    fraction: float
    seed: int

    @property
    def name(self) -> str:
        """Its name, and that of its run's folder."""
        return f"{self.arm.name}-{exact_text(self.fraction)}-seed{self.seed}"

    @cached_property
    def config(self) -> RunConfig:
        """The settings of its run."""
        settings = self.arm.settings
        fraction = None if self.fraction == 1 else self.fraction
        own = {"training": {"seed": self.seed}, "data": {"fraction": fraction}}
        changes = {group: getattr(settings, group).plain() | values for group, values in own.items()}
        return RunConfig.read(settings.plain() | changes)


class ComparisonStudy(Settings):
    """A comparison before it runs."""

    kind: Literal["compare"] = "compare"
    contenders: tuple[Arm, ...] = Field(min_length=1)
    """The arms, under the key that study.json has for them."""
    fractions: tuple[float, ...] = Field(min_length=1)
    """Parts of the images to train on, in (0, 1]."""
    seeds: tuple[int, ...] = Field(min_length=1)
    baseline: str
    """Name of the arm that the others are compared with."""
    images: int
    """Training images that each run sees."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [arm.name for arm in self.arms]
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise ValueError(f"`{repeated[0]}` is given twice; a file of settings is known by its name without ending")
        if self.baseline not in names:
            raise ValueError(f"the baseline `{self.baseline}` is none of what is compared: {', '.join(names)}")
        if len(set(self.fractions)) < len(self.fractions):
            raise ValueError(f"a fraction is given twice: {', '.join(f'{part:g}' for part in self.fractions)}")
        return self

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The models."""
        return self.contenders

    @property
    def data(self) -> tuple[DataSettings, ...]:
        """The images of all arms."""
        return (self.arms[0].settings.data,)

    @property
    def description(self) -> str:
        """One line on what is run."""
        cells, tasks = len(list(self.cells())), len(list(self.tasks()))
        stages = f", and {tasks - cells} first stages before them" if tasks > cells else ""
        return f"training {counted(cells, 'run')} of {counted(self.images, 'image')} each{stages}"

    def cells(self) -> Iterator[ComparisonCell]:
        """Yield every cell, seed by seed, so that an unfinished study can be compared already."""
        for seed in self.seeds:
            for fraction in self.fractions:
                for arm in self.arms:
                    yield ComparisonCell(arm, fraction, seed)

    def tasks(self) -> Iterator[TrainTask]:
        """Yield the training of every cell, each behind those of the stages that it builds upon."""
        begun = set[str]()
        for cell in self.cells():
            yield from training_tasks(cell, begun)


def make_comparison(
    sources: Sequence[str],
    seeds: int,
    fractions: Sequence[float] = (1.0,),
    images: int | None = None,
    baseline: str | None = None,
    changes: Sequence[str] = (),
) -> ComparisonStudy:
    """Make a comparison of presets or files of settings.

    Args:
        sources: names of presets, or YAML files.
        seeds: number of seeds; they count from 0.
        fractions: parts of the images to train on, in (0, 1].
        images: training images that each run sees, rounded to whole steps; None: as the settings say.
        baseline: the arm that the others are compared with; None: the first.
        changes: `KEY=VALUE`, for all arms.

    Raises:
        ConfigError: settings are not allowed, ask for different images, or have different budgets.
    """
    if wrong := [part for part in fractions if not 0 < part <= 1]:
        raise ConfigError(f"a fraction of the images lies above 0 and is at most 1; given: {wrong[0]:g}")
    for change in changes:
        _check_change(change)
    changes_of_all = [f"training.judged={EVAL_SAMPLES}", *changes]
    given = [(Path(source).stem, with_absolute_paths(read_config(source, changes_of_all))) for source in sources]
    configs = [(name, _with_evaluations(config, changes)) for name, config in _with_budget(given, images)]
    _check_same_images(configs)
    arms = [_arm(name, config) for name, config in configs]
    plain = {"contenders": arms, "fractions": tuple(fractions), "seeds": tuple(range(seeds))}
    budget = arms[0].steps * arms[0].images_per_step
    study = ComparisonStudy.read(plain | {"baseline": baseline or arms[0].name, "images": budget})
    for cell in study.cells():
        _ = cell.config  # refused now rather than by each run
    return study


def _check_change(change: str) -> None:
    key = change.partition("=")[0].strip()
    if key in _OWN:
        raise ConfigError(f"`{key}` is the study's own to choose: say it by --seeds, --images and --fraction")


def _with_budget(given: Sequence[tuple[str, RunConfig]], images: int | None) -> list[tuple[str, RunConfig]]:
    """Set the same number of training images for all."""
    configs = list(given)
    sizes = {name: images_per_step(config) for name, config in configs}
    if images is not None:
        multiple = lcm(*sizes.values())
        images = max(1, round(images / multiple)) * multiple
        configs = [
            (name, override_config(config, [f"training.steps={images // sizes[name]}"])) for name, config in configs
        ]
    budgets = {name: _steps(name, config) * sizes[name] for name, config in configs}
    if len(set(budgets.values())) > 1:
        listed = ", ".join(f"{name}: {budget:,}" for name, budget in budgets.items())
        raise ConfigError(
            f"the budgets differ ({listed} training images); --images {min(budgets.values())} gives all of them the "
            "same"
        )
    return configs


def _steps(name: str, config: RunConfig) -> int:
    if config.training.steps is None:
        raise ConfigError(
            f"{name} is trained for {config.training.epochs:g} epochs, which are fewer images of a smaller part of "
            "the data; say the budget by --images"
        )
    return config.training.steps


def _with_evaluations(config: RunConfig, changes: Sequence[str]) -> RunConfig:
    """Evaluate samples about `EVALUATIONS` times, unless the changes say otherwise."""
    if not config.training.samples or not config.training.judged:
        raise ConfigError("a study looks at samples: training.samples and training.judged are at least 1")
    if any(change.partition("=")[0].strip() == "training.sample_every" for change in changes):
        return config
    return override_config(config, [f"training.sample_every={ceil((config.training.steps or 1) / EVALUATIONS)}"])


def _check_same_images(configs: Sequence[tuple[str, RunConfig]]) -> None:
    (first, config), *others = configs
    for name, other in others:
        if other.data != config.data:
            difference = first_difference(config.data.plain(), other.data.plain())
            raise ConfigError(
                f"{first} and {name} learn from different images (data.{difference}); say which with "
                "--set data.KEY=VALUE, which is for all"
            )


def _arm(name: str, config: RunConfig) -> Arm:
    counts = count_model(config)
    return Arm(name=name, settings=config, parameters=counts.parameters, quantum_parameters=counts.quantum_parameters)
