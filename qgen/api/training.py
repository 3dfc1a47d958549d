"""`qgen.train`: a generator from a preset, a file or settings, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from qgen.api.run import TrainedRun
from qgen.backends.gradients.registry import parse_gradient
from qgen.backends.registry import check_settings, is_billed
from qgen.errors import BackendError, ConfigError
from qgen.progress import make_console, progress_bar
from qgen.runs import Run, RunConfig, find_run, new_run, read_config, resume_config, with_absolute_paths
from qgen.runs.config_files import nested
from qgen.runs.shipped import DEFAULT_PRESET
from qgen.runs.stages import pending_stages
from qgen.training import ConsoleReport, Report, TrainingSession, train_stages
from qgen.training.device import Device


def train(
    config: str | Path | None = None,
    *,
    steps: int | None = None,
    seed: int | None = None,
    backend: str | None = None,
    gradient: str | None = None,
    settings: Mapping[str, Any] | Sequence[str] = (),
    out: str | Path | None = None,
    resume: str | Path | None = None,
    data_dir: str | Path | None = None,
    device: Device = "auto",
    progress: bool = True,
) -> TrainedRun:
    """Train a generator, as `qgen train` does, and return the run.

    Ctrl-C ends it after the step in hand; `resume` goes on to the same numbers.

    Args:
        config: a preset (`qgen.runs.preset_names()`) or a YAML file; None: a small hybrid on 8x8 digits.
        steps: training steps; None: as the settings say.
        seed: of weights, data order and noise; None: as the settings say.
        backend: where circuits run, as "aer" or "noisy:fake_fez"; None: as the settings say.
        gradient: "adjoint", "parameter-shift" or "spsa"; None: as the settings say.
        settings: further settings: values by dotted keys, `{"training.batch": 32}`, or texts, `["training.batch=32"]`.
        out: the run's folder; None: a new one in `runs`.
        resume: the folder of a run to go on with, in place of `config` and `out`.
        data_dir: where data sets lie; None: the usual places.
        device: where classical layers run: "auto", "cpu" or "cuda".
        progress: show a bar on a terminal, and lines elsewhere.

    Raises:
        ConfigError: a setting that does not exist, or a value that is not allowed.
        QgenError: images, devices or the folder cannot be had.
    """
    wanted = {"training.steps": steps, "training.seed": seed}
    changes: list[str | Mapping[str, Any]]
    changes = [nested(*pair) for pair in settings.items()] if isinstance(settings, Mapping) else list(settings)
    changes += [nested(key, value) for key, value in wanted.items() if value is not None]
    circuits = {key: value for key, value in {"name": backend, "gradient": gradient}.items() if value is not None}
    if resume is not None:
        if config is not None or out is not None:
            raise ConfigError("`resume` names a run that goes on where it is: leave `config` and `out` out")
        run = find_run(Path(resume))
        found = resume_config(run, changes, circuits)
    else:
        source = None if config is None else str(config)
        found = with_absolute_paths(read_config(source, [*changes, {"backend": circuits}]))
        run = new_run(Path(config or DEFAULT_PRESET).stem, None if out is None else Path(out))
    _check_backend(found)
    console = make_console(not progress)

    def report(run: Run) -> Report:
        return ConsoleReport(console) if progress else Report()

    folder = None if data_dir is None else Path(data_dir)
    say = partial(console.print, soft_wrap=True)
    session = TrainingSession(report, partial(progress_bar, console), say, data_dir=folder, device=device)

    def train_one(one: Run, config: RunConfig, resumed: bool) -> None:
        trained = session.train(one, config, resumed)
        if trained is not None and trained.finished.stopped:
            raise KeyboardInterrupt

    if pending_stages(found):
        found = train_stages(run, found, train_one)
    train_one(run, found, resume is not None and not run.is_prepared)
    return TrainedRun(run)


def _check_backend(config: RunConfig) -> None:
    """Refuse a backend or a gradient method that cannot be, before anything that takes time."""
    check_settings(config.backend)
    if config.backend.gradient != "auto":
        parse_gradient(config.backend.gradient)
    if is_billed(config.backend.name):
        raise BackendError(
            f"training on {config.backend.name} is planned and agreed to at the command line: "
            f"qgen train RUN --resume --backend {config.backend.name} --gradient spsa"
        )
