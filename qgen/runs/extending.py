"""What may change of a run that goes on: how long it lasts, what it writes, how it samples, and where circuits run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qgen.errors import ConfigError
from qgen.runs.config import RunConfig
from qgen.runs.folder import Run
from qgen.runs.words import override_config

#: Settings, and whole groups of them, that the steps taken so far do not depend on. A folder of images may have been
#: moved: that its images are the same ones is checked when they are opened. Where the learning rate decays, another
#: length stretches it; see `qgen.training.rates`.
FREE = (
    "training.steps",
    "training.epochs",
    "training.sample_every",
    "training.samples",
    "training.judged",
    "training.checkpoint_every",
    "training.log_every",
    "sampling",
    "backend",
    "data.name",
)


def extended(run: Run, overrides: Sequence[str], backend: Mapping[str, Any] | None = None) -> RunConfig:
    """The settings of a run that goes on, with those changes that are allowed.

    Args:
        run: the run.
        overrides: changes, see `read_config`.
        backend: settings of another backend from here on, as `{"name": "ibm_fez"}`; with another `name` nothing of the
            former one stays, here and where `overrides` name it.

    Raises:
        ConfigError: a change to anything that the steps taken so far depend on.
    """
    before = run.config()
    given = dict(backend or {})
    renamed = "name" in given or any(words.partition("=")[0].strip() == "backend.name" for words in overrides)
    base = {} if renamed else before.backend.plain()
    after = override_config(RunConfig.read(before.plain() | {"backend": base | given}), overrides)
    refused = [key for key in _changed(before.plain(), after.plain()) if not _is_free(key)]
    if refused:
        raise ConfigError(
            f"a run that goes on keeps its settings, and {', '.join(refused)} would change; what can is "
            f"{', '.join(FREE)}. For other settings start a new run, with --from to begin from this one's weights."
        )
    return after


def _is_free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in FREE)


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The dotted keys whose values differ."""
    for key in [*before, *(key for key in after if key not in before)]:
        one, other = before.get(key), after.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _changed(one, other, f"{above}{key}.")
        elif one != other:
            yield f"{above}{key}"
