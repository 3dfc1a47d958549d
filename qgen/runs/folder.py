"""A run is a folder: its settings, its metrics, its checkpoints, its pictures, and where all that came from."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgen import storage
from qgen.backends.ibm.journal import JOURNAL
from qgen.errors import ConfigError, RunError
from qgen.runs.pretrained import SCHEME, pretrained_folder, pretrained_names
from qgen.runs.shipped import preset_names
from qgen.user_files import MAX_GENERATED_BYTES, printable, read_text
from qgen.yaml_values import dump_yaml, parse_yaml

if TYPE_CHECKING:
    from qgen.runs.config import RunConfig

HOME = Path("runs")
_CHECKPOINT = re.compile(r"step-(\d+)\.safetensors")


@dataclass(frozen=True)
class Run:
    """The folder of a run, new or old. Only `start`, `alone` and the `write_...` methods write.

    Attributes:
        path: the folder.
        preset: whose trained weights these are, which come with the package; None: they do not.
    """

    path: Path
    preset: str | None = None

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name

    @property
    def address(self) -> str:
        """What `find_run` finds it by."""
        return str(self.path) if self.preset is None else f"{SCHEME}{self.preset}"

    @property
    def home(self) -> Path:
        """Folder of what is made of it: samples, evaluations, jobs. Nothing is written among the package's files."""
        return self.path if self.preset is None else HOME / "pretrained" / self.preset

    @property
    def samples(self) -> Path:
        """Folder of the grids of samples."""
        return self.home / "samples"

    @property
    def metrics(self) -> Path:
        """File of the metrics, one JSON object a line; see `qgen.training.metrics`."""
        return self.path / "metrics.jsonl"

    @property
    def quality(self) -> Path:
        """File of the quality of samples during training, one JSON object a line; see `qgen.training.evaluation`."""
        return self.path / "quality.jsonl"

    def grid(self, step: int) -> Path:
        """Return the PNG file of the samples after `step` steps."""
        return self.path / "samples" / f"step-{step:08d}.png"

    def checkpoint(self, step: int) -> Path:
        """Return the file of the checkpoint after `step` steps."""
        return self.path / "checkpoints" / f"step-{step:08d}.safetensors"

    def checkpoints(self) -> list[Path]:
        """Return the files of all checkpoints, oldest first."""
        numbered = [
            (match, path) for path in self.path.glob("checkpoints/*") if (match := _CHECKPOINT.fullmatch(path.name))
        ]
        return [path for _, path in sorted(numbered, key=lambda pair: int(pair[0][1]))]

    @property
    def journal(self) -> Path:
        """File of the jobs on hardware."""
        return self.home / JOURNAL

    @property
    def steps_taken(self) -> int:
        """Steps after which its last checkpoint was written; 0 without one."""
        saved = self.checkpoints()
        match = _CHECKPOINT.fullmatch(saved[-1].name) if saved else None
        return int(match[1]) if match else 0

    @property
    def last_saved(self) -> datetime | None:
        """Time at which its last checkpoint was written; None without one."""
        saved = self.checkpoints()
        return datetime.fromtimestamp(saved[-1].stat().st_mtime, UTC) if saved else None

    def config(self) -> RunConfig:
        """Read the settings of the run.

        Raises:
            RunError: the folder is not a run, or its settings are of another version of qgen or damaged.
        """
        from qgen.generators.kinds import KindError
        from qgen.runs.config import RunConfig

        file = self.path / "config.yaml"
        try:
            plain = parse_yaml(read_text(file))
        except OSError as error:
            raise RunError(f"{self.path} is not the folder of a run: it has no readable config.yaml") from error
        except ValueError as error:
            raise RunError(f"{file} is damaged: it is not YAML") from error
        if not isinstance(plain, dict):
            raise RunError(f"{file} is damaged: it does not hold settings")
        try:
            return RunConfig.read(plain)
        except KindError as error:
            generator = self.provenance().get("generator")
            place = generator.get("file") if isinstance(generator, dict) else None
            hint = f". The run was started with {place}: use the folder of that file" if place else ""
            raise RunError(f"{file}: {error}{hint}") from error
        except ConfigError as error:
            raise RunError(f"{file} is damaged or of another version of qgen: {error}") from error

    def provenance(self) -> dict[str, Any]:
        """Read the provenance: versions, machine, data; empty where the file is missing or damaged."""
        try:
            provenance = json.loads(read_text(self.path / "provenance.json", MAX_GENERATED_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return provenance if isinstance(provenance, dict) else {}

    @property
    def is_export(self) -> bool:
        """Whether it is what `qgen export` made of a run: weights without the state of an optimiser."""
        return "exported" in self.provenance()

    @property
    def is_prepared(self) -> bool:
        """Whether there are settings only, as while another model is trained that this run builds upon."""
        return (self.path / "config.yaml").exists() and not (self.path / "provenance.json").exists()

    def prepare(self, config: RunConfig) -> None:
        """Make the folder of a new run that is to start later.

        Raises:
            RunError: there is something at this place already, or it cannot be written.
        """
        with writing(self.path):
            self.path.mkdir(parents=True)
            self.write_config(config)

    def start(self, config: RunConfig, provenance: dict[str, Any]) -> None:
        """Make the folder of a new run, or of one that is prepared.

        Raises:
            RunError: there is something at this place already, or it cannot be written.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=self.is_prepared)
            self.path.joinpath("checkpoints").mkdir()
            self.samples.mkdir()
            self.write_provenance(provenance)
            self.write_config(config)  # last: a folder with settings is a run

    @contextmanager
    def alone(self, patience: float = 0.0) -> Iterator[None]:
        """Lock the run within this block, so that no other process trains it (where the system has file locks).

        Args:
            patience: seconds to wait for another process that does.

        Raises:
            RunError: another one does.
        """
        with ExitStack() as stack:
            try:
                with writing(self.path):
                    stack.enter_context(storage.locked(self.path / ".lock", patience))
            except RunError as error:
                if isinstance(error.__cause__, BlockingIOError):
                    raise RunError(f"{self.path} is being trained by another process") from error
                raise
            yield

    def write_config(self, config: RunConfig) -> None:
        """Replace `config.yaml`."""
        storage.write_text(self.path / "config.yaml", dump_yaml(config.plain()))

    def write_provenance(self, provenance: dict[str, Any]) -> None:
        """Replace `provenance.json`."""
        storage.write_text(self.path / "provenance.json", json.dumps(provenance, indent=2, ensure_ascii=False) + "\n")


def new_run(name: str, out: Path | None = None) -> Run:
    """Return a run that does not exist yet: at `out`, or under `runs/` with the time and a name.

    Raises:
        RunError: there is something at `out` already.
    """
    if out is not None:
        if os.path.lexists(out):
            raise RunError(f"{out} exists already; name another folder with --out, or continue it with --resume")
        return Run(out)
    path = HOME / f"{datetime.now():%Y%m%d-%H%M%S}-{name}"
    taken = 1
    while path.exists():
        taken += 1
        path = path.with_name(f"{path.name.removesuffix(f'-{taken - 1}')}-{taken}")
    return Run(path)


def find_run(path: Path | None = None) -> Run:
    """Return a run.

    Args:
        path: its folder, or its name under `runs/`; a preset whose trained weights come with qgen, where no run has
            this name, or in any case as `pretrained:digits`; None: the one under `runs/` with the newest checkpoint.

    Raises:
        RunError: there is none.
    """
    if path is None:
        return _latest_run()
    if os.path.isfile(path / "config.yaml"):
        return Run(path)
    name = str(path)
    if name.startswith(SCHEME):
        name = name.removeprefix(SCHEME)
        return Run(pretrained_folder(name), name)
    if path.name == name and os.path.isfile(HOME / name / "config.yaml"):
        return Run(HOME / name)
    if name in preset_names() and not os.path.lexists(path):
        return Run(pretrained_folder(name), name)
    if not os.path.exists(path):
        raise RunError(f"there is no folder {printable(path)}; `qgen runs` lists the runs here")
    hint = f"; the weights that come with qgen are {SCHEME}{name}" if name in pretrained_names() else ""
    raise RunError(f"{printable(path)} is not the folder of a run: it has no config.yaml{hint}")


def is_run(path: Path) -> bool:
    """Return whether `find_run` finds a run."""
    try:
        find_run(path)
    except RunError:
        return False
    return True


def _latest_run() -> Run:
    runs = [Run(config.parent) for config in HOME.glob("*/config.yaml")]
    trained = [(run.checkpoints()[-1].stat().st_mtime, run.name, run) for run in runs if run.checkpoints()]
    if not trained:
        raise RunError(
            f"there is no run with a checkpoint under {HOME.resolve()}: train one with `qgen train`, or name the folder"
        )
    return max(trained, key=lambda each: each[:2])[2]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what fails while writing below `path` into an error of one line.

    Raises:
        RunError: the disk is full, the folder is taken, or it cannot be written.
    """
    try:
        yield
    except FileExistsError as error:
        raise RunError(f"{path} exists already; name another folder with --out") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RunError(f"cannot write {error.filename or path}: {reason}. What was written before is whole.") from error
