"""Kinds of generators by name: those of qgen, of installed packages, and a user's own classes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import create_model

from qgen.errors import ConfigError, short_repr
from qgen.settings import Settings

if TYPE_CHECKING:
    from qgen.generators.protocols import BuildContext, Groups, TrainableModel

#: Kinds of this package; a new file is a new line.
BUILT_IN: Mapping[str, str] = {
    "unet": "qgen.generators.diffusion:DiffusionGenerator",
    "gan": "qgen.generators.gan:AdversarialGenerator",
    "autoencoder": "qgen.generators.autoencoder:AutoencoderGenerator",
    "latent-diffusion": "qgen.generators.latent_diffusion:LatentDiffusionGenerator",
    "classifier": "qgen.generators.classifier:ClassifierModel",
    "born": "qgen.generators.born:BornGenerator",
}
#: The kind of a model whose settings do not say.
DEFAULT_KIND = "unet"
#: Entry points of installed packages: a name, and the class as `package.module:Class`.
ENTRY_POINTS = "qgen.generators"
_IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.\w+)*:[^\W\d]\w*(\.\w+)*")


class KindError(ConfigError):
    """A kind of generator does not exist, or its class cannot be imported or lacks something."""


def _unchecked(settings: Any, groups: Groups) -> None:
    """Accept all settings."""


def _one_batch(settings: Any, groups: Groups) -> int:
    return 1


def _all_used(settings: Any) -> bool:
    return False


def _nothing(settings: Any) -> str | None:
    return None


def _no_paths(settings: Any) -> Mapping[str, Any]:
    return {}


def _plain(settings: Settings) -> Mapping[str, Any]:
    return settings.plain()


@dataclass(frozen=True)
class Kind:
    """What a generator's class says of its kind: its attributes of these names, of which two are required.

    Attributes:
        name: value of `model.kind`.
        settings: of the model (`Settings` in the class), with `kind` among its fields.
        build: (settings, context) -> the model with its initial weights. Raises ConfigError, BackendError or
            CircuitError where the settings cannot be met.
        groups: further groups of a run's settings that are this kind's, by name: `diffusion` for a U-Net.
        parts: submodules of the network that another run can give it; None: any.
        default_parts: those that it takes over unless the user names others; None: all parts.
        distributed: whether several devices can train one model.
        needs_one_device: (settings) -> what in them cannot be trained on several devices all the same; None: nothing.
        check: (settings, groups): raises ValueError where they contradict each other.
        batches_per_step: (settings, groups) -> batches of real images in one training step.
        has_unused_parameters: (settings) -> whether some weights get no gradient.
        absolute_paths: (settings) -> nested changes that make the paths of files in the settings absolute, and note
            what these files say of the model.
        stages: settings that name the run of another model, trained before this one, or a preset, of which `qgen train`
            makes that run; for each the setting that notes what the other model is.
        exports: files that `export` writes into the folder of a trained run, without which it is not finished.
        identity: (settings) -> plain values; weights of one model fit another where these are equal.
        source: file of the class; None for the kinds of this package.
    """

    name: str
    settings: type[Settings]
    build: Callable[[Any, BuildContext], TrainableModel]
    groups: Mapping[str, type[Settings]] = field(default_factory=dict)
    parts: tuple[str, ...] | None = None
    default_parts: tuple[str, ...] | None = None
    distributed: bool = False
    needs_one_device: Callable[[Any], str | None] = _nothing
    check: Callable[[Any, Groups], None] = _unchecked
    batches_per_step: Callable[[Any, Groups], int] = _one_batch
    has_unused_parameters: Callable[[Any], bool] = _all_used
    absolute_paths: Callable[[Any], Mapping[str, Any]] = _no_paths
    stages: Mapping[str, str] = field(default_factory=dict)
    exports: tuple[str, ...] = ()
    identity: Callable[[Any], Mapping[str, Any]] = _plain
    source: Path | None = None

    @classmethod
    def of(cls, name: str, generator: type) -> Kind:
        """Return the kind of a generator's class.

        Raises:
            KindError: the class lacks `Settings` or `build`, or they are not what they have to be.
        """
        settings = getattr(generator, "Settings", None)
        if not (isinstance(settings, type) and issubclass(settings, Settings)):
            raise KindError(
                f"the generator `{name}` needs a class `Settings`, derived from qgen.settings.Settings: "
                "its fields are the settings of the model"
            )
        if not callable(getattr(generator, "build", None)):
            raise KindError(
                f"the generator `{name}` needs `build(settings, context)`, a class method that returns the model "
                "with its initial weights"
            )
        optional = [entry.name for entry in fields(cls) if entry.name not in ("name", "settings", "source")]
        given = {key: getattr(generator, key) for key in optional if hasattr(generator, key)}
        source = None if name in BUILT_IN else _source(generator)
        return cls(name=name, settings=_with_kind(settings, name), source=source, **given)


def kind_names() -> tuple[str, ...]:
    """The kinds that `model.kind` can name; beside them it takes `package.module:Class`."""
    return (*BUILT_IN, *(name for name in _offered() if name not in BUILT_IN))


def is_known(name: str) -> bool:
    """Whether `get_kind` will look for a class of this name, rather than refuse it."""
    return name in BUILT_IN or _is_import_path(name) or name in _offered()


@cache
def get_kind(name: str) -> Kind:
    """The kind of that name, imported at its first use.

    Args:
        name: one of `kind_names()`, or `package.module:Class`, where the current folder counts as a place of modules.

    Raises:
        KindError: there is none, it cannot be imported, or its class lacks something.
    """
    if name in BUILT_IN:
        return Kind.of(name, _imported(name, BUILT_IN[name]))
    if _is_import_path(name):
        _look_in_current_folder()
        return Kind.of(name, _imported(name, name))
    if name in _offered():
        return Kind.of(name, _imported(name, _offered()[name].value))
    raise KindError(
        f"there is no generator `{short_repr(name)}`; known: {', '.join(kind_names())}, or your own class as "
        "package.module:Class"
    )


@cache
def built_in_kinds() -> tuple[Kind, ...]:
    """The kinds of this package."""
    return tuple(get_kind(name) for name in BUILT_IN)


def _is_import_path(name: str) -> bool:
    return _IMPORT_PATH.fullmatch(name) is not None


@cache
def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _imported(name: str, place: str) -> type:
    module, _, attribute = place.partition(":")
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        where = f"; looked among installed packages and in {os.getcwd()}" if _is_import_path(name) else ""
        raise KindError(f"the generator `{name}` cannot be imported: no module named {error.name!r}{where}") from error
    except AttributeError as error:
        if module in sys.modules and not hasattr(sys.modules[module], attribute.partition(".")[0]):
            raise KindError(f"the generator `{name}` does not exist: {module} has no {attribute!r}") from error
        raise KindError(f"the generator `{name}` cannot be imported: {error}") from error
    except Exception as error:  # a user's file may raise anything
        raise KindError(f"the generator `{name}` cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(found, type):
        raise KindError(f"the generator `{name}` is not a class")
    return found


def _source(generator: type) -> Path | None:
    file = getattr(sys.modules.get(generator.__module__), "__file__", None)
    return None if file is None else Path(file).resolve()


def _look_in_current_folder() -> None:
    """Add the current folder to the places of modules: the last one, so that its files hide no other module."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)


def _with_kind(settings: type[Settings], name: str) -> type[Settings]:
    """Return the settings with a field `kind` that is this name."""
    known = settings.model_fields.get("kind")
    if known is not None and known.default == name:
        return settings
    kind: Any = (Literal[name], name)
    return create_model(settings.__name__, __base__=settings, __module__=settings.__module__, kind=kind)
